"""What only a run tells: what is missing between its steps, and what was wrong before the end."""

from collections.abc import Sequence
from dataclasses import replace

from gradbook.diagnosis.reporting.hints import HINTS
from gradbook.diagnosis.reporting.report import Report
from gradbook.diagnosis.run_page import Moment
from gradbook.diagnosis.verdicts import Finding, Verdict


def cleared(moments: Sequence[Moment]) -> Finding | None:
    """Find that gradients come back at every step and none is there when the step is taken."""
    if not moments or any(moment.norm != 0 or not any(moment.norms.values()) for moment in moments):
        return None
    text = (
        f"At none of {len(moments)} steps a weight held a gradient when the optimizer's step was "
        "taken, though δ came to the layers: gradients are cleared between backward() and step()."
    )
    return Finding(Verdict.CUT, text, hint="cleared")


OFTEN = 3
"""How many backward passes without a step are no accumulation."""


def never_stepped(looked: int, taken: int) -> Finding | None:
    """Find that the optimizer's step was never taken."""
    if taken or looked < OFTEN:
        return None
    text = f"Of {looked} steps that were looked at the optimizer took none: no weight moves."
    return Finding(Verdict.CUT, text, hint="no step")


def after_large_steps(report: Report, moments: Sequence[Moment]) -> Report:
    """Advise first a smaller rate where numbers are lost behind steps that were too large."""
    verdicts = {found.verdict for moment in moments for found in moment.report.findings}
    broken = report.verdict is Verdict.NON_FINITE and report.findings[0].hint != "data"
    if not broken or Verdict.LARGE_STEP not in verdicts:
        return report
    return replace(report, steps=(HINTS["diverged"], *report.steps))
