"""What only a run tells: what is missing between its steps, and what came before the end."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from statistics import median

from gradbook.diagnosis.findings.about import CLEARED
from gradbook.diagnosis.findings.over_steps import last_fifth
from gradbook.diagnosis.findings.steps import STILL
from gradbook.diagnosis.reporting.advice import HINTS
from gradbook.diagnosis.reporting.report import Report
from gradbook.diagnosis.run_course import (
    blown_up,
    is_so,
    lately,
    losses_of,
    rose,
    shrunk,
    verdicts_of,
)
from gradbook.diagnosis.run_losses import learned, rises_at
from gradbook.diagnosis.run_page import Moment
from gradbook.diagnosis.run_reports import instead, put_first, told_more
from gradbook.diagnosis.verdicts import Finding, Verdict, factor, listed

OFTEN = 3
"""How many backward passes without a step are no accumulation."""

SIZED = frozenset({Verdict.DEAD, Verdict.VANISHING, Verdict.EXPLODING})
"""What training makes of a network in which it was not, where steps or weight decay are large."""

FLAT = ("flat", "enters")
"""What is said of a gradient that is exactly 0 behind units that steps have driven off."""

SHRINKS = frozenset({Verdict.DEAD, Verdict.VANISHING})
"""What weights that become smaller make of a network."""

BY_TRAINING = (*FLAT, "saturated")
"""What training makes of a sound network beside sizes that are off."""

AT_REST = frozenset({Verdict.LOSS, Verdict.VANISHING, Verdict.EXPLODING, Verdict.FROZEN})
"""What may be true of a network that has learned, and is no illness then."""

EMPTIES = frozenset({Verdict.CUT, Verdict.LOSS})
"""What one batch may seem to be of which a loss has nothing to say, as one without an object."""

SKIPPED = (
    "At {} looks what came back was not finite, and no step was taken with it: a GradScaler does "
    "so until its scale is low enough."
)


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
    if last.report.verdict not in EMPTIES or verdicts_of(before) & EMPTIES or lost - got:
        return last
    note = f"So it was at step {before.step}. At step {last.step} alone: "
    report = before.report
    notes = (f"{note}{last.report.findings[0].reason}", *report.notes)
    return replace(before, report=replace(report, notes=notes))


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
    healthy = first.verdict is Verdict.HEALTHY and first.hint in (None, "flat loss", "hardly")
    if not healthy or len(moments) < OFTEN or not still:
        return report
    small = {formats.get(name, "") for name in still} <= {"float16", "bfloat16"}
    within = f", in {formats[still[0]]}," if small else ""
    text = f" But at each of {len(moments)} looks {STILL:.0%} or more of the weights of "
    text += f"{listed(still)}{within} are the same after the step, bit for bit."
    told = told_more(report, text, "bits" if small else "rate")
    return replace(told, steps=(*told.steps, *report.steps)) if first.hint else told


def seen_from_the_start(report: Report, moments: Sequence[Moment]) -> Report:
    """Judge the end of a run by what came before it."""
    if (found := next((f for f in report.findings if f.hint == "summed"), None)) is not None:
        return put_first(report, found)
    report = _at_rest(report, moments)
    first, large = report.findings[0], _large_before(report, moments)
    if first.verdict is Verdict.NON_FINITE:
        grew = first.hint != "data" and any(f.verdict is Verdict.GROWING for f in report.findings)
        hints = ("diverged",) if large else ("grew",) * grew
        return replace(report, steps=(*map(HINTS.__getitem__, hints), *report.steps))
    if large is not None:
        told = put_first(report, large)
        # What large steps have broken, smaller ones do not mend.
        broken = (HINTS["again"],) if first.verdict.is_problem else ()
        return replace(told, steps=(*broken, *told.steps))
    by_training = first.verdict in SIZED or first.hint in BY_TRAINING
    late = by_training and not any(is_so(moment, first) for moment in moments[:2])
    return _made(report, moments) if late else report


def _at_rest(report: Report, moments: Sequence[Moment]) -> Report:
    """Judge what was not so at first, and may be so because something has been learned."""
    verdict, told = report.verdict, losses_of(moments)
    late = verdict in AT_REST and not any(verdict in verdicts_of(m) for m in moments[:2])
    # A loss that sends something past which nothing gets is not at its least.
    settled = (late or verdict is Verdict.CANNOT_TELL) and report.findings[0].hint != "bent"
    if settled and (found := learned(moments)) is not None:
        same = not moments[0].alike and lately(moments, lambda m: m.alike)
        stands = verdict in SIZED and lately(moments, lambda m: verdict in verdicts_of(m))
        if not same and not (stands and (found.hint or shrunk(moments))):
            return instead(report, found)
        text = "where that is less than guessing costs, the network has learned all the same."
        if same:
            text = "all examples get one answer by now, so that it guesses, or a penalty fell."
        ends = f"{told[0]:.3g} to {median(last_fifth(told)):.3g}"
        return told_more(report, f" The loss falls from {ends}: {text}")
    # Something still comes back, and nobody told what the loss did.
    if verdict is not Verdict.LOSS or not late or told or not any(moments[-1].norms.values()):
        return report
    text = "What the loss sends back was more at first, and is next to nothing now: it is at its "
    text += "minimum, or saturated."
    return instead(report, Finding(Verdict.CANNOT_TELL, text, hint="untold"))


def _large_before(report: Report, moments: Sequence[Moment]) -> Finding | None:
    """Return the step that was too large before the loss rose, or else before what is wrong."""
    first, looks = report.findings[0], [m for m in moments if math.isfinite(m.loss or 0)]
    # Too large a step can make a network saturated, off or lost, and break no data.
    flat = first.verdict is Verdict.CUT and first.hint in FLAT
    follows = flat or first.verdict in SIZED | {Verdict.NON_FINITE, Verdict.LOSS}
    ill = first.verdict.is_problem
    if ill and (not follows or first.hint == "data"):
        return None
    course = before = [*takewhile(lambda m: ill and first.verdict not in verdicts_of(m), looks)]
    near = list[Moment]()
    if rose(looks):
        k, steps = rises_at(looks), [m.step for m in looks if m.loss is not None]
        course = [m for m in looks if m.step < steps[k]]
        near = [m for m in course if m.step >= min(steps[k - 1], steps[k] - OFTEN)]
    return _blamed(near, course) or _blamed(before, course)


def _blamed(some: Sequence[Moment], course: Sequence[Moment]) -> Finding | None:
    """Return the last of some steps that was too large, from where the loss was no larger yet.

    One behind which it fell to half, at three looks in a row, broke nothing.
    """
    large = []
    for m in some:
        later = losses_of([one for one in course if one.step > m.step])
        rows = zip(later, later[1:], later[2:], strict=False)
        fell = m.loss is not None and any(max(row) < m.loss - abs(m.loss) / 2 for row in rows)
        found = (f for f in m.report.findings if f.verdict is Verdict.LARGE_STEP and not fell)
        large += [(m.loss, replace(f, reason=f"At step {m.step}: {f.reason}")) for f in found]
    low = [found for loss, found in large if loss is not None and loss <= losses_of(course)[0]]
    return next(iter(low[::-1] or [found for _, found in large]), None)


def _made(report: Report, moments: Sequence[Moment]) -> Report:
    """Say what made the network so: what was wrong at first, else training or weight decay."""
    first = moments[0]
    began = first.report.findings[0]
    if began.verdict in SIZED and report.verdict.is_problem:
        return put_first(report, replace(began, reason=f"At step {first.step}: {began.reason}"))
    now = report.findings[0]
    # What drives units to their ends does not make weights smaller: that comes behind it.
    if now.verdict in SHRINKS and (down := shrunk(moments)):
        return told_more(report, f" The weights have become smaller by {factor(down)}.", "decay")
    since = [m.step for m in takewhile(lambda m: is_so(m, now), reversed(moments))]
    text = f" At first it was not so{f', and since step {since[-1]} it is' if since else ''}."
    if peak := blown_up(moments):
        first_told = next(filter(math.isfinite, losses_of(moments)))
        text += f" The loss was {first_told:.3g} at first, and {peak}."
    return told_more(report, text, "made", *(hint for hint in FLAT if now.hint == hint))
