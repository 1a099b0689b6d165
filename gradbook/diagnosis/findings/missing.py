"""Who gets nothing: weights that no gradient comes to, or that no step is taken with."""

from collections.abc import Sequence

from gradbook.diagnosis.findings.known import Known, Parameter
from gradbook.diagnosis.findings.strangers import copies
from gradbook.diagnosis.places import Place
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.diagnosis.words import listed

UNUSED = 0.1
"""The share of trainable tensors from which on modules that nobody calls are a fault."""

_NOT_CALLED = "backward() was not called"


def cut(known: Known) -> Finding | None:
    """Find trainable weights that get no gradient, and between which places the graph is cut."""
    aside = tuple(f"{copy}." for copy in copies(known))
    lost = (p for p in known.asked if p.norm is None and not known.passed(p))
    none = [p for p in lost if not p.name.startswith(aside) and not left_out(p)]
    if not none or (len(none) == len(known.asked) and not known.record.places):
        return None
    start = f"{len(none)} of {len(known.asked)} trainable tensors get no gradient"
    names = listed([p.name for p in none])
    where = _where(known, none, start)
    if where is not None:
        return where
    ran = any(p.name in known.place_of for p in none)
    if len(none) < UNUSED * len(known.asked) and not (ran and _inside(known)):
        return None
    if not known.record.places:
        return Finding(Verdict.CUT, f"{start}: {names}.", since=none[-1].name, hint="unknown")
    idle = [p for p in none if p.layer not in known.record.called and p.name not in known.place_of]
    if idle and not any(_runs_without(known, p) for p in none):
        text = f"{start}: {names}. Their modules were never called in this pass."
        return Finding(Verdict.CUT, text, since=idle[0].layer, hint="idle")
    text = f"{start}: {names}. They ran, and the loss does not depend on what comes from them."
    return Finding(Verdict.CUT, text, since=none[-1].layer, hint="unused")


def _where(known: Known, none: Sequence[Parameter], start: str) -> Finding | None:
    """Find that nothing came back at all, or between which two places nothing did."""
    if len(none) == len(known.asked) and not any(p.delta is not None for p in known.record.places):
        if known.record.places and not any(p.asks for p in known.record.places):
            text = f"{start}: the network ran where gradients are switched off."
            return Finding(Verdict.CUT, text, since=none[-1].layer, hint="off")
        text = f"{start}: the loss does not depend on what the network returns, or {_NOT_CALLED}."
        return Finding(Verdict.CUT, text, since=none[-1].layer, hint="outside")
    between = _between(known, any(p.name in known.place_of for p in none))
    if not between:
        return None
    without = f"Without one: {listed([p.name for p in none])}."
    if not any(p.asks for p in known.record.places if _silent(known, p)):
        # What reads their outputs cannot be seen: perhaps nothing does, as where they make targets.
        text = f"{start}: {between[0]}, before {between[1]}, ran where gradients are switched off."
        return Finding(Verdict.CUT, f"{text} {without}", since=between[0], hint="aside")
    text = f"{start}: the graph is cut between {between[0]} and {between[1]}. {without}"
    return Finding(Verdict.CUT, text, since=between[0])


def without_any(known: Known) -> Finding | None:
    """Say of a network without any gradient that there is none; it was not watched."""
    if not known.asked or any(p.norm is not None for p in known.asked):
        return None
    text = (
        f"No tensor holds a gradient: {_NOT_CALLED}, gradients were cleared before they were read, "
        "or the loss does not depend on what the network returns."
    )
    return Finding(Verdict.CANNOT_TELL, text, hint="unknown")


def _runs_without(known: Known, parameter: Parameter) -> bool:
    return any(p.module == parameter.layer and not p.asks for p in known.record.places)


def _between(known: Known, ran: bool) -> tuple[str, str] | None:
    """Name the last place that got nothing and the next one that did and may read it."""
    places, before = known.record.places, _inside(known)
    aside = not any(p.asks for p in places if _silent(known, p))
    if not before or not (ran or aside):
        return None
    # What begins anew may read what was cut off; what comes from elsewhere shows no cut.
    after = [p for p in places[before[-1] + 1 :] if p.delta is not None]
    after = [p for p in after if aside or _begins(known, p)]
    if not after:
        return None
    last, following = (p.name.removesuffix(" (z)") for p in (places[before[-1]], after[0]))
    return last, following


def _inside(known: Known) -> list[int]:
    """Return where in the order of the places something got nothing and something later did."""
    places = known.record.places
    reached = max((i for i, p in enumerate(places) if p.delta is not None), default=0)
    return [i for i in range(reached) if _silent(known, places[i])]


def _begins(known: Known, place: Place) -> bool:
    """Tell whether nothing that is known goes into a place, nor the network's own input."""
    return not place.before and place.module not in known.record.given


def _silent(known: Known, place: Place) -> bool:
    """Tell whether trainable weights work there, and no gradient comes back."""
    if place.delta is not None:
        return False
    mine = known.record.owned.get(place.name, ())
    return any(p.name in mine or p.layer == place.module for p in known.asked)


def left_out(parameter: Parameter) -> bool:
    """Tell that a weight gets no gradient and is not in the optimizer: nobody means to train it."""
    return parameter.norm is None and parameter.stepped is False


def not_stepped(known: Known) -> Finding | None:
    """Find weights that are to be trained and that the optimizer does not hold, nor another one."""
    mine = [p for p in known.asked if p.stepped is False and not p.moved]
    left = [p.name for p in mine if not left_out(p)]
    if not left:
        return None
    text = f"{len(left)} of {len(known.asked)} trainable tensors are not in the optimizer: "
    return Finding(Verdict.CUT, f"{text}{listed(left)}.", since=left[0], hint="optimizer")
