"""Collects what the pages of the book run, so that `pytest docs` fails where a page would lie.

Every page is one namespace, filled from top to bottom by its executed blocks and doctests, as in
the browser; its inline values are evaluated last, as the press does.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.evaluators.doctest import DocTestEvaluator
from sybil.evaluators.python import PythonEvaluator

from gradbook.press.fences import PageError
from gradbook.press.pages import FLAGS, NAME, Cell, Page, Value
from gradbook.press.results import Results, folder
from gradbook.press.slices import needed

_DOCTEST = DocTestEvaluator(FLAGS)
_BLOCK = PythonEvaluator()


class _Source(str):
    """The source of a block; the code begins on the line its region begins on."""

    line_offset = -1


def _evaluate_values(example: Example) -> str | None:
    values: tuple[Value, ...] = example.parsed
    failures = []
    for value in values:
        try:
            eval(compile(value.expr, example.path, "eval"), dict(example.namespace))
        except Exception as error:
            failures.append(
                f"{example.path}:{value.line}: the inline value {value.expr!r} raises "
                f"{type(error).__name__}: {error}"
            )
    return "\n".join(failures) or None


class _Kept:
    """A block or value that the press has shown before, and on which no doctest of the page hangs.

    It ran then, with the very sources of now: it need not run again.
    """

    def __init__(self, cells: list[Cell], values: tuple[Value, ...]) -> None:
        """Find out which cells doctests need, and values that are not kept."""
        sources = [cell.source.rstrip() for cell in cells]
        ends = [n for n, cell in enumerate(cells) if cell.example]
        self.wanted = {number for end in ends for number in needed(sources[: end + 1])}
        results, blocks, figures = Results(folder()), list[str](), 0
        self.kept = set[int]()
        for number, cell in enumerate(cells):
            if cell.example:
                continue
            blocks.append(cell.source.rstrip())
            html = results.read(results.key(blocks, figures))
            figures += (html or "").count("<figure")
            self.kept |= {number} if html is not None else set()
        keys = (results.key(blocks, figures, value.expr) for value in values)
        self.values = all(results.read(key) is not None for key in keys)
        if not self.values:
            self.wanted = {*range(len(cells))}


def _passes(_: Example) -> None:
    """Stand for what has run before."""


def _parse(document: Document) -> Iterator[Region]:
    page = Page(document.text, document.path)
    try:
        cells, values = page.cells, page.values
    except PageError as error:
        raise pytest.Collector.CollectError(f"{document.path}:{error}") from None
    kept = _Kept(cells, values)
    for number, cell in enumerate(cells):
        if cell.example:
            parsed, evaluator = cell.example, _DOCTEST
        else:
            done = number in kept.kept - kept.wanted
            parsed, evaluator = _Source(cell.source), _passes if done else _BLOCK
        yield Region(cell.start, cell.end, parsed, evaluator)
    if values:
        evaluate = _passes if kept.values else _evaluate_values
        yield Region(len(page.text), len(page.text), values, evaluate)


def _name(namespace: dict[str, object]) -> None:
    namespace["__name__"] = NAME


pytest_collect_file = Sybil(parsers=[_parse], path="docs", pattern="*.md", setup=_name).pytest()
