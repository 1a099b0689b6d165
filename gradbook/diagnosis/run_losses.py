"""What the losses of a run tell: that it learns, has risen, stays, or is lost."""

import math
from collections.abc import Sequence
from statistics import median

from gradbook.diagnosis.findings.about import UNLIKE
from gradbook.diagnosis.findings.over_steps import FIFTH, LEARNED, last_fifth
from gradbook.diagnosis.reporting.report import Report
from gradbook.diagnosis.run_course import (
    blown_up,
    lately,
    losses_of,
    rose,
    shrunk,
    stands_since,
    verdicts_of,
)
from gradbook.diagnosis.run_page import Moment
from gradbook.diagnosis.run_reports import told_more
from gradbook.diagnosis.verdicts import Finding, Verdict, factor

RISEN, NOTHING = 1.3, 0.01
"""How many times the loss of the first fifth that of the last is which has risen, and the share of
the first loss below which it has come to nothing."""

STAYS, SETTLES = 0.98, 0.9
"""How much of the loss of the second fifth is left in the last of one that does not fall, and of
that of the third where it has fallen before, and may have come to what guessing costs."""

BESIDE = 3
"""How many losses on either side of a step tell that it is there that they rose."""

OF_NOISE, OF_THE_LEAST = 3.5, 4.5
"""How many standard errors of a difference are more than noise: of two fifths, and of the last one
and the least of all, which noise makes small."""

LAGS = (1, 2, 3)
"""How many steps lie between losses that tell the noise: two batches may take turns, or three."""

EVEN = 1.01
"""How many times the least norm the largest is where all are held at one size."""

BLOWS_UP = frozenset({Verdict.EXPLODING, Verdict.LARGE_STEP})
"""What makes a first loss large that then falls to guessing and no further."""


def lost(moments: Sequence[Moment]) -> Finding | None:
    """Find that a loss that was told is not finite, though all that comes back of it is."""
    told = (m for m in moments if m.loss is not None and not math.isfinite(m.loss))
    bad = next(told, None)
    if bad is None or any(m.report.verdict is Verdict.NON_FINITE for m in moments):
        return None
    text = f"The loss is {bad.loss:g} at step {bad.step}, though all that comes back is finite."
    return Finding(Verdict.NON_FINITE, text, since="the loss", hint="loss")


def learned(moments: Sequence[Moment]) -> Finding | None:
    """Find that the loss falls to less than half: what is learned sends little back.

    Of one that has been below 0 half is nothing: what it may fall to is not known. One that began
    blown up may have fallen to guessing: then the least of its first fifth is its beginning.
    """
    told = losses_of(moments)
    last, first = last_fifth(told), last_fifth(told[::-1])
    known = len(told) >= FIFTH and all(map(math.isfinite, last)) and min(told) >= 0
    blown = any(verdicts_of(m) & BLOWS_UP for m in moments[: len(first)])
    if not known or median(last) >= (min(first) if blown else told[0]) / 2:
        return None
    text = f"The loss falls from {told[0]:.3g} to {median(last):.3g}"
    # In the middle one that is learned slowly falls still.
    since = stands_since(moments, SETTLES, FIFTH // 2)
    if since and median(last) > LEARNED * told[0]:
        text += f", and not since step {since}: where that is less than guessing costs, this "
        return Finding(Verdict.HEALTHY, f"{text}network has learned.", hint="flat loss")
    return Finding(Verdict.HEALTHY, f"{text}: this network trains.")


def risen(report: Report, moments: Sequence[Moment]) -> Report:
    """Say of a healthy gradient that the loss has risen all the same, at its end or in between."""
    told, first = losses_of(moments), report.findings[0]
    if first.verdict is not Verdict.HEALTHY or len(told) < 2 * FIFTH or not told[0] > 0:
        return report
    began, at_once = told[0], min(told[1:]) >= RISEN * told[0]
    told = told if at_once else _in_turn(told)
    # One that is blown up at once was low at the first step alone.
    begin = began if at_once else median(last_fifth(told[::-1]))
    end, peak, part = median(last_fifth(told)), blown_up(moments), len(told) // FIFTH
    risen = end >= RISEN * begin and end > NOTHING * began
    if risen and _stands_out(told, begin, end, OF_NOISE):
        text = f"risen from {begin:.3g} to {end:.3g}{', and was ' * bool(peak)}{peak}."
        return _rise(report, moments, end, text)
    least = min(median(told[k : k + part]) for k in range(len(told) - part + 1))
    above = 0 <= 2 * least < end and _stands_out(told, least, end, OF_THE_LEAST)
    if above and (rose(moments) or stands_since(moments, STAYS)) and not learned(moments):
        text = f"been {least:.3g}, and has risen to {end:.3g} since."
        return _rise(report, moments, end, text)
    text = f"been {began:.3g} at first, and {peak}."
    return _rise(report, moments, max(told), text) if peak else report


def _stands_out(told: Sequence[float], low: float, high: float, times: float) -> bool:
    """Tell whether two levels differ by more than noise: by so many standard errors of fifths.

    Noise of losses is a share of them.
    """
    shares = min(told) > 0 and low > 0
    by = math.log(high / low) if shares else high - low
    noise = _step([math.log(x) for x in told] if shares else told)
    # The median size of a normal draw is 0.67 of its standard deviation; steps have two in them.
    return by > times * noise / 0.67 / math.sqrt(2) * math.sqrt(2 / (len(told) // FIFTH))


def _step(told: Sequence[float], lag: int = 1) -> float:
    """Return by how much losses differ that are so many steps apart, in the median."""
    return median(abs(b - a) for a, b in zip(told, told[lag:], strict=False))


def _in_turn(told: Sequence[float]) -> list[float]:
    """Return the means of two or three losses each, if so many batches take turns."""
    lag = min(LAGS, key=lambda lag: _step(told, lag))
    if 2 * _step(told, lag) >= _step(told) or len(told) < FIFTH * lag:
        return list(told)
    begin = len(told) % lag
    return [sum(told[k : k + lag]) / lag for k in range(begin, len(told), lag)]


def rises_at(moments: Sequence[Moment]) -> int:
    """Return which of the losses that were told lies most above those right before it.

    A hundredth of the first is as good as nothing: below it they rise by noise.
    """
    told = losses_of(moments)
    sizes = [max(loss, NOTHING * told[0]) for loss in told]
    by = {
        k: min(sizes[k : k + BESIDE]) / max(sizes[max(k - BESIDE, 0) : k])
        for k in range(1, len(sizes))
    }
    return max(by, key=by.__getitem__)


def _rise(report: Report, moments: Sequence[Moment], high: float, text: str) -> Report:
    """Say that the loss has risen, and where half of that was at one step, as when data change."""
    told, steps = losses_of(moments), [m.step for m in moments if m.loss is not None]
    k, first = rises_at(moments), max(BESIDE, len(told) // FIFTH)
    by = min(told[k : k + BESIDE]) - max(told[max(k - BESIDE, 0) : k])
    if not first <= k <= len(told) - BESIDE or 2 * by < high - min(told):
        return told_more(report, f" But the loss has {text}", "risen")
    before, at = steps[k - 1 : k + 1]
    where = f"at one step, {at}" if at - before == 1 else f"between steps {before} and {at}"
    if any(before <= m.step < at and Verdict.LARGE_STEP in verdicts_of(m) for m in moments):
        text += f" It rose {where}: the step before it was too large."
        return told_more(report, f" But the loss has {text}", "risen")
    text += f" It rose {where}: there the data or the task may have changed."
    return told_more(report, f" But the loss has {text}", "changed", "risen")


def stays(report: Report, moments: Sequence[Moment]) -> Report:
    """Say of a healthy gradient that the loss does not fall all the same, or hardly."""
    told, first = losses_of(moments), report.findings[0]
    since = stands_since(moments, STAYS)
    if first.verdict is not Verdict.HEALTHY or first.hint or not since or learned(moments):
        return report
    last, part = median(last_fifth(told)), len(told) // FIFTH
    before = told[part : 2 * part]
    # Noise would let some of the later ones be above some of the earlier ones.
    falls, by = max(last_fifth(told)) < min(before), 1 - last / median(before)
    # What comes to rest falls ever less; what is only slow goes on as it began.
    goes_on = 2 * (told[-part] - told[-1]) >= before[0] - before[-1]
    text = f" But since step {since} the loss has {'hardly' if falls and goes_on else 'not'} fallen"
    if down := shrunk(moments):
        text += f": it is {last:.3g}, and at the last step weights are smaller by {factor(down)} "
        return told_more(report, f"{text}than at first.", "decay")
    if not falls:
        return told_more(report, f"{text}: it is {last:.3g}.", "flat loss")
    if goes_on:
        return told_more(report, f"{text}: it is {last:.3g}, {by:.1g} of itself less.", "hardly")
    text += f" but for {by:.1g} of itself: it comes to rest at {last:.3g}, which a constant in it "
    return told_more(report, f"{text}leaves, or guessing costs.", "flat loss")


def still_falls(report: Report, moments: Sequence[Moment]) -> Report:
    """Say of a gradient that vanishes that the loss falls all the same, and has not come to rest.

    Optimizers such as Adam take steps of one size however little comes back.
    """
    first, told = report.findings[0], losses_of(moments)
    known = len(told) >= 4 * FIFTH and all(map(math.isfinite, told))
    if first.verdict is not Verdict.VANISHING or not known or "loss falls" in first.reason:
        return report
    told = _in_turn(told)
    began, end = median(last_fifth(told[::-1])), median(last_fifth(told))
    clearly = end <= SETTLES * began and _stands_out(told, end, began, OF_NOISE)
    clearly &= not lately(moments, lambda m: m.alike)  # it falls to what guessing costs
    if not clearly or stands_since(moments, STAYS, FIFTH // 2):
        return report
    where = "from what came long ago" if "t=" in (first.since or "") else "in what lies in front"
    text = f" But the loss falls from {began:.3g} to {end:.3g}: where that is less than guessing "
    return told_more(report, f"{text}costs, it learns, if perhaps not {where}.")


def held_small(report: Report, moments: Sequence[Moment], norms: Sequence[float]) -> Report:
    """Say of steps that are next to nothing that a clip holds the norm behind them.

    Without one it stays, too, where no weight moves and each batch is the same. Then δ does not
    change, either, and what weights hold is its sum.
    """
    same = len(norms) >= FIFTH and 0 < max(norms) <= EVEN * min(norms)
    sent = [math.hypot(*moment.norms.values()) for moment in moments]
    other = max(sent) > EVEN * min(sent) or any(UNLIKE in note for note in report.notes)
    if report.findings[0].hint != "slow" or not same or not other:
        return report
    text = f" The norm of all gradients is {median(norms):.2g} at every look, as behind a clip."
    return told_more(report, text, "held small")


def slowed(report: Report, rates: Sequence[float]) -> Report:
    """Say of a step that is lost that the learning rate has become so small."""
    first = report.findings[0]
    fell = len(rates) > 1 and 0 < 1000 * rates[-1] < max(rates)
    if first.verdict is not Verdict.FROZEN or first.hint or not fell:
        return report
    text = f" The learning rate has fallen from {max(rates):.2g} to {rates[-1]:.2g}."
    return told_more(report, text, "rate")
