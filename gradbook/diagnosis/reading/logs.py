"""Read logs of norms over steps, line by line, as the tools that people have write them.

A log is long, one norm to a line under `step,name,norm`, or wide, one step to a line with a column
for each layer, of which `log_columns` tells what they are. Cells may be empty, and histograms.
"""

import csv
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from gradbook.diagnosis.bad_input import BadInput, distinct_keys, one_line, require_file
from gradbook.diagnosis.reading.event_files import MARK, event_rows
from gradbook.diagnosis.reading.log_columns import Columns, columns_of

LONGEST_LINE = 4 * 2**20
"""The most bytes of a line: a wide log of a hundred thousand layers."""

LONGEST_JSON = 16 * 2**20
"""The most bytes of a JSON file, which is read as a whole; parsed, it takes up to tenfold."""

LONG = ("step", "name", "norm")
"""The columns of a long log."""


Rows = Iterator[tuple[int, dict[str, Any]]]
"""The cells of a log's lines, by column, with the numbers of the lines."""


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
    if isinstance(cell, dict):
        return _of_histogram(column, cell)
    norm = _number(column, cell)
    if norm < 0:
        raise BadInput(f"{column!r} must be a norm, got {cell!r}")
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


def _entries(row: dict[str, Any], columns: Columns | None) -> Iterator[Entry]:
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


def _csv_rows(path: Path) -> Rows:
    lines, names = _lines(path), list[str]()
    first = next(lines, "")
    apart = "," if "," in first else next((c for c in ";\t" if c in first), ",")
    reader = csv.reader(chain([first], lines), strict=True, delimiter=apart)
    try:
        for cells in filter(None, reader):
            with one_line(f"line {reader.line_num}"):
                if not names:
                    names = _header(cells)
                    continue
                if len(cells) != len(names):
                    raise BadInput(f"must have {len(names)} cells, got {len(cells)}")
            yield reader.line_num, dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise BadInput(f"line {reader.line_num}: {error}") from None


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if "" in names[1:]:
        raise BadInput("must name every column, got an empty name")
    distinct_keys([(name, None) for name in names])
    if "name" not in names:
        found = columns_of(names)
        if not found.layers and found.total is None:
            only = f", only {', '.join(map(repr, found.beside))}" if found.beside else ""
            told = "log the norm of each layer's gradient"
            raise BadInput(f"must have a column per layer beside {found.step!r}{only}: {told}")
    return names


def _jsonl_rows(path: Path) -> Rows:
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            with one_line(f"line {number}"):
                row = json.loads(line, object_pairs_hook=distinct_keys)
                if not isinstance(row, dict):
                    raise BadInput(f"must be a JSON object, got {line.strip()!r}")
            yield number, row


def _json_rows(path: Path) -> Rows:
    if path.stat().st_size > LONGEST_JSON:
        raise BadInput(f"has more than {LONGEST_JSON} bytes: write one object to a line, as .jsonl")
    found = json.loads(path.read_bytes().decode(), object_pairs_hook=distinct_keys)
    history = found.get("log_history") if isinstance(found, dict) else found
    if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
        raise BadInput("must be a list of objects, or hold one under 'log_history'")
    yield from enumerate(history, start=1)


READERS: dict[str, Callable[[Path], Rows]] = {
    ".csv": _csv_rows,
    ".jsonl": _jsonl_rows,
    ".json": _json_rows,
}
"""What reads the lines of a file, by the ending of its name."""


def reader_of(path: Path) -> Callable[[Path], Rows] | None:
    """Return what reads a log, None for a file that is none."""
    return event_rows if MARK in path.name else READERS.get(path.suffix.lower())


class Log(Iterator[Entry]):
    """The norms of a file, one record after the other, in its order.

    Attributes:
        beside: The columns that are no layers, as far as it was read.
    """

    def __init__(self, path: Path, reader: Callable[[Path], Rows]) -> None:
        """Open it when the first record is asked for."""
        self._reader = reader
        self.beside: dict[str, None] = {}
        self._known: dict[tuple[str, ...], Columns | None] = {}
        self._entries = self._read(path)

    def __next__(self) -> Entry:
        """Return the next record."""
        return next(self._entries)

    def _read(self, path: Path) -> Iterator[Entry]:
        with one_line(path.name):
            require_file(path)
            yield from self._checked(self._reader(path))

    def _checked(self, rows: Rows) -> Iterator[Entry]:
        last, seen, some = -math.inf, set[str](), False
        for number, row in rows:
            with one_line(f"line {number}"):
                found = list(_entries(row, self._columns(row)))
                if found and found[0].step != last:
                    seen, last = set(), found[0].step
                for entry in found:
                    # A total of each batch whose gradients are added up has the step of all.
                    if entry.name and entry.name in seen:
                        raise BadInput(f"step {last:g} has {entry.name!r} twice")
                    seen.add(entry.name)
            some |= bool(found)
            yield from found
        if not some:
            only = f", only {', '.join(map(repr, list(self.beside)[:5]))}" if self.beside else ""
            raise BadInput(f"holds no norms{only}: log them under step,name,norm")

    def _columns(self, row: dict[str, Any]) -> Columns | None:
        """Return what a line's columns are; None for a line of a long log."""
        names = tuple(row)
        if names not in self._known:
            self._known[names] = _told(row)
            found = self._known[names]
            self.beside |= dict.fromkeys(found.beside if found else ())
        return self._known[names]


def _told(row: dict[str, Any]) -> Columns | None:
    if row.keys() == set(LONG):
        return None
    if "name" in row:
        raise BadInput(f"must have the columns {', '.join(LONG)} alone, got {', '.join(row)}")
    return columns_of(list(row))


def open_log(path: str | Path) -> Log:
    r"""Read the norms of a log, line by line.

    Where steps go back a run was resumed; what comes later counts beside what came before.

    Args:
        path: A `.csv`, `.jsonl` or `.json` file. NaN and infinity are spelled as Python or JSON
            libraries do.

    Raises:
        BadInput: If the file is no such log, when it is read; the message tells the line.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "norms.csv")
        ...     written = path.write_text("step,fc1,fc2\n0,0.5,nan\n")
        ...     list(open_log(path))
        [Entry(step=0.0, name='fc1', norm=0.5), Entry(step=0.0, name='fc2', norm=nan)]
    """
    path = Path(path)
    if (reader := reader_of(path)) is None:
        raise BadInput(f"{path.name}: must end in {' or '.join(READERS)}")
    return Log(path, reader)
