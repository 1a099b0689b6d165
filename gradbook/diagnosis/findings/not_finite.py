"""Not finite: the data, the weights, forward, the loss, then back."""

import math

from gradbook.diagnosis.findings.known import Known
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.diagnosis.words import listed


def non_finite(known: Known) -> Finding | None:
    """Find where NaN or infinity comes from: look forward first, then at the loss, then back."""
    places = known.record.places
    lost = [p.name for p in known.asked if not p.finite]
    if not lost and not any(_bad(p.out) or _bad(p.delta) for p in places):
        return None
    broken = [p.name for p in known.parameters if p.broken]
    forward = next((p for p in places if _bad(p.out)), None)
    if known.record.bad_input and not broken:
        where = known.record.bad_input[0] or "the network"
        return _found(f"What enters {where} is not finite: it is the data.", where, "data")
    if broken:
        text = f"The weights {listed(broken)} are not finite: an earlier step broke them."
        return _found(text, broken[0], "step")
    if forward is not None:
        into = listed(forward.before)
        if into and forward.count == 1 and not forward.module:
            text = (
                f"What the network returns, a single number, is not finite, and {into} is: if it "
            )
            return _found(f"{text}is the loss, that is at fault.", "the loss", "loss")
        inner = f", though what goes into it, {into}, is" if into else ""
        text = f"On the way forward {forward.name} is the first that is not finite{inner}."
        return _found(text, forward.name, "forward")
    return _back(known, lost)


def _bad(size: float | None) -> bool:
    return size is not None and not math.isfinite(size)


def _found(text: str, since: str, hint: str) -> Finding:
    return Finding(Verdict.NON_FINITE, text, since=since, hint=hint)


def _back(known: Known, lost: list[str]) -> Finding:
    if any(_bad(p.delta) for p in known.ends):
        text = "All outputs are finite, and what the loss sends back is not: it is the loss."
        return _found(text, "the loss", "loss")
    place = next((p for p in reversed(known.record.places) if _bad(p.delta)), None)
    if place is not None:
        start = "Outputs and loss are finite. On the way back"
        return _found(f"{start} {place.name} is the first that is not.", place.name, "back")
    text = (
        f"All δ are finite, and the gradients of {listed(lost)} are not: they overflow, or an "
        "earlier step's were added."
    )
    return _found(text, lost[0], "scale")
