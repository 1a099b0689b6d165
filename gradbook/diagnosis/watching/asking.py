"""Make places of tensors, and have gradients measured when they come back.

A recurrent layer is one module for all of its steps: its gradient is measured at each of them.
"""

import math
import sys
import weakref
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from gradbook.diagnosis.places import enters
from gradbook.diagnosis.watching import graph, modules
from gradbook.diagnosis.watching.modules import harmless, is_loop, own_weights, tensors_in
from gradbook.diagnosis.watching.numbers import (
    here_and_there,
    is_half,
    per_step,
    size_of,
    units_shut,
)
from gradbook.diagnosis.watching.record import Pass, Seen, Steps, version_of


def see(made: Pass, name: str, tensor: Any, *, module: str, returned_by: Any = None) -> Seen:
    """Return the place of a tensor, a new one where it was not seen before in this pass."""
    place, own = made.known(tensor), set[int]()
    if place is None:
        key = _counted(made.again if modules.backwards() else made.calls, name)
        place = made.places.get(key) or Seen(key, module, tuple(tensor.shape), size_of(tensor))
        place.half = is_half(tensor)
        made.places[key] = place
        made.tensors[id(tensor)] = weakref.ref(tensor), version_of(tensor), key
        own = set() if returned_by is None else set(map(id, own_weights(returned_by)))
    if tensor.requires_grad and not place.asks:
        place.asks = True
        made.hook(tensor, lambda delta: made.take(place, delta))
        if tensor.grad_fn is not None:
            _find(made, place, (tensor.grad_fn, tensor.output_nr), own | made.inner)
        elif not modules.backwards():  # there a checkpoint begins anew with what came to it
            made.nodes["leaf", id(tensor)] = place.name
            place.data = True
    return place


def _counted(counter: dict[str, int], name: str) -> str:
    counter[name] += 1
    return name if counter[name] == 1 else f"{name} {counter[name]}"


def _find(made: Pass, place: Seen, start: tuple[Any, int], own: set[int]) -> None:
    """Find what goes into a place: other places, and weights."""
    same = made.places.get(made.nodes.get(start, ""))
    if same is not None and not same.module:  # a sum that was seen on the way to what it goes into
        place.come_from({same.name: graph.Way(None, False)})
        return
    before, weights, sums = graph.graph_below(start, made.nodes)
    for name, way in before.items():
        _count_off(made, made.places[name], way.reader)
    place.beside = graph.is_beside(start[0])
    place.product = graph.is_product(start[0])
    place.joined = graph.kind_of(start[0]) == "Cat"
    within = any(weight.id in own for weight in weights)
    if operations := _apart(made, weights, start[0], own) + ([] if within else sums[::-1]):
        seen = [_see_operation(made, one, weights) for one in operations]
        for operation, one in zip(operations, seen, strict=True):
            one.come_from(graph.graph_below((operation, 0), made.nodes)[0])
        before, *_ = graph.graph_below(start, made.nodes)
    mine = {w: made.names[w.id] for w in weights if w.id in made.names}
    if made.data is not None and (place.module or not enters(place.name, "")):
        made.strangers |= {w.id: w.shape for w in weights if w.shape is not None and w not in mine}
    place.come_from(before)
    made.added.update(name for weight, name in mine.items() if weight.is_added)
    place.owned.update(mine.values())
    made.nodes[start] = place.name


def _count_off(made: Pass, place: Seen, node: Any) -> None:
    """Count the units that a ReLU shuts, however what it returns goes on, if no layer reads it."""
    kind = graph.kind_of(node)
    alone = kind in graph.RELUS and len(node.next_functions) == 1  # no tensor is its limit

    def passed(sent: Any, came: Any) -> None:
        if made.told() is not None and not made.asking and sent[0].ndim > 1:
            place.bend = kind
            first = sent[0].ndim > 3 if place.channels is None else place.channels
            place.numbers["off"] = units_shut(came[0], sent[0], 1 if first else -1)

    if alone and not getattr(node, "_saved_min", 0) and getattr(node, "_saved_max", None) is None:
        node.metadata["off"] = node.register_hook(modules.compiler_off(harmless(passed)))


def _apart(made: Pass, weights: Sequence[graph.Weight], node: Any, own: set[int]) -> list[Any]:
    """Return the operations on weights that belong to no module's call, as in `h @ self.w`."""
    apart = [
        weight.reader
        for weight in weights
        if weight.reader is not None and weight.id in made.names and weight.id not in own
        if not modules.is_made(made.names[weight.id])
    ]
    if len(apart) < 2 and any(weight.id in own for weight in weights):
        return []
    return [reader for reader in dict.fromkeys(apart) if reader is not node]


def _see_operation(made: Pass, node: Any, weights: Sequence[graph.Weight]) -> Seen:
    """Make a place of what an operation on a weight, or a sum, returns."""
    mine = [made.names[w.id] for w in weights if w.reader is node and w.id in made.names]
    of = mine[0].removesuffix(".weight") if mine else "sum"
    key = _counted(made.calls, of)
    place = made.places[key] = Seen(key, of if mine else "", (), asks=True, owned=set(mine))
    place.state = place.layer = bool(mine)
    place.weak, place.beside = not mine, graph.is_beside(node)
    made.nodes[node, 0] = key
    took = harmless(lambda deltas: made.take(place, deltas[0]) if deltas else None)
    node.register_prehook(took)
    return place


def separate(made: Pass, returned: Sequence[Any]) -> None:
    """Tell apart, of what a network returns and goes on with, what its loss sends there straight.

    That is what comes back in all, without what the operations send back that go on with it.
    """
    asking = [tensor for tensor in returned if tensor.grad_fn is not None]
    seen = {(t.grad_fn, t.output_nr): p for t in asking if (p := made.known(t)) is not None}
    inner = {name for place in made.places.values() for name in place.before}
    seen = {edge: place for edge, place in seen.items() if place.name in inner}
    if not seen or modules.backwards():
        return
    for node, position, edge in graph.readers_of([t.grad_fn for t in asking], seen):
        place = seen[edge]
        place.sent_on.append(None)
        sent = partial(_sent_on, made, place, len(place.sent_on) - 1, position)
        node.register_hook(harmless(sent))


def _sent_on(made: Pass, place: Seen, which: int, position: int, sent: Any, _: Any) -> None:
    if made.told() is not None and not made.asking and sent[position] is not None:
        place.sent_on[which] = size_of(sent[position])


def sequence(args: Any, kwargs: Any) -> Any:
    """Return the sequence that a recurrent layer is given."""
    return args[0] if args else kwargs.get("input")


def listen(made: Pass, name: str, module: Any, x: Any, output: Any) -> None:
    """Have the gradient at each step measured if a module is a recurrent layer."""
    if not is_loop(module):
        return
    data, out = next(tensors_in(x), None), next(tensors_in(output), None)
    if data is None or out is None or not data.requires_grad or name in made.loops:
        return
    counts = getattr(x, "batch_sizes", None)
    lengths = None if counts is None else counts.tolist()
    axis = 1 if module.batch_first and data.ndim > 2 else 0
    depth = int(getattr(module, "num_layers", 1))
    both, ends = bool(module.bidirectional), _ends(module, output)
    made.loops[name] = Steps(name, both=both, depth=depth, ends=ends, reach=_reach(module, depth))
    if lengths is None:
        made.kept[name] = data, out

    def arrived(delta: Any) -> None:
        if not made.asking:
            made.loops[name] = replace(made.loops[name], sizes=per_step(delta, axis, lengths))
            made.hear()

    def direct(delta: Any) -> None:
        if made.asking:
            return
        steps, kept, lags = per_step(delta, axis, lengths), made.kept.pop(name, None), None
        every = len(steps) > 2 and all(any(s > 0 for s in row) for row in steps)
        if every and kept is not None and not modules.differentiating():
            lags = _lags(made, *kept, delta, axis)
        picked, seen = not every and here_and_there(steps), made.loops[name]
        # Read at its end alone, all but one step of the way back goes through one direction.
        both = seen.both and any(s > 0 for row in steps[:-1] for s in row)
        lags = lags or seen.lags
        made.loops[name] = replace(seen, every=every, lags=lags, both=both, picked=picked)

    made.hook(data, arrived)
    made.hook(out, direct)


def _reach(module: Any, depth: int) -> float:
    """Return a bound for what one step makes of what comes: gates make at most four times it."""
    if not hasattr(module, "weight_ih_l0_reverse"):  # one way, or another library's
        return math.inf
    sides = [[f"weight_ih_l{k}", f"weight_ih_l{k}_reverse"] for k in range(depth)]
    norms = (sum(float(getattr(module, n).detach().norm()) for n in names) for names in sides)
    return 4.0 * math.prod(norms)


def _ends(module: Any, output: Any) -> tuple[float, ...]:
    states = next(tensors_in(output[1:]), None) if isinstance(output, tuple) else None
    if states is None or states.ndim < 2 or getattr(module, "bias", True):
        return ()
    sizes: list[float] = states.detach().flatten(1).double().norm(dim=1).tolist()
    return tuple(sizes[:: 2 if module.bidirectional else 1])


def _lags(made: Pass, data: Any, out: Any, delta: Any, axis: int) -> tuple[float, ...] | None:
    """Send back what the last step's loss alone sends, while the graph is there."""
    alone = delta.detach().clone()
    alone.narrow(axis, 0, alone.shape[axis] - 1).zero_()
    made.asking = True
    try:
        (back,) = sys.modules["torch"].autograd.grad(out, data, alone, retain_graph=True)
    except RuntimeError:  # a graph that cannot be gone through twice
        return None
    finally:
        made.asking = False
    rows = per_step(back, axis, None)
    return tuple((sum(x * x for x in row) / len(row)) ** 0.5 for row in rows)


def fresh(module: Any, args: Any, kwargs: Any) -> Any:
    """Return what a recurrent layer is given, with data that asks for a gradient."""
    # What returns from one of which nothing is trained shall have no gradient, either.
    trained = is_loop(module) and any(p.requires_grad for p in module.parameters())
    asking = trained and sys.modules["torch"].is_grad_enabled()
    x = _with_gradient(sequence(args, kwargs)) if asking else None
    if x is None:
        return None
    return ((x, *args[1:]), kwargs) if args else (args, {**kwargs, "input": x})


def _with_gradient(x: Any) -> Any:
    if hasattr(x, "batch_sizes"):
        data = _with_gradient(x.data)
        return None if data is None else x._replace(data=data)
    if not hasattr(x, "requires_grad") or x.requires_grad or not x.is_floating_point():
        return None
    return x.detach().requires_grad_()
