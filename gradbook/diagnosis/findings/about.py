"""What a reader should know of a watched step beside what was found."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from gradbook.diagnosis.findings.known import Known, Parameter
from gradbook.diagnosis.findings.missing import copies, left_out
from gradbook.diagnosis.findings.zeros import emptied, exactly_zero, zero_start
from gradbook.diagnosis.places import Place, log_ratio
from gradbook.diagnosis.verdicts import Verdict, factor, listed

UNLIKE = "is not the sum of this pass's δ"
"""What is said of a gradient in which there is something else."""

CLEARED = "No weight holds a gradient"
"""What is said of a step of which δ alone is left."""

SCALES = 2.5, 24.5
"""The binary logarithms between which loss scales are; a few passes add up to less."""

BETWEEN = 0.003
"""How far the binary logarithm of a loss scale may be from a whole number, rounded to float16."""

APART = 2.0
"""Decades between the outputs' δ from which on a note tells of it."""

HIDES = 3.0
"""Decades from which on one term of the loss hides another."""

CLOSE = 0.01
"""How far the gradient of a bias may be off the sum of δ, as a share of it."""

MORE = 1.2
"""From how many times what was sent on a gradient is told to hold more than that."""

CANCELS = 1e-5
"""The share of what is summed below which a sum is what rounding has left of it."""


BY_HAND = frozenset({Verdict.CUT, Verdict.VANISHING, Verdict.EXPLODING, Verdict.NON_FINITE})
"""What a backward pass that somebody wrote may be at fault for."""


def notes_of(known: Known, verdict: Verdict = Verdict.HEALTHY) -> Iterator[str]:
    """Say what was watched, and what of it is to be known where that was found first."""
    if verdict in BY_HAND:
        yield from by_hand(known.record.functions)
    yield from _held(known)
    if out := [p.name for p in known.asked if left_out(p) and not p.moved]:
        yield f"{listed(out)} get no gradient and are not in the optimizer: they stay as they are."
    if unread := [p.name for p in known.asked if p.norm is None and known.unread(p)]:
        yield f"{listed(unread)} get no gradient, and their layers' weights do: nothing reads them."
    for copy, source in copies(known).items():
        text = f"{copy} gets no gradient, and its weights are an older copy of those of {source}: "
        yield f"{text}a network of targets, or an average. requires_grad_(False) would say so."
    still = [p.name for p in known.still if p.axes > 1] if any(p.norm for p in known.asked) else []
    if still and not exactly_zero(known) and not zero_start(known):
        yield f"{listed(still, 6)} get a gradient of exactly 0 in this step."
    more, told = _apart(known)
    if APART <= more < math.inf and not (verdict is Verdict.HEALTHY and more >= HIDES):
        yield f"Of {told} Look at the weights of its terms."
    gone = [known.passed(p) for p in known.asked if p.norm is None]
    if (gone and all(gone) and len(gone) == len(known.asked)) or emptied(known):
        yield f"{CLEARED}: they were cleared, or autograd.grad was used. δ is read."
    elif not gone and (wrong := _unlike(known)) is not None:
        name, by = wrong[0].name, wrong[1] / (wrong[0].norm or math.inf)
        text = f"The gradient of {name} {UNLIKE}: gradients were summed over {_several(known)}, "
        scaled = f"The gradient of {name} is the sum of this pass's δ over {by:.0f}, as behind "
        yield f"{scaled}unscale_." if is_scale(by) else f"{text}clipped, scaled or are stale."


def _held(known: Known) -> Iterator[str]:
    """Say what is not trained: ever, or in this step alone, as where two networks take turns."""
    held, all_of = [p for p in known.parameters if not p.trainable], len(known.parameters)
    turns = [p.name for p in held if p.name in known.came]
    written = [p.name for p in held if p.moved and p.name not in turns]
    still = [p.name for p in held if p.name not in (*turns, *written)]
    if turns:
        text = f"{len(turns)} of {all_of} tensors have requires_grad False in this step, and had a "
        text += f"gradient before: {listed(turns)}. Where they are trained in other steps, these "
        yield f"{text}are not judged here."
    if written:
        text = f"{len(written)} of {all_of} tensors have requires_grad False, and something else "
        yield f"{text}writes to them, as an average of weights does: {listed(written)}."
    if still:
        text = f"{len(still)} of {all_of} tensors have requires_grad False, and stay as they are: "
        yield f"{text}{listed(still)}."


def _several(known: Known) -> str:
    """Say over how many passes gradients are summed, where it is seen that they are to be."""
    count = known.record.passes
    return "several passes" if count < 2 else f"{count} passes without a step between them"


def by_hand(functions: Sequence[str]) -> Iterator[str]:
    """Name the backward passes that somebody wrote, and what tells whether they are right."""
    text = "whether what it sends back is right, torch.autograd.gradcheck tells."
    if functions:
        yield f"On the way is a torch.autograd.Function of your own, {listed(functions)}: {text}"


def is_scale(by: float) -> bool:
    """Tell whether a number is a loss scale: a power of 2, of those that a GradScaler takes.

    Examples:
        >>> is_scale(65536.0), is_scale(65000.0), is_scale(2.0)
        (True, False, False)
    """
    within = 0 < by < math.inf and SCALES[0] < math.log2(by) < SCALES[1]
    return within and off_power_of_2(by) < BETWEEN


def off_power_of_2(by: float) -> float:
    """Return by how much the binary logarithm of a number misses a whole one."""
    return abs(math.log2(by) - round(math.log2(by)))


def _apart(known: Known) -> tuple[float, str]:
    """Return by how many decades one output gets more than another, and that in words."""
    ends = [p for p in known.ends if p.layer]
    ends = sorted([*_within(known, ends), *ends], key=lambda p: -(p.norm or 0.0))
    if len({p.module for p in ends}) < len(ends) or not ends or not ends[0].norm:
        return 0.0, ""
    more = log_ratio(ends[0].norm, ends[-1].norm or 0.0)
    text = f"what the loss sends {ends[0].name} gets more than {ends[-1].name} by "
    return more, f"{text}{factor(more)}."


def _within(known: Known, ends: Sequence[Place]) -> Iterator[Place]:
    """Yield what the loss sends straight to the middle, if that is more than it sends to the ends.

    It may be as small as one likes, as from a term that only regularizes.
    """
    most = max((p.norm or 0.0 for p in ends), default=math.inf)
    for place in known.places:
        if place.layer and place.straight and place.norm and place.delta:
            norm = place.norm * place.straight / place.delta
            yield from [replace(place, norm=norm)] if norm > most else []


def hides(known: Known) -> str:
    """Say of a healthy network that one term of its loss hides another."""
    more, told = _apart(known)
    return f" But of {told}" if more >= HIDES else ""


def unready(known: Known) -> str:
    """Say that normalizations take averages that they never took."""
    names = listed(list(known.record.unready))
    text = f" But {names} ran in eval() mode and never saw a batch in training: instead of "
    return f"{text}averages there are a mean of 0 and a variance of 1." if names else ""


def held_before(known: Known) -> str:
    """Say that weights hold more than came to them, as where gradients are not cleared.

    Where steps are taken at every second pass or later, they are summed on purpose.
    """
    if known.record.passes > 1:
        return ""
    bias, total = _unlike(known) or (None, 0.0)
    if bias is None or not bias.norm or bias.norm < MORE * total:
        return ""
    text = f" But {bias.name} holds {bias.norm / total:.2g} times the gradient that this pass sent"
    return f"{text} through the network."


def _unlike(known: Known) -> tuple[Parameter, float] | None:
    """Return the first bias whose gradient can be held against the sum of δ, if it is not it."""
    calls = Counter(place.module for place in known.places if place.layer)
    mine = (p for p in known.asked if p.stepped is not False)  # another optimizer clears the rest
    for bias in mine if not known.record.differentiated else ():
        place = known.place_of.get(bias.name)
        if place is None or not place.total or bias.axes != 1 or not bias.norm:
            continue
        own = bias.name in (f"{place.module}.bias".lstrip("."), f"{place.module}/bias")
        own &= calls[place.module] < 2
        if own and place.total >= CANCELS * (place.delta or 0.0) * place.rows:
            off = abs(bias.norm - place.total)
            return (bias, place.total) if off > CLOSE * max(place.total, bias.norm) else None
    return None
