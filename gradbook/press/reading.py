"""What a page asks of its reader: `python -m gradbook.press reading` measures it, page by page.

What lies beyond its aim is marked. The measures are those of the sources: what a browser is sent,
`make audit` weighs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkdocs.utils.yaml import yaml_load

from gradbook.press.early_terms import GLOSSARY, WORD, Early, early, glossary, plain
from gradbook.press.fences import Fence
from gradbook.press.pages import Page, read
from gradbook.press.places import ROOT

AIMS = {"words": 1800, "code": 48, "terms": 0, "KB": 150, "elements": 4000}
"""What a page should not be above, as built in its last two; it has no more tables than figures."""

HEADERS = ("page", "words", "code", "pins", "tables", "figures", "terms")
_MAIN_LINE_ENDS = re.compile(r"(?m)^## Remember$")
_CLOSED = re.compile(r"\s*\?\?\? ")


@dataclass(frozen=True)
class Reading:
    """The measures of one page.

    Attributes:
        words: Of the prose of its main line, which ends before *Remember*.
        code: Lines of code that a reader sees who opens nothing.
        pins: Checks that stand folded.
        figures: Pictures, whether or not they can be explored.
        early: What it uses before it is defined.
    """

    page: str
    words: int
    code: int
    pins: int
    tables: int
    figures: int
    early: tuple[Early, ...]

    @property
    def _free(self) -> tuple[str, ...]:
        return ("words", "code") if self.page.endswith("-deeper.md") else ()

    def cells(self) -> tuple[str, ...]:
        """Return its row, what is beyond its aim marked with a `!`; a deeper page may be long."""
        aims = {name: most for name, most in AIMS.items() if name not in self._free}
        found = {"words": self.words, "code": self.code, "terms": len(self.early)}
        shown = {name: f"{n}{'!' * (n > aims.get(name, n))}" for name, n in found.items()}
        shown["tables"] = f"{self.tables}{'!' * (self.tables > self.figures)}"
        shown |= {"page": self.page, "pins": str(self.pins), "figures": str(self.figures)}
        return tuple(shown[name] for name in HEADERS)


def report(config: Path = ROOT / "mkdocs.yml") -> str:
    """Return the table, and below it each term that is used too early.

    Args:
        config: Its `nav` says what is read, and in which order.
    """
    docs = config.parent / "docs"
    pages = {name: read(docs / name) for name in reading_order(config) if (docs / name).is_file()}
    rows = list(readings(pages, (docs / GLOSSARY).read_text(encoding="utf-8")))
    table = [HEADERS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join([cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])]).rstrip()
        for cells in table
    ]
    aims = ", ".join(f"{name} {most}" for name, most in AIMS.items() if name in HEADERS)
    lines += ["", f"A ! marks what is above its aim: {aims}, tables no more than figures.", ""]
    return "\n".join([*lines, *(str(found) for row in rows for found in row.early)]).rstrip()


def readings(pages: Mapping[str, Page], terms: str) -> Iterator[Reading]:
    """Yield the measures of the pages that are read from top to bottom.

    Args:
        pages: All pages, in their order.
        terms: The text of the glossary.
    """
    found = list(early(pages, glossary(terms)))
    for name, page in pages.items():
        if name.startswith("chapters/") or name in ("index.md", "toolbox.md"):
            own = tuple(sorted((e for e in found if e.page == name), key=lambda e: e.line))
            yield measured(name, page, own)


def measured(name: str, page: Page, terms: tuple[Early, ...]) -> Reading:
    """Measure one page."""
    words = words_of(page)
    shown = [fence for fence in page.fences if _is_seen(page, fence)]
    code = sum(bool(line.strip()) for fence in shown for line in fence.source.split("\n"))
    pins = sum(
        bool(cell.example and cell.example.want)
        for fence in page.fences if fence.pinned
        for cell in page.cells if fence.start <= cell.start < fence.end
    )  # fmt: skip
    return Reading(name, words, code, pins, *_displays(page), terms)


def words_of(page: Page) -> int:
    """Count the words of a page's main line."""
    return len(re.findall(rf"\w[\w'’-]*|{WORD}", plain(page)[: len(main_line_of(page))]))


def main_line_of(page: Page) -> str:
    """Return a page before its *Remember*, without its blocks."""
    return _MAIN_LINE_ENDS.split(page.unfenced)[0]


def _is_seen(page: Page, fence: Fence) -> bool:
    """Whether a reader sees the code: it is not folded, nor in an answer that is closed."""
    if fence.pinned or (fence.executed and ("source", "none") in fence.options):
        return False
    above = page.text[: fence.outer[0]].split("\n")
    outer = (line for line in reversed(above) if line.strip() and _left_of(line, fence))
    return not (fence.indent and _CLOSED.match(next(outer, "")))


def _left_of(line: str, fence: Fence) -> bool:
    return len(line) - len(line.lstrip()) < len(fence.indent)


def _displays(page: Page) -> tuple[int, int]:
    """Count the tables and the figures that the blocks of a page make, or ask a room for."""
    calls = [
        node
        for cell in page.cells
        if not cell.example
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call)
    ]
    written = len(re.findall(r"(?m)^\|[\s:|-]+\|$", page.unfenced))
    called = [ast.unparse(call.func) for call in calls]
    tables = sum(name.split(".")[-1] in ("Table", "table") for name in called)
    figures = sum(
        any(keyword.arg == "alt" for keyword in call.keywords)
        or name.startswith("explorers.")
        or name.endswith(".figure")
        for call, name in zip(calls, called, strict=True)
    )
    return tables + written, figures


def reading_order(config: Path) -> list[str]:
    """Return the pages that a configuration's `nav` names, from the first to the last."""
    with config.open(encoding="utf-8") as file:
        return list(nav_of(yaml_load(file)["nav"]))


def nav_of(entry: Any) -> Iterator[str]:
    """Yield the pages of a `nav`, or of a part of it, in order."""
    if isinstance(entry, str):
        yield entry
    for inner in entry.values() if isinstance(entry, dict) else entry:
        if not isinstance(entry, str):
            yield from nav_of(inner)
