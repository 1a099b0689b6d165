"""Measure all that was handed over, layer by layer."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gradbook.checks import positive
from gradbook.diagnosis.bad_input import BadInput, Odd
from gradbook.diagnosis.measuring.chains import run_back
from gradbook.diagnosis.measuring.deltas import read_activations, read_deltas
from gradbook.diagnosis.measuring.evidence import Evidence, Facts
from gradbook.diagnosis.measuring.gathering import facts_of, gather
from gradbook.diagnosis.measuring.names import Layer, Role, group, other_than_gradients
from gradbook.diagnosis.measuring.orders import Order, are_sorted_words, network_order
from gradbook.diagnosis.measuring.sizes import Measured, Statistics, measure, statistics
from gradbook.diagnosis.measuring.updates import ENOUGH, Update, measure_updates
from gradbook.diagnosis.reading.arrays import Tensors, hand_over
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
    of_net: bool = False,
    look: bool = True,
) -> Examined:
    """Measure gradients and weights, which is what takes time.

    Args:
        grads: As for `gradbook.diagnose`, as are the others.
        of_net: Whether they are a network's, whose order is known whatever its names tell. Of a
            large tensor some numbers are enough, then, to tell what a step does to it.
        look: Whether to look at weights and lines of matrices, too, which δ makes needless.
    """
    watched, most = progress or (lambda items, _: items), ENOUGH if of_net else None
    scale = positive("loss_scale", loss_scale)
    tensors, notes = _usable(hand_over(grads), some=look, of_net=of_net)
    if (buffer := next((n for n in tensors if n.endswith("running_var")), None)) is not None:
        text = f"gradients hold {buffer!r}, which gets none: they are a file of weights. Save "
        raise BadInput(f"{text}{{name: p.grad for name, p in net.named_parameters()}}")
    order = network_order(tensors, tensors.ordered, turn=not of_net)
    measured = {found.name: found for found in watched(measure(tensors, most), len(tensors))}
    others = [_usable(hand_over(one, "snapshots"), of_net=of_net)[0] for one in snapshots]
    measured = _merged(measured, others)
    known = None if weights is None else _with_gradients(hand_over(weights, "weights"), measured)
    layers = group({name: measured[name].shape or _shape(known, name) for name in order.names})
    if not of_net and run_back(layers):
        layers = layers[::-1]
        names = tuple(member.name for layer in layers for member in layer.members)
        text = "As their shapes tell, the layers came last to first: they were turned around."
        order = Order(names, text)
    updates: dict[str, Update] = {}
    if known is not None and lr is not None:
        own = tensors.only(name for name, found in measured.items() if found.tied_to is None)
        steps = measure_updates(own, known, positive("lr", lr) / scale, most)
        found_of = {step.name: step for step in watched(steps, len(measured))}
        updates = {name: found_of[name] for name in order.names if name in found_of}
    seen = known if look else None
    facts = tuple(facts_of(layer, tensors, measured, seen, updates) for layer in layers)
    whole = {} if of_net else updates  # of large ones only some numbers were looked at
    by_alphabet = not of_net and are_sorted_words(list(tensors), layers)
    found = Examined(
        layers,
        measured,
        updates,
        facts,
        gradients=tensors,
        weights=known,
        lr=lr,
        loss_scale=scale,
        loose=by_alphabet or not tensors.ordered,
        lost=() if seen is None else tuple(_lost(order.names, seen, whole)),
    )
    return replace(found, notes=(*notes, *_notes(found, order.note, len(snapshots))))


def _shape(weights: Tensors | None, name: str) -> tuple[int, ...] | None:
    """Return the shape of a weight, which tells what it is where it has no gradient."""
    try:
        held = None if weights is None else weights.get(name)
    except Odd:
        return None
    return None if held is None else held.shape


def _lost(names: Sequence[str], weights: Tensors, updates: Mapping[str, Update]) -> Iterator[str]:
    """Name weights that are not finite; those whose update is known are not read once more."""
    for name in names:
        tensor = weights[name] if name in weights and name not in updates else None
        found = updates[name].weight if name in updates else tensor and statistics(tensor)
        if found and found.nonfinite:
            yield f"the weights {name}"


def _usable(tensors: Tensors, some: bool = True, of_net: bool = False) -> tuple[Tensors, list[str]]:
    """Leave out what cannot be measured, or is no gradient by its name, and say which."""
    odd: dict[str, str] = {}
    for name in tensors:
        try:
            tensors[name]
        except Odd as error:
            odd[name] = str(error)
    if some and odd and len(odd) == len(tensors):
        raise BadInput(next(iter(odd.values())))
    deltas, states, weights = other_than_gradients(() if of_net else tensors)
    if states and len(states) + len(odd) == len(tensors):
        text = f"gradients must be those of weights, got what an optimizer keeps: {listed(states)}"
        raise BadInput(text)
    kept = tensors.only(name for name in tensors if name not in {*odd, *deltas, *states, *weights})
    notes = [f"Left out: {message}." for message in odd.values()]
    if deltas:
        text = f"Left out, for they are no gradients of weights: {listed(deltas)}. If they are "
        notes.append(f"{text}those of what layers put out, hand them over as deltas.")
    if states:
        notes.append(f"Left out, for an optimizer keeps them: {listed(states)}.")
    if weights:
        text = f"Left out, for they are the weights whose gradients are here: {listed(weights)}. "
        notes.append(f"{text}Hand them over as weights, under the names of the gradients.")
    return kept, notes


def _merged(measured: dict[str, Measured], earlier: Iterable[Tensors]) -> dict[str, Measured]:
    """Join what was measured at several steps."""
    steps = {name: [m.statistics] for name, m in measured.items() if m.statistics}
    for found in (one for tensors in earlier for one in measure(tensors)):
        if found.name not in measured or measured[found.name].shape != found.shape:
            raise BadInput(f"snapshots must all hold the same tensors, got {found.name!r} anew")
        if found.statistics and found.name in steps:
            steps[found.name].append(found.statistics)
    joined = {name: _joined(at) for name, at in steps.items() if len(at) > 1}
    return measured | {n: replace(measured[n], statistics=one) for n, one in joined.items()}


def _joined(steps: Sequence[Statistics]) -> Statistics:
    """Join norms by their geometric mean, without those that are 0 unless most are, as at a start.

    Of the counts each is the worst.
    """
    some = [one for one in steps if one.norm > 0]
    kept = some if 2 * len(some) >= len(steps) else [one for one in steps if not one.norm]
    norm = math.exp(sum(math.log(one.norm) for one in kept) / len(kept)) if kept[0].norm else 0.0
    zeros, lost = min(one.zeros for one in kept), max(one.nonfinite for one in steps)
    return Statistics(steps[0].count, norm, max(one.largest for one in steps), zeros, lost)


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
        yield "Sizes are root mean squares: they do not grow, as norms do, with a layer's weights."
    if whole.loss_scale != 1:
        yield f"All gradients were divided by the loss scale, {whole.loss_scale:g}."
    if snapshots:
        yield f"Sizes are geometric means over {snapshots + 1} steps."
    if whole.updates:
        yield "Updates and frozen shares are those of plain descent: lr times gradient."


def with_signals(found: Examined, *, deltas: Any = None, activations: Any = None) -> Examined:
    """Add what passed through the network: δ on the way back, activations on the way forward."""
    outputs = read_activations(activations, found.layers)
    given = read_deltas(deltas, found.layers, loose=found.loose)
    steps = tuple(found.updates.values())
    given = replace(given, nonfinite=(*given.nonfinite, *found.lost))  # the last is the cause
    evidence = gather(found.facts, given, updates=steps, outputs=outputs, loose=found.loose)
    return replace(found, evidence=evidence, notes=(*found.notes, *evidence.notes))
