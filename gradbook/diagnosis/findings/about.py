"""What a reader should know of a watched step beside what was found."""

from collections.abc import Iterator

from gradbook.diagnosis.findings.known import Known


def notes_of(known: Known) -> Iterator[str]:
    """Say what was watched, and what of it is to be known."""
    held = [p for p in known.parameters if not p.trainable]
    if held:
        yield f"{len(held)} of {len(known.parameters)} tensors are frozen on purpose."
    cleared = [p for p in known.asked if p.norm is None and known.passed(p)]
    if cleared and len(cleared) == len(known.asked):
        yield "No weight holds a gradient: they were cleared, or autograd.grad was used. δ is read."
    elif not any(p.norm is None for p in known.asked) and (wrong := _unlike(known)):
        yield (
            f"The gradient of {wrong} is not the sum of this pass's δ: gradients were summed "
            "over several passes, clipped, scaled or are stale."
        )


CLOSE = 0.01
"""How far the gradient of a bias may be off the sum of δ, as a share of it."""


def _unlike(known: Known) -> str | None:
    """Return a bias whose gradient is not the sum of δ over the batch."""
    if known.record.differentiated:
        return None
    for parameter in known.asked:
        place = known.place_of.get(parameter.name)
        if parameter.axes != 1 or place is None or place.total is None or not parameter.norm:
            continue
        if place.total and place.module == parameter.layer and parameter.name.endswith("bias"):
            off = abs(parameter.norm - place.total)
            return parameter.name if off > CLOSE * max(place.total, parameter.norm) else None
    return None
