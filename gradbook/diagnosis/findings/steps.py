"""The step that is to be taken: as large as the weights, or below the gaps of their format."""

from gradbook.diagnosis.findings.known import Known
from gradbook.diagnosis.verdicts import Finding, Verdict

LARGE = 1.0
"""From which size of the update over that of the weight on a step undoes what was learned."""


def large_step(known: Known) -> Finding | None:
    """Find a step that is as large as the weights themselves."""
    found = [p for p in known.asked if p.axes > 1 and not p.zero and (p.ratio or 0.0) >= LARGE]
    if not found:
        return None
    top = max(found, key=lambda p: p.ratio or 0.0)
    return Finding(
        Verdict.LARGE_STEP,
        f"One step changes {top.name} by {top.ratio:.1e} times its size"
        f"{f', and {len(found) - 1} more by at least {LARGE:g}' if len(found) > 1 else ''}.",
        since=top.name,
    )


STILL = 0.5
"""The share of the weights, as in the definition of truth."""


def frozen(known: Known) -> Finding | None:
    """Find that of the weights that a step is meant for most stand still."""
    if known.frozen is None or known.frozen < STILL:
        return None
    return Finding(
        Verdict.FROZEN,
        f"{known.frozen:.0%} of the weights that a step is meant for are the same after the "
        "update, bit for bit: it is too small for the gaps of their number format.",
    )
