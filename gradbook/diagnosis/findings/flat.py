"""Weights that get a gradient of exactly 0 though nothing is cut: something on its way is flat."""

import re

from gradbook.diagnosis.findings.known import Known, Parameter
from gradbook.diagnosis.findings.loss import loss_sends_nothing
from gradbook.diagnosis.findings.missing import UNUSED
from gradbook.diagnosis.findings.units import dead
from gradbook.diagnosis.findings.zeros import stuck, symmetric, zero_start
from gradbook.diagnosis.places import Place
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.diagnosis.words import listed

LEFT = 1e-20
"""The least δ of which no smooth layer leaves exactly 0 in float32."""

LEFT_HALF = 1e-4
"""The same in float16: a thousand times its smallest number."""


OTHERWISE = (loss_sends_nothing, dead, stuck, symmetric, zero_start)
"""What else makes a gradient exactly 0, and says so."""


def exactly_zero(known: Known) -> Finding | None:
    """Find weights whose gradient is exactly 0, and not because of weights that are 0."""
    matrices = [p for p in known.asked if p.axes > 1]
    still = [p for p in matrices if p.norm == 0 and p.finite]
    if len(still) < max(UNUSED * len(matrices), 1):
        return None
    if any(find(known) for find in OTHERWISE):
        return None
    if emptied(known):
        return None
    passed_by = [p.name for p in still if _comes(known, p)]
    if len(passed_by) >= UNUSED * len(matrices):
        text = f"{_so_many(known, still)}. δ comes to {listed(passed_by)}, and they get nothing of "
        text += "it: what is made of them is flat, all that enters is 0, or a hook returns 0."
        return Finding(Verdict.CUT, text, since=passed_by[0], hint="flat")
    between = next((pair for p in still if (pair := _lost(known, p))), None)
    if between is None:
        return None
    text = f"{_so_many(known, still)}. Nothing is cut, but exactly nothing of what comes to "
    text += f"{between[1]} gets to {between[0]}: what lies between has a slope of 0."
    return Finding(Verdict.CUT, text, since=between[0], hint="flat")


def emptied(known: Known) -> bool:
    """Tell that all gradients are 0 though δ came to their weights: they were cleared since."""
    held = [p for p in known.asked if p.norm is not None]
    return not any(p.norm for p in held) and any(_comes(known, p) for p in held)


def _so_many(known: Known, still: list[Parameter]) -> str:
    names = listed([p.name for p in still])
    count = sum(p.norm == 0 and p.finite for p in known.asked)
    return f"{count} of {len(known.asked)} trainable tensors get a gradient of exactly 0: {names}"


def _comes(known: Known, parameter: Parameter) -> bool:
    """Tell whether δ comes to what is computed from a weight; a first step from 0 reads none."""
    place = known.place_of.get(parameter.name)
    return "weight_hh" not in parameter.name and _large(place)


def _large(place: Place | None) -> bool:
    if place is None or not place.delta:
        return False
    return place.delta > (LEFT_HALF if place.half else LEFT)


def _of_many(known: Known, lost: Place) -> bool:
    """Tell of a branch that others like it get something: an expert or a block of this batch."""
    like = [p for p in known.record.places if p is not lost and _plain(p.name) == _plain(lost.name)]
    return any(p.delta for p in like)


def _plain(name: str) -> str:
    return re.sub(r"\d+", "", name)


def _lost(known: Known, parameter: Parameter) -> tuple[str, str] | None:
    """Name a place that gets nothing, and the one behind it that gets something."""
    lost = known.place_of.get(parameter.name)
    if lost is None or lost.delta != 0:
        return None
    if any(p.delta for p in known.upstream(lost)) and _of_many(known, lost):
        return None
    behind = [p for p in known.record.places if lost.name in p.before]
    while behind and not any(p.delta for p in behind):
        lost, behind = behind[0], [p for p in known.record.places if behind[0].name in p.before]
    large = [p for p in behind if _large(p)]
    return (lost.name, large[0].name) if large else None
