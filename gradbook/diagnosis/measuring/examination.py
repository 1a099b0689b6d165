"""Measure all that was handed over, layer by layer."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gradbook.checks import positive
from gradbook.diagnosis.bad_input import BadInput, Odd
from gradbook.diagnosis.measuring.deltas import read_activations, read_deltas
from gradbook.diagnosis.measuring.evidence import Evidence, Facts
from gradbook.diagnosis.measuring.gathering import facts_of, gather
from gradbook.diagnosis.measuring.names import Layer, Role, group, other_than_gradients, uncounted
from gradbook.diagnosis.measuring.orders import network_order
from gradbook.diagnosis.measuring.sizes import Measured, Statistics, measure, statistics
from gradbook.diagnosis.measuring.updates import Update, measure_updates
from gradbook.diagnosis.reading.arrays import Tensors, hand_over, is_sorted
from gradbook.diagnosis.verdicts import listed

Progress = Callable[[Iterable[Any], int], Iterable[Any]]
"""Pass on what is measured, of which there are so many, and show how far it is."""


@dataclass(frozen=True)
class Examined:
    """What was measured of gradients, weights and what passed through the network."""

    layers: tuple[Layer, ...]
    """The layers by their names, first to last."""
    measured: Mapping[str, Measured]
    """Each tensor's gradient by name, as are the `updates`."""
    updates: Mapping[str, Update]
    facts: tuple[Facts, ...]
    notes: tuple[str, ...] = ()
    """What the reader should know about how it was measured."""
    gradients: Tensors | None = None
    weights: Tensors | None = None
    evidence: Evidence = field(default_factory=Evidence)
    lr: float | None = None
    loss_scale: float = 1.0
    loose: bool = False
    """Whether what made the names sorts them, as JAX does."""
    lost: tuple[str, ...] = ()
    """The weights that hold NaN or infinity, where they are looked at."""


def measured_of(
    grads: Any,
    *,
    weights: Any = None,
    lr: float | None = None,
    loss_scale: float = 1.0,
    snapshots: Sequence[Any] = (),
    progress: Progress | None = None,
    most: int | None = None,
    look: bool = True,
    turn: bool = True,
) -> Examined:
    """Measure gradients and weights, which is what takes time.

    Args:
        grads: As for `gradbook.diagnose`, as are the others.
        most: How many numbers of a tensor are enough to tell what a step does to it.
        look: Whether to look at weights and lines of matrices, too, which δ makes needless.
        turn: Whether names may tell more than their order, which is known of a network.
    """
    watched = progress or (lambda items, _: items)
    scale = positive("loss_scale", loss_scale)
    tensors, notes = _usable(hand_over(grads), some=look, names=turn)
    if (buffer := next((n for n in tensors if n.endswith("running_var")), None)) is not None:
        text = f"gradients hold {buffer!r}, which gets none: they are a file of weights. Save "
        raise BadInput(f"{text}{{name: p.grad for name, p in net.named_parameters()}}")
    order = network_order(tensors, tensors.ordered, turn=turn)
    measured = {found.name: found for found in watched(measure(tensors, most), len(tensors))}
    for earlier in snapshots:
        measured = _merged(measured, _usable(hand_over(earlier, "snapshots"), names=turn)[0])
    known = None if weights is None else _with_gradients(hand_over(weights, "weights"), measured)
    updates: dict[str, Update] = {}
    if known is not None and lr is not None:
        own = tensors.only(name for name, found in measured.items() if found.tied_to is None)
        steps = measure_updates(own, known, positive("lr", lr) / scale, most)
        found_of = {step.name: step for step in watched(steps, len(measured))}
        updates = {name: found_of[name] for name in order.names if name in found_of}
    layers = group({name: measured[name].shape for name in order.names})
    seen = known if look else None
    facts = tuple(facts_of(layer, tensors, measured, seen, updates) for layer in layers)
    whole = updates if most is None else {}  # of large ones only some numbers were looked at
    # Many names that count nothing stand in the order of the alphabet by no chance.
    by_alphabet = turn and is_sorted(list(tensors)) and _uncounted(layers) >= BY_NO_CHANCE
    found = Examined(
        *(layers, measured, updates, facts),
        weights=known,
        lr=lr,
        loss_scale=scale,
        loose=by_alphabet or not tensors.ordered,
        lost=() if seen is None else tuple(_lost(order.names, seen, whole)),
    )
    notes += _notes(found, order.note, len(snapshots))
    return replace(found, gradients=tensors, notes=tuple(notes))


def _lost(names: Sequence[str], weights: Tensors, updates: Mapping[str, Update]) -> Iterator[str]:
    """Name weights that are not finite; those whose update is known are not read once more."""
    for name in names:
        tensor = weights[name] if name in weights and name not in updates else None
        found = updates[name].weight if name in updates else tensor and statistics(tensor)
        if found and found.nonfinite:
            yield f"the weights {name}"


BY_NO_CHANCE = 4


def _uncounted(layers: Sequence[Layer]) -> int:
    return sum(layer.name == uncounted(layer.name) for layer in layers)


def _usable(tensors: Tensors, some: bool = True, names: bool = True) -> tuple[Tensors, list[str]]:
    """Leave out what cannot be measured, or is no gradient by its name, and say which."""
    odd: dict[str, str] = {}
    for name in tensors:
        try:
            tensors[name]
        except Odd as error:
            odd[name] = str(error)
    if some and odd and len(odd) == len(tensors):
        raise BadInput(next(iter(odd.values())))
    deltas, states = other_than_gradients(tensors) if names else ([], [])
    if states and len(states) + len(odd) == len(tensors):
        text = f"gradients must be those of weights, got what an optimizer keeps: {listed(states)}"
        raise BadInput(text)
    kept = tensors.only(name for name in tensors if name not in {*odd, *deltas, *states})
    notes = [f"Left out: {message}." for message in odd.values()]
    if deltas:
        text = f"Left out, for they are no gradients of weights: {listed(deltas)}. If they are "
        notes.append(f"{text}those of what layers put out, hand them over as deltas.")
    if states:
        notes.append(f"Left out, for an optimizer keeps them: {listed(states)}.")
    return kept, notes


def _merged(measured: dict[str, Measured], earlier: Tensors) -> dict[str, Measured]:
    """Join two steps: norms by their geometric mean, and the worst of the counts."""
    result = dict(measured)
    for found in measure(earlier):
        now = measured.get(found.name)
        if now is None or now.shape != found.shape:
            raise BadInput(f"snapshots must all hold the same tensors, got {found.name!r} anew")
        a, b = now.statistics, found.statistics
        if a is not None and b is not None:
            norm, largest = math.sqrt(a.norm) * math.sqrt(b.norm), max(a.largest, b.largest)
            lost = max(a.nonfinite, b.nonfinite)
            joined = Statistics(a.count, norm, largest, min(a.zeros, b.zeros), lost)
            result[found.name] = replace(now, statistics=joined)
    return result


def _with_gradients(weights: Tensors, measured: Mapping[str, Measured]) -> Tensors:
    missing = [n for n, m in measured.items() if m.statistics is not None and n not in weights]
    if missing:  # their names tell which step goes with which weight
        told = f"weights must hold {missing[0]!r}, which has a gradient, got none"
        flax = f"params/{missing[0]}" in weights
        raise BadInput(told + ": hand over variables['params']" * flax)
    return weights


def _notes(whole: Examined, order: str, snapshots: int) -> Iterator[str]:
    layers, measured = whole.layers, whole.measured
    if unused := [name for name, found in measured.items() if found.statistics is None]:
        yield f"No gradient came to {listed(unused, 5)}."
    if tied := [f"{n} is the same array as {m.tied_to}" for n, m in measured.items() if m.tied_to]:
        yield f"{listed(tied, 2)}, and {'each ' if len(tied) > 1 else ''}counts once."
    if order:
        yield order
    kinds = list(dict.fromkeys(layer.kind.value for layer in layers))
    if len(kinds) > 1:
        yield f"Each layer is compared with its own kind alone; there are {', '.join(kinds)}."
    if len({m.shape for layer in layers for m in layer.members if m.role is Role.WEIGHT}) > 1:
        yield "Sizes are root mean squares, which do not depend on how many weights a layer has."
    if whole.loss_scale != 1:
        yield f"All gradients were divided by the loss scale, {whole.loss_scale:g}."
    if snapshots:
        yield f"Sizes are geometric means over {snapshots + 1} steps."
    if whole.updates:
        yield "Updates and frozen shares are those of plain descent: lr times gradient."


def with_signals(found: Examined, *, deltas: Any = None, activations: Any = None) -> Examined:
    """Add what passed through the network: δ on the way back, activations on the way forward."""
    outputs = read_activations(activations, found.layers)
    given, steps = read_deltas(deltas, found.layers), tuple(found.updates.values())
    given = replace(given, nonfinite=(*given.nonfinite, *found.lost))  # the last is the cause
    evidence = gather(found.facts, given, updates=steps, outputs=outputs, loose=found.loose)
    return replace(found, evidence=evidence, notes=(*found.notes, *evidence.notes))
