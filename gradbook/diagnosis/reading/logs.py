"""Read logs of norms over steps, line by line, as the tools that people have write them.

A log is long, one norm to a line under `step,name,norm`, or wide, one step to a line with a column
for each layer, of which `log_columns` tells what they are. Cells may be empty, and histograms.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from gradbook.diagnosis.bad_input import BadInput, one_line, require_file
from gradbook.diagnosis.reading.log_columns import (
    NAMES,
    RANKS,
    Columns,
    columns_of,
    long_columns,
    run_and_loss,
    unsquared,
)
from gradbook.diagnosis.reading.log_rows import READERS, Rows, reader_of

MISSING = ("", "-", "none", "null", "na", "n/a", "<na>")
"""What tools write where there is no number; NaN may be one that went wrong."""

LONG = ": where lines name layers, call the columns step, name, norm"
"""What is told of a column that is called as one of names, but whose norm has another name."""

ONE_IN = 4
"""One line of so many, or more, has the epoch of another where lines are steps."""

LONGEST_BINS = 4096
"""More bins than any tool writes for a histogram."""


@dataclass(frozen=True)
class Entry:
    """One norm of a log, at a step; without a name that of all gradients together."""

    step: float
    name: str
    norm: float


Line = tuple[list[Entry], dict[str, Any]]
"""The norms of a line, and all its cells."""

SUMMARY = "train_runtime"
"""What a Trainer says of a whole run in its last line, beside the mean of all losses."""


class Log(Iterator[Entry]):
    """The norms of a file, one after the other, and what else is known when all were read."""

    def __init__(self, path: Path, reader: Callable[[Path], Rows]) -> None:
        """Open it when the first record is asked for."""
        self.beside: dict[str, None] = {}
        """The columns that are no layers."""
        self.squares: dict[str, None] = {}
        """The columns whose roots were taken, as their names say that they hold squares."""
        self.missing = 0
        """The steps without norms at which a tool has written NaN."""
        self.numbered = False
        """Whether its steps are numbers of lines, for many have one epoch, and no step."""
        self.losses: dict[float, float] = {}
        """The loss at the steps, where there is one column of it."""
        self._run: Any = None
        self._longest = 0  # how many steps without norms followed one another
        self._apart = set[str]()  # the columns that had something there
        self._entries = self._with_norms(self._read(path, reader))

    def __next__(self) -> Entry:
        """Return the next record."""
        return next(self._entries)

    def _with_norms(self, lines: Iterator[Line]) -> Iterator[Entry]:
        """Leave out lines of nothing but NaN if the next is finite: pandas writes so what is not.

        What is not a number once a step has been taken with it stays so.
        """
        doubtful, known, usual = list[Line](), -math.inf, dict[str, Any]()
        told = set[str]()
        for row, cells in lines:
            # Beside norms of the same step NaN is one of them, unless these have been told.
            apart = row[0].step != known or told.issuperset(entry.name for entry in row)
            if apart and _nothing(row):
                doubtful.append((row, cells))
                continue
            later = not doubtful or row[0].step > doubtful[-1][0][0].step
            yield from self._left(doubtful, later and all(math.isfinite(e.norm) for e in row))
            told = told if row[0].step == known else set()
            told.update(entry.name for entry in row)
            doubtful, known, usual = [], row[0].step, cells
            yield from row
        # A log may end with such lines, if they tell what those before did, or the loss is finite.
        steps = {row[0].step for row, _ in doubtful}
        filled = [_told(cells) for _, cells in doubtful]
        other = all(self._apart >= cells > _told(usual) & cells for cells in filled)
        sound = all(math.isfinite(self.losses.get(step, math.nan)) for step in steps)
        yield from self._left(doubtful, len(steps) <= self._longest and (other or sound))

    def _left(self, doubtful: list[Line], missing: bool) -> Iterator[Entry]:
        if missing:
            steps = len({row[0].step for row, _ in doubtful})
            self.missing, self._longest = self.missing + steps, max(self._longest, steps)
            self._apart |= set().union(*(_told(cells) for _, cells in doubtful))
        else:
            yield from chain.from_iterable(row for row, _ in doubtful)

    def _read(self, path: Path, reader: Callable[[Path], Rows]) -> Iterator[Line]:
        last, seen, count, anew = -math.inf, dict[str, None](), 0, -2
        kept, by_epoch = list[tuple[Line, float]](), True
        with one_line(path.name):
            require_file(path)
            for number, row in reader(path):
                with one_line(f"line {number}"):
                    run, loss = run_and_loss(tuple(row))
                    self._check_run(row, run)
                    columns = self._columns(row)
                    found = list(_entries(row, columns))
                    losses = _numbers(row, columns.step, loss)
                    self.losses |= losses
                    if found and found[0].step != last:
                        seen, last, count = {}, found[0].step, count + 1
                    # Of a line of something else.
                    again = len(found) > 1 and _nothing(found)
                    for entry in found:
                        # A total of each batch whose gradients are added up has the step of all.
                        if entry.name and entry.name in seen and not again:
                            # A run may be resumed at its last step, and that whole, not at each.
                            whole = entry.name == next(filter(None, seen))
                            named = entry.name in columns.norms and entry.name.lower() in NAMES
                            if named or not (whole and count - anew > 1):
                                twice = f"step {last:g} has {entry.name!r} twice"
                                raise BadInput(f"{twice}{LONG * named}")
                            seen, anew = {}, count
                        seen[entry.name] = None
                by_epoch = by_epoch and _is_of_an_epoch(columns, found, row, losses)
                kept += [((found, row), next(iter(losses.values()), math.nan))] if found else []
                if not by_epoch:
                    yield from (line for line, _ in kept)
                    kept = []
            yield from self._numbered(kept)
            if last == -math.inf:
                beside = ", ".join(map(repr, list(self.beside)[:5]))
                only = f", only {beside}" if beside else ""
                told = "log that of each layer's gradient, in a column each or under step,name,norm"
                raise BadInput(f"holds no norms{only}: {told}")

    def _numbered(self, kept: list[tuple[Line, float]]) -> Iterator[Line]:
        """Number lines with a rounded epoch, and the norm of all, where many are of one.

        Each of them is a step. Where few are, a run was resumed; whole epochs may hold anything.
        """
        epochs = [row[0].step for (row, _), _ in kept]
        again = len(epochs) - len(set(epochs))
        rounded = any(epoch % 1 for epoch in epochs) and sorted(epochs) == epochs
        self.numbered = rounded and ONE_IN * again >= len(epochs)
        if self.numbered:
            told = enumerate(loss for _, loss in kept)
            self.losses = {float(n): loss for n, loss in told if not math.isnan(loss)}
        for number, ((row, cells), _) in enumerate(kept):
            yield [replace(e, step=float(number)) if self.numbered else e for e in row], cells

    def _check_run(self, row: dict[str, Any], column: str) -> None:
        """Refuse lines of several runs, of which the norms would be taken for those of one."""
        if not column or not _filled(row[column]):
            return
        if self._run not in (None, row[column]):
            text = f"must be the log of one run, got {self._run!r} and {row[column]!r} in "
            raise BadInput(f"{text}{column!r}: leave out the lines of the others")
        self._run = row[column]

    def _columns(self, row: dict[str, Any]) -> Columns:
        """Return what a line's columns are; one of a long log names its layer itself."""
        if long := long_columns(tuple(row)):
            step, name, norm = long
            if _empty(row[norm]):
                return Columns(step, {})
            if not isinstance(row[name], (str, int)) or not str(row[name]).strip():
                raise BadInput(f"{name!r} must name a layer, got {row[name]!r}")
            self.beside |= {column: None for column in row if column and column not in long}
            squares = frozenset([norm] if unsquared(norm) != norm else [])
            self.squares |= dict.fromkeys(squares)
            return Columns(step, {norm: str(row[name]).strip()}, squares=squares)
        found = columns_of(tuple(row))
        self.beside |= dict.fromkeys(found.beside)
        self.squares |= dict.fromkeys(n for n in found.norms if n in found.squares)
        return found


def _is_of_an_epoch(
    columns: Columns, found: list[Entry], row: dict[str, Any], losses: dict[float, float]
) -> bool:
    """Tell whether a line has an epoch for its step, and nothing but the norm of all, if any."""
    if columns.step.lower() != "epoch":
        return False
    if not found:  # a loss on a line of its own would be lost
        return not losses or SUMMARY in row
    alone = len(found) == 1 and not found[0].name
    return alone and not any(RANKS.fullmatch(name or "") for name in row)


def _entries(row: dict[str, Any], columns: Columns) -> Iterator[Entry]:
    """Turn the cells of one line into norms."""
    step, norms = columns.step, columns.norms.items()
    cells = {column: name for column, name in norms if not _empty(row.get(column))}
    if not cells:
        return
    if _empty(row.get(step)):
        raise BadInput(f"{step!r} must be a number, got nothing")
    at = _number(step, row[step])
    if not math.isfinite(at):
        raise BadInput(f"{step!r} must be finite, got {row[step]!r}")
    for column, name in cells.items():
        # DeepSpeed says -1 where the norm is not finite.
        lost = not name and str(row[column]).strip() in ("-1", "-1.0")
        norm = math.inf if lost else _norm(column, row[column])
        square = column in columns.squares and not isinstance(row[column], dict)
        yield Entry(at, name, math.sqrt(norm) if square else norm)


def _empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING)


def _filled(cell: Any) -> bool:
    return not _empty(cell) and str(cell).strip().lower() != "nan"


def _told(cells: dict[str, Any]) -> set[str]:
    """Return the columns that hold something at a line."""
    return {name for name in cells if _filled(cells[name])}


def _nothing(row: list[Entry]) -> bool:
    return all(math.isnan(entry.norm) for entry in row)


def _numbers(row: dict[str, Any], step: str, column: str) -> dict[float, float]:
    """Return what a column holds at a line's step, if both are numbers."""
    try:
        return {float(row[step]): float(row[column])} if column else {}
    except (KeyError, ValueError, TypeError, OverflowError):
        return {}


def _number(column: str, cell: Any) -> float:
    # Python would read 1_000 as a thousand; nothing else does.
    if isinstance(cell, (str, int, float)) and not isinstance(cell, bool) and "_" not in str(cell):
        try:
            return float(cell)
        except (ValueError, OverflowError):
            pass
    told = LONG * (column.lower() in NAMES)
    raise BadInput(f"{column!r} must be a number, got {cell!r}{told}")


def _norm(column: str, cell: Any) -> float:
    if isinstance(cell, dict):
        return _of_histogram(column, cell)
    norm = _number(column, cell)
    if norm < 0:
        text = f"{column!r} must be a norm, got {cell!r}: a mean is none, for its numbers cancel; "
        raise BadInput(f"{text}log p.grad.norm() instead, and leave out what is no norm")
    return norm


def _of_histogram(column: str, cell: dict[str, Any]) -> float:
    """Estimate a norm from a histogram of Weights & Biases: counts at the middles of their bins."""
    bins, counts = cell.get("bins") or _unpacked(column, cell), cell.get("values")
    if not isinstance(bins, list) or not isinstance(counts, list) or len(bins) != len(counts) + 1:
        raise BadInput(f"{column!r} must be a number or a histogram with bins and values")
    edges, many = [_number(column, b) for b in bins], [_number(column, c) for c in counts]
    pairs = zip(edges, edges[1:], many, strict=False)
    # The mean square of numbers that are spread evenly over a bin.
    return math.sqrt(sum(n * (a * a + a * b + b * b) / 3 for a, b, n in pairs))


def _unpacked(column: str, cell: dict[str, Any]) -> list[float] | None:
    """Return the edges of bins that are all of one size, as the history of newer runs has them."""
    packed = cell.get("packedBins")
    if not isinstance(packed, dict) or set(packed) != {"min", "size", "count"}:
        return None
    least, size, count = (_number(column, packed[key]) for key in ("min", "size", "count"))
    if not math.isfinite(least + size + count):
        raise BadInput(f"{column!r} must have finite packedBins, got {packed!r}")
    return [least + size * k for k in range(int(min(count, LONGEST_BINS)) + 1)]


def open_log(path: str | Path) -> Log:
    """Read the norms of a `.csv`, `.tsv`, `.jsonl`, `.json` or event file, line by line.

    Where steps go back a run was resumed; what comes later counts beside what came before.
    """
    path = Path(path)
    if (reader := reader_of(path)) is None:
        raise BadInput(f"{path.name}: must end in {' or '.join(READERS)}")
    return Log(path, reader)
