"""A page of the book taken apart: what is run, what is computed, and what is typed.

The honesty test, the mutation test and the collection of page doctests all read pages through
this module, so that they agree on what a page says. Positions are kept: every part knows its line.
"""

from __future__ import annotations

import doctest
import re
import subprocess
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

#: Stands for a computed part in the text that is scanned, so that nothing joins across it.
COMPUTED = "\N{OBJECT REPLACEMENT CHARACTER}"

BLOCK = 'python exec="on"'
#: What the press calls the namespace of a page.
NAME = "__page__"
#: Exact comparison: no flag forgives anything, and the one lenience doctest has is switched off.
FLAGS = doctest.DONT_ACCEPT_TRUE_FOR_1

_OPENING = re.compile(r"(?P<indent>[ \t]*)(?P<ticks>`{3,}|~{3,})(?P<info>[^`\n]*)")
_MISPLACED = re.compile(r"\s*(?:>|[-*+] |\d+[.)] )\s*(?:`{3,}|~{3,})[^`]*$")
#: A code span or an HTML comment, whichever comes first; neither runs over a blank line or fence.
_SPAN = re.compile(
    r"(?<![\\`])(?P<ticks>`+)(?!`)(?P<code>(?:(?!\n\s*\n).)+?)(?<!`)(?P=ticks)(?!`)"
    r"|(?P<comment><!--.*?-->)",
    re.DOTALL,
)
_VALUE = re.compile(r"\{python\}\s+(?P<expr>.+)", re.DOTALL)
_MATH = re.compile(
    r"(?<!\\)\$\$.+?(?<!\\)\$\$|(?<![\\$])\$(?!\s)(?:(?!\n\s*\n)[^$])+?(?<![\s\\])\$"
    r"|\\\(.+?\\\)|\\\[.+?\\\]",
    re.DOTALL,
)


class PageError(ValueError):
    """A page cannot be read as its author meant it: the message begins with the line."""


@dataclass(frozen=True)
class Fence:
    """A fenced block; `content` runs from `start` to `end`, `line` is that of its first line.

    `outer` is the span with the two fence lines.
    """

    info: str
    content: str
    start: int
    end: int
    line: int
    outer: tuple[int, int]

    @property
    def language(self) -> str:
        return self.info.split(maxsplit=1)[0] if self.info else ""

    @property
    def runs(self) -> bool:
        return self.info == BLOCK or self.info.startswith(BLOCK + " ")


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
        return tuple(_fences(self.text))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
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
        return tuple(sorted(_values(self), key=lambda value: value.start))

    def expects(self) -> Iterator[str]:
        """Yield the expected output of every doctest of the page."""
        return (cell.example.want for cell in self.cells if cell.example)


def read(path: Path) -> Page:
    """Read a page, naming it as seen from the root of the project."""
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return Page(path.read_text(encoding="utf-8"), name.as_posix())


def paths() -> list[Path]:
    """List every page of the book; a new chapter is found without being named anywhere."""
    return sorted(DOCS.rglob("*.md"))


def blank(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Replace the spans by a mark that is neither space nor digit, keeping lines and length."""
    pieces, last = [], 0
    for start, end in sorted(spans):
        pieces += [text[last:start], re.sub(r"[^\n]", COMPUTED, text[start:end])]
        last = end
    return "".join([*pieces, text[last:]])


def _fences(text: str) -> Iterator[Fence]:
    opening, before, start, first = None, 0, 0, 0
    for number, row in enumerate(re.finditer(r"[^\n]*\n|[^\n]+", text), 1):
        bare = row[0].rstrip()
        if opening is None:
            if _MISPLACED.match(bare):
                raise PageError(f"{number}: a fence starts its own line, indented by spaces only")
            if opening := _OPENING.fullmatch(bare):
                before, start, first = row.start(), row.end(), number + 1
        elif bare == opening["indent"] + opening["ticks"]:
            content, outer = text[start : row.start()], (before, row.end())
            yield Fence(opening["info"].strip(), content, start, row.start(), first, outer)
            opening = None
        elif bare and not bare.startswith(opening["indent"]):
            raise PageError(f"{number}: a line stands left of the fence of line {first - 1}")
    if opening is not None:
        raise PageError(f"{first - 1}: this fence is never closed")


def _cells(fence: Fence) -> Iterator[Cell]:
    if fence.runs:
        yield Cell(textwrap.dedent(fence.content), fence.line, fence.start, fence.end)
    elif fence.language == "pycon":
        yield from _doctests(fence)


def _doctests(fence: Fence) -> Iterator[Cell]:
    starts = [0, *(m.end() for m in re.finditer("\n", fence.content))]
    try:
        examples = doctest.DocTestParser().get_examples(fence.content)
    except ValueError as error:
        raise PageError(f"{fence.line}: this doctest cannot be read: {error}") from error
    for example in examples:
        last = example.lineno + example.source.count("\n") + example.want.count("\n")
        yield Cell(
            example.source,
            fence.line + example.lineno,
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
    formulas = [m.span() for m in _MATH.finditer(rest)]
    for match in re.finditer(r"\\py(?![a-zA-Z])\s*", rest):
        line = page.line(match.start())
        if not any(start < match.start() < end for start, end in formulas):
            raise PageError(rf"{line}: \py{{...}} stands outside mathematics")
        end = _closing_brace(rest, match.end(), line)
        expr = page.text[match.end() + 1 : end].strip()
        yield Value(expr, line, match.start(), end + 1, math=True)


def _closing_brace(text: str, position: int, line: int) -> int:
    depth = 0
    for index in range(position, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            if index == position:
                break
            return index
    raise PageError(rf"{line}: \py needs an expression in balanced braces")


def differing(pages: Iterable[Path]) -> set[Path]:
    """Return the pages that are not as the last commit has them; without git, all."""
    changed = set(pages)
    command = ["git", "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"]
    for folder in {path.parent for path in changed}:
        try:
            told = subprocess.run([*command, "."], cwd=folder, capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        names = {Path(entry[3:]).name for entry in told.stdout.decode().split("\0")}
        changed -= {path for path in changed if path.parent == folder and path.name not in names}
    return changed
