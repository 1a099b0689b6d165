"""Tables that a command measured and wrote beside a module, for pages to show and tests to find."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path


def rows_of(table: Path) -> list[list[str]]:
    """Return the rows of a table, as texts."""
    with table.open(encoding="utf-8", newline="") as file:
        return [*csv.reader(file)]


def write_rows(table: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a table anew.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     table = Path(folder, "table.csv")
        ...     write_rows(table, [("a, b", 1)])
        ...     rows_of(table)
        [['a, b', '1']]
    """
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
