"""What is found in the record of a watched step: one module for each kind of finding.

A finding is a function of what is known: it returns what it found with its evidence, or None. Its
limits and its words stand beside it. `FINDINGS` lists them in order of consequence; the first one
names the verdict. What was not watched is judged `by_sizes`, and by what is known of its weights
and of the step.
"""

from collections.abc import Callable
from dataclasses import replace

from gradbook.diagnosis.findings import zeros
from gradbook.diagnosis.findings.by_sizes import decide
from gradbook.diagnosis.findings.known import Known, Parameter
from gradbook.diagnosis.findings.loss import loss_sends_nothing, non_finite
from gradbook.diagnosis.findings.missing import cut, not_stepped, unregistered, untrained
from gradbook.diagnosis.findings.over_depth import healthy, sized, starved
from gradbook.diagnosis.findings.over_time import every_step, forgotten, in_time, stacked
from gradbook.diagnosis.findings.steps import breaking, frozen, large_step
from gradbook.diagnosis.measuring.evidence import LIMITS, Limits
from gradbook.diagnosis.verdicts import Finding, Verdict

__all__ = ["FINDINGS", "LIMITS", "Finding", "Known", "Limits", "Parameter", "decide", "findings_of"]

FINDINGS: tuple[Callable[[Known], Finding | None], ...] = (
    *(non_finite, breaking, loss_sends_nothing),
    *(untrained, cut, unregistered, not_stepped, forgotten),
    *(zeros.stuck, zeros.symmetric, zeros.dead, zeros.exactly_zero),
    *(stacked, in_time, sized, starved, large_step, frozen),
)
"""What may be wrong, in order of consequence."""

SIZES = (loss_sends_nothing, sized, starved)
"""What is said of sizes, and nothing where some are not finite."""


def findings_of(known: Known) -> tuple[Finding, ...]:
    """Return all that was found, what matters most first."""
    by_design = zeros.zero_start(known)
    seen = _without_zeros(known) if by_design or any(zeros.all_off(known).values()) else known
    seen = _while_they_grow(seen) if known.growing else seen
    hidden = SIZES if non_finite(known) else ()
    finders = (find for find in FINDINGS if find not in hidden)
    found = [one for find in finders if (one := find(seen if find is sized else known))]
    if not found and (by_design is None or (_reaches_inside(known) and not known.growing)):
        found = [every_step(known) or healthy(seen) or _nothing(known)]
    return (*found, *([by_design] if by_design else []))


def _without_zeros(known: Known) -> Known:
    """Leave out places that get exactly 0 as something begins with 0, or chance has shut it."""
    places = (replace(p, state=False, weak=False) if p.delta == 0 else p for p in known.places)
    return replace(known, record=replace(known.record, places=tuple(places)))


def _while_they_grow(known: Known) -> Known:
    """Mark what only weights read that began with 0, and still grow."""
    places = [known.place_of.get(p.name) for p in known.growing]
    grow = {place.name for place in places if place is not None}
    others = {name for p in known.places if p.name not in grow for name in p.before}
    begun = {name for p in known.places if p.name in grow for name in p.before} - others
    marked = (replace(p, begun=p.name in begun) for p in known.places)
    return replace(known, record=replace(known.record, places=tuple(marked)))


def _reaches_inside(known: Known) -> bool:
    ends = {p.name for p in known.ends}
    inside = (p for p in known.places if p.asks and p.state and p.name not in ends)
    return any(p.delta for p in inside)


def _nothing(known: Known) -> Finding:
    if any(p.norm for p in known.asked):
        text = "What came back of this pass came to be differentiated: the loss goes through "
        text += "derivatives of the network alone, and their δ is not seen."
        return Finding(Verdict.CANNOT_TELL, text, hint="derivative")
    text = "No gradient has come back: call gradbook.watch before the forward pass, then backward, "
    text += "then gradbook.diagnose before the gradients are cleared."
    return Finding(Verdict.CANNOT_TELL, text)
