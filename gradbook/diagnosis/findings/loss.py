"""The loss sends nothing back, so that no layer is to blame."""

import math

from gradbook.diagnosis.findings.known import Known
from gradbook.diagnosis.places import Place
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.diagnosis.words import listed

LEAST = 1e-5
"""How large the sum of |δ| at the output, for a loss that averages its errors, is at least."""


def loss_sends_nothing(known: Known) -> Finding | None:
    """Find that δ is 0, or next to it, where the loss meets the network: no layer is to blame."""
    ends = known.ends or _silent_ends(known)
    at = listed([p.name for p in ends])
    if not ends or any(p.norm for p in known.asked):
        size = max((_sent(known, p) for p in ends), default=0.0) / known.loss_scale
        if known.record.differentiated or not 0 < size < LEAST:
            return None
        return Finding(
            Verdict.LOSS,
            f"The loss sends back next to nothing: the δ at {at} add up to {size:.0e}. It is "
            "saturated or at its minimum; it is not your layers.",
            since=ends[-1].name,
        )
    data = {p.name for p in known.record.places if p.name.startswith("input") and not p.before}
    if any(p.delta for p in known.record.places if p.name not in data):
        return _behind_the_last(known)
    half = any(p.half for p in ends)
    return Finding(
        Verdict.LOSS,
        f"Nothing comes from the loss: δ at {at} is exactly 0. It is not your layers; look at what "
        "stands between the last one and the loss."
        f"{' In float16, as there, what is less than 6e-08 is 0, too.' if half else ''}",
        since=ends[-1].name,
        hint="half" if half else "second" if known.record.differentiated else None,
    )


def _sent(known: Known, end: Place) -> float:
    """Return the sum of |δ| at an output, or at the last layers if only an activation is between.

    Of several layers whose outputs come together the one that gets most tells.
    """
    places = known.record.places
    last = [p for p in places if p.name in end.before and not p.state and p.layer]
    sums = [(p.delta or 0.0) * p.count for p in last]
    return min((end.delta or 0.0) * end.count, max(sums, default=math.inf))


def _silent_ends(known: Known) -> list[Place]:
    """Return the last place where nothing came back, where all gradients that are there are 0."""
    held = [p.norm for p in known.asked if p.norm is not None]
    if not held or any(held):
        return []
    return [p for p in known.record.places if p.asks][-1:]


def _behind_the_last(known: Known) -> Finding | None:
    """Find that nothing gets past what stands between the last layers and the output."""
    ends = {p.name: p for p in known.ends if not p.layer}
    inner = [p for p in known.record.places if p.asks and p.name not in ends]
    held = any(p.norm == 0 for p in known.asked)
    if not held or not inner or any(p.delta != 0 for p in inner):
        return None
    last = listed(list(dict.fromkeys(n for end in ends.values() for n in end.before)))
    return Finding(
        Verdict.LOSS,
        f"The loss sends something to {listed(list(ends))}, and exactly nothing of it gets to "
        f"{last}: what stands behind the last layer has a slope of 0 there. It is not your layers.",
        since=next(iter(ends)),
    )


def taken_twice(known: Known) -> str:
    """Say that the loss takes probabilities for logits, which it turns into probabilities again."""
    bend = known.record.twice
    if not bend:
        return ""
    return (
        " But what the network returns are probabilities, and what comes back is what a loss "
        f"sends that takes {bend} of them once more."
    )
