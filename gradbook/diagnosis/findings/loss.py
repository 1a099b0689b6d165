"""Not finite, or nothing from the loss: data, weights, forward, the loss, then back."""

import math
from operator import itemgetter

from gradbook.diagnosis.findings.known import Known
from gradbook.diagnosis.findings.steps import SLOW
from gradbook.diagnosis.places import Place, enters, log_ratio
from gradbook.diagnosis.verdicts import Finding, Verdict, factor, listed

LEAST = 1e-5
"""How large the sum of |δ| at the output, for a loss that averages its errors, is at least."""

NEXT_TO_0 = 1e-4
"""The root mean square of a factor below which the other one learns nothing."""

LARGE = 1e3
"""The root mean square of outputs from which on softmax and sigmoid have no slope in float32."""

LOST, FAR = 2.0, 2.5
"""Decades that an activation takes at its end, and how far from 0 what enters it is there: tanh
takes as many at 3, a sigmoid at 4.6."""

UPPER = 0.9
"""The size of outputs above which an activation is at its upper end."""

SENT, LITTLE = 0.9, 0.05
"""The sum of |δ| that a loss sends at least that is not near its least, and at most to what learns
little; a squared error sends twice the error, an absolute one 1."""


def non_finite(known: Known) -> Finding | None:
    """Find where NaN or infinity comes from: look forward first, then at the loss, then back."""
    lost = [p.name for p in known.asked if not p.finite]
    # An output of -inf, as of a mask, is no fault where all that comes back is finite.
    bad = any(_bad(p.delta) or math.isnan(p.out or 0.0) for p in known.places)
    came = any(p.norm for p in known.asked) or not any(_bad(p.out) for p in known.places)
    if not lost and not bad and came:
        return None
    text, since, hint = _forward(known) or _back(known, lost)
    return Finding(Verdict.NON_FINITE, text, since=since, hint=hint)


def _bad(size: float | None) -> bool:
    return size is not None and not math.isfinite(size)


def _forward(known: Known) -> tuple[str, str, str] | None:
    if broken := [p for p in known.parameters if p.broken]:
        names = listed([p.name for p in broken])
        text = f"The weights {names} are not finite: an earlier step broke them, or they came so."
        return text, broken[0].name, "wide" if any(p.hint == "wide" for p in broken) else "step"
    if known.record.bad_input:
        where = known.record.bad_input[0] or "the network"
        if where in known.record.spoiled:
            text = f"What enters {where} is not finite, though what the network was called with "
            return f"{text}is: it is made in between.", where, "forward"
        return f"What enters {where} is not finite: it is the data.", where, "data"
    first = next((p for p in known.places if _bad(p.out)), None)
    return None if first is None else _made(first)


def _made(first: Place) -> tuple[str, str, str]:
    """Tell of the first place that is not finite what goes into it, and what it may be made by."""
    into = listed(first.before)
    if into and first.count == 1 and not first.module:
        text = f"What the network returns, a single number, is not finite, and {into} is: if it is "
        return f"{text}the loss, that is at fault.", "the loss", "loss"
    entered = into and first.state and not first.layer and first.module not in ("", first.name)
    where = f"what enters {first.module}" if entered else first.name
    inner = f"though what {'it is made of' if entered else 'goes into it'}, {into}, is"
    text = f"On the way forward {where} is the first that is not finite{', ' * bool(into)}"
    since = first.module if entered else first.name
    narrow = first.half and first.layer
    text = f"{text}{inner if into else ''}.{' It is a float16, which ends at 65504.' * narrow}"
    return text, since, "narrow" if narrow else "forward"


def _back(known: Known, lost: list[str]) -> tuple[str, str, str]:
    text = "All outputs are finite, and what the loss sends back is not: it "
    if any(p.half and p.delta == math.inf for p in known.ends):
        return f"{text}is more than 65504, where float16 ends.", "the loss", "scale"
    if any(_bad(p.delta) for p in known.ends):
        return f"{text}is the loss.", "the loss", "loss"
    first = next((p.name for p in reversed(known.places) if _bad(p.delta)), None)
    if first is not None:
        text = "All that layers read and return is finite. On the way back "
        return f"{text}{first} is the first that is not.", first, "back"
    text = f"All δ are finite, and the gradients of {listed(lost)} are not: they overflow, or an "
    return f"{text}earlier step's were added.", lost[0], "scale"


def masked(known: Known) -> str:
    """Say of what comes back finite that some output is infinite."""
    said = " But {} holds infinity, which is right of a mask, and wrong where a label is."
    return next((said.format(p.name) for p in known.places if p.out == math.inf), "")


def loss_sends_nothing(known: Known) -> Finding | None:
    """Find that δ is 0, or next to it, where the loss meets the network: mostly no layer's."""
    if factors := _factors(known):
        return _in_products(known, factors)
    ends = known.ends or _silent_ends(known)
    held = [known.place_of.get(p.name) for p in known.asked if p.norm]
    if not ends or any(p is None or p.delta != 0 for p in held):
        return _next_to_nothing(known, ends)
    at, half = listed([p.name for p in ends]), any(p.half for p in ends)
    data = {p.name for p in known.places if enters(p.name, p.module) and not p.before}
    if any(p.delta for p in known.places if p.name not in data):
        return _behind_the_last(known)
    size = max(p.out or 0.0 for p in ends)
    text = f"Nothing comes from the loss: δ at {at} is exactly 0. "
    far = f"What is returned there is of size {size:.0e}, where softmax and sigmoid are flat."
    why = "It is mostly not your layers; look at what stands between the last one and the loss."
    text += far if (large := size > LARGE) else why
    text += " The gradients that weights hold come from elsewhere." if held else ""
    text += " In float16, as there, what is less than 6e-08 is 0, too." if half else ""
    hint = "half" if half else "second" if known.record.differentiated else "large" * large or None
    return Finding(Verdict.LOSS, text, since=ends[-1].name, hint=hint)


def _factors(known: Known) -> list[Place]:
    """Return factors next to 0 of which the loss sends enough to the product, which keeps it."""
    for end in known.ends:
        small = [known.by_name[name] for name in end.before if name in known.by_name]
        small = [p for p in small if p.out is not None and p.out < NEXT_TO_0]
        sent, most = end.delta or 0.0, max((p.delta or 0.0 for p in small), default=0.0)
        both = end.product and len(small) == len(end.before) > 1
        enough = sent * end.count / known.loss_scale >= LEAST
        if both and enough and most <= NEXT_TO_0 * sent:
            return small
    return []


def _in_products(known: Known, factors: list[Place]) -> Finding | None:
    """Say that in a product each gets what the other is, unless steps are known to move them."""
    # Adam makes up for small gradients, and not for those of exactly 0.
    if (some := any(p.out for p in factors)) and _largest_step(known) >= SLOW:
        return None
    text = f"{listed([p.name for p in factors])} are {'next to ' * some}0, and in their product "
    text += "each gets what the other is: next to nothing moves them."
    return Finding(Verdict.STUCK, text, since=factors[0].name)


def _largest_step(known: Known) -> float:
    """Return by which share of its size a step changes a matrix at most; 0 if no step is known."""
    return max((p.ratio or 0.0 for p in known.matrices if not p.zero), default=0.0)


def _next_to_nothing(known: Known, ends: list[Place]) -> Finding | None:
    size = max((_sent(known, p) for p in ends), default=0.0) / known.loss_scale
    if known.record.differentiated or not 0 < size < LEAST:
        return None
    at, inner = listed([p.name for p in ends]), max(map(all_of, ends)) / known.loss_scale >= LEAST
    text = f"The loss sends back next to nothing: the δ at {at} add up to {size:.0e}. It is "
    text += "saturated, at its minimum or multiplied by a small number: mostly not your layers."
    if inner:
        names = [p.name for end in ends for p in way_in(known, end)[1]]
        last = listed(list(dict.fromkeys(names)))
        text = f"The loss sends something to {at}, and next to nothing gets to {last}: the δ there "
        text += f"add up to {size:.0e}. What stands behind is flat, or multiplies by what is small."
    most = _largest_step(known)
    text += f" A step changes weights by {most:.0e} of their size all the same." * (most >= SLOW)
    return Finding(Verdict.LOSS, text, since=ends[-1].name, hint="bent" if inner else None)


def all_of(place: Place) -> float:
    """Return about the sum of |δ| at a place."""
    return (place.delta or 0.0) * place.count


def _sent(known: Known, end: Place) -> float:
    """Return the sum of |δ| at an output, or at the last layers if only an activation is between.

    Of several layers whose outputs come together the one that gets most tells.
    """
    # Where sums come in, as of experts, more than these layers made it.
    return min(all_of(end), max(map(all_of, way_in(known, end)[1]), default=math.inf))


def way_in(known: Known, end: Place) -> tuple[list[Place], list[Place]]:
    """Return what is between a place and the layers that make it, with it, and these layers.

    Both are empty if there are other weights in between, or what other layers read.
    """
    between, last = [end], dict[str, Place]()
    for place in between:  # which grows
        inner = [known.by_name[name] for name in place.before if name in known.by_name]
        if not inner or known.record.owned.get(place.name) or any(p.state for p in inner):
            return [], []
        last |= {p.name: p for p in inner if p.layer}
        between += [p for p in inner if not p.layer and p not in between]
    return between, [*last.values()]


def _at_its_end(known: Known, end: Place) -> float:
    """Return how many decades of δ an activation at its end takes behind the last layers, or 0."""
    between, last = way_in(known, end)
    sent, got = (sum(map(all_of, ps)) / known.loss_scale for ps in ([end], last))
    if sent < SENT or not 0 < got < LITTLE or (fall := log_ratio(sent, got)) < LOST:
        return 0.0
    far = any((p.out or 0.0) > FAR for p in last)
    flat = [p for p in between if _is_flat(known, p)]
    if not far or not flat:
        return 0.0
    # A logarithm of what is learned sends 1/(1-ε), and ε comes; log(1-D), that sends as much, is
    # for what the last layer is not trained with.
    trained = any(p.stepped is not False for p in known.asked if known.place_of.get(p.name) in last)
    sizes = (by * (end.delta or 0.0) / known.loss_scale for by in (1, end.count))
    learned = any(0.01 < (size - 1) * sent / got < 2 for size in sizes)
    # A rare class begins at the lower end of a sigmoid, and is learned from there.
    low = trained and all((p.out or 0.0) < UPPER for p in flat)
    return 0.0 if low or (learned and (trained or (end.out or 0.0) > UPPER)) else fall


def _is_flat(known: Known, place: Place) -> bool:
    """Tell whether a place is an activation at its end: of a size of 1, or of that of its slope.

    What multiplies by a small number returns more than that.
    """
    inner = [known.by_name[name] for name in place.before if name in known.by_name]
    if len(inner) != 1 or inner[0].count != place.count or not place.delta:
        return False
    out, slope = place.out or 0.0, (inner[0].delta or 0.0) / place.delta
    return slope <= 10**-LOST and (abs(out - 1) < LITTLE / 2 or slope / 2 < out < 2 * slope)


def flat_at_end(known: Known) -> str:
    """Say that an activation behind the last layers takes most of what the loss sends."""
    falls = ((_at_its_end(known, end), end) for end in known.ends)
    fall, end = max(falls, key=itemgetter(0), default=(0.0, None))
    if end is None or not fall:
        return ""
    last = listed([p.name for p in way_in(known, end)[1]])
    text = f" But what the loss sends falls by {factor(fall)} from {end.name} back to {last}: an "
    return f"{text}activation between is at its end, where it is flat."


def _silent_ends(known: Known) -> list[Place]:
    """Return the last place where nothing came back, where all gradients that are there are 0."""
    held = [p.norm for p in known.asked if p.norm is not None]
    if not held or any(held):
        return []
    return [p for p in known.places if p.asks][-1:]


def _behind_the_last(known: Known) -> Finding | None:
    """Find that nothing gets past what stands between the last layers and the output."""
    ends = {p.name: p for p in known.ends if not p.layer}
    inner = [p for p in known.places if p.asks and p.name not in ends]
    if not known.still or not inner or any(p.delta != 0 for p in inner):
        return None
    last = listed(list(dict.fromkeys(n for end in ends.values() for n in end.before)))
    text = f"The loss sends something to {listed(list(ends))}, and exactly nothing of it gets to "
    text += f"{last}: what stands behind the last layer has a slope of 0 there."
    return Finding(Verdict.LOSS, text, since=next(iter(ends)), hint="bent")


def second_is_0(known: Known) -> str:
    """Say that a term of the loss is made of a second derivative that is exactly 0."""
    text = " But the loss takes a second derivative of the network that is exactly 0: that term "
    return f"{text}trains no weights." if known.record.flat else ""


def taken_amiss(known: Known) -> str:
    """Say that the loss takes probabilities for logits, or logits for their logarithms."""
    bend = known.record.twice
    if bend == "picks":
        text = " But one output of each example gets all, and in all the same, as from nll_loss of "
        return f"{text}what is not log_softmax, which has no lower bound, or from L1 far off."
    text = " But what the network returns are probabilities, and what comes back is what a loss "
    return f"{text}sends that takes {bend} of them once more." if bend else ""


def silent_outputs(known: Known) -> list[str]:
    """Name the outputs to which the loss sends exactly nothing, as with advantages of 0."""
    # Of what is called again and again, one call may lead nowhere, as from a state of 0.
    others = {p.module for p in known.places if p.delta and p.module}
    return [p.name for p in known.ends if p.delta == 0 and p.module not in others]


def in_part(known: Known) -> str:
    """Say that of several outputs some get nothing from the loss."""
    silent = silent_outputs(known)
    text = f" But nothing comes from the loss to {listed(silent)}: δ there is exactly 0."
    return text if silent else ""
