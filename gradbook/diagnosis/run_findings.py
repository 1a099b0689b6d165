"""What only a run tells: what is missing between its steps, and what came before the end."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from statistics import median
from typing import Any

from gradbook.diagnosis.findings.about import CLEARED, UNLIKE
from gradbook.diagnosis.findings.over_steps import FIFTH, LEARNED, last_fifth
from gradbook.diagnosis.findings.steps import STILL
from gradbook.diagnosis.places import Place, log_ratio
from gradbook.diagnosis.reporting.advice import HINTS, next_steps
from gradbook.diagnosis.reporting.compose import in_order
from gradbook.diagnosis.reporting.report import Report
from gradbook.diagnosis.run_page import Moment
from gradbook.diagnosis.verdicts import Finding, Verdict, factor, listed

OFTEN = 3
"""How many backward passes without a step are no accumulation."""

SIZED = frozenset({Verdict.DEAD, Verdict.VANISHING, Verdict.EXPLODING})
"""What training makes of a network in which it was not, where steps or weight decay are large."""

FLAT = ("flat", "enters")
"""What is said of a gradient that is exactly 0 behind units that steps have driven off."""

BY_TRAINING = (*FLAT, "saturated")
"""What training makes of a sound network beside sizes that are off."""

AT_REST = frozenset({Verdict.LOSS, Verdict.VANISHING, Verdict.EXPLODING, Verdict.FROZEN})
"""What may be true of a network that has learned, and is no illness then."""

BLOWS_UP = frozenset({Verdict.EXPLODING, Verdict.LARGE_STEP})
"""What makes a first loss large that then falls to guessing and no further."""

EMPTIES = frozenset({Verdict.CUT, Verdict.LOSS})
"""What one batch may seem to be of which a loss has nothing to say, as one without an object."""

RISEN, NOTHING = 1.3, 0.01
"""How many times the loss of the first fifth that of the last is which has risen, and the share of
the first loss below which it has come to nothing."""

STAYS, SETTLES = 0.98, 0.9
"""How much of the loss of the second fifth is left in the last of one that does not fall, and of
that of the third where it has fallen before, and may have come to what guessing costs."""

ALIKE = 1e-3
"""The share of their size by which examples differ that have come out alike."""

BLOWN = 10.0
"""How many times the first loss, and all of the last fifth, one is that was blown up."""

BESIDE = 3
"""How many losses on either side of a step tell that it is there that they rose."""

EVEN = 1.01
"""How many times the least norm the largest is where all are held at one size."""

SHRUNK = 0.5
"""Decades by which half of the matrices become smaller that is more than training does."""


SKIPPED = (
    "At {} looks what came back was not finite, and no step was taken with it: a GradScaler does "
    "so until its scale is low enough."
)


def norm_of(tensors: Any) -> float:
    """Return the norm of some tensors together, such as that of the gradients that weights hold."""
    sizes = (float(t.detach().abs().float().norm()) for t in tensors if t is not None and t.numel())
    return math.hypot(*sizes)


def cleared(moments: Sequence[Moment], taken: Sequence[tuple[float, float]]) -> Finding | None:
    """Find that gradients come back at every step and none is there when the step is taken.

    Args:
        taken: The norm of all gradients when a step was taken, and when they were seen before.
    """
    held = [not any(CLEARED in note for note in moment.report.notes) for moment in moments]
    emptied = sum(seen > 0 for _, seen in taken)
    gone = emptied or held.count(False)
    some = any(norm for norm, _ in taken)
    if some or not gone or gone < (len(taken) if emptied else len(moments)):
        return None
    text = f"At none of {gone} steps a weight held a gradient when the optimizer's step was taken, "
    text += "though δ came to the layers: gradients are cleared between backward() and step()."
    return Finding(Verdict.CUT, text, hint="cleared")


def never_moved(looked: int, rates: Sequence[float]) -> Finding | None:
    """Find that the optimizer's step was never taken, or with a largest rate of 0 each time."""
    if looked >= OFTEN and not rates:
        text = f"Of {looked} steps the optimizer that you handed over took none."
        return Finding(Verdict.CUT, text, hint="no step")
    if len(rates) >= OFTEN and not any(rates):
        text = f"The learning rate was 0 at all {len(rates)} steps: no weight moves."
        return Finding(Verdict.FROZEN, text, hint="rate")
    return None


def summed(steps: int, kept: int) -> Finding | None:
    """Find that each step but the first is taken with gradients of earlier ones in it."""
    if kept < steps or steps + 1 < OFTEN:
        return None
    text = f"At each of {kept} steps the gradients of the step before were still there when the "
    text += "next ones came: they are not cleared, and every step is taken with the sum of all."
    return Finding(Verdict.LARGE_STEP, text, hint="summed")


def standing(moments: Sequence[Moment]) -> Finding | None:
    """Find weights that get exactly 0 at every step, while others get something."""
    last = moments[-1]
    if len(moments) < OFTEN or last.report.verdict.is_problem or not last.norm > 0:
        return None
    zero = [{r.name for r in m.report.rows if r.count and not r.norm} for m in moments]
    still = [r for r in last.report.rows if all(r.name in names for names in zero)]
    if all(r.kind == "bias" for r in still):
        return None
    names = listed([r.name for r in still])
    text = f"{names} got a gradient of exactly 0 at each of {len(moments)} steps, and others "
    text += "something: what lies behind has a slope of 0, or the loss sends nothing there."
    return Finding(Verdict.CUT, text, since=still[-1].name, hint="still")


def joined(report: Report, *later: Finding | None) -> Report:
    """Add what happened over the steps; where none is taken, their sizes say nothing."""
    more = [*filter(None, later)]
    none = any(found.hint == "no step" for found in more)
    sized = {Verdict.LARGE_STEP, Verdict.FROZEN} if none else set()
    kept = tuple(f for f in report.findings if f.verdict not in sized)
    found = in_order([*kept, *more]) if more else kept
    if found[0] in report.findings:
        return replace(report, findings=found)
    return _instead(report, *found)


def slowed(report: Report, rates: Sequence[float]) -> Report:
    """Say of a step that is lost that the learning rate has become so small."""
    first = report.findings[0]
    fell = len(rates) > 1 and 0 < 1000 * rates[-1] < max(rates)
    if first.verdict is not Verdict.FROZEN or first.hint or not fell:
        return report
    text = f" The learning rate has fallen from {max(rates):.2g} to {rates[-1]:.2g}."
    return _told(report, text, "rate")


def _told(report: Report, text: str, *hints: str) -> Report:
    """Add to the first finding what made it so, and advise that, if it is known."""
    first, *rest = report.findings
    told = replace(first, reason=first.reason + text, hint=(*hints, first.hint)[0])
    steps = tuple(HINTS[hint] for hint in hints) or report.steps
    return replace(report, findings=(told, *rest), steps=steps)


def _instead(report: Report, found: Finding, *also: Finding) -> Report:
    """Put another finding in place of those of a report."""
    return replace(report, findings=(found, *also), steps=next_steps(found), rate=None)


def _first(report: Report, found: Finding) -> Report:
    """Put before all that is wrong what made it so, unless something is not finite."""
    if report.verdict is Verdict.NON_FINITE:
        return replace(report, steps=(*next_steps(found), *report.steps))
    also = (f for f in report.findings if f.verdict.is_problem and f is not found)
    return _instead(report, found, *also)


def last_of(moments: Sequence[Moment], trained: Collection[str]) -> Moment:
    """Return the last look, or the one before if one batch alone sends nothing to some weights.

    What is cut, and a loss that sends nothing, stay so; a batch without a target is one batch.

    Args:
        trained: The names of the weights that ask for a gradient.
    """
    last, before = moments[-1], moments[-2:][0]
    got = {row.name for row in before.report.rows if row.norm > 0}
    owners = {name.rpartition(".")[0] for name in trained}.union(trained)
    lost = {row.name for row in last.report.rows if not row.norm > 0} & owners
    if last.report.verdict not in EMPTIES or _verdicts(before) & EMPTIES or lost - got:
        return last
    note = f"So it was at step {before.step}. At step {last.step} alone: "
    report = before.report
    notes = (f"{note}{last.report.findings[0].reason}", *report.notes)
    return replace(before, report=replace(report, notes=notes))


def risen(report: Report, moments: Sequence[Moment]) -> Report:
    """Say of a healthy gradient that the loss has risen all the same, at its end or in between."""
    told, first = losses_of(moments), report.findings[0]
    if first.verdict is not Verdict.HEALTHY or len(told) < 2 * FIFTH or not told[0] > 0:
        return report
    # One that is blown up at once was low at the first step alone.
    begin = told[0] if min(told[1:]) > told[0] else median(last_fifth(told[::-1]))
    end, peak, part = median(last_fifth(told)), _peak(moments), len(told) // FIFTH
    if end >= RISEN * begin and end > NOTHING * told[0]:
        text = f"risen from {begin:.3g} to {end:.3g}{', and was ' * bool(peak)}{peak}."
        return _rise(report, moments, text)
    least = min(median(told[k : k + part]) for k in range(len(told) - part + 1))
    if 0 <= 2 * least < end and _stands(moments, STAYS) and not learned(moments):
        return _rise(report, moments, f"been {least:.3g}, and has risen to {end:.3g} since.")
    return _rise(report, moments, f"been {told[0]:.3g} at first, and {peak}.") if peak else report


def _peak(moments: Sequence[Moment]) -> str:
    """Say how high the loss has been, if it was blown up and has not come to half of the first."""
    told = {m.step: m.loss for m in moments if m.loss is not None and math.isfinite(m.loss)}
    sizes = list(told.values()) or [0.0]
    first, end, at = sizes[0], last_fifth(sizes), max(told, key=told.__getitem__, default=0)
    high = max(sizes) >= BLOWN * max(first, *end) > 0 and 2 * median(end) > first
    return f"{max(sizes):.3g} at step {at}" if high else ""


def _rise(report: Report, moments: Sequence[Moment], text: str) -> Report:
    """Say that the loss has risen, and where that was at one step, as when the data change."""
    told, steps = losses_of(moments), [m.step for m in moments if m.loss is not None]
    by = {
        step: min(told[k : k + BESIDE]) - max(told[k - BESIDE : k])
        for k, step in enumerate(steps)
        if BESIDE <= k <= len(told) - BESIDE
    }
    at = max(by, key=by.__getitem__, default=0)
    if not by or 2 * by[at] < max(told) - min(told):
        return _told(report, f" But the loss has {text}", "risen")
    text += f" It rose at one step, {at}: there the data or the task may have changed."
    return _told(report, f" But the loss has {text}", "changed", "risen")


def stays(report: Report, moments: Sequence[Moment]) -> Report:
    """Say of a healthy gradient that the loss does not fall all the same, or hardly."""
    told, first = losses_of(moments), report.findings[0]
    since = _stands(moments, STAYS)
    if first.verdict is not Verdict.HEALTHY or first.hint or not since or learned(moments):
        return report
    last, part = median(last_fifth(told)), len(told) // FIFTH
    before = told[part : 2 * part]
    # Noise would let some of the later ones be above some of the earlier ones.
    falls, by = max(last_fifth(told)) < min(before), 1 - last / median(before)
    # What comes to rest falls ever less; what is only slow goes on as it began.
    goes_on = 2 * (told[-part] - told[-1]) >= before[0] - before[-1]
    text = f" But since step {since} the loss has {'hardly' if falls and goes_on else 'not'} fallen"
    if down := _shrunk(moments):
        text += f": it is {last:.3g}, and at the last step weights are smaller by {factor(down)} "
        return _told(report, f"{text}than at first.", "decay")
    if not falls:
        return _told(report, f"{text}: it is {last:.3g}.", "flat loss")
    if goes_on:
        return _told(report, f"{text}: it is {last:.3g}, {by:.1g} of itself less.", "hardly")
    text += f" but for {by:.1g} of itself: it comes to rest at {last:.3g}, which a constant in it "
    return _told(report, f"{text}leaves, or guessing costs.", "flat loss")


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
    return _told(report, text, "held small")


def _shrunk(moments: Sequence[Moment]) -> float:
    """Return by how many decades the weights have become smaller, 0 for what training does."""
    down = log_ratio(moments[0].weights, moments[-1].weights)
    return down if math.isfinite(down) and down >= SHRUNK else 0.0


def still_in_part(report: Report, moments: Sequence[Moment], formats: Mapping[str, str]) -> Report:
    """Name layers of a healthy network most of whose weights no step that was seen has moved.

    Args:
        formats: The number format of each layer.
    """
    shares = [
        {r.name: r.frozen.get(formats.get(r.name, ""), 0.0) for r in m.report.rows} for m in moments
    ]
    still = [name for name in shares[-1] if all(one.get(name, 0.0) >= STILL for one in shares)]
    first = report.findings[0]
    if first.verdict is not Verdict.HEALTHY or first.hint or len(moments) < OFTEN or not still:
        return report
    text = f" But at each of {len(moments)} looks {STILL:.0%} or more of the weights of "
    text += f"{listed(still)} are the same after the step, bit for bit."
    return _told(report, text, "rate")


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


def _stands(moments: Sequence[Moment], share: float, fifth: int = 1) -> int:
    """Return the step from which on the loss does not fall, that of a fifth from 0 on, or 0."""
    told, steps = losses_of(moments), [m.step for m in moments if m.loss is not None]
    part = len(told) // FIFTH
    if len(told) < 4 * FIFTH or not all(map(math.isfinite, told)):
        return 0
    begin = fifth * part
    before, last = median(told[begin : begin + part]), median(last_fifth(told))
    return steps[begin] if last > share * before > 0 else 0


def of_another(report: Report, steps: int) -> Report:
    """Say that losses were told of which nothing came back, as of a network that was made anew."""
    text = f"After step {steps} losses were told, and nothing came back of the network that is "
    return _instead(report, Finding(Verdict.CANNOT_TELL, f"{text}watched.", hint="anew"))


def by_another(report: Report, steps: int) -> Report:
    """Say that the optimizer that was handed over steps no more, as where it was made anew."""
    text = f"At the last {steps} looks the optimizer that was handed over took no step."
    return _instead(report, Finding(Verdict.CANNOT_TELL, text, hint="anew"))


def losses_of(moments: Sequence[Moment]) -> list[float]:
    """Return the losses that were told."""
    return [moment.loss for moment in moments if moment.loss is not None]


def below(moments: Sequence[Moment]) -> Iterator[str]:
    """Say that a loss that was told has fallen below what it cannot fall below by itself."""
    if (told := losses_of(moments)) and told[-1] < 0:
        text = f"The loss is {told[-1]:.3g}. Cross-entropy and squares end at 0: below it come log "
        text += "densities, scores and advantages, and by mistake nll_loss of what is not "
        yield f"{text}log_softmax, and labels outside of 0 to 1."


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
    blown = any(_verdicts(m) & BLOWS_UP for m in moments[: len(first)])
    if not known or median(last) >= (min(first) if blown else told[0]) / 2:
        return None
    text = f"The loss falls from {told[0]:.3g} to {median(last):.3g}"
    # In the middle one that is learned slowly falls still.
    since = _stands(moments, SETTLES, FIFTH // 2)
    if since and median(last) > LEARNED * told[0]:
        text += f", and not since step {since}: where that is less than guessing costs, this "
        return Finding(Verdict.HEALTHY, f"{text}network has learned.", hint="flat loss")
    return Finding(Verdict.HEALTHY, f"{text}: this network trains.")


def has_not_risen(moments: Sequence[Moment]) -> bool:
    """Tell that the losses that were told are at the end no larger than they were at first."""
    told = losses_of(moments)
    ends = last_fifth(told), last_fifth(told[::-1])
    return bool(told) and all(map(math.isfinite, told)) and median(ends[0]) <= max(ends[1])


def rose(moments: Sequence[Moment]) -> bool:
    """Tell whether the loss was ever twice what it was at first, and does not fall to half."""
    told = losses_of(moments)
    return bool(told) and 0 < 2 * told[0] <= max(told) and told[-1] > told[0] / 2


def seen_from_the_start(report: Report, moments: Sequence[Moment]) -> Report:
    """Judge the end of a run by what came before it."""
    if (found := next((f for f in report.findings if f.hint == "summed"), None)) is not None:
        return _first(report, found)
    report = _at_rest(report, moments)
    first, large = report.findings[0], _large_before(report, moments)
    if first.verdict is Verdict.NON_FINITE:
        grew = first.hint != "data" and any(f.verdict is Verdict.GROWING for f in report.findings)
        hints = ("diverged",) if large else ("grew",) * grew
        return replace(report, steps=(*map(HINTS.__getitem__, hints), *report.steps))
    if large is not None:
        told = _first(report, large)
        # What large steps have broken, smaller ones do not mend.
        broken = (HINTS["again"],) if first.verdict.is_problem else ()
        return replace(told, steps=(*broken, *told.steps))
    by_training = first.verdict in SIZED or first.hint in BY_TRAINING
    late = by_training and not any(_so(moment, first) for moment in moments[:2])
    return _made(report, moments) if late else report


def _at_rest(report: Report, moments: Sequence[Moment]) -> Report:
    """Judge what was not so at first, and may be so because something has been learned."""
    verdict, told = report.verdict, losses_of(moments)
    late = verdict in AT_REST and not any(verdict in _verdicts(m) for m in moments[:2])
    # A loss that sends something past which nothing gets is not at its least.
    settled = (late or verdict is Verdict.CANNOT_TELL) and report.findings[0].hint != "bent"
    if settled and (found := learned(moments)) is not None:
        same = not moments[0].alike and _lately(moments, lambda m: m.alike)
        stands = verdict in SIZED and _lately(moments, lambda m: verdict in _verdicts(m))
        if not same and not (stands and (found.hint or _shrunk(moments))):
            return _instead(report, found)
        text = "where that is less than guessing costs, the network has learned all the same."
        if same:
            text = "all examples get one answer by now, so that it guesses, or a penalty fell."
        ends = f"{told[0]:.3g} to {median(last_fifth(told)):.3g}"
        return _told(report, f" The loss falls from {ends}: {text}")
    # Something still comes back, and nobody told what the loss did.
    if verdict is not Verdict.LOSS or not late or told or not any(moments[-1].norms.values()):
        return report
    text = "What the loss sends back was more at first, and is next to nothing now: it is at its "
    text += "minimum, or saturated."
    return _instead(report, Finding(Verdict.CANNOT_TELL, text, hint="untold"))


def _lately(moments: Sequence[Moment], holds: Callable[[Moment], bool]) -> bool:
    """Tell that something holds of most looks of the last fifth."""
    last = moments[-max(len(moments) // FIFTH, 1) :]
    return 2 * sum(map(holds, last)) > len(last)


def _so(moment: Moment, found: Finding) -> bool:
    """Tell that the same was found at a look; of what is healthy its hint tells what that is."""
    same = (f for f in moment.report.findings if f.verdict is found.verdict)
    return any(found.verdict.is_problem or f.hint == found.hint for f in same)


def _large_before(report: Report, moments: Sequence[Moment]) -> Finding | None:
    """Return the first step that was too large before what is wrong, or before the loss rose."""
    first, before = report.findings[0], list(moments)
    follows = SIZED | {Verdict.NON_FINITE, Verdict.LOSS}
    if first.verdict.is_problem:
        # Too large a step can make a network saturated, off or lost, and break no data.
        flat = first.verdict is Verdict.CUT and first.hint in FLAT
        if not flat and (first.verdict not in follows or first.hint == "data"):
            return None
        before = [*takewhile(lambda m: first.verdict not in _verdicts(m), moments)]
    elif not rose(moments):
        return None
    said = ((m, found) for m in before for found in m.report.findings)
    large = ((m.step, found) for m, found in said if found.verdict is Verdict.LARGE_STEP)
    told = (replace(found, reason=f"At step {step}: {found.reason}") for step, found in large)
    return next(told, None)


def _verdicts(moment: Moment) -> set[Verdict]:
    return {found.verdict for found in moment.report.findings}


def _made(report: Report, moments: Sequence[Moment]) -> Report:
    """Say what made the network so: what was wrong at first, else training or weight decay."""
    first = moments[0]
    began = first.report.findings[0]
    if began.verdict in SIZED and report.verdict.is_problem:
        return _first(report, replace(began, reason=f"At step {first.step}: {began.reason}"))
    if down := _shrunk(moments):
        return _told(report, f" The weights have become smaller by {factor(down)}.", "decay")
    now = report.findings[0]
    since = [m.step for m in takewhile(lambda m: _so(m, now), reversed(moments))]
    text = f" At first it was not so{f', and since step {since[-1]} it is' if since else ''}."
    if peak := _peak(moments):
        text += f" The loss was {losses_of(moments)[0]:.3g} at first, and {peak}."
    return _told(report, text, "made", *(["enters"] if now.hint == "enters" else []))
