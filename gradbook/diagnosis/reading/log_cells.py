"""Turn the cells of a log's lines into norms: numbers, words for what is not finite, histograms."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.reading.log_columns import Columns


@dataclass(frozen=True)
class Entry:
    """One norm of a log.

    Attributes:
        step: The step of training.
        name: The layer; empty for the norm of all gradients together.
        norm: The norm of its gradient; NaN or infinite where the log says so.
    """

    step: float
    name: str
    norm: float


def _number(column: str, cell: Any) -> float:
    if isinstance(cell, bool) or not isinstance(cell, (str, int, float)):
        raise BadInput(f"{column!r} must be a number, got {cell!r}")
    try:
        # Python would read 1_000 as a thousand; nothing else does.
        return float("_" if isinstance(cell, str) and "_" in cell else cell)
    except (ValueError, OverflowError):
        raise BadInput(f"{column!r} must be a number, got {cell!r}") from None


def _step(cell: Any) -> float:
    step = _number("step", cell)
    if not math.isfinite(step):
        raise BadInput(f"'step' must be finite, got {cell!r}")
    return step


def _norm(column: str, cell: Any) -> float:
    if isinstance(cell, dict):
        return _of_histogram(column, cell)
    norm = _number(column, cell)
    if norm < 0:
        raise BadInput(
            f"{column!r} must be a norm, got {cell!r}: a mean is none, for its numbers cancel; log "
            "p.grad.norm() instead, and leave out what is no norm"
        )
    return norm


def _of_histogram(column: str, cell: dict[str, Any]) -> float:
    """Estimate a norm from a histogram of Weights & Biases: counts at the middles of their bins."""
    bins, counts = cell.get("bins"), cell.get("values")
    if not isinstance(bins, list) or not isinstance(counts, list) or len(bins) != len(counts) + 1:
        raise BadInput(f"{column!r} must be a number or a histogram with bins and values")
    edges, many = [_number(column, b) for b in bins], [_number(column, c) for c in counts]
    pairs = zip(edges, edges[1:], many, strict=False)
    # The mean square of numbers that are spread evenly over a bin.
    return math.sqrt(sum(n * (a * a + a * b + b * b) / 3 for a, b, n in pairs))


def _empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def entries_of(row: dict[str, Any], columns: Columns | None) -> Iterator[Entry]:
    """Turn the cells of one line into norms."""
    if columns is None:
        step = _step(row["step"])
        if not isinstance(row["name"], str) or not row["name"].strip():
            raise BadInput(f"'name' must name a layer, got {row['name']!r}")
        yield Entry(step, row["name"].strip(), _norm("norm", row["norm"]))
        return
    cells = [(n, name) for n, name in columns.layers.items() if not _empty(row.get(n))]
    if columns.total is not None and not _empty(row.get(columns.total)):
        cells.append((columns.total, ""))
    if not cells:
        return
    if _empty(row.get(columns.step)):
        raise BadInput(f"{columns.step!r} must be a number, got nothing")
    step = _step(row[columns.step])
    for column, name in cells:
        # DeepSpeed says -1 where the norm is not finite.
        lost = not name and str(row[column]).strip() in ("-1", "-1.0")
        yield Entry(step, name, math.inf if lost else _norm(column, row[column]))
