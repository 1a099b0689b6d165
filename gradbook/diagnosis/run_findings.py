"""What only a run tells: what is missing between its steps, and what came before the end."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, takewhile
from statistics import median
from typing import Any

from gradbook.diagnosis.findings.about import CLEARED, UNLIKE
from gradbook.diagnosis.findings.over_steps import FIFTH, last_fifth
from gradbook.diagnosis.places import log_ratio
from gradbook.diagnosis.reporting.advice import HINTS, next_steps
from gradbook.diagnosis.reporting.compose import in_order
from gradbook.diagnosis.reporting.report import Report
from gradbook.diagnosis.run_page import Moment
from gradbook.diagnosis.verdicts import Finding, Verdict, factor, listed

OFTEN = 3
"""How many backward passes without a step are no accumulation."""

SIZED = frozenset({Verdict.DEAD, Verdict.VANISHING, Verdict.EXPLODING})
"""What training makes of a network in which it was not, where steps or weight decay are large."""

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
one that has fallen before, and may have come to what guessing costs."""

STEADY = 0.9
"""The share of steps at which a loss falls that is falling, and not noise."""

ALIKE = 1.01
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


def _told(report: Report, text: str, hint: str) -> Report:
    """Add to the first finding what made it so, and advise that."""
    first, *rest = report.findings
    told = replace(first, reason=first.reason + text, hint=hint)
    return replace(report, findings=(told, *rest), steps=(HINTS[hint],))


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
    """Say of a healthy gradient that the loss has risen all the same."""
    told, first = losses_of(moments), report.findings[0]
    if first.verdict is not Verdict.HEALTHY or len(told) < 2 * FIFTH or not told[0] > 0:
        return report
    ends = median(last_fifth(told[::-1])), median(last_fifth(told))
    if not ends[1] >= RISEN * ends[0] or ends[1] <= NOTHING * told[0]:
        return report
    return _told(report, f" But the loss has risen from {ends[0]:.3g} to {ends[1]:.3g}.", "risen")


def stays(report: Report, moments: Sequence[Moment]) -> Report:
    """Say of a healthy gradient that the loss does not fall all the same, or hardly."""
    told, first = losses_of(moments), report.findings[0]
    since = _stands(moments, STAYS)
    if first.verdict is not Verdict.HEALTHY or first.hint or not since or learned(moments):
        return report
    last, part = median(last_fifth(told)), len(told) // FIFTH
    least = min(median(told[k : k + part]) for k in range(len(told) - part + 1))
    if 0 <= 2 * least < last:
        text = f" But the loss has been {least:.3g}, and has risen to {last:.3g} since."
        return _told(report, text, "risen")
    text, by = f" But since step {since} the loss has ", 1 - last / median(told[part : 2 * part])
    falls = sum(b < a for a, b in pairwise(told[part:])) >= STEADY * (len(told) - part - 1)
    # What comes to rest falls ever less; what is only slow goes on as it began.
    goes_on = 2 * (told[-part] - told[-1]) >= told[part] - told[2 * part - 1]
    hardly = falls and goes_on and by > 0
    text += f"{'hardly' if hardly else 'not'} fallen: it is {last:.3g}"
    if down := _shrunk(moments):
        text += f", and at the last step weights are smaller by {factor(down)} than at first."
        return _told(report, text, "decay")
    if hardly:
        return _told(report, f"{text}, {by:.1g} of itself less.", "hardly")
    return _told(report, f"{text}.", "flat loss")


def held_small(report: Report, moments: Sequence[Moment], norms: Sequence[float]) -> Report:
    """Say of steps that are next to nothing that a clip holds the norm behind them.

    Without one it stays, too, where no weight moves and each batch is the same. Then δ does not
    change, either, and what weights hold is its sum.
    """
    same = len(norms) >= FIFTH and 0 < max(norms) <= ALIKE * min(norms)
    sent = [math.hypot(*moment.norms.values()) for moment in moments]
    other = max(sent) > ALIKE * min(sent) or any(UNLIKE in note for note in report.notes)
    if report.findings[0].hint != "slow" or not same or not other:
        return report
    text = f" The norm of all gradients is {median(norms):.2g} at every look, as behind a clip."
    return _told(report, text, "held small")


def _shrunk(moments: Sequence[Moment]) -> float:
    """Return by how many decades the weights have become smaller, 0 for what training does."""
    down = log_ratio(moments[0].weights, moments[-1].weights)
    return down if math.isfinite(down) and down >= SHRUNK else 0.0


def _stands(moments: Sequence[Moment], share: float) -> int:
    """Return the step from which on the loss does not fall, that of the second fifth, or 0."""
    told, steps = losses_of(moments), [m.step for m in moments if m.loss is not None]
    part = len(told) // FIFTH
    if len(told) < 4 * FIFTH or not all(map(math.isfinite, told)):
        return 0
    before, last = median(told[part : 2 * part]), median(last_fifth(told))
    return steps[part] if last > share * before > 0 else 0


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
    if since := _stands(moments, SETTLES):
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
    verdict = report.verdict
    began = set[Verdict]().union(*map(_verdicts, moments[:2]))
    if (found := next((f for f in report.findings if f.hint == "summed"), None)) is not None:
        return _first(report, found)
    settled = verdict is Verdict.CANNOT_TELL or verdict in AT_REST - began
    # A loss that sends something past which nothing gets is not at its least.
    settled &= report.findings[0].hint != "bent"
    if settled and (found := learned(moments)) is not None:
        return _instead(report, found)
    # Something still comes back, and nobody told what the loss did.
    at_its_end = not losses_of(moments) and any(moments[-1].norms.values())
    if verdict is Verdict.LOSS and verdict not in began and at_its_end:
        text = "What the loss sends back was more at first, and is next to nothing now: it is at "
        text += "its minimum, or saturated."
        return _instead(report, Finding(Verdict.CANNOT_TELL, text, hint="untold"))
    large = _large_before(report, moments)
    if large is not None and verdict is Verdict.NON_FINITE:
        return replace(report, steps=(HINTS["diverged"], *report.steps))
    if large is not None:
        told = _first(report, large)
        # What large steps have broken, smaller ones do not mend.
        broken = (HINTS["again"],) if report.findings[0].verdict.is_problem else ()
        return replace(told, steps=(*broken, *told.steps))
    return _made(report, moments) if verdict in SIZED - began else report


def _large_before(report: Report, moments: Sequence[Moment]) -> Finding | None:
    """Return the first step that was too large before what is wrong, or before the loss rose."""
    first, before = report.findings[0], list(moments)
    follows = SIZED | {Verdict.NON_FINITE, Verdict.LOSS}
    if first.verdict.is_problem:
        # Too large a step can make a network saturated, off or lost, and break no data.
        flat = first.verdict is Verdict.CUT and first.hint in ("flat", "enters")
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
    if began.verdict in SIZED:
        return _first(report, replace(began, reason=f"At step {first.step}: {began.reason}"))
    if down := _shrunk(moments):
        return _told(report, f" The weights have become smaller by {factor(down)}.", "decay")
    return _told(report, " At first it was not so.", "made")
