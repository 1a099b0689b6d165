"""Collects what the pages of the book run, so that `pytest docs` fails where a page would lie.

Every page is one namespace, filled from top to bottom by its executed blocks and doctests, as in
the browser; its inline values are evaluated last, as the press does.
"""

from __future__ import annotations

import os

# Before NumPy is loaded, and for the processes that tests start: small matrices need no threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.evaluators.doctest import DocTestEvaluator
from sybil.evaluators.python import PythonEvaluator

from gradbook.press.results import Results, folder
from gradbook.press.slices import needed
from pages import FLAGS, NAME, Cell, Page, PageError, Value, differing

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

    def __init__(self, cells: list[Cell]) -> None:
        """Find out which cells doctests need."""
        sources = [cell.source.rstrip() for cell in cells]
        ends = [n for n, cell in enumerate(cells) if cell.example]
        self.wanted = {number for end in ends for number in needed(sources[: end + 1])}
        self.results = Results(folder())
        self.blocks: list[str] = []
        self.figures = 0

    def block(self, number: int, cell: Cell) -> bool:
        """Whether the next block need not run."""
        self.blocks.append(cell.source.rstrip())
        html = self.results.read(self.results.key(self.blocks, self.figures))
        self.figures += (html or "").count("<figure")
        return html is not None and number not in self.wanted

    def values(self, values: tuple[Value, ...]) -> bool:
        """Whether the page's inline values need not be computed."""
        keys = (self.results.key(self.blocks, self.figures, value.expr) for value in values)
        return all(self.results.read(key) is not None for key in keys)


def _passes(_: Example) -> None:
    """Stand for what has run before."""


def _parse(document: Document) -> Iterator[Region]:
    page = Page(document.text, document.path)
    try:
        cells, values = page.cells, page.values
    except PageError as error:
        raise pytest.Collector.CollectError(f"{document.path}:{error}") from None
    kept = _Kept(cells)
    for number, cell in enumerate(cells):
        if cell.example:
            parsed, evaluator = cell.example, _DOCTEST
        else:
            done = kept.block(number, cell)
            parsed, evaluator = _Source(cell.source), _passes if done else _BLOCK
        yield Region(cell.start, cell.end, parsed, evaluator)
    if values:
        done = kept.values(values)
        evaluate = _passes if done else _evaluate_values
        yield Region(len(page.text), len(page.text), values, evaluate)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-number",
        action="store_true",
        help="change the numbers of all pages, not only of those that differ from HEAD",
    )
    parser.addoption(
        "--workers",
        type=int,
        default=os.cpu_count(),
        help="how many processes change numbers (tests/test_mutation.py); every core by default",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the pages whose numbers were changed when they were committed."""
    if config.getoption("--every-number"):
        return
    pages = {item: path for item in items if (path := _mutated(item))}
    changed = differing(pages.values())
    left_out = {item for item, path in pages.items() if path not in changed}
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def _mutated(item: pytest.Item) -> Path | None:
    name = getattr(item, "originalname", "")
    if name != "test_any_number_changed_in_the_code_of_a_page_breaks_it":
        return None
    path = item.callspec.params["path"]  # type: ignore[attr-defined]
    return Path(path)


def _name(namespace: dict[str, object]) -> None:
    namespace["__name__"] = NAME


pytest_collect_file = Sybil(parsers=[_parse], path="docs", pattern="*.md", setup=_name).pytest()
