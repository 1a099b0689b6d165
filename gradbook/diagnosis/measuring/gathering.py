"""Put together what can be known about a network from what was handed over."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from gradbook.diagnosis.measuring.blocks import in_a_block, in_one_sequence, place
from gradbook.diagnosis.measuring.deltas import NOT_GIVEN, Deltas
from gradbook.diagnosis.measuring.evidence import Evidence, Facts
from gradbook.diagnosis.measuring.names import Kind
from gradbook.diagnosis.measuring.sizes import Measured
from gradbook.diagnosis.measuring.updates import Update
from gradbook.diagnosis.paths import Profile
from gradbook.precision import ALL, float32

COMPARABLE = 3
"""The fewest layers of a kind whose sizes make a profile."""


SUBNORMAL_ROOM = 1e4
"""How far above the smallest number of its format a gradient must be for zeros not to be its end"""


def gather(
    facts: Sequence[Facts],
    given: Deltas = NOT_GIVEN,
    *,
    updates: Sequence[Update] = (),
    activations: Sequence[float] = (),
    off: Sequence[float] = (),
    nonfinite: Sequence[str] = (),
) -> Evidence:
    """Put together what a verdict is made from.

    Args:
        facts: The layers, first to last.
        given: What is known of δ.
        updates: What a step does to each tensor.
        activations: The sizes of the outputs of each hidden layer, first to last.
        off: The share of each hidden layer's units that are 0 for every example.
        nonfinite: Names of other arrays that hold NaN or infinity.

    Examples:
        >>> gather([]).reached
        False
    """
    main = hidden(facts)
    same = alike(main)
    weighted = [x for x in facts if x.kind not in (Kind.NORM, Kind.BIAS, Kind.SCALAR)]
    measured = [m for layer in facts for m in (layer.weight, layer.bias) if m is not None]
    numbers = [m.statistics for m in measured if m.statistics is not None]
    bad = [m.name for m in measured if m.statistics is not None and m.statistics.nonfinite]
    norm_layers = [layer for layer in facts if layer.kind is Kind.NORM]
    biases = profile("gradients of biases", ((x.name, rms_of(x.bias)) for x in same))
    plain = in_one_sequence([(x.name, x.kind) for x in facts], [x.name for x in main])
    shifts = ((x.name, rms_of(x.bias)) for x in norm_layers)
    straight = len(same) == len(main) and (plain or not norm_layers)
    return Evidence(
        nonfinite=(*bad, *nonfinite),
        reached=any(s.norm > 0 for s in numbers),
        silent=_silent(main),
        off=float(np.mean(off)) if len(off) else None,
        underflow=_underflow(measured),
        deltas=given.profile,
        apart=given.apart,
        output=given.output,
        ratios=_ratios(main, activations) if straight else None,
        norms=profile("gradients of shifts", shifts) if plain else None,
        biases=None if norm_layers else biases,
        weights=profile("gradients of weights", ((x.name, rms_of(x.weight)) for x in same)),
        frozen=frozen_share(updates),
        recurrent=any(layer.kind is Kind.RECURRENT for layer in facts),
        normalized=bool(norm_layers),
        blocks=any(in_a_block(x.name) for x in weighted),
        gain=_gain(weighted),
        bends=max(len(weighted) - 2, 0) * math.log10(2) / 2,
        pulls=_pulls(weighted),
    )


def rms_of(found: Measured | None) -> float | None:
    """Return the size of a gradient, if there is one that is its own.

    Returns:
        The root of its mean square; None for a tied or missing gradient.

    Examples:
        >>> rms_of(None) is None
        True
    """
    if found is None or found.statistics is None or found.tied_to is not None:
        return None
    return found.statistics.rms


def profile(source: str, pairs: Iterable[tuple[str, float | None]]) -> Profile | None:
    """Return the sizes as a profile if there are enough of them.

    Examples:
        >>> profile("δ", [("1", 0.5), ("2", None), ("3", 1.0)]) is None
        True
    """
    found = [(name, size) for name, size in pairs if size is not None]
    if len(found) < COMPARABLE:
        return None
    return Profile(source, tuple(n for n, _ in found), tuple(s for _, s in found))


def hidden(facts: Sequence[Facts]) -> list[Facts]:
    """Return the layers of the most frequent kind that has weights, but for the network's last.

    Examples:
        >>> layers = [Facts("1", Kind.DENSE), Facts("n", Kind.NORM), Facts("2", Kind.DENSE)]
        >>> [layer.name for layer in hidden(layers)]
        ['1']
    """
    named = (Kind.NORM, Kind.BIAS, Kind.SCALAR, Kind.EMBEDDING, Kind.RECURRENT)
    rest = [layer for layer in facts if layer.kind not in named][:-1]
    kinds = [layer.kind for layer in rest]
    main = max(kinds, key=kinds.count, default=None)
    return [layer for layer in rest if layer.kind is main]


def alike(layers: Sequence[Facts]) -> list[Facts]:
    """Return the layers of the most frequent place in a block, or of a network without blocks.

    Returns:
        Those of one place; where no place is found `COMPARABLE` times all of them, or, if there are
        blocks, none.

    Examples:
        >>> names = ["stem", "0.fc1", "0.fc2", "1.fc1", "1.fc2", "2.fc1", "2.fc2"]
        >>> [layer.name for layer in alike([Facts(name, Kind.DENSE) for name in names])]
        ['0.fc1', '1.fc1', '2.fc1']
    """
    places = [place(layer.name) for layer in layers]
    main = max(places, key=places.count, default="")
    if places.count(main) >= COMPARABLE:
        return [layer for layer, found in zip(layers, places, strict=True) if found == main]
    return [] if any(in_a_block(layer.name) for layer in layers) else list(layers)


def _gain(layers: Sequence[Facts]) -> float | None:
    gains = [layer.gain for layer in layers[1:-1]]
    known = [gain for gain in gains if gain is not None]
    return sum(known) if known and len(known) == len(gains) else None


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
    reached = [index for index, share in enumerate(shares) if share < 1]
    if reached:
        shares = [share for index, share in enumerate(shares) if share < 1 or index < reached[0]]
    return float(np.mean(shares)) if shares else None


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
    no step is meant for them.

    Returns:
        The share; None if no tensor with a gradient is stored in a known format.

    Examples:
        >>> frozen_share([]) is None
        True
    """
    own = [step.own for step in updates if step.own is not None and step.gradient.largest > 0]
    total = sum(found.total for found in own)
    return sum(found.count for found in own) / total if total else None


def _ratios(main: Sequence[Facts], activations: Sequence[float]) -> Profile | None:
    if len(activations) != len(main):
        return None
    pairs = ((x.name, rms_of(x.weight), a) for x, a in zip(main[1:], activations, strict=False))
    sizes = ((n, size / a if size is not None and a > 0 else None) for n, size, a in pairs)
    return profile("gradients of weights over activations", sizes)
