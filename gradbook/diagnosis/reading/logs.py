"""Read logs of norms over steps, line by line, as the tools that people have write them.

A log is long, one norm to a line under `step,name,norm`, or wide, one step to a line with a column
for each layer, of which `log_columns` tells what they are. Cells may be empty, and histograms.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gradbook.diagnosis.bad_input import BadInput, one_line, require_file
from gradbook.diagnosis.reading.log_cells import Entry, entries_of
from gradbook.diagnosis.reading.log_columns import Columns, columns_of
from gradbook.diagnosis.reading.log_rows import READERS, Rows, reader_of

LONG = ("step", "name", "norm")
"""The columns of a long log."""


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
                found = list(entries_of(row, self._columns(row)))
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
