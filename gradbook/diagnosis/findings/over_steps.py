"""How the norm of all gradients changes over the steps of a training."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, takewhile
from statistics import median

from gradbook.diagnosis.places import log_ratio
from gradbook.diagnosis.verdicts import Finding, Verdict, factor, listed

GROWS = 1.5
"""By how many decades the norm of all gradients grows that is called growing."""

CEASES = 4.0
"""Decades by which the norm falls that is more than a loss that is learned."""

FIFTH = 5
"""The ends of a log that are compared are its first and last fifth."""

SHARE = 0.1
"""The share of steps that a loss scale may lose before a log is called not finite."""

MOSTLY = 0.6
"""The share of steps at which a norm rises that grows."""

LEARNED = 1e-6
"""The share of what it was while it was not to which a loss has come that is as good as 0."""

LATE = 2
"""How many times its longest pause a layer that takes turns may pause at the end."""

PEAK = 100.0
"""How many times the median of all a norm is that is a peak."""


def last_fifth(sizes: Sequence[float]) -> Sequence[float]:
    """Return the end of a log that is compared with its beginning."""
    return sizes[-max(len(sizes) // FIFTH, 1) :]


def _ends(total: Mapping[float, float]) -> tuple[list[float], float, float]:
    """Return the norms that are finite and not 0, and the medians of their ends."""
    sizes = [norm for norm in total.values() if math.isfinite(norm) and norm > 0]
    return sizes, median(last_fifth(sizes[::-1]) or [1.0]), median(last_fifth(sizes) or [1.0])


def growing(total: Mapping[float, float]) -> Finding | None:
    """Find that the norm of all gradients grows from step to step, and not at once."""
    sizes, first, last = _ends(total)
    parts, grown = sizes, log_ratio(last, first)
    if len(sizes) >= 2 * FIFTH:  # of many steps not each has to rise: batches differ
        ends = [len(sizes) * k // FIFTH for k in range(FIFTH + 1)]
        parts = [median(sizes[a:b]) for a, b in pairwise(ends)]
    rising = sum(b > a for a, b in pairwise(parts))
    if len(sizes) < 3 or grown < GROWS or rising < MOSTLY * (len(parts) - 1):
        return None
    begin = next((s for s, n in total.items() if n > 10 * first), max(total))
    text = f"The norm of all gradients grows by {factor(grown)} over {len(sizes)} steps, from "
    text += f"{first:.3g} to {last:.3g}; it is ten times the first by step {begin:g}."
    return Finding(Verdict.GROWING, text, since=f"step {begin:g}")


def surging(total: Mapping[float, float]) -> Finding | None:
    """Find that a norm that was as usual grows over the last steps before it is lost.

    Examples:
        >>> sizes = [1.0] * 20 + [10.0**step for step in range(1, 6)] + [math.nan]
        >>> surging(dict(enumerate(sizes))).reason.partition(" by ")[2]
        'a factor of 10^5.0 over the last 5 finite steps, to 1e+05.'
    """
    finite = {step: norm for step, norm in total.items() if math.isfinite(norm) and norm > 0}
    usual = median(finite.values() or [0.0])
    late = [*takewhile(lambda step: finite[step] > usual, reversed(finite))][::-1]
    if len(late) < 3 or math.isfinite(total[max(total)]):
        return None
    sizes = [finite[step] for step in late]
    grown, half = log_ratio(sizes[-1], usual), len(sizes) // 2
    # Neither at once, as a peak, nor to another level at which it stayed.
    jump = max(log_ratio(b, a) for a, b in pairwise([usual, *sizes]))
    halves = log_ratio(median(sizes[half:]), median(sizes[:half]))
    if sizes[-1] <= PEAK * usual or 2 * jump > grown or 3 * halves < grown:
        return None
    text = f"The norm of all gradients grew by {factor(grown)} over the last {len(late)} finite "
    return Finding(Verdict.GROWING, f"{text}steps, to {sizes[-1]:.3g}.", since=f"step {late[0]:g}")


def burst(total: Mapping[float, float]) -> str:
    """Say that the norm of all gradients has grown at once, whatever it is at the end."""
    sizes = {step: norm for step, norm in total.items() if math.isfinite(norm) and norm > 0}
    first, at = min(sizes, default=0.0), max(sizes, key=sizes.__getitem__, default=0.0)
    if not sizes or (grown := log_ratio(sizes[at], sizes[first])) < GROWS:
        return ""
    return f"The norm of all gradients has grown by {factor(grown)} by step {at:g}."


def ceasing(total: Mapping[float, float]) -> Finding | None:
    """Find that the norm of all gradients becomes exactly 0."""
    sizes = [norm for norm in total.values() if math.isfinite(norm)]
    if len(sizes) < FIFTH or not any(sizes) or any(last_fifth(sizes)):
        return None
    begin = max(s for s, n in total.items() if n > 0 and math.isfinite(n))
    since = min(s for s, n in total.items() if s > begin and n == 0)
    text = f"From step {since:g} on the norm of all gradients is exactly 0, so that nothing is "
    text += "learned: all units off, a saturated loss, or numbers too small for their format."
    if grew := burst(total):
        return Finding(Verdict.FROZEN, f"{grew} {text}", since=f"step {since:g}", hint="grew")
    return Finding(Verdict.FROZEN, text, since=f"step {since:g}", hint="ceased")


def learned(total: Mapping[float, float], losses: Mapping[float, float]) -> set[float]:
    """Return the steps at which all gradients are exactly 0 since the loss is, too.

    So it is with a margin that all examples keep, and it is no fault.

    Examples:
        >>> learned({0.0: 1.0, 1.0: 0.0, 2.0: 0.0}, {0.0: 2.0, 1.0: 0.0})
        {1.0, 2.0}
        >>> learned({0.0: 1.0, 1.0: 0.0, 2.0: 0.0}, {0.0: 2.0, 1.0: 2.0})
        set()
    """
    told = {step: abs(loss) for step, loss in losses.items() if loss and math.isfinite(loss)}
    alive = [loss for step, loss in told.items() if total.get(step)]
    if not alive:
        return set()
    found, loss, usual = set[float](), math.nan, median(alive)
    for step, norm in total.items():
        loss = losses.get(step, loss)  # it may be logged at fewer steps
        if norm == 0 and abs(loss) <= LEARNED * usual:
            found.add(step)
    return found if len(found) < len(total) else set()


def takes_turns(norms: Sequence[float]) -> bool:
    """Tell a layer that gets something again and again from one that gets nothing any more.

    Examples:
        >>> takes_turns([0.0, 0.0, 0.3] * 4 + [0.0]), takes_turns([0.3, 0.2, 0.0, 0.0, 0.0])
        (True, False)
    """
    some = [at for at, norm in enumerate(norms) if norm != 0]
    gaps = [b - a - 1 for a, b in pairwise(some)]
    # It comes back more than once. What is drawn by chance may be late once, but not by far.
    often = sum(map(bool, gaps)) > 1
    return often and len(norms) - 1 - some[-1] <= LATE * max(gaps)


def has_ended(norms: Sequence[float]) -> bool:
    """Tell a layer that got something and gets nothing over the last fifth of the steps.

    Examples:
        >>> has_ended([0.3] * 7 + [0.0] * 3), has_ended([0.3] * 9 + [0.0]), has_ended([0.0] * 10)
        (True, False, False)
        >>> has_ended([0.3, 0.2, 0.0])
        False
    """
    some = len(norms) >= 2 * FIFTH and any(norms)
    return some and not any(last_fifth(norms)) and not takes_turns(norms)


def falls(total: Mapping[float, float]) -> str:
    """Say by how much the norm of all gradients falls, if that is much."""
    sizes, first, last = _ends(total)
    down = log_ratio(first, last)
    enough = len(sizes) >= FIFTH and down >= CEASES
    return f"The norm of all gradients falls by {factor(down)}. " if enough else ""


def passing(total: Mapping[float, float]) -> str:
    """Say that some steps are not finite and later ones are, as where a loss scale is sought.

    What is not finite stays so once a step has been taken with it: those have been left out.
    """
    bad = [step for step, norm in total.items() if not math.isfinite(norm)]
    if not bad or len(bad) > SHARE * len(total) or max(total) in bad:
        return ""
    text = f"The norms of {len(bad)} of {len(total)} steps are not finite, the last at step "
    text += f"{bad[-1]:g}, and later ones are: such steps were not taken, as with a loss scale "
    return f"{text}that is lowered until nothing overflows."


def peaks(total: Mapping[float, float]) -> Iterator[str]:
    """Name the steps at which the norm is far above what it usually is."""
    finite = {step: norm for step, norm in total.items() if math.isfinite(norm)}
    usual = median(finite.values() or [0.0])
    high = [f"{step:g}" for step, norm in finite.items() if norm > PEAK * usual > 0]
    if 0 < len(high) <= SHARE * len(total):
        steps = listed(high)
        yield f"At step {steps} the norm is more than {PEAK:g} times its median, {usual:.3g}."
