"""Read the lines of a log as cells under the names of their columns: CSV, JSON, JSON lines, events.

An event file is what TensorBoard shows; its own reader reads it.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from gradbook.diagnosis.bad_input import BadInput, distinct_keys, one_line
from gradbook.diagnosis.reading.log_columns import STEPS

LONGEST_LINE = 4 * 2**20  # bytes: a wide log of a hundred thousand layers
LONGEST_JSON = 16 * 2**20  # bytes, read as a whole; parsed, it takes up to tenfold
COMMENT = "#"
MARK = "tfevents"  # is in the name of an event file, which ends in that of a machine

Rows = Iterator[tuple[int, dict[str, Any]]]
"""The cells of a log's lines, by column, with the numbers of the lines."""


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        lines = iter(partial(file.readline, LONGEST_LINE + 1), b"")
        for number, line in enumerate(lines, start=1):
            with one_line(f"line {number}"):
                if len(line) > LONGEST_LINE:
                    raise BadInput(f"has more than {LONGEST_LINE} bytes")
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")


def _csv_rows(path: Path) -> Rows:
    lines, names = _lines(path), list[str]()
    skipped, first = _begin(lines)
    known = "\t,;" if path.suffix.lower() == ".tsv" else ",;\t"
    apart = next((c for c in known if c in first), ",")
    rest = ("\n" if line.startswith(COMMENT) else line for line in lines)
    reader = csv.reader(chain(["\n"] * skipped, [first], rest), strict=True, delimiter=apart)
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


def _begin(lines: Iterator[str]) -> tuple[int, str]:
    """Return how many comments come first, and the line of names, which NumPy makes a comment."""
    skipped, first = 0, next(lines, "")
    while first.startswith(COMMENT):
        names = first.lstrip(f"{COMMENT} ")
        cells = [cell.strip().lower() for cell in re.split(r"[,;\t]", names)]
        if len(cells) > 1 and not set(STEPS).isdisjoint(cells):
            return skipped, names
        skipped, first = skipped + 1, next(lines, "")
    return skipped, first


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if "" in names[1:]:
        raise BadInput("must name every column, got an empty name")
    distinct_keys([(name, None) for name in names])
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
    found = json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=distinct_keys)
    history = found.get("log_history") if isinstance(found, dict) else found
    if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
        raise BadInput("must be a list of objects, or hold one under 'log_history'")
    yield from enumerate(history, start=1)


def _event_rows(path: Path) -> Rows:
    steps = groupby(_scalars(path), key=itemgetter(0))
    for number, (step, scalars) in enumerate(steps, start=1):
        yield number, {"step": step} | {tag: value for _, tag, value in scalars}


def _scalars(path: Path) -> Iterator[tuple[int, str, float]]:
    try:
        loader = import_module("tensorboard.backend.event_processing.event_file_loader")
        tensors = import_module("tensorboard.util.tensor_util")
    except ImportError:
        told = "pip install 'gradbook[tensorboard]', or export the run as CSV"
        raise BadInput(f"is read by TensorBoard, which is not here: {told}") from None
    try:
        for event in loader.LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    yield event.step, value.tag, value.simple_value
                elif value.HasField("tensor"):
                    array = tensors.make_ndarray(value.tensor)
                    if array.size == 1 and array.dtype.kind == "f":
                        yield event.step, value.tag, array.item()
    except Exception as error:  # its own kinds are not to be imported before it is
        raise BadInput(f"TensorBoard cannot read it: {type(error).__name__}") from None


READERS: dict[str, Callable[[Path], Rows]] = {
    ".csv": _csv_rows,
    ".jsonl": _jsonl_rows,
    ".json": _json_rows,
    ".tsv": _csv_rows,
}
"""What reads the lines of a file, by the ending of its name."""


def reader_of(path: Path) -> Callable[[Path], Rows] | None:
    """Return what reads a log, None for a file that is none."""
    return _event_rows if MARK in path.name else READERS.get(path.suffix.lower())
