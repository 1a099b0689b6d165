"""The step that is to be taken: as large as the weights, or below the gaps of their format."""

import math

from gradbook.diagnosis.findings.known import Known
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.show.bounds import at_most

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


SLOW = 1e-5
"""A hundredth of the thousandth of its weights that a step is often given."""


def too_slow(known: Known) -> str:
    """Say of a healthy network by how little a step changes it, if that is very little."""
    ratios = [p.ratio for p in known.asked if p.axes > 1 and not p.zero and p.norm]
    sizes = [ratio for ratio in ratios if ratio is not None]
    if not sizes or len(sizes) < len(ratios) or not 0 < max(sizes) < SLOW:
        return ""
    most, share = max(sizes), at_most(max(sizes), 1, scientific=True)
    return (
        f" But a step changes no weights by more than {share} of their size: in "
        f"{math.floor(0.01 / most):,} such steps none moves by more than a hundredth."
    )
