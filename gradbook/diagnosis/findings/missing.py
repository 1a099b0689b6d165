"""Who gets nothing: weights that no gradient comes to, or that no step is taken with."""

import re
from collections.abc import Mapping, Sequence

from gradbook.diagnosis.findings.known import MOST, Known, Parameter
from gradbook.diagnosis.measuring.names import uncounted
from gradbook.diagnosis.measuring.orders import number_key
from gradbook.diagnosis.places import Place, enters
from gradbook.diagnosis.verdicts import Finding, Verdict, listed

UNUSED, TURNS = 0.1, 5
"""The share of trainable tensors, and the number of looks, from which on modules that nobody calls
are a fault, the latter where others of their list are called."""

_NOT_CALLED = "backward() was not called"

ALIKE, CHANCE = 0.5, 5.0
"""The least cosine of weights and an old copy, also times the root of one over their number."""


def cut(known: Known) -> Finding | None:
    """Find trainable weights that get no gradient, and between which places the graph is cut."""
    aside = copies(known)
    lost = (p for p in known.asked if p.norm is None and p.name not in known.came)
    lost = (p for p in lost if not (known.passed(p) or left_out(p) or known.unread(p)))
    waiting = in_turns(known)
    lost = (p for p in lost if not any(is_inside(p.name, copy) for copy in aside))
    none = [p for p in lost if p.name not in waiting]
    if not none or (len(none) == len(known.asked) and not known.places):
        return None
    found = _of_all(known, none) or _between(known, none) or _unused(known, none)
    if found is None:
        return None
    text, since, hint = found
    text = f"{len(none)} of {len(known.asked)} trainable tensors get no gradient: {text}"
    return Finding(Verdict.CUT, text, since=since, hint=hint)


def in_turns(known: Known) -> list[str]:
    """Return weights of modules that may take turns: others of their list were called."""
    called, early = _called(known), max(known.came.values(), default=0) < TURNS
    # Keras names what is in a list as what is not.
    lists = {name[:k] for name in called for k, c in enumerate(name) if c == "."} - called
    none = (p for p in known.asked if p.norm is None and p.name not in known.came)
    over = {p.name: [n for n in called | lists if is_inside(p.layer, n)] for p in none}
    idle = [name for name, held in over.items() if max(held, key=len, default="") in lists]
    idle = [name for name in idle if name not in known.place_of]
    return idle if early and len(idle) <= MOST * len(known.asked) else []


def not_called(known: Known) -> str:
    """Say which of what may take turns was not called in this step."""
    idle = in_turns(known)
    text = f" But {listed(idle)} were not called in this step, and others of their list were."
    return text if idle else ""


def _of_all(known: Known, none: Sequence[Parameter]) -> tuple[str, str, str] | None:
    """Tell that nothing came back at all."""
    if len(none) < len(known.asked) or any(p.delta is not None for p in known.places):
        return None
    if known.places and not any(p.asks for p in known.places):
        return "the network ran where gradients are switched off.", none[-1].layer, "off"
    text = f"the loss does not depend on what the network returns, or {_NOT_CALLED}."
    return text, none[-1].layer, "outside"


def _between(known: Known, none: Sequence[Parameter]) -> tuple[str, str, str | None] | None:
    """Name the last place that got nothing and the next one that did and may read it."""
    places, before = known.places, _inside(known)
    # What reads their outputs cannot be seen: perhaps nothing does, as where they make targets.
    aside = not any(p.asks for p in places if _silent(known, p, none))
    if not before or not (aside or _ran(known, none)):
        return None
    # What begins anew may read what was cut off; what comes from elsewhere shows no cut.
    after = [p for p in places[before[-1] + 1 :] if p.delta is not None]
    anew = (p for p in after if not p.before and p.module not in known.record.given)
    following = next((p.name for p in (after if aside else anew)), None)
    if following is None:
        return None
    last, following = (n.removesuffix(" (z)") for n in (places[before[-1]].name, following))
    text = f"the graph is cut between {last} and {following}"
    if aside:
        text = f"{last}, before {following}, ran where gradients are switched off"
    elif "/" in none[-1].name:  # it is Keras, where that is the way to do it
        text += ", as by stop_gradient"
    text += f". Without one: {listed([p.name for p in none])}."
    return text, last, "aside" if aside else None


def _unused(known: Known, none: Sequence[Parameter]) -> tuple[str, str, str] | None:
    """Tell of weights that were never used, or through whose output nothing comes back."""
    inside, names = _ran(known, none) and _inside(known), listed([p.name for p in none])
    if len(none) < UNUSED * len(known.asked) and (_end_of_lists(known, none) or not inside):
        return None
    if not known.places:
        return f"{names}.", none[-1].name, "unknown"
    called = _called(known)
    idle = [p for p in none if p.layer not in called and p.name not in known.place_of]
    without = {p.module for p in known.places if not p.asks}
    if idle and without.isdisjoint(p.layer for p in none):
        rest = [p.name for p in none if p not in idle]
        before = any(p.layer in known.record.earlier for p in idle)
        when = "not called since the backward pass before" if before else "never called"
        text = f"not used in this step, {when}: {listed([p.name for p in idle])}."
        text += f" Called, and nothing came back: {listed(rest)}." if rest else ""
        return text, idle[0].layer, "earlier" if before else "idle"
    if all(p.name not in known.place_of and p.layer not in without for p in none):
        return f"{names}. Nothing that ran was seen to read them.", none[-1].layer, "unused"
    text = f"{names}. They ran, and nothing comes back through what they return."
    return text, none[-1].layer, "unused"


def _end_of_lists(known: Known, none: Sequence[Parameter]) -> bool:
    """Tell whether they are the last of lists, beside others of their number that get something.

    So is the last path of a WaveNet: what that layer adds enters nothing, and its block has
    another way out.
    """
    came = {p.layer for p in known.asked if p.norm is not None}
    for layer in {p.layer for p in none}:
        like = [number_key(other) for other in came if uncounted(other) == uncounted(layer)]
        numbers = re.findall(r"\d+", layer)
        beside = any(re.findall(r"\d+", other) == numbers for other in came - {layer})
        if not beside or number_key(layer) <= max(like, default=number_key(layer)):
            return False
    return True


def _called(known: Known) -> frozenset[str]:
    """Return the modules that ran: one that returns what a layer in it does has no own place."""
    return known.record.called.union(*(place.also for place in known.places))


def _ran(known: Known, none: Sequence[Parameter]) -> bool:
    return any(p.name in known.place_of for p in none)


def _inside(known: Known) -> list[int]:
    """Return where in the order of the places something got nothing and something later did."""
    reached = max((i for i, p in enumerate(known.places) if p.delta is not None), default=0)
    return [i for i, p in enumerate(known.places[:reached]) if _silent(known, p)]


def _silent(known: Known, place: Place, of: Sequence[Parameter] | None = None) -> bool:
    """Tell whether trainable weights work there, those given or all, and nothing comes back."""
    if place.delta is not None or (of is not None and enters(place.name, place.module)):
        return False
    mine = known.record.owned.get(place.name, ())
    return any(p.name in mine or p.layer == place.module for p in (of or known.asked))


def without_any(known: Known) -> Finding | None:
    """Say of a network without any gradient that there is none; it was not watched."""
    if any(p.norm is not None for p in known.parameters):
        return None
    text = f"No tensor holds a gradient: {_NOT_CALLED}, gradients were cleared before they were "
    text += "read, or the loss does not depend on what the network returns."
    return untrained(known) or Finding(Verdict.CANNOT_TELL, text, hint="unknown")


def untrained(known: Known) -> Finding | None:
    """Say that nothing is to be trained, where nothing came back or an optimizer is to do it."""
    came = any(place.delta is not None for place in known.places)
    held = any(p.stepped for p in known.parameters)
    if known.asked or not known.parameters or (came and not held):
        return None
    text = f"All {len(known.parameters)} tensors have requires_grad False: no step moves them."
    return Finding(Verdict.CUT, text, hint="untrained")


def only_passed(known: Known) -> str:
    """Say of a network that the gradient passes and leaves as it is, as where an input is made."""
    text = f" But all {len(known.parameters)} tensors have requires_grad False: none learns."
    return "" if known.asked or not known.parameters else text


def left_out(parameter: Parameter) -> bool:
    """Tell that a weight gets no gradient and is not in the optimizer: nobody means to train it."""
    return parameter.norm is None and parameter.stepped is False


def not_stepped(known: Known) -> Finding | None:
    """Find weights that are to be trained and that the optimizer does not hold, nor another one."""
    mine = (p for p in known.asked if p.stepped is False and not p.moved)
    left = [p.name for p in mine if not left_out(p)]
    if not left:
        return None
    text = f"{len(left)} of {len(known.asked)} trainable tensors are not in the optimizer: "
    return Finding(Verdict.CUT, f"{text}{listed(left)}.", since=left[0], hint="optimizer")


def shared(known: Known) -> str:
    """Say which weights another optimizer has that holds some of this one's as well."""
    names = [p.name for p in known.asked if p.shared and not left_out(p)]
    text = f" But {len(names)} of {len(known.asked)} trainable tensors are in another optimizer "
    text += f"that shares some with this one: if it takes no step, they stay ({listed(names)})."
    return text if names else ""


def unregistered(known: Known) -> Finding | None:
    """Find weights that work in the network and that its `parameters()` do not hold."""
    found = known.record.strangers
    shapes = ["×".join(map(str, of)) or "1" for at, of in found.items() if at not in known.held]
    if not shapes:
        return None
    text = "Weights work in this network that were not among its parameters when it was watched, "
    text += f"{len(shapes)} in number, of shape {listed(shapes)}: an optimizer of net.parameters() "
    return Finding(Verdict.CUT, f"{text}does not move them.", hint="list")


def is_inside(name: str, outer: str) -> bool:
    """Tell whether a module is another one, or lies within it.

    Examples:
        >>> is_inside("body.0", "body"), is_inside("body/fc", "body"), is_inside("body2", "body")
        (True, True, False)
    """
    return name.startswith(outer) and name[len(outer) : len(outer) + 1] in ("", ".", "/")


def copies(known: Known) -> Mapping[str, str]:
    """Return modules that nothing came back to, with those that they are copies of.

    They are networks of targets, teachers and averages, which follow the trained one by other
    means. Layers of a list often begin as copies of one another, and are none.
    """
    below: dict[str, dict[str, Parameter]] = {}
    for p in known.asked:
        for k in (k for k, c in enumerate(p.name) if c in "./"):
            below.setdefault(p.name[:k], {})[p.name[k + 1 :]] = p
    found: dict[str, str] = {}
    alike: dict[tuple[str, ...], list[str]] = {}
    for module, mine in below.items():
        alike.setdefault(tuple(mine), []).append(module)
    for module, mine in below.items():
        within = any(is_inside(module, other) for other in found)
        if within or any(p.norm is not None for p in mine.values()):
            continue
        inside = [p for p in known.places if is_inside(p.module, module)]
        if any(place.delta is not None for place in inside):
            continue
        aside = bool(inside) and not any(place.asks for place in inside)
        others = ((n, below[n]) for n in alike[tuple(mine)])
        others = (o for o in others if aside or uncounted(o[0]) != uncounted(module))
        source = next((other for other, theirs in others if _same(mine, theirs)), None)
        found |= {module: source} if source else {}
    return found


def _centered(sample: Sequence[float]) -> list[float]:
    """Return numbers less their mean: weights that are all above 0 are alike in that alone."""
    mean = sum(sample) / max(len(sample), 1)
    return [number - mean for number in sample]


def _same(mine: Mapping[str, Parameter], theirs: Mapping[str, Parameter]) -> bool:
    if theirs.keys() != mine.keys() or any(p.norm is None for p in theirs.values()):
        return False
    drawn = [k for k in mine if mine[k].axes > 1]  # biases and scales often begin alike
    both = [(_centered(mine[k].sample), _centered(theirs[k].sample)) for k in drawn]
    if any(len(a) != len(b) for a, b in both):
        return False
    pairs = [pair for a, b in both for pair in zip(a, b, strict=True)]
    across = sum(a * b for a, b in pairs)
    own = sum(a * a for a, _ in pairs) * sum(b * b for _, b in pairs)
    return across > 0 and across**2 >= max(ALIKE**2, CHANCE**2 / len(pairs)) * own
