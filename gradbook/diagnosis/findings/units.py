"""Units that are off: what comes out of them is 0 for every example."""

from gradbook.diagnosis.findings.known import MOST, Known
from gradbook.diagnosis.places import Place
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.diagnosis.watching.numbers import BOUNDED
from gradbook.diagnosis.words import listed

OFF = 0.66
"""Fitted, as in `LIMITS`: the share of units that are 0 for every example."""

ALL_OFF = 0.99
"""The share of one layer's units from which on nothing passes it."""


def dead(known: Known) -> Finding | None:
    """Find that units are off: that what comes out of them is 0 for every example."""
    looked = _looked(known)
    if not looked:
        return None
    off = sum(share for _, share in looked) / len(looked)
    if off >= OFF:
        worst, _ = max(looked, key=lambda pair: pair[1])
        text = f"{off:.0%} of a hidden layer's units are off on average: 0 for every example."
        return Finding(Verdict.DEAD, text, since=worst.name)
    shut = [p for p, share in looked if share >= ALL_OFF and not _around(known, p)]
    if not shut:
        return None
    text = f"All units of {shut[-1].name} are off, 0 for every example: nothing passes them."
    return Finding(Verdict.DEAD, text, since=shut[-1].name)


FEW_LEFT = 0.9
"""The share of one layer's units from which on little passes it."""


def mostly_off(known: Known) -> str:
    """Say of a healthy network that in some layer few units are on."""
    worst, off = max(_looked(known), key=lambda pair: pair[1], default=(None, 0.0))
    if worst is None or off < FEW_LEFT:
        return ""
    return f" But {off:.0%} of the units of {worst.name} are off, 0 for every example."


def _looked(known: Known) -> list[tuple[Place, float]]:
    """Return the hidden layers whose units were looked at, with the share that is off."""
    return [(p, p.off) for p in known.record.places if p.off is not None and p.asks and p.state]


def _around(known: Known, place: Place) -> bool:
    """Tell whether something before a place, and not 0 itself, got a gradient all the same."""
    return any(other.delta and other.out != 0 for other in known.upstream(place))


def saturates(known: Known) -> str:
    """Say that most of what an activation returns is at its ends, where its slope is next to 0."""
    bent = [p for p in known.record.places if p.bend in BOUNDED and p.state]
    full = [p.name for p in bent if (p.saturated or 0.0) > MOST]
    if not full:
        return ""
    return f" But most of what leaves {listed(full)} is at an end of its activation, with no slope."
