"""What a reader should know of a watched step beside what was found."""

from collections import Counter
from collections.abc import Iterator

from gradbook.diagnosis.findings.flat import emptied, exactly_zero
from gradbook.diagnosis.findings.known import Known
from gradbook.diagnosis.findings.missing import left_out
from gradbook.diagnosis.findings.strangers import copies
from gradbook.diagnosis.findings.zeros import zero_start
from gradbook.diagnosis.places import Place, log_ratio
from gradbook.diagnosis.words import factor, listed

UNLIKE = "is not the sum of this pass's δ"
"""What is said of a gradient in which there is something else."""


def notes_of(known: Known) -> Iterator[str]:
    """Say what was watched, and what of it is to be known."""
    held = [p for p in known.parameters if not p.trainable]
    if held:
        yield f"{len(held)} of {len(known.parameters)} tensors are frozen on purpose."
    out = [p.name for p in known.asked if left_out(p)]
    if out:
        yield f"{listed(out)} get no gradient and are not in the optimizer: they stay as they are."
    for copy, source in copies(known).items():
        yield (
            f"{copy} ran without asking for a gradient, and its weights are an older copy of those "
            f"of {source}: a network of targets. requires_grad_(False) would say so."
        )
    if (still := _still(known)) and not exactly_zero(known) and not zero_start(known):
        yield f"{listed(still, 6)} get a gradient of exactly 0 in this step."
    if len(apart := _apart(known)) > 1:
        yield (
            f"Of what the loss sends {apart[0].name} gets more than {apart[-1].name} by "
            f"{factor(log_ratio(apart[0].norm or 0, apart[-1].norm or 0))}: look at the weights of "
            "its terms."
        )
    cleared = [p for p in known.asked if p.norm is None and known.passed(p)]
    if (cleared and len(cleared) == len(known.asked)) or emptied(known):
        yield "No weight holds a gradient: they were cleared, or autograd.grad was used. δ is read."
    elif not any(p.norm is None for p in known.asked) and (wrong := _unlike(known)):
        yield (
            f"The gradient of {wrong} {UNLIKE}: gradients were summed over several passes, "
            "clipped, scaled or are stale."
        )


def _still(known: Known) -> list[str]:
    """Return weights that get exactly 0 while others get something."""
    still = [p.name for p in known.asked if p.axes > 1 and p.norm == 0 and p.finite]
    return still if any(p.norm for p in known.asked) else []


APART = 2.0
"""Decades between the outputs' δ from which on one term of the loss hides another."""


def _apart(known: Known) -> list[Place]:
    """Return the outputs by the size of what they get, if they are far apart."""
    ends = sorted((p for p in known.ends if p.layer), key=lambda p: -(p.norm or 0.0))
    if len({p.module for p in ends}) < len(ends) or not ends or not ends[0].norm:
        return []
    return ends if log_ratio(ends[0].norm, ends[-1].norm or 0.0) >= APART else []


CLOSE = 0.01
"""How far the gradient of a bias may be off the sum of δ, as a share of it."""


CANCELS = 1e-5
"""The share of what is summed below which a sum is what rounding has left of it."""


def _unlike(known: Known) -> str | None:
    """Return a bias whose gradient is not the sum of δ over the batch."""
    if known.record.differentiated:
        return None
    calls = Counter(place.module for place in known.record.places if place.layer)
    for parameter in known.asked:
        place = known.place_of.get(parameter.name)
        if parameter.axes != 1 or place is None or place.total is None or not parameter.norm:
            continue
        if calls[place.module] > 1 or place.total < CANCELS * (place.delta or 0.0) * place.rows:
            continue
        if (
            place.total
            and place.module == parameter.layer
            and parameter.name == f"{place.module}.bias".lstrip(".")
        ):
            off = abs(parameter.norm - place.total)
            return parameter.name if off > CLOSE * max(place.total, parameter.norm) else None
    return None
