"""Add to a report what a run tells, or put it in its place."""

from dataclasses import replace

from gradbook.diagnosis.reporting.advice import HINTS, next_steps
from gradbook.diagnosis.reporting.compose import in_order
from gradbook.diagnosis.reporting.report import Report
from gradbook.diagnosis.verdicts import Finding, Verdict


def told_more(report: Report, text: str, *hints: str) -> Report:
    """Add to the first finding what made it so, and advise that, if it is known."""
    first, *rest = report.findings
    told = replace(first, reason=first.reason + text, hint=(*hints, first.hint)[0])
    steps = tuple(HINTS[hint] for hint in hints) or report.steps
    return replace(report, findings=(told, *rest), steps=steps)


def instead(report: Report, found: Finding, *also: Finding) -> Report:
    """Put another finding in place of those of a report."""
    return replace(report, findings=(found, *also), steps=next_steps(found), rate=None)


def put_first(report: Report, found: Finding) -> Report:
    """Put before all that is wrong what made it so, unless something is not finite."""
    if report.verdict is Verdict.NON_FINITE:
        return replace(report, steps=(*next_steps(found), *report.steps))
    also = (f for f in report.findings if f.verdict.is_problem and f is not found)
    return instead(report, found, *also)


def joined(report: Report, *later: Finding | None) -> Report:
    """Add what happened over the steps; where none is taken, their sizes say nothing."""
    more = [*filter(None, later)]
    none = any(found.hint == "no step" for found in more)
    sized = {Verdict.LARGE_STEP, Verdict.FROZEN} if none else set()
    kept = tuple(f for f in report.findings if f.verdict not in sized)
    found = in_order([*kept, *more]) if more else kept
    if found[0] in report.findings:
        return replace(report, findings=found)
    return instead(report, *found)


def of_another(report: Report, steps: int) -> Report:
    """Say that losses were told of which nothing came back, as of a network that was made anew."""
    text = f"After step {steps} losses were told, and nothing came back of the network that is "
    return instead(report, Finding(Verdict.CANNOT_TELL, f"{text}watched.", hint="anew"))


def by_another(report: Report, steps: int) -> Report:
    """Say that the optimizer that was handed over steps no more, as where it was made anew."""
    text = f"At the last {steps} looks the optimizer that was handed over took no step."
    return instead(report, Finding(Verdict.CANNOT_TELL, text, hint="anew"))
