"""How sizes change on the way back: which of them to trust, and in which words."""

import math

from gradbook.diagnosis.findings.limits import Limits
from gradbook.diagnosis.measuring.evidence import Evidence
from gradbook.diagnosis.paths import Profile
from gradbook.diagnosis.words import factor


def extent_of(profile: Profile) -> float:
    """Return the largest change of δ, and of what stands in for it that of its ends."""
    return profile.largest if profile.source == "δ" else profile.decades


def change(profile: Profile) -> str:
    """Say how sizes change on the way back.

    Examples:
        >>> change(Profile("δ", ("1", "2", "3"), (1.0, 1.0, 1.0)))
        'From 3 back to 1 the sizes of δ stay as they are'
    """
    extent = extent_of(profile)
    way = "fall" if extent < 0 else "grow"
    size = abs(extent)
    by = f"by {factor(size)}" if math.isfinite(size) else "without end: some are 0"
    start, end = profile.names[-1], profile.names[0]
    if size < 0.05:
        way, by = "stay as they", "are"
    elif profile.source == "δ":
        _, start, end = profile.path.fall if extent < 0 else profile.path.rise
    ends = f"From {start} back to {end}"
    return f"{ends} the sizes of {profile.source} {way} {by}"


def trusted(e: Evidence, limits: Limits) -> tuple[Profile, float] | None:
    """Return the sizes that follow the gradient whatever the network, with their threshold.

    Returns:
        The best sizes there are; None if only such are there as may be flat while δ vanishes.

    Examples:
        >>> trusted(Evidence(), Limits()) is None
        True
    """
    found = [(e.deltas, limits.deltas)]
    if not e.recurrent:  # what stands beside recurrent weights says nothing about time
        found += [(e.ratios, limits.ratios), (e.norms, limits.norms)]
    known = ((p, limit) for p, limit in found if p is not None and len(p.rms) > 1)
    return next((pair for pair in known if not math.isnan(pair[0].decades)), None)


def stand_still(e: Evidence, limits: Limits) -> str | None:
    """Say that most weights stand still, if they do."""
    if e.frozen is None or e.frozen < limits.frozen:
        return None
    return f"{e.frozen:.0%} of the weights are the same after the update, bit for bit"
