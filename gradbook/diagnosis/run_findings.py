"""What only a run tells: what is missing between its steps, and what was wrong before the end."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from gradbook.diagnosis.reporting.hints import HINTS
from gradbook.diagnosis.reporting.report import Report
from gradbook.diagnosis.run_page import Moment
from gradbook.diagnosis.verdicts import Finding, Verdict


def holds_gradient(net: Any) -> bool:
    """Tell whether some weight has a gradient that is not 0."""
    held = (p.grad for p in net.parameters() if p.grad is not None)
    return any(grad.is_sparse or bool(grad.any()) for grad in held)


def cleared(moments: Sequence[Moment], emptied: int) -> Finding | None:
    """Find that gradients come back at every step and none is there when the step is taken.

    Args:
        moments: What was looked at.
        emptied: At how many of them gradients were there, and gone when the step was taken.
    """
    came = [moment for moment in moments if any(moment.norms.values())]
    gone = emptied or sum(moment.norm == 0 for moment in came)
    if not moments or gone < len(moments):
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


MADE = frozenset({Verdict.NON_FINITE, Verdict.EXPLODING, Verdict.VANISHING})
"""What steps that are too large make of a network in which it was not."""


def after_large_steps(report: Report, moments: Sequence[Moment]) -> Report:
    """Advise first a smaller rate where steps that were too large came before what is wrong."""
    of_each = [{found.verdict for found in moment.report.findings} for moment in moments]
    before = takewhile(lambda verdicts: report.verdict not in verdicts, of_each)
    broken = report.verdict in MADE and report.findings[0].hint != "data"
    if not broken or not any(Verdict.LARGE_STEP in verdicts for verdicts in before):
        return report
    return replace(report, steps=(HINTS["diverged"], *report.steps))
