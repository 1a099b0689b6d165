"""A page of the book taken apart: what is run, what is computed, and what is typed.

Whatever runs, checks or collects a page reads it through this module, so that all agree on what it
says. Positions are kept: every part knows its line.
"""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gradbook.press.fences import Fence, PageError, find_fences
from gradbook.press.places import ROOT

COMPUTED = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Stands for a computed part in the text that is scanned, so that nothing joins across it."""

NAME = "__page__"
"""What a page's namespace is called."""

FLAGS = doctest.DONT_ACCEPT_TRUE_FOR_1
"""Exact comparison: no flag forgives anything, and the one lenience doctest has is switched off."""

# A code span or an HTML comment, whichever comes first; neither runs over a blank line or fence.
_SPAN = re.compile(
    r"(?<![\\`])(?P<ticks>`+)(?!`)(?P<code>(?:(?!\n\s*\n).)+?)(?<!`)(?P=ticks)(?!`)"
    r"|(?P<comment><!--.*?-->)",
    re.DOTALL,
)
_COMPUTED = re.compile(r"\\py(?![a-zA-Z])\s*")
NO_EXPRESSION = r"\py needs an expression in balanced braces"
_VALUE = re.compile(r"\{python\}\s+(?P<expr>.+)", re.DOTALL)
FRONT = re.compile(r"\A---\n.*?^---$", re.DOTALL | re.MULTILINE)
"""What a page says of itself, above its text."""
MATH = re.compile(
    r"(?<!\\)\$\$.+?(?<!\\)\$\$|(?<![\\$])\$(?!\s)(?:(?!\n\s*\n)[^$])+?(?<![\s\\])\$"
    r"|\\\(.+?\\\)|\\\[.+?\\\]",
    re.DOTALL,
)


@dataclass(frozen=True)
class Cell:
    """What runs: an executed block, or one doctest (`example` is set) with its expected output."""

    source: str
    line: int
    start: int
    end: int
    example: doctest.Example | None = None


@dataclass(frozen=True)
class Value:
    """An inline value in prose, or (`math`) a value computed inside mathematics."""

    expr: str
    line: int
    start: int
    end: int
    math: bool


@dataclass(frozen=True)
class Page:
    """The text of a page and, in order, its parts."""

    text: str
    path: str = "page.md"

    def line(self, position: int) -> int:
        """Return the line, from 1, of a position in the text."""
        return self.text.count("\n", 0, position) + 1

    def seek(self, token: str, line: int) -> int:
        """Return the first line from `line` on that holds the token; without any, `line`."""
        lines = self.text.split("\n")
        return next((n for n in range(line, len(lines) + 1) if token in lines[n - 1]), line)

    @cached_property
    def fences(self) -> tuple[Fence, ...]:
        """Its fenced blocks."""
        return tuple(find_fences(self.text))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Its executed blocks and doctests."""
        return tuple(cell for fence in self.fences for cell in _cells(fence))

    @cached_property
    def unfenced(self) -> str:
        """The text with the fences blanked out, of the same length and lines."""
        return blank(self.text, [fence.outer for fence in self.fences])

    @cached_property
    def comments(self) -> tuple[tuple[int, int], ...]:
        """The spans of the HTML comments, which no reader sees."""
        return tuple(m.span() for m in _SPAN.finditer(self.unfenced) if m["comment"])

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """Its inline values."""
        return tuple(sorted(_values(self), key=lambda value: value.start))

    def expects(self) -> Iterator[str]:
        """Yield the expected output of every doctest of the page."""
        return (cell.example.want for cell in self.cells if cell.example)


def read(path: Path) -> Page:
    """Read a page, naming it as seen from the root of the project."""
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return Page(path.read_text(encoding="utf-8"), name.as_posix())


def blank(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Replace the spans by a mark that is neither space nor digit, keeping lines and length."""
    return spliced(text, ((a, b, re.sub(r"[^\n]", COMPUTED, text[a:b])) for a, b in spans))


def spliced(text: str, changes: Iterable[tuple[int, int, str]]) -> str:
    """Return a text in which other words stand in some places.

    Args:
        text: The text.
        changes: Where each place begins and ends, and what stands there; none overlap.

    Examples:
        >>> spliced("one two three", [(8, 13, "3"), (0, 3, "1")])
        '1 two 3'
    """
    pieces, last = [], 0
    for start, end, new in sorted(changes):
        pieces += [text[last:start], new]
        last = end
    return "".join([*pieces, text[last:]])


def is_element(value: str) -> bool:
    """Whether a value is one of the book's own elements, such as the field for an answer."""
    return value.startswith("<gb-")


def _cells(fence: Fence) -> Iterator[Cell]:
    if fence.executed:
        yield Cell(fence.source, fence.line + 1, fence.start, fence.end)
    elif fence.language == "pycon":
        yield from _doctests(fence)


def _doctests(fence: Fence) -> Iterator[Cell]:
    starts = [0, *(m.end() for m in re.finditer("\n", fence.content))]
    try:
        examples = doctest.DocTestParser().get_examples(fence.content)
    except ValueError as error:
        raise PageError(fence.line + 1, f"this doctest cannot be read: {error}") from error
    for example in examples:
        last = example.lineno + example.source.count("\n") + example.want.count("\n")
        yield Cell(
            example.source,
            fence.line + 1 + example.lineno,
            fence.start + starts[example.lineno],
            fence.start + starts[last],
            example,
        )


def _values(page: Page) -> Iterator[Value]:
    spans = list(_SPAN.finditer(page.unfenced))
    for span in spans:
        found = _VALUE.fullmatch(span["code"] or "") if span["ticks"] == "`" else None
        if found:
            expr = found["expr"].strip()
            yield Value(expr, page.line(span.start()), span.start(), span.end(), math=False)
    rest = blank(page.unfenced, tuple(span.span() for span in spans))
    formulas = [m.span() for m in MATH.finditer(rest)]
    for start, begin, end in computed(rest):
        line = page.line(start)
        if not any(first < start < last for first, last in formulas):
            raise PageError(line, r"\py{...} stands outside mathematics")
        if end < 0:
            raise PageError(line, NO_EXPRESSION)
        yield Value(page.text[begin:end].strip(), line, start, end + 1, math=True)


def computed(text: str) -> Iterator[tuple[int, int, int]]:
    r"""Yield where each `\py{expr}` begins, and its expression, and where that ends; -1 if nowhere.

    Examples:
        >>> list(computed(r"x = \py{f(1)}")), list(computed(r"\py{f(1"))
        ([(4, 8, 12)], [(0, 4, -1)])
    """
    at = 0
    while found := _COMPUTED.search(text, at):
        end = _closing_brace(text, found.end())
        yield found.start(), found.end() + 1, end
        at = max(end, found.end())


def _closing_brace(text: str, position: int) -> int:
    depth = 0
    for index in range(position, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index if index > position else -1
    return -1
