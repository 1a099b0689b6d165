"""Read logs of norms per layer over steps, as CSV or JSONL, line by line.

A log is long, one norm to a line under `step,name,norm`, or wide, one step to a line under
`step,layer1,layer2,...`; JSONL has an object to a line with the same keys.
"""

import csv
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradbook.diagnosis.bad_input import BadInput, distinct_keys, one_line

LONGEST_LINE = 4 * 2**20
"""The most bytes of a line: a wide log of a hundred thousand layers."""

LONG = ("step", "name", "norm")
"""The columns of a long log."""


Rows = Iterator[tuple[int, dict[str, Any]]]
"""The cells of a log's lines, by column, with the numbers of the lines."""


@dataclass(frozen=True)
class Entry:
    """One norm of a log.

    Attributes:
        step: The step of training.
        name: The layer.
        norm: The norm of its gradient; NaN or infinite where the log says so.
    """

    step: float
    name: str
    norm: float


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        number = 1
        while line := file.readline(LONGEST_LINE + 1):
            with one_line(f"line {number}"):
                if len(line) > LONGEST_LINE:
                    raise BadInput(f"has more than {LONGEST_LINE} bytes")
                text = line.decode()
            yield text.removeprefix("\ufeff") if number == 1 else text
            number += 1


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
    norm = _number(column, cell)
    if norm < 0:
        raise BadInput(f"{column!r} must be a norm, got {cell!r}")
    return norm


def _entries(row: dict[str, Any]) -> Iterator[Entry]:
    """Turn the cells of one line into norms."""
    if "step" not in row:
        raise BadInput(f"must have a column 'step', got {', '.join(map(repr, list(row)[:5]))}")
    step = _step(row["step"])
    if row.keys() == set(LONG):
        if not isinstance(row["name"], str) or not row["name"].strip():
            raise BadInput(f"'name' must name a layer, got {row['name']!r}")
        yield Entry(step, row["name"].strip(), _norm("norm", row["norm"]))
        return
    if {"name", "norm"} & row.keys():
        raise BadInput(f"must have the columns {', '.join(LONG)} alone, got {', '.join(row)}")
    if len(row) == 1:
        raise BadInput("must have a column per layer beside 'step', got none")
    for name, cell in row.items():
        if name != "step":
            yield Entry(step, name, _norm(name, cell))


def _csv_cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(_lines(path), strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise BadInput(f"line {reader.line_num}: {error}") from None


def _csv_rows(path: Path) -> Rows:
    rows = _csv_cells(path)
    for number, header in rows:
        with one_line(f"line {number}"):
            columns = _columns(header)
        for line, cells in rows:
            if len(cells) != len(columns):
                raise BadInput(f"line {line}: must have {len(columns)} cells, got {len(cells)}")
            yield line, dict(zip(columns, cells, strict=True))


def _columns(cells: list[str]) -> list[str]:
    columns = [cell.strip() for cell in cells]
    if "" in columns:
        raise BadInput("must name every column, got an empty name")
    distinct_keys([(column, None) for column in columns])
    if "step" not in columns:
        raise BadInput(f"must have a column 'step', got {', '.join(map(repr, columns[:5]))}")
    return columns


def _jsonl_rows(path: Path) -> Rows:
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            with one_line(f"line {number}"):
                row = json.loads(line, object_pairs_hook=distinct_keys)
                if not isinstance(row, dict):
                    raise BadInput(f"must be a JSON object, got {line.strip()!r}")
            yield number, row


READERS: dict[str, Callable[[Path], Rows]] = {".csv": _csv_rows, ".jsonl": _jsonl_rows}
"""What reads the lines of a file, by the ending of its name."""


def open_log(path: str | Path) -> Iterator[Entry]:
    r"""Read the norms of a log, line by line.

    Args:
        path: A `.csv` or `.jsonl` file, long (`step,name,norm`) or wide (`step,fc1,fc2`), whose
            steps do not go back. NaN and infinity are spelled as Python or JSON libraries do.

    Yields:
        One record per norm, in the order of the file.

    Raises:
        BadInput: If the file is no such log; the message tells the line.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "norms.csv")
        ...     written = path.write_text("step,fc1,fc2\n0,0.5,nan\n")
        ...     list(open_log(path))
        [Entry(step=0.0, name='fc1', norm=0.5), Entry(step=0.0, name='fc2', norm=nan)]
    """
    path = Path(path)
    if path.suffix.lower() not in READERS:
        raise BadInput(f"{path.name}: must end in {' or '.join(READERS)}")
    with one_line(path.name):
        if not path.is_file():
            raise BadInput("there is no such file")
        yield from _entries_of(READERS[path.suffix.lower()](path))


def _entries_of(rows: Rows) -> Iterator[Entry]:
    last, names = -math.inf, set[str]()
    for number, row in rows:
        with one_line(f"line {number}"):
            found = list(_entries(row))
            if found[0].step < last:
                raise BadInput(f"step {found[0].step:g} comes after step {last:g}")
            names = names if found[0].step == last else set()
            last = found[0].step
            for entry in found:
                if entry.name in names:
                    raise BadInput(f"step {last:g} has {entry.name!r} twice")
                names.add(entry.name)
        yield from found
    if not math.isfinite(last):
        raise BadInput("holds no norms")
