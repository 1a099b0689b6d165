"""Make places of tensors, and have their gradients measured when they come back."""

import weakref
from collections.abc import Sequence
from typing import Any

from gradbook.diagnosis.watching.graph import Weight, backwards, compiler_off, graph_below
from gradbook.diagnosis.watching.modules import own_weights
from gradbook.diagnosis.watching.numbers import size_of
from gradbook.diagnosis.watching.passes import Pass, Seen, version_of

MADE_OF = ("weight_g", "weight_v", "weight_orig", "parametrizations")
"""Parts of the names of tensors that a weight is made of."""


def see(made: Pass, name: str, tensor: Any, *, module: str, returned_by: Any = None) -> Seen:
    """Return the place of a tensor, a new one where it was not seen before in this pass."""
    place, own = made.known(tensor), set[int]()
    if place is None:
        key = _counted(made.again if backwards() else made.calls, name)
        place = made.places.get(key) or Seen(key, module, tuple(tensor.shape), size_of(tensor))
        made.places[key] = place
        made.tensors[id(tensor)] = weakref.ref(tensor), version_of(tensor), key
        own = set() if returned_by is None else set(map(id, own_weights(returned_by)))
    if tensor.requires_grad and not place.asks:
        place.asks = True
        tensor.register_hook(compiler_off(lambda delta: made.take(place, delta)))
        if tensor.grad_fn is not None:
            _find(made, place, (tensor.grad_fn, tensor.output_nr), own | made.inner)
        elif not backwards():  # there a checkpoint begins anew with what came to it
            made.nodes["leaf", id(tensor)] = place.name
            place.data = True
    return place


def _counted(counter: dict[str, int], name: str) -> str:
    counter[name] += 1
    return name if counter[name] == 1 else f"{name} {counter[name]}"


def _find(made: Pass, place: Seen, start: tuple[Any, int], own: set[int]) -> None:
    """Find what goes into a place: other places, and weights."""
    before, weights = graph_below(start, made.nodes)
    if operations := _apart(made, weights, start[0], own):
        seen = [_see_operation(made, one, weights) for one in operations]
        for operation, one in zip(operations, seen, strict=True):
            one.before.update(graph_below((operation, 0), made.nodes)[0])
        before, _ = graph_below(start, made.nodes)
    if made.data is not None and (place.module or not place.name.startswith("input")):
        for weight in weights:
            if weight.shape is not None and weight.id not in made.names:
                made.strangers[weight.id] = weight.shape
    place.before.update(before)
    place.owned.update(made.names[w.id] for w in weights if w.id in made.names)
    made.nodes[start] = place.name


def _apart(made: Pass, weights: Sequence[Weight], node: Any, own: set[int]) -> list[Any]:
    """Return the operations on weights that belong to no module's call, as in `h @ self.w`."""
    apart = [
        weight.reader
        for weight in weights
        if weight.reader is not None and weight.id in made.names and weight.id not in own
        if not any(part in made.names[weight.id] for part in MADE_OF)
    ]
    if len(apart) < 2 and any(weight.id in own for weight in weights):
        return []
    return [reader for reader in dict.fromkeys(apart) if reader is not node]


def _see_operation(made: Pass, node: Any, weights: Sequence[Weight]) -> Seen:
    """Make a place of what an operation on a weight returns."""
    mine = [made.names[w.id] for w in weights if w.reader is node and w.id in made.names]
    key = _counted(made.calls, mine[0].removesuffix(".weight"))
    place = made.places[key] = Seen(key, key, (), asks=True, state=True, owned=set(mine))
    made.nodes[node, 0] = key
    node.register_prehook(lambda deltas: made.take(place, deltas[0]) if deltas else None)
    return place
