"""The layers of a report as a table, for a terminal and for a page."""

import math
from collections.abc import Sequence

from gradbook.diagnosis.reporting.rows import Row
from gradbook.show.formats import true_minus
from gradbook.show.tables import Table


def table_of(rows: Sequence[Row]) -> Table:
    """Return the layers as a table; columns without any entry are left out."""
    columns = [c for c in _COLUMNS if c[0] in _ALWAYS or any(c[2](r) for r in rows)]
    return Table(
        [header for header, _, _ in columns],
        [[cell(row) for _, _, cell in columns] for row in rows],
        caption="Gradients, layer by layer.",
        align="".join(side for _, side, _ in columns),
    )


def for_a_page(table: Table) -> Table:
    """Return a table whose cells are text, whatever a name holds."""

    # A table takes dollars for mathematics, which a name does not mean. And a page may show many
    # reports: no two landmarks may have the same name.
    def cell(column: str, text: str) -> str:
        return true_minus(text) if column in _NUMBERS else text.replace("$", r"\$")

    rows = [
        [cell(column, str(text)) for column, text in zip(table.headers, row, strict=True)]
        for row in table.rows
    ]
    return Table(table.headers, rows, caption=table.caption, align=table.align, landmark=False)


def _number(value: float | None, how: str) -> str:
    return "" if value is None or math.isnan(value) else format(value, how)


def _share(name: str, row: Row) -> str:
    return f"{row.frozen[name]:.0%}" if name in row.frozen else ""


_NUMBERS = ("norm", "rms", "× next", "decades", "update")


_ALWAYS = ("layer", "kind", "norm", "rms", "× next", "decades")


_COLUMNS = (
    ("layer", "l", lambda row: row.name),
    ("kind", "l", lambda row: row.kind),
    ("norm", "r", lambda row: _number(row.norm, ".2e") if row.count else ""),
    ("rms", "r", lambda row: _number(row.rms, ".2e") if row.count else ""),
    ("× next", "r", lambda row: _number(row.ratio, ".2g")),
    ("decades", "r", lambda row: _number(-row.decades, "z.1f") if row.count else ""),
    ("zeros", "r", lambda row: str(row.zeros) if row.zeros else ""),
    ("NaN, ∞", "r", lambda row: str(row.nonfinite) if row.nonfinite else ""),
    ("update", "r", lambda row: _number(row.update, ".1e")),
    ("frozen: float32", "r", lambda row: _share("float32", row)),
    ("bfloat16", "r", lambda row: _share("bfloat16", row)),
    ("float16", "r", lambda row: _share("float16", row)),
    ("remark", "l", lambda row: row.remark),
)
