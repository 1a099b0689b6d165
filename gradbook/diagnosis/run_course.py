"""How a run went: its losses and what was found at its looks, from the first to the last."""

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

from gradbook.diagnosis.findings.over_steps import FIFTH, last_fifth
from gradbook.diagnosis.places import Place, log_ratio
from gradbook.diagnosis.run_page import Moment
from gradbook.diagnosis.verdicts import Finding, Verdict

ALIKE = 1e-3
"""The share of their size by which examples differ that have come out alike."""

BLOWN = 10.0
"""How many times the first loss, and all of the last fifth, one is that was blown up."""

SHRUNK = 0.5
"""Decades by which half of the matrices become smaller that is more than training does."""


def norm_of(tensors: Any) -> float:
    """Return the norm of some tensors together, such as that of the gradients that weights hold."""
    sizes = (float(t.detach().abs().float().norm()) for t in tensors if t is not None and t.numel())
    return math.hypot(*sizes)


def losses_of(moments: Sequence[Moment]) -> list[float]:
    """Return the losses that were told."""
    return [moment.loss for moment in moments if moment.loss is not None]


def below(moments: Sequence[Moment]) -> Iterator[str]:
    """Say that a loss that was told has fallen below what it cannot fall below by itself."""
    if (told := losses_of(moments)) and told[-1] < 0:
        text = f"The loss is {told[-1]:.3g}. Cross-entropy and squares end at 0: below it come log "
        text += "densities, scores and advantages, and by mistake nll_loss of what is not "
        yield f"{text}log_softmax, and labels outside of 0 to 1."


def has_not_risen(moments: Sequence[Moment]) -> bool:
    """Tell that the losses that were told are at the end no larger than they were at first."""
    told = losses_of(moments)
    ends = last_fifth(told), last_fifth(told[::-1])
    return bool(told) and all(map(math.isfinite, told)) and median(ends[0]) <= max(ends[1])


def rose(moments: Sequence[Moment]) -> bool:
    """Tell whether the loss was ever twice what it was at first, and does not fall to half."""
    told = losses_of(moments)
    return bool(told) and 0 < 2 * told[0] <= max(told) and median(last_fifth(told)) > told[0] / 2


def blown_up(moments: Sequence[Moment]) -> str:
    """Say how high the loss has been, if it was blown up and has not come to half of the first."""
    told = {m.step: m.loss for m in moments if m.loss is not None and math.isfinite(m.loss)}
    sizes = list(told.values()) or [0.0]
    if sum(size >= BLOWN * sizes[0] for size in sizes) < 2:  # one batch may be far from all others
        return ""
    first, end, at = sizes[0], last_fifth(sizes), max(told, key=told.__getitem__, default=0)
    high = max(sizes) >= BLOWN * max(first, *end) > 0 and 2 * median(end) > first
    return f"{max(sizes):.3g} at step {at}" if high else ""


def stands_since(moments: Sequence[Moment], share: float, fifth: int = 1) -> int:
    """Return the first step of a fifth, counted from 0, if the loss falls no more from it, or 0."""
    told, steps = losses_of(moments), [m.step for m in moments if m.loss is not None]
    part = len(told) // FIFTH
    if len(told) < 4 * FIFTH or not all(map(math.isfinite, told)):
        return 0
    begin = fifth * part
    before, last = median(told[begin : begin + part]), median(last_fifth(told))
    return steps[begin] if last > share * before > 0 else 0


def lately(moments: Sequence[Moment], holds: Callable[[Moment], bool]) -> bool:
    """Tell that something holds of most looks of the last fifth."""
    last = moments[-max(len(moments) // FIFTH, 1) :]
    return 2 * sum(map(holds, last)) > len(last)


def verdicts_of(moment: Moment) -> set[Verdict]:
    """Return what was found at a look."""
    return {found.verdict for found in moment.report.findings}


def is_so(moment: Moment, found: Finding) -> bool:
    """Tell that the same was found at a look; of what is healthy its hint tells what that is."""
    same = (f for f in moment.report.findings if f.verdict is found.verdict)
    return any(found.verdict.is_problem or f.hint == found.hint for f in same)


def shrunk(moments: Sequence[Moment]) -> float:
    """Return by how many decades the weights have become smaller, 0 for what training does."""
    down = log_ratio(moments[0].weights, moments[-1].weights)
    return down if math.isfinite(down) and down >= SHRUNK else 0.0


def alike(places: Sequence[Place]) -> bool:
    """Tell that each way to what a network returns passes where all examples have come out alike.

    Behind such a place a normalization may tell them apart again, and so may other data.
    """
    # What is not alike, and what is not known to be, goes back to the data.
    differ = {p.name: p for p in places if p.spread is None or not 0 <= p.spread < ALIKE}
    inner = {name for place in places for name in place.before}
    ends = [p.name for p in places if p.name not in inner and p.delta is not None]
    seen, left = {p.name for p in places} - differ.keys(), list(ends)
    while left:
        if (name := left.pop()) in seen:
            continue
        place = differ.get(name)
        if place is None or place.normed or place.beside or not place.before:
            return False
        seen.add(name)
        left += place.before
    return bool(ends)
