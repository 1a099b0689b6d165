"""Branches that stand side by side, of which most get next to nothing."""

from collections.abc import Sequence

from gradbook.diagnosis.findings.known import Known
from gradbook.diagnosis.places import Place
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.diagnosis.words import listed

STARVED = 3.0
"""Decades below the largest share from which on a branch gets nothing."""


def starved(known: Known) -> Finding | None:
    """Find that of branches that stand side by side and come together most get next to nothing."""
    groups: dict[str, list[Place]] = {}
    for place in known.record.places:
        for module in place.also if place.delta is not None else ():
            parent, _, last = module.rpartition(".")
            if last.isdigit():
                groups.setdefault(parent, []).append(place)
    for parent, places in groups.items():
        top = max(p.delta or 0.0 for p in places)
        low = [p.name for p in places if (p.delta or 0.0) < top * 10**-STARVED]
        if len(places) > 2 and 2 * len(low) >= len(places) and _side_by_side(known, places):
            return Finding(
                Verdict.STARVED,
                f"Of {len(places)} branches in {parent} that stand side by side {len(low)} get "
                f"less than 10^-{STARVED:.1f} of the largest share: {listed(low)}.",
                since=low[0],
            )
    return None


def _side_by_side(known: Known, places: Sequence[Place]) -> bool:
    """Tell whether none of the places goes into another, and all into one."""
    names = {p.name for p in places}
    after: dict[str, set[str]] = {name: set() for name in names}
    for place in known.record.places:
        mine = {name for b in place.before for name in after.get(b, ())}
        mine |= names & set(place.before)
        if place.name in names and mine:
            return False
        after[place.name] = mine
    return any(found >= names for found in after.values())
