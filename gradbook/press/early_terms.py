"""Terms that a page uses before the book defines them, by the glossary and the reading order."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from gradbook.press.pages import FRONT, MATH, Page, spliced

WORD = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Stands for a formula, a value or a piece of code: one word each."""

GLOSSARY = "glossary.md"

_CODE = re.compile(r"(?<![\\`])(`+)(?!`)(?:(?!\n\s*\n).)+?(?<!`)\1(?!`)", re.DOTALL)
_NOT_READ = re.compile(
    r"<!--(?s:.*?)-->|</?[a-zA-Z][^<>]*>|^ *(?:\||#+ |!!! |\?\?\?\+? ).*$", re.MULTILINE
)
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])+)\]\(\s*<?([^()\s#>]*)[^()]*\)")
_BOLD = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
_BOX = re.compile(r"(?m)^!!! abstract.*\n(?:(?: {4}.*)?\n)+")
_ENTRY = re.compile(r"(?m)^(\S[^\n]*)\n:   ((?:.+\n?)+)")


@dataclass(frozen=True)
class Early:
    """A term that a page uses, on a line, before the page that defines it."""

    page: str
    line: int
    term: str
    defined: str

    def __str__(self) -> str:
        """Say where it is used and where it is defined."""
        return f"{self.page}:{self.line}: {self.term!r} is defined in {self.defined}"


@cache
def plain(page: Page) -> str:
    """Return the prose of a page, each part where it stands: no code, no tables, no headings.

    Formulas, inline values and pieces of code are one word each; link targets are spaces.
    """
    text = _erase(page.text, [m.span() for m in FRONT.finditer(page.text)])
    text = _erase(text, [fence.outer for fence in page.fences])
    for pattern in (_CODE, MATH):
        text = _erase(text, [m.span() for m in pattern.finditer(text)], WORD)
    text = _erase(text, [m.span() for m in _NOT_READ.finditer(text)])
    return _erase(text, [(m.end(1) + 1, m.end()) for m in _LINK.finditer(text)])


def _erase(text: str, spans: Sequence[tuple[int, int]], mark: str = "") -> str:
    hidden = ((a, b, re.sub(r"[^\n]", " ", text[a:b])) for a, b in spans)
    return spliced(text, ((a, b, mark + blank[len(mark) :]) for a, b, blank in hidden))


def glossary(text: str) -> dict[str, tuple[str, ...]]:
    r"""Return each term of a glossary with the pages that its entry links to.

    Examples:
        >>> glossary("Delta\n:   A derivative. ([One](chapters/one.md))\n")
        {'delta': ('chapters/one.md',)}
    """
    return {
        term.lower(): tuple(link[2] for link in _LINK.finditer(entry))
        for term, entry in _ENTRY.findall(text)
    }


def early(pages: Mapping[str, Page], terms: Mapping[str, Sequence[str]]) -> Iterator[Early]:
    """Yield, for each page and term, its first use, where it stands before the definition.

    A use is excused by a link in its sentence, to the glossary or to the page that defines it; by
    bold type, which defines; and in the box that gives its own page's answer before the question.

    Args:
        pages: All pages, in the order in which they are read.
        terms: The terms, with the pages that may define them.
    """
    order = {name: number for number, name in enumerate(pages)}
    for term, homes in terms.items():
        home, place = _definition(pages, term, homes)
        if home is None:
            continue
        for name, page in pages.items():
            if order[name] > order[home]:
                break
            use = _pattern(term).search(_told(page) if name == home else plain(page))
            if not use or (name == home and use.start() >= place):
                continue
            if not _excused(name, page, use, home):
                yield Early(name, page.line(use.start()), term, home)


def _told(page: Page) -> str:
    """Return the prose without the box of the answer, in which a page may run ahead of itself."""
    text = plain(page)
    return _erase(text, [m.span() for m in _BOX.finditer(page.text)])


def _definition(
    pages: Mapping[str, Page], term: str, homes: Sequence[str]
) -> tuple[str | None, int]:
    """Return the first page, in reading order, that sets a term in bold, and where."""
    for name in (name for name in pages if name in homes):
        for bold in _BOLD.finditer(plain(pages[name])):
            if " ".join(bold[1].split()).lower() == term:
                return name, bold.start(1)
    return next((name for name in pages if name in homes), None), 0


@cache
def _pattern(term: str) -> re.Pattern[str]:
    r"""Match a term and its plural, as whole words, over a line's end, too.

    Examples:
        >>> bool(_pattern("delta").search("two deltas")), _pattern("fold").search("tenfold")
        (True, None)
    """
    *first, last = term.split()
    endings = [("y", "(?:y|ies)"), ("ix", "(?:ix|ices)"), ("is", "(?:is|es)")]
    stem = re.escape(last) + "(?:s|es)?"
    for ending, plural in endings:
        if last.endswith(ending):
            stem = re.escape(last.removesuffix(ending)) + plural
    words = r"\s+".join([*map(re.escape, first), stem])
    return re.compile(rf"(?<![\w-]){words}(?![\w-])", re.IGNORECASE)


def _excused(name: str, page: Page, use: re.Match[str], home: str) -> bool:
    text = plain(page)
    if any(bold.start() <= use.start() < bold.end() for bold in _BOLD.finditer(text)):
        return True
    ends = [m.end() for m in re.finditer(r"[.?!]\s|\n\s*\n", text)]
    start = max((end for end in ends if end <= use.start()), default=0)
    end = min((end for end in ends if end >= use.end()), default=len(text))
    targets = (
        posixpath.normpath(posixpath.join(posixpath.dirname(name), link[2]))
        for link in _LINK.finditer(page.unfenced)
        if start <= link.start() < end
    )
    return any(target in (GLOSSARY, home) and target != name for target in targets)
