"""Collects what the pages of the book run, so that `pytest docs` fails where a page would lie.

Every page is one namespace, filled from top to bottom by its executed blocks and doctests, as in
the browser; its inline values are evaluated last, as the press does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.evaluators.doctest import DocTestEvaluator
from sybil.evaluators.python import PythonEvaluator

from pages import FLAGS, NAME, Page, PageError, Value

# Before NumPy is loaded, and for the processes that tests start: small matrices need no threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

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


def _parse(document: Document) -> Iterator[Region]:
    page = Page(document.text, document.path)
    try:
        cells, values = page.cells, page.values
    except PageError as error:
        raise pytest.Collector.CollectError(f"{document.path}:{error}") from None
    for cell in cells:
        parsed, evaluator = (
            (cell.example, _DOCTEST) if cell.example else (_Source(cell.source), _BLOCK)
        )
        yield Region(cell.start, cell.end, parsed, evaluator)
    if values:
        yield Region(len(page.text), len(page.text), values, _evaluate_values)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-number",
        action="store_true",
        help="change every number of every page, not a sample (tests/test_mutation.py)",
    )
    parser.addoption(
        "--workers",
        type=int,
        default=os.cpu_count(),
        help="how many processes change numbers (tests/test_mutation.py); every core by default",
    )


def _name(namespace: dict[str, object]) -> None:
    namespace["__name__"] = NAME


pytest_collect_file = Sybil(parsers=[_parse], path="docs", pattern="*.md", setup=_name).pytest()
