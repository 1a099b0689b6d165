"""The sizes of δ along the paths of a network: vanishing, exploding, or neither."""

import math
from collections import Counter

from gradbook.diagnosis.findings.known import MOST, Known, Parameter
from gradbook.diagnosis.findings.loss import taken_twice
from gradbook.diagnosis.findings.over_time import CALLS
from gradbook.diagnosis.findings.steps import at_rest, too_slow, underflows
from gradbook.diagnosis.findings.units import mostly_off, saturates
from gradbook.diagnosis.paths import Path, Profile, longest, worst
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.diagnosis.watching.modules import PARAMETRIZED
from gradbook.diagnosis.words import factor, listed

FALL = 1.95
"""Decades that δ falls by in a network that is ill; truth calls 2 a fault, 1 healthy."""

RISE = 1.95
"""Decades that it rises by, likewise."""

GROWTH = math.log10(math.pi / (math.pi - 1)) / 2
"""Decades that δ grows by in a layer of ReLU behind batch normalization: a factor of 1.21.

Source: Yang et al. 2019, section 4: its square, π/(π−1), in wide layers of large batches.
"""

BEARABLE = 34
"""How many such layers, with no path around any, can just be trained.

In sixty steps, at the best of four rates, 28 layers learn a batch and 50 do not.
"""

RISE_NORMALIZED = BEARABLE * GROWTH
"""Decades of a rise where normalizations are and no path leads around: 2.8.

Not the depth decides but the decades, whatever they come from: layers of GELU grow by less and bear
more of them, saturated tanh by more, and both cease to learn near the same size.
"""

RISE_OF_BLOCK = 0.25
"""Decades for each block by which a rise is none where normalizations are and paths lead around.

A normalized branch adds about as much to the path as there is at first, a factor of √2 on the way
back. Published networks at their own initialization rise by up to 5 decades in their many blocks
(ConvMixer) and train: behind a normalization the size of a gradient does not matter.
"""


def sized(known: Known) -> Finding | None:
    """Judge the largest fall and the largest rise between any two places of a path."""
    down, up = worst(known.paths)
    limit = RISE_NORMALIZED if known.normalized else RISE
    if known.normalized and known.splits:
        limit = max(limit, RISE_OF_BLOCK * _steps(up))
    if down.fall[0] >= FALL and down.fall[0] >= min(up.rise[0], limit):
        size, start, end = down.fall
        text = f"From {start} back to {end} δ falls by {factor(size)}{_why(known, down)}."
        return Finding(
            Verdict.VANISHING,
            text,
            Profile.of("δ", down),
            down.since(-1),
            _by_steps(known, down.fall),
        )
    if up.rise[0] >= limit:
        size, start, end = up.rise
        text = f"From {start} back to {end} δ grows by {factor(size)}."
        return Finding(
            Verdict.EXPLODING, text, Profile.of("δ", up), up.since(1), _by_steps(known, up.rise)
        )
    return None


def _by_steps(known: Known, change: tuple[float, str, str]) -> str | None:
    """Tell that a change is one over calls of one layer, as where a cell runs over time.

    Blocks that share their weights have normalizations.
    """
    calls = Counter(p.module for p in known.record.places if p.layer)
    modules = [p.module for p in known.record.places if p.name in change[1:]]
    often = any(calls[module] >= CALLS for module in modules)
    return "time" if often and not known.normalized else None


def _steps(path: Path) -> int:
    """Count the places between the two that a path rises between."""
    _, start, end = path.rise
    return path.names.index(start) - path.names.index(end) if start else 0


def _why(known: Known, path: Path) -> str:
    on = [p for p in known.record.places if p.name in path.names]
    ends = [p.saturated for p in on if p.saturated is not None]
    if ends and sum(ends) / len(ends) > MOST:
        return f"; {sum(ends) / len(ends):.0%} of what enters the layers is saturated"
    spread = [p.spread for p in on if p.spread is not None and math.isfinite(p.spread)]
    if spread and min(spread) < 1e-3:
        return f"; all examples come out alike, to {min(spread):.0e} of their size"
    return ""


def healthy(known: Known) -> Finding | None:
    """Say that the gradient arrives, if it does."""
    found = longest(known.paths)
    if not known.ends or not (found.names or any(p.norm for p in known.asked)):
        return None
    if not any(p.delta for p in known.record.places):
        return None
    if (within := unseen(known)) is not None:
        return within
    text, sizes = _arrives(known, found), Profile.of("δ", found) if found.names else None
    buts = (
        ("twice", taken_twice(known)),
        ("underflow", underflows(known)),
        ("saturated", saturates(known)),
        ("few left", mostly_off(known)),
        ("rate", at_rest(known)),
        ("slow", too_slow(known)),
    )
    hint, but = next((pair for pair in buts if pair[1]), (None, ""))
    return Finding(Verdict.HEALTHY, text + but, sizes, hint=hint)


def unseen(known: Known) -> Finding | None:
    """Say that most layers ran where no hook is called, as in what was compiled before."""
    got = [p for p in known.asked if p.axes > 1 and p.norm and p.name in known.place_of]
    silent = [p for p in got if _module(p) not in known.record.called]
    owners = Counter(known.place_of[p.name].name for p in silent)
    hidden = [p for p in silent if owners[known.place_of[p.name].name] > 1]
    if not hidden or len(hidden) < MOST * len(got):
        return None
    return Finding(
        Verdict.CANNOT_TELL,
        f"{len(hidden)} of {len(got)} layers got a gradient, and no hook of theirs was called, as "
        "where a network has run compiled before it was watched: what is between them is not seen "
        f"({listed([p.layer for p in hidden])}).",
        since=hidden[-1].layer,
        hint="compiled",
    )


def _module(parameter: Parameter) -> str:
    return f".{parameter.layer}".partition(PARAMETRIZED)[0][1:]


def _arrives(known: Known, found: Path) -> str:
    names = list(dict.fromkeys([*found.names, *(p.name for p in known.ends)]))
    if len(found.names) < 2:
        return f"The gradient arrives at {listed(names)}: there is no deeper layer."
    down, up = worst(known.paths)
    return (
        f"From {found.names[-1]} back to {found.names[0]} δ falls nowhere by more than "
        f"{factor(down.fall[0])} and grows by no more than {factor(up.rise[0])}."
    )
