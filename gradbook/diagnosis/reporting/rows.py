"""The layers of a report: a row for each, and all of them as a table."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gradbook.diagnosis.measuring.examination import Examined
from gradbook.diagnosis.measuring.names import Layer
from gradbook.diagnosis.measuring.sizes import combine
from gradbook.diagnosis.measuring.updates import Update
from gradbook.diagnosis.places import log_ratio
from gradbook.diagnosis.verdicts import shown
from gradbook.show.tables import Cell, Table


@dataclass(frozen=True)
class Row:
    """One layer."""

    name: str
    kind: str
    """What it is compared with."""
    count: int
    """How many parameters have a gradient."""
    norm: float
    rms: float
    """The root of its mean square."""
    ratio: float | None
    """Its rms over that of the next layer of its kind; None for the last."""
    decades: float
    """How many powers of ten below the largest of its kind; infinite if it is 0."""
    zeros: int
    nonfinite: int
    update: float | None
    """The rms of the update over that of the weights, if those are given and not all 0."""
    frozen: Mapping[str, float]
    """By format, the share of weights that stand still, if those are given."""
    remark: str = ""


def rows_of(examined: Examined) -> tuple[Row, ...]:
    """Return a row for each layer, compared with the others of its kind."""
    rows = [_row(layer, examined) for layer in examined.layers]
    result, following, largest = [], dict[str, float](), dict[str, float]()
    for row in rows:
        if math.isfinite(row.rms):
            largest[row.kind] = max(largest.get(row.kind, 0.0), row.rms)
    for row in reversed(rows):
        later, top = following.get(row.kind, 0.0), largest.get(row.kind, 0.0)
        known = math.isfinite(row.rms)
        ratio = row.rms / later if later > 0 and known else None
        decades = log_ratio(top, row.rms) if known and top > 0 else math.nan
        result.append(replace(row, ratio=ratio, decades=decades))
        if row.count:
            following[row.kind] = row.rms
    return tuple(reversed(result))


def _row(layer: Layer, examined: Examined) -> Row:
    found = [examined.measured[member.name] for member in layer.members]
    own = [m.statistics for m in found if m.statistics is not None and m.tied_to is None]
    steps = [examined.updates[m.name] for m in found if m.name in examined.updates]
    whole = combine(own)
    weight, gradient = combine(s.weight for s in steps), combine(s.gradient for s in steps)
    moved = steps[0].lr * gradient.rms / weight.rms if weight.rms > 0 else None
    none = [m.name for m in found if m.statistics is None]
    remarks = [f"no gradient: {', '.join(none)}"] if none else []
    remarks += [f"{m.name} tied to {m.tied_to}" for m in found if m.tied_to is not None]
    return Row(
        name=shown(layer.name or layer.members[0].name),
        kind=layer.kind.value,
        count=whole.count,
        norm=whole.norm / examined.loss_scale,
        rms=whole.rms / examined.loss_scale if own else math.nan,
        ratio=None,
        decades=math.nan,
        zeros=whole.zeros,
        nonfinite=whole.nonfinite,
        update=moved,
        frozen=_frozen(steps),
        remark=shown(", ".join(remarks)),
    )


def _frozen(updates: Sequence[Update]) -> dict[str, float]:
    still, total = Counter[str](), Counter[str]()
    for step in updates:
        still.update(step.still)
        total.update(dict.fromkeys(step.still, step.meant))
    return {name: still[name] / max(total[name], 1) for name in total}


_COLUMNS: tuple[tuple[str, str, str, Callable[[Row], Cell | None]], ...] = (
    ("layer", "l", "", lambda row: row.name),
    ("kind", "l", "", lambda row: row.kind),
    ("norm", "r", ".2e", lambda row: row.norm if row.count else None),
    ("rms", "r", ".2e", lambda row: row.rms if row.count else None),
    ("× next", "r", ".2g", lambda row: row.ratio),
    ("decades", "r", "z.1f", lambda row: -row.decades if row.count else None),
    ("zeros", "r", "", lambda row: row.zeros or None),
    ("NaN, ∞", "r", "", lambda row: row.nonfinite or None),
    ("update", "r", ".1e", lambda row: row.update),
    ("frozen: float32", "r", ".0%", lambda row: row.frozen.get("float32")),
    ("bfloat16", "r", ".0%", lambda row: row.frozen.get("bfloat16")),
    ("float16", "r", ".0%", lambda row: row.frozen.get("float16")),
    ("remark", "l", "", lambda row: row.remark),
)
ALWAYS = 6
"""How many columns are there even if they are empty."""


def table_of(rows: Sequence[Row]) -> Table:
    """Return the layers as a table; columns without any entry are left out."""
    cells = [[_cell(get(row)) for row in rows] for *_, get in _COLUMNS]
    kept = [n for n, column in enumerate(cells) if n < ALWAYS or any(c != "" for c in column)]
    headers, sides, formats, _ = zip(*(_COLUMNS[n] for n in kept), strict=True)
    return Table(
        headers,
        list(zip(*(cells[n] for n in kept), strict=True)),
        caption="Gradients, layer by layer.",
        formats=formats,
        align="".join(sides),
    )


def _cell(value: Cell | None) -> Cell:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value
