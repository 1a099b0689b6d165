"""Put together what can be known about a network from what was handed over."""

import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np

from gradbook.diagnosis.measuring.begun import moves, without_zeros, zeros_of
from gradbook.diagnosis.measuring.deltas import size_of
from gradbook.diagnosis.measuring.evidence import Evidence, Facts, Matrix
from gradbook.diagnosis.measuring.names import (
    NO_MATRIX,
    Kind,
    Layer,
    Role,
    in_a_block,
    in_one_sequence,
    place,
    uncounted,
)
from gradbook.diagnosis.measuring.orders import bare, end_of
from gradbook.diagnosis.measuring.sizes import WORTH_A_LOOK, Measured, off_share, silent_share
from gradbook.diagnosis.measuring.updates import Update, require_one_shape
from gradbook.diagnosis.paths import Profile
from gradbook.diagnosis.reading.arrays import Tensors
from gradbook.diagnosis.reading.storage import Tensor, chunks, is_zero
from gradbook.precision import ALL, float32

COMPARABLE = 3
"""The fewest layers of a kind whose sizes make a profile."""

SUBNORMAL_ROOM = 1e4
"""How far above the smallest number of its format a gradient must be for zeros not to be its end"""


def facts_of(
    layer: Layer,
    tensors: Tensors,
    measured: Mapping[str, Measured],
    weights: Tensors | None,
    updates: Mapping[str, Update],
) -> Facts:
    """Return what was measured of a layer, with what its weights add to it if they are given."""
    weight, bias = (_member(layer, role, measured) for role in (Role.WEIGHT, Role.BIAS))
    members = (measured[member.name] for member in layer.members)
    own = [m for m in members if m.statistics is not None and m.tied_to is None]
    wide = (m.name for m in own if len(m.shape or ()) > 1)
    stored = {} if weights is None else {name: weights.get(name) for name in wide}  # read once
    matrices = tuple(_matrices(layer, own, stored))
    if weights is not None and any(matrix.still and matrix.zero for matrix in matrices):
        biases = (weights.get(m.name) for m in own if m.name not in stored)
        lifted = not all(is_zero(x) for x in biases if x is not None)
        matrices = tuple(replace(matrix, lifted=lifted) for matrix in matrices)
    found = Facts(layer.name, layer.kind, weight, bias, matrices=matrices)
    if weight is None or weight.statistics is None or weight.tied_to is not None:
        return found
    lines = bias is None and (weight.zero_share or 0.0) >= WORTH_A_LOOK
    tensor = tensors[weight.name] if weights is not None or lines else None
    silent, pull, gain = silent_share(tensor, weight, bias), None, None
    held = stored.get(weight.name)
    if held is not None and tensor is not None:
        require_one_shape(held, tensor)
        size = updates[weight.name].weight.rms if weight.name in updates else size_of(held)
        pull, gain = _pull(held, tensor), _gain(tensor.shape, size)
    return replace(found, silent=silent, pull=pull, gain=gain)


def _matrices(
    layer: Layer, own: Iterable[Measured], stored: Mapping[str, Tensor | None]
) -> Iterator[Matrix]:
    """Tell of a layer's matrices that get a gradient whether they, or it, are exactly 0."""
    for one in own:
        if (tensor := stored.get(one.name)) is None or one.statistics is None or one.shape is None:
            continue
        # Tokens and positions have axes of length 1 in front, for the examples.
        table = layer.kind is Kind.EMBEDDING or (len(one.shape) > 2 and one.shape[0] == 1)
        yield Matrix(one.name, one.statistics.norm == 0, is_zero(tensor), table)


def _member(layer: Layer, role: Role, measured: Mapping[str, Measured]) -> Measured | None:
    for member in layer.members:
        axes = len(member.shape or ())
        guessed = member.role is Role.UNKNOWN and (axes == 1 if role is Role.BIAS else axes > 1)
        if member.role is role or guessed:
            return measured[member.name]
    return None


def _pull(weight: Tensor, gradient: Tensor) -> float | None:
    with np.errstate(invalid="ignore", over="ignore"):
        pairs = ((w.astype(np.float64), g.astype(np.float64)) for w, g in chunks(weight, gradient))
        total = sum(float(np.dot(w, g)) for w, g in pairs)
    return total if math.isfinite(total) else None


def _gain(shape: tuple[int, ...], rms: float) -> float | None:
    if len(shape) != 2 or not 0 < rms < math.inf:
        return None
    return math.log10(math.prod(shape) ** 0.25 * rms)


def gather(
    facts: Sequence[Facts],
    given: Evidence,
    *,
    updates: Sequence[Update] = (),
    outputs: Sequence[Tensor] = (),
    loose: bool = False,
) -> Evidence:
    """Put together what a verdict is made from.

    Args:
        given: What is known of δ alone.
        outputs: Those of each hidden layer, first to last.
        loose: Whether the order of names may be the alphabet's, which tells of numbers alone.
    """
    main = hidden(facts)
    same = alike(main)
    unordered = loose and not _told(same)
    same = [] if unordered else same
    zeros = zeros_of(facts, given, unordered=unordered)
    held = zeros.held
    kept = _free(same, held)
    weighted = [layer for layer in facts if layer.kind not in NO_MATRIX]
    measured = [m for layer in facts for m in (layer.weight, layer.bias) if m is not None]
    numbers = {m.name: m.statistics for m in measured if m.statistics is not None}
    norms = [layer for layer in facts if layer.kind is Kind.NORM]
    shifts = [(x.name, x.bias) for x in norms if not held or moves(x.bias)]
    plain = in_one_sequence([(x.name, x.kind) for x in facts], [x.name for x in main])
    straight = len(same) == len(main) and (plain or not norms)
    off = [off_share(tensor) for tensor in outputs if len(tensor.shape) > 1]
    gains = [layer.gain for layer in weighted[1:-1]]
    told = bool(gains) and None not in gains
    lost = (name for name, found in numbers.items() if found.nonfinite)
    return replace(
        without_zeros(given) if held else given,
        nonfinite=(*lost, *given.nonfinite),
        reached=any(found.norm > 0 for found in numbers.values()),
        silent=_silent(_free(main, held)),
        stop=_stop(_free(weighted, held)),
        off=float(np.mean(off)) if off else None,
        head_alone=not unordered and _head_alone(weighted),
        weighed=any(layer.matrices for layer in facts),
        underflow=_underflow(measured),
        ratios=_ratios(main, outputs, held) if straight else None,
        norms=_profile("shifts", shifts) if plain else None,
        biases=None if norms else _profile("biases", [(x.name, x.bias) for x in kept]),
        weights=_profile("weights", [(x.name, x.weight) for x in kept]),
        frozen=frozen_share(updates),
        recurrent=any(layer.kind is Kind.RECURRENT for layer in facts),
        normalized=bool(norms),
        blocks=any(map(in_a_block, bare([x.name for x in weighted or main]))),
        gain=sum(gain for gain in gains if gain is not None) if told else None,
        bends=max(len(weighted) - 2, 0) * math.log10(2) / 2,
        pulls=_pulls(weighted),
        unordered=unordered,
        unmoved=_unmoved(weighted, held),
        zeros=zeros,
    )


def _free(layers: Sequence[Facts], held: Container[str]) -> list[Facts]:
    """Leave out layers that weights of 0 hold back, of which their gradients tell nothing."""
    return [layer for layer in layers if layer.name not in held]


def _told(layers: Sequence[Facts]) -> bool:
    """Tell whether names say of all layers which comes first."""
    end = end_of([layer.name for layer in layers])
    return len({uncounted(name) for name, of in end.items() if of == 0}) < 2


def _unmoved(layers: Sequence[Facts], held: Container[str]) -> tuple[str, ...]:
    """Name weights with a gradient of exactly 0, if others have some: LoRA's begin with that."""
    known = [(x.name, x.weight.statistics) for x in layers if x.weight is not None]
    still = [name for name, found in known if found is not None and found.norm == 0]
    some = (n for n in still if n not in held and not re.search(r"(?<![a-z])lora", n.lower()))
    return tuple(some) if len(still) < len(known) else ()


def hidden(facts: Sequence[Facts]) -> list[Facts]:
    """Return the layers of the most frequent kind, but for the network's last."""
    named = (*NO_MATRIX, Kind.EMBEDDING, Kind.RECURRENT)
    weighted = [layer for layer in facts if layer.kind not in named]
    rest = (weighted or [layer for layer in facts if layer.kind is Kind.BIAS])[:-1]  # biases alone
    kinds = [layer.kind for layer in rest]
    main = max(kinds, key=kinds.count, default=None)
    return [layer for layer in rest if layer.kind is main]


def alike(layers: Sequence[Facts]) -> list[Facts]:
    """Return the layers of the most frequent place in a block, or of a network without blocks.

    Where no place is found `COMPARABLE` times it is all of them or, if there are blocks, none.
    """
    names = bare([layer.name for layer in layers])
    places = [place(name) for name in names]
    main = max(places, key=places.count, default="")
    if places.count(main) >= COMPARABLE:
        return [layer for layer, found in zip(layers, places, strict=True) if found == main]
    return [] if any(map(in_a_block, names)) else list(layers)


def _profile(of: str, pairs: Iterable[tuple[str, Measured | None]]) -> Profile | None:
    """Return the sizes of gradients of a kind, of those that have one of their own."""
    own = {name: m.statistics for name, m in pairs if m is not None and m.tied_to is None}
    sizes = {name: found.rms for name, found in own.items() if found is not None}
    if len(sizes) < COMPARABLE:
        return None
    return Profile(f"gradients of {of}", tuple(sizes), tuple(sizes.values()))


def _ratios(
    main: Sequence[Facts], outputs: Sequence[Tensor], held: Container[str]
) -> Profile | None:
    if len(outputs) != len(main):
        return None
    entered = dict(zip((x.name for x in main[1:]), map(size_of, outputs), strict=False))
    seen = (x for x in _free(main, held) if entered.get(x.name, 0.0) > 0)
    pairs = [(x.name, x.weight) for x in seen]
    found = _profile("weights over activations", pairs)
    if found is None:
        return None
    rms = (size / entered[n] for n, size in zip(found.names, found.rms, strict=True))
    return replace(found, rms=tuple(rms))


def _pulls(layers: Sequence[Facts]) -> float | None:
    pulls = [layer.pull for layer in layers if layer.pull is not None]
    if len(pulls) < max(len(layers), COMPARABLE) or not any(pulls):
        return None
    sizes = sorted(map(abs, pulls))
    same = min(pulls) > 0 or max(pulls) < 0
    return math.log10(sizes[-1]) - math.log10(sizes[0]) if same else math.inf


def _silent(layers: Sequence[Facts]) -> float | None:
    """Return the share of silent units; a silent layer with a gradient before it is in a branch."""
    shares = [layer.silent for layer in layers if layer.silent is not None]
    first = next((index for index, share in enumerate(shares) if share < 1), len(shares))
    kept = [share for index, share in enumerate(shares) if share < 1 or index < first]
    return float(np.mean(kept)) if kept else None


def _stop(layers: Sequence[Facts]) -> str:
    still = [*takewhile(lambda layer: layer.silent == 1, layers)]
    reads = [m.norm for x in layers[len(still) :][:1] if x.weight and (m := x.weight.statistics)]
    return still[-1].name if still and any(reads) else ""


def _head_alone(layers: Sequence[Facts]) -> bool:
    front = (moves(one) for layer in layers[:-1] for one in (layer.weight, layer.bias))
    return not any(front) and any(moves(layer.weight) for layer in layers[-1:])


def _underflow(found: Sequence[Measured]) -> bool:
    smallest = {fmt.name: fmt.smallest for fmt in ALL}
    return any(
        0 < m.statistics.rms < SUBNORMAL_ROOM * smallest.get(m.format or "", float32.smallest)
        for m in found
        if m.statistics is not None
    )


def frozen_share(updates: Sequence[Update]) -> float | None:
    """Return the share of all weights that stand still in the format they are stored in.

    Tensors whose gradient is exactly 0 are left out, such as those of a branch that begins with 0:
    no step is meant for them. It is None if no other is stored in a known format.
    """
    own = [s for s in updates if s.stored_in in s.still and s.gradient.largest > 0]
    total = sum(step.meant for step in own)
    return sum(step.still[step.stored_in] for step in own) / total if total else None
