"""What is exactly 0: weights that begin so, units that are off, and what is flat on the way."""

import re
from collections.abc import Sequence

from gradbook.diagnosis.findings.by_sizes import CLEAR
from gradbook.diagnosis.findings.known import MOST, Known, Parameter
from gradbook.diagnosis.findings.loss import loss_sends_nothing, silent_outputs
from gradbook.diagnosis.findings.missing import UNUSED
from gradbook.diagnosis.measuring.names import uncounted
from gradbook.diagnosis.places import Place
from gradbook.diagnosis.verdicts import Finding, Verdict, listed
from gradbook.diagnosis.watching.graph import BENDS, RELUS
from gradbook.diagnosis.watching.numbers import BOUNDED, FEW

OFF = 0.75
"""The share of units that are 0 for every example: as the book defines *dead*, not fitted."""

FEW_LEFT, NARROW = 0.9, 8
"""The share of one layer's units from which on little passes it, and how many there are at least
where chance does not shut them all, if paths lead around."""

SMOOTH = tuple(name for name in BENDS if name not in RELUS)
FLAT = ("Relu", "Threshold", "Hardtanh")
"""Activations that have a slope at 0, and such as have none, where that is an end of theirs; at
their ends `clamp` and `maximum` let δ past."""

SHIFTS = re.compile("bias|beta")
"""What is added is called, in PyTorch and in Keras."""

SAME = 1e-6
"""By which share of their size unlike examples differ."""

ROUNDED = 1e-5
"""The share of the largest gradient below which others may be made of rounding alone."""

LEFT = 1e-20
"""The least δ of which no smooth layer leaves exactly 0 in float32; in float16 it is `CLEAR`."""

SQUARED = 64.0
"""The root mean square of which the largest of some thousand numbers, four times that, have squares
beyond float16."""


def stuck(known: Known) -> Finding | None:
    """Find weights that begin with 0 behind others that do: none of them can ever move."""
    zero = [p for p in known.matrices if p.zero]
    if len(zero) == len(known.matrices) > 1 and not any(p.norm for p in zero):
        text = "All weights are 0, so that no gradient gets past them."
        return Finding(Verdict.STUCK, text, hint="zeros")
    never = f"{_share(known)}, and no step will change that:"
    still = [p for p in zero if p.norm == 0]
    places = ((p.name, known.place_of.get(p.name)) for p in still)
    driven = [name for name, place in places if place is not None and place.delta]
    if len(still) > 1 and driven:  # it is enough to draw one of two
        text = f"{never} {listed(driven)} begin with 0, and so do weights in front of them."
        return Finding(Verdict.STUCK, text, since=driven[0])
    read = (p for p in still if p.name not in known.record.added)
    if flat := [p.name for p in read if _flat_at_0(known, p)]:
        text = f"{never} {listed(flat)} begin with 0, so that all they return is 0, and what reads "
        text += "it has no slope there, as ReLU at 0."
        return Finding(Verdict.STUCK, text, since=flat[-1], hint="zeros")
    return None


def _flat_at_0(known: Known, zero: Parameter) -> bool:
    """Tell whether weights of 0 get nothing as what they return is 0, where a ReLU is flat.

    What else is flat there, as rounding behind a tanh, is flat whatever the weights are.
    """
    place = known.where_0(zero)
    if place is None or place.delta != 0:
        return False
    last, behind = _reached(known, place)
    # What begins with 0 and moves keeps all back for now.
    if not known.moving.isdisjoint(p.name for p in behind) or not any(map(_large, behind)):
        return False
    bends = {last.bend, *(p.bend for p in behind)}
    if bends.isdisjoint(SMOOTH + FLAT):  # where a mask may be 0 in this step, others tell
        still = sum(p.axes > 1 for p in known.still)
        return _lost(known, zero) is not None and still >= UNUSED * len(known.matrices)
    return bends.isdisjoint(SMOOTH)


def _share(known: Known) -> str:
    return f"{len(known.still)} of {len(known.asked)} trainable tensors get a gradient of exactly 0"


def symmetric(known: Known) -> Finding | None:
    """Find layers whose units have the same weights and get the same gradient: they stay alike."""
    apart = {p.layer for p in known.parameters if p.axes == 1 and not p.alike}
    alike = [p for p in known.matrices if p.alike and p.layer not in apart]
    # Through weights that are all the same softmax sends back no more than rounding leaves.
    least = max((p.norm or 0.0 for p in alike), default=0.0) * ROUNDED
    all_are = len(alike) >= max(2, sum(p.axes > 1 for p in known.parameters))
    alike = [p for p in alike if p.pulled_alike or (all_are and (p.norm or 0.0) <= least)]
    if not alike or len(alike) < MOST * len(known.matrices):
        return None
    names = [p.name for p in alike]
    text = f"In {len(names)} of {len(known.matrices)} layers all units have the same weights: "
    text += f"hidden ones compute the same, get the same gradient and stay alike ({listed(names)})."
    return Finding(Verdict.SYMMETRIC, text, since=names[0])


def zero_start(known: Known) -> Finding | None:
    """Say what begins with 0 by design, which hides others at the first steps alone."""
    # A weight that is added, as biases are, keeps nothing back.
    shifts = (p for p in known.asked if p.axes < 2 or p.name.endswith("/bias"))
    added = {p.name for p in shifts if SHIFTS.search(p.name.removeprefix(p.layer))}
    added |= known.record.added
    zero = [p for p in known.asked if p.zero and p.norm and p.name not in added]
    if not zero or not known.still:
        return None
    names = [p.name for p in zero if p.axes > 1] or [p.name for p in zero]
    text = f"{listed(names)} begin with 0: so {_share(known)}, which is true of the first steps "
    return Finding(Verdict.ZERO_START, f"{text}alone. Nothing is dead.", since=names[0])


def still_small(known: Known) -> str:
    """Say that weights that began with 0 let little past them, and still grow."""
    names = listed([p.name for p in known.growing if p.name in known.place_of])
    text = f" But {names} began with 0, and what gets past them grows with them."
    return text if names and any(place.begun for place in known.places) else ""


def dead(known: Known) -> Finding | None:
    """Find that units are off: that what comes out of them is 0 for every example."""
    shut = all_off(known)
    looked = {name: share for name, share in _looked(known).items() if not shut.get(name)}
    off = sum(looked.values()) / max(len(looked), 1)
    if off >= OFF:
        text = f"{off:.0%} of a hidden layer's units are off on average: 0 for every example."
        since, squared = max(looked, key=looked.__getitem__), _squared(known)
        hint = "narrow" if squared else None
        return Finding(Verdict.DEAD, text + squared, since=since, hint=hint)
    names = [name.removesuffix(" (z)") for name, by_chance in shut.items() if not by_chance]
    text = f"All units of {listed(names)} are off, 0 for every example: nothing passes them."
    return Finding(Verdict.DEAD, text, since=names[-1]) if names else None


def _squared(known: Known) -> str:
    """Say that a normalization returns 0 of what is large: its squares overflow in float16."""
    zero = (p for p in known.places if p.normed and p.half and p.out == 0)
    found = (p for p in zero if any((o.out or 0.0) > SQUARED for o in known.upstream(p)))
    text = " {} returns 0, and what enters it is large: its squares overflow in float16."
    return next((text.format(p.name) for p in found), "")


def all_off(known: Known) -> dict[str, bool]:
    """Name layers whose units are all off, and tell if they are few, with paths around them."""
    shut = [known.by_name[name] for name, share in _looked(known, rows=1).items() if share == 1]
    around = {p.name: any(o.delta and o.out != 0 for o in known.upstream(p)) for p in shut}
    return {p.name: around[p.name] and p.count < NARROW * p.rows for p in shut}


def mostly_off(known: Known) -> str:
    """Say of a healthy network that in some layer few units are on."""
    worst, off = max(_looked(known).items(), key=lambda pair: pair[1], default=("", 0.0))
    text = f" But {off:.0%} of the units of {worst} are off, 0 for every example."
    return text if off >= FEW_LEFT else ""


def _looked(known: Known, rows: int = FEW) -> dict[str, float]:
    """Return the share of units that is off behind each activation, of unlike examples."""
    # A sigmoid makes no 0: where one comes out, as of a gate, a state that was 0 has made it.
    bent = (p for p in known.places if p.asks and p.bend not in ("", *BOUNDED) and p.rows >= rows)
    unlike = (p for p in bent if p.spread is None or not p.spread < SAME)
    last = {name for end in known.ends if not end.state for name in end.before}
    inner = (p for p in unlike if p.state or (p.name not in last and p.out))  # no weights of 0
    off = [p for p in inner if p.off is not None and p.name not in known.made_of_0]
    empty = [p for p in off if p.off == 1 and p.before]
    empty = [p for p in empty if all(o.out == 0 for o in known.upstream(p))]  # nothing enters
    return {p.name: p.off or 0.0 for p in off if p not in empty}


def saturates(known: Known) -> str:
    """Say that most of what an activation returns is at its ends, where its slope is next to 0."""
    bent = [p for p in known.places if p.bend in BOUNDED and p.state]
    full = listed([p.name for p in bent if (p.saturated or 0.0) > MOST])
    text = f" But most of what leaves {full} is at an end of its activation, with no slope."
    return text if full else ""


OTHERWISE = (loss_sends_nothing, dead, stuck, symmetric, zero_start)
"""What else makes a gradient exactly 0, and says so."""


def exactly_zero(known: Known) -> Finding | None:
    """Find weights whose gradient is exactly 0, though nothing is cut: something is flat."""
    still = [p for p in known.still if p.axes > 1]
    # What is shut by chance stills what reads it, too.
    enough = UNUSED * len(known.matrices) + 2 * sum(all_off(known).values())
    if len(still) < max(enough, 1) or emptied(known) or any(find(known) for find in OTHERWISE):
        return None
    if nothing_enters(known):
        return None
    found = _entered_by_0(known, still, enough) or _held_back(known, still)
    if found is None:
        return None
    since, hint, text = found
    if single := _of_one_number(known):
        text += f" {single} normalizes over one number: whatever enters, it returns the same."
        hint = "one number"
    text = f"{_share(known)}: {listed([p.name for p in still])}. {text}"
    return Finding(Verdict.CUT, text, since=since, hint=hint)


def nothing_enters(known: Known) -> str:
    """Say of a single example that it is 0 where it enters, as others need not be."""
    told = any(p.state or p.rows == 1 for p in known.places)  # from which it is seen
    single = told and all(p.spread is None for p in known.places)
    into = sorted({p.layer for p in known.still if p.axes > 1} & known.record.empty)
    at = listed(into) or "the network"
    text = f" But all that enters {at} is 0 in this one example: ask with another one."
    return text if single and into else ""


def _of_one_number(known: Known) -> str:
    """Name a normalization that gets something and sends nothing on, as it returns 0 or no more."""
    scales = (w.name for w in known.asked if w.zero and not SHIFTS.search(w.name))
    zero = {known.place_of[name].name for name in scales if name in known.place_of}
    for p in (p for p in known.places if p.normed and p.delta and p.name not in zero):
        same = not p.half and (p.out == 0 or p.count == p.rows)
        if same and p.before and not any(known.by_name[name].delta for name in p.before):
            return p.name
    return ""


def _entered_by_0(
    known: Known, still: Sequence[Parameter], enough: float
) -> tuple[str, str, str] | None:
    """Tell of weights that get nothing of what comes to them: where, the hint, and in words."""
    begun = [p for p in known.places if not p.before]
    if begun and all(p.out == 0 for p in begun):
        places = [p.name.removesuffix(" (z)") for p in begun]
        return places[0], "enters", f"All that leaves {listed(places)} is 0."
    names = [p.name for p in still if _comes(known, p)]
    if len(names) < enough:
        return None
    layers = {p.layer for p in still if p.name in names}
    if layers <= known.record.empty:
        into = listed(sorted(layers)) or "the network"
        return names[0], "enters", f"All that enters {into} is 0."
    known_to = any(known.by_name[b].out for n in names for b in known.place_of[n].before)
    text = f"δ comes to {listed(names)}, and they get nothing of it: "
    text += "" if known_to else "all that enters is 0, "
    text += "what is made of them is flat, or a hook returns 0."
    return names[0], "flat" if known_to else "enters", text


def _held_back(known: Known, still: Sequence[Parameter]) -> tuple[str, str, str] | None:
    """Tell, likewise, of weights to which nothing comes of what comes to others."""
    if between := next((pair for p in still if (pair := _lost(known, p))), None):
        text = f"Nothing is cut, but exactly nothing of what comes to {between[1]} gets to "
        return between[0], "flat", f"{text}{between[0]}: what lies between has a slope of 0."
    # A task whose turn it is not has a small part of the weights.
    if len(_in_front(known, still)) < MOST * len(known.matrices):
        return None
    text = f"Nothing comes from the loss to {listed(silent_outputs(known))}: δ there is exactly 0, "
    return still[-1].name, "still", f"{text}and so to what is in front of it alone."


def _in_front(known: Known, still: Sequence[Parameter]) -> list[Parameter]:
    """Return those of the weights that get exactly 0 as the outputs that they lead to do."""
    silent = [p for p in known.ends if p.delta == 0] if silent_outputs(known) else []
    over = {u.name for end in silent for u in (end, *known.upstream(end)) if u.delta == 0}
    return [p for p in still if p.name in known.place_of and known.place_of[p.name].name in over]


def emptied(known: Known) -> bool:
    """Tell that all gradients are 0 though δ came to their weights: they were cleared since."""
    held = [p for p in known.asked if p.norm is not None]
    return not any(p.norm for p in held) and any(p.written and _comes(known, p) for p in held)


def _comes(known: Known, parameter: Parameter) -> bool:
    """Tell whether δ comes to what is computed from a weight; a first step from 0 reads none."""
    place = known.place_of.get(parameter.name)
    return "weight_hh" not in parameter.name and place is not None and _large(place)


def _large(place: Place) -> bool:
    return (place.delta or 0.0) > (CLEAR if place.half else LEFT)


def _lost(known: Known, parameter: Parameter) -> tuple[str, str] | None:
    """Name a place that gets nothing, and the one behind it that gets something."""
    lost = known.place_of.get(parameter.name)
    if lost is None or lost.delta != 0:
        return None
    # Of experts, or blocks, others may get something of this batch.
    others = {uncounted(p.name) for p in known.places if p.delta and p is not lost}
    if any(p.delta for p in known.upstream(lost)) and uncounted(lost.name) in others:
        return None
    lost, behind = _reached(known, lost)
    large = [p.name for p in behind if _large(p)]
    return (lost.name, large[0]) if large else None


def _reached(known: Known, place: Place) -> tuple[Place, list[Place]]:
    """Return the last place behind one that gets nothing, either, and those that read that."""
    while (behind := known.readers.get(place.name, [])) and not any(p.delta for p in behind):
        place = behind[0]
    return place, behind
