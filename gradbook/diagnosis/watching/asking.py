"""Make places of tensors, and have their gradients measured when they come back."""

import weakref
from collections.abc import Sequence
from typing import Any

from gradbook.diagnosis.watching.graph import Weight, backwards, compiler_off, graph_below
from gradbook.diagnosis.watching.modules import own_weights
from gradbook.diagnosis.watching.numbers import size_of
from gradbook.diagnosis.watching.passes import Pass, version_of
from gradbook.diagnosis.watching.seen import Seen

MADE_OF = ("weight_g", "weight_v", "weight_orig", "parametrizations")
"""Parts of the names of tensors that a weight is made of."""


def see(made: Pass, name: str, tensor: Any, *, module: str, returned_by: Any = None) -> Seen:
    """Return the place of a tensor, a new one where it was not seen before in this pass."""
    place, own = made.known(tensor), set[int]()
    if place is None:
        place = _place(made, name, tensor, module)
        if returned_by is not None:
            own = {id(p) for p in own_weights(returned_by)}
    if tensor.requires_grad and not place.asks:
        _ask(made, place, tensor, own)
    return place


def _place(made: Pass, name: str, tensor: Any, module: str) -> Seen:
    key = _counted(made.again if backwards() else made.calls, name)
    place = made.places.get(key)
    if place is None:
        place = made.places[key] = Seen(key, module, tuple(tensor.shape), out=size_of(tensor))
    made.tensors[id(tensor)] = weakref.ref(tensor), version_of(tensor), key
    return place


def _counted(counter: dict[str, int], name: str) -> str:
    counter[name] += 1
    return name if counter[name] == 1 else f"{name} {counter[name]}"


def _ask(made: Pass, place: Seen, tensor: Any, own: set[int]) -> None:
    """Have the gradient of a place measured when it comes back, and find what goes into it."""
    place.asks = True

    def arrived(delta: Any) -> None:
        made.take(place, delta)

    tensor.register_hook(compiler_off(arrived))
    node = tensor.grad_fn
    if node is None:
        if not backwards():  # there a checkpoint begins anew with what came to it
            made.nodes["leaf", id(tensor)] = place.name
            place.data = True
        return
    start = node, tensor.output_nr
    before, weights = graph_below(start, made.nodes)
    if operations := _apart(made, weights, node, own | made.inner):
        seen = [_see_operation(made, one, weights) for one in operations]
        for operation, one in zip(operations, seen, strict=True):
            one.before.update(graph_below((operation, 0), made.nodes)[0])
        before, _ = graph_below(start, made.nodes)
    if made.within and (place.module or not place.name.startswith("input")):
        for weight in weights:
            if weight.shape is not None and weight.id not in made.names:
                made.strangers[weight.id] = weight.shape
    place.before.update(before)
    place.owned.update(made.names[w] for w, _, _ in weights if w in made.names)
    made.nodes[start] = place.name


def _apart(made: Pass, weights: Sequence[Weight], node: Any, own: set[int]) -> list[Any]:
    """Return the operations on weights that belong to no module's call, as in `h @ self.w`."""
    apart = [
        reader
        for weight, reader, _ in weights
        if reader is not None and weight in made.names and weight not in own
        if not any(part in made.names[weight] for part in MADE_OF)
    ]
    if len(apart) < 2 and any(weight in own for weight, _, _ in weights):
        return []
    return [reader for reader in dict.fromkeys(apart) if reader is not node]


def _see_operation(made: Pass, node: Any, weights: Sequence[Weight]) -> Seen:
    """Make a place of what an operation on a weight returns."""
    mine = [made.names[w] for w, reader, _ in weights if reader is node and w in made.names]
    key = _counted(made.calls, mine[0].removesuffix(".weight"))
    place = Seen(key, key, (), asks=True, state=True, owned=set(mine))
    made.places[key] = place
    made.nodes[node, 0] = key

    def arrives(deltas: Any) -> None:
        if deltas:
            made.take(place, deltas[0])

    node.register_prehook(arrives)
    return place
