"""One row of a report for each layer."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gradbook.diagnosis.measuring.names import Layer
from gradbook.diagnosis.measuring.sizes import Measured, combine
from gradbook.diagnosis.measuring.updates import Update
from gradbook.diagnosis.places import log_ratio
from gradbook.diagnosis.verdicts import shown


@dataclass(frozen=True)
class Row:
    """One layer.

    Attributes:
        kind: What it is compared with.
        count: How many parameters have a gradient.
        rms: The root of its mean square.
        ratio: Its rms over that of the next layer of its kind; None for the last.
        decades: How many powers of ten below the largest of its kind; infinite if it is 0.
        update: The rms of the update over that of the weights, if those are given.
        frozen: By format, the share of weights that stand still, if those are given.
    """

    name: str
    kind: str
    count: int
    norm: float
    rms: float
    ratio: float | None
    decades: float
    zeros: int
    nonfinite: int
    update: float | None
    frozen: Mapping[str, float]
    remark: str = ""


def row_of(
    layer: Layer,
    measured: Mapping[str, Measured],
    updates: Mapping[str, Update],
    loss_scale: float = 1.0,
) -> Row:
    """Put together what was measured of one layer.

    Examples:
        >>> from gradbook.diagnosis.reading.arrays import hand_over
        >>> from gradbook.diagnosis.measuring.names import group
        >>> from gradbook.diagnosis.measuring.sizes import measure
        >>> measured = {m.name: m for m in measure(hand_over({"1.W": [[3.0, 4.0]]}))}
        >>> [layer] = group({"1.W": (1, 2)})
        >>> row_of(layer, measured, {}).norm
        5.0
    """
    of_layer = [measured[member.name] for member in layer.members]
    own = [m.statistics for m in of_layer if m.statistics is not None and m.tied_to is None]
    whole = combine(own)
    steps = [updates[m.name] for m in of_layer if m.name in updates]
    return Row(
        name=shown(layer.name or layer.members[0].name),
        kind=layer.kind.value,
        count=whole.count,
        norm=whole.norm / loss_scale,
        rms=whole.rms / loss_scale if own else math.nan,
        ratio=None,
        decades=math.nan,
        zeros=whole.zeros,
        nonfinite=whole.nonfinite,
        update=_update(steps),
        frozen=_frozen(steps),
        remark=shown(_remark(of_layer)),
    )


def _remark(measured: Sequence[Measured]) -> str:
    unused = [m.name for m in measured if m.statistics is None]
    tied = [f"{m.name} tied to {m.tied_to}" for m in measured if m.tied_to is not None]
    return ", ".join([*(f"{name} unused" for name in unused), *tied])


def _update(updates: Sequence[Update]) -> float | None:
    if not updates:
        return None
    weight = combine(step.weight for step in updates)
    gradient = combine(step.gradient for step in updates)
    return updates[0].lr * gradient.rms / weight.rms if weight.rms > 0 else math.inf


def _frozen(updates: Sequence[Update]) -> dict[str, float]:
    totals: dict[str, list[int]] = {}
    for part in (part for step in updates for part in step.frozen):
        count = totals.setdefault(part.format.name, [0, 0])
        count[0], count[1] = count[0] + part.count, count[1] + part.total
    return {name: still / max(total, 1) for name, (still, total) in totals.items()}


def compared(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Compare each layer with the others of its kind.

    Examples:
        >>> sizes = {"1": 0.1, "2": 1.0}
        >>> pair = [Row(n, "dense", 1, s, s, None, 0.0, 0, 0, None, {}) for n, s in sizes.items()]
        >>> [(row.ratio, row.decades) for row in compared(pair)]
        [(0.1, 1.0), (None, 0.0)]
    """
    result, following = [], dict[str, float]()
    largest: dict[str, float] = {}
    for row in rows:
        if math.isfinite(row.rms):
            largest[row.kind] = max(largest.get(row.kind, 0.0), row.rms)
    for row in reversed(rows):
        later, top = following.get(row.kind, 0.0), largest.get(row.kind, 0.0)
        ratio = row.rms / later if later > 0 and math.isfinite(row.rms) else None
        known = math.isfinite(row.rms) and top > 0
        decades = log_ratio(top, row.rms) if known else math.nan
        result.append(replace(row, ratio=ratio, decades=decades))
        if row.count:
            following[row.kind] = row.rms
    return tuple(reversed(result))
