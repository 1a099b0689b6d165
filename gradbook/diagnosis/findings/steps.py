"""The step that is to be taken: as large as the weights, or below the gaps of their format."""

import math

from gradbook.diagnosis.findings.known import Known, Parameter
from gradbook.diagnosis.verdicts import Finding, Verdict, listed
from gradbook.show.bounds import at_most

LARGE = 1.0
"""From which size of the update over that of the weight on a step undoes what was learned."""
LIGHT = 0.1
"""Up to which gain a step changes little all the same: its weights began small, as a head's do."""

STILL = 0.5
"""The share of the weights, as in the definition of truth."""

SLOW = 1e-5
"""A hundredth of the thousandth of its weights that a step is often given."""

NEAR = 1e-6
"""Sixteen times the smallest number of float16: of numbers of that size many are rounded to 0."""


def breaking(known: Known) -> Finding | None:
    """Find that all is finite, and will not be behind the step that is to be taken."""
    found = [p for p in known.asked if p.breaks]
    if not found or not all(p.finite for p in known.asked):
        return None
    text = "All is finite, and behind the optimizer's next step it is not: that makes NaN or "
    text += f"infinity in {listed([p.name for p in found])}."
    text += " In float16 what it divides by is 0." if found[0].hint == "wide" else ""
    return Finding(Verdict.NON_FINITE, text, since=found[0].name, hint=found[0].hint)


def large_step(known: Known) -> Finding | None:
    """Find a step that is as large as the weights themselves."""
    found = [p for p in known.matrices if not p.zero and (p.ratio or 0.0) >= LARGE]
    found = [p for p in found if p.gain is None or p.gain > LIGHT or _decays(p)]
    if not found:
        return None
    top = max(found, key=lambda p: p.ratio or 0.0)
    more = f", and {len(found) - 1} more by at least {LARGE:g}" if len(found) > 1 else ""
    decay = "; most of it is weight decay" if _decays(top) else ""
    text = f"One step changes {top.name} by {top.ratio:.3g} times its size{more}{decay}."
    alone = "alone" if len(known.matrices) == 1 and top.layer in known.record.called else top.hint
    hint = "decay" if decay else alone
    return Finding(Verdict.LARGE_STEP, text, since=top.name, hint=hint)


def _decays(weight: Parameter) -> bool:
    return 2 * weight.decay > (weight.ratio or 0.0)


def frozen(known: Known) -> Finding | None:
    """Find that half of the weights that a step is meant for stand still, or have a rate of 0."""
    held = [p for p in known.asked if p.rate is not None]
    none = [p.name for p in held if p.rate == 0]
    if 0 < len(none) < len(held):
        text = f"The learning rate of {len(none)} of {len(held)} trainable tensors is 0, so that "
        text += f"no step moves them: {listed(none)}."
        return Finding(Verdict.FROZEN, text, since=none[0], hint="rate")
    if known.frozen is None or known.frozen < STILL or known.growing:  # behind them all is small
        return None
    text = f"{known.frozen:.0%} of the weights that a step is meant for are the same after the "
    text += "update, bit for bit: it is too small for the gaps of their number format."
    text += " The others move, so that the loss may fall all the same." if known.frozen < 1 else ""
    return Finding(Verdict.FROZEN, text)


def too_slow(known: Known) -> str:
    """Say of a healthy network by how little a step changes it, if that is very little."""
    ratios = [p.ratio for p in known.matrices if not p.zero and p.norm]
    most = max((math.inf if ratio is None else ratio for ratio in ratios), default=0.0)
    if not 0 < most < SLOW:
        return ""
    size = at_most(most, 1, scientific=True)
    text = f" But a step changes no weights by more than {size} of their size: in "
    return f"{text}{math.floor(0.01 / most):,} such steps none moves by more than a hundredth."


def at_rest(known: Known) -> str:
    """Say that no step is taken at all, as where a warm-up begins with a rate of 0."""
    rates = {p.rate for p in known.asked if p.rate is not None}
    said = " But the learning rate is 0 now, so that this step moves nothing."
    return said if rates == {0.0} else ""


def underflows(known: Known) -> str:
    """Say that what comes back in float16 is so small that much of it is 0."""
    sizes = [p.delta for p in known.places if p.half and p.delta is not None]
    low = [size for size in sizes if size < NEAR]
    if not low or 2 * len(low) < len(sizes):
        return ""
    text = f" But at {len(low)} of {len(sizes)} places δ is a float16 of {max(low):.0e} or less, "
    return f"{text}where that format ends: much of it is lost."
