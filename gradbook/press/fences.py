"""Find the fenced blocks of a page, independently of the extension that runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_OPENING = re.compile(r"(?P<indent>[ \t]*)(?P<ticks>`{3,}|~{3,})(?P<info>[^`\n]*)")
_MISPLACED = re.compile(r"\s*(?:>|[-*+] |\d+[.)] )\s*(?:`{3,}|~{3,})[^`]*$")
_OPTION = re.compile(r"""\s*(?P<key>[\w-]+)(?:=(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s"]+)))?""")

LANGUAGES: dict[str, dict[str, tuple[str | None, ...]]] = {
    "python": {"exec": ("on",), "source": ("none",)},
    "pycon": {"pin": (None,)},
    "console": {},
    "text": {},
}
"""The fences a page may hold and, for each, the options and values it understands."""


class PageError(ValueError):
    """A page cannot be read as its author meant it; `str` of it is `line: what`."""

    def __init__(self, line: int, what: str) -> None:
        """Take the line, from 1, and what is wrong there."""
        super().__init__(f"{line}: {what}")
        self.line, self.what = line, what


@dataclass(frozen=True)
class Fence:
    """One fenced block: where it opens, what it is called, what it says.

    Attributes:
        line: That on which it opens, counted from 1.
        info: What stands behind its ticks.
        indent: What stands before its lines.
        content: Its lines as they stand, from `start` to `end` of the page's text.
        outer: The span with the two fence lines.
    """

    line: int
    info: str
    indent: str
    content: str
    start: int
    end: int
    outer: tuple[int, int]

    @property
    def language(self) -> str:
        """What the block is written in."""
        return self.info.split(maxsplit=1)[0] if self.info else ""

    @cached_property
    def options(self) -> tuple[tuple[str, str | None], ...]:
        """The options behind the language, with their values."""
        found = _OPTION.finditer(self.info, len(self.language))
        return tuple((m["key"], m["bare"] if m["quoted"] is None else m["quoted"]) for m in found)

    @property
    def executed(self) -> bool:
        """Whether the block is to run."""
        return self.language == "python" and ("exec", "on") in self.options

    @cached_property
    def source(self) -> str:
        """Its lines without what indents the fence."""
        return "\n".join(line.removeprefix(self.indent) for line in self.content.splitlines())

    @property
    def pinned(self) -> bool:
        """Whether it is a check of the page, to be kept out of the reader's way."""
        return ("pin", None) in self.options


def find_fences(text: str) -> list[Fence]:
    r"""Return the fences of `text` in order; a fence inside a longer fence is text.

    Args:
        text: A page's Markdown.

    Raises:
        PageError: A fence does not start its own line, is left by its text, or is never closed.

    Examples:
        >>> find_fences('```python exec="on"\n2 + 2\n```')[0].source
        '2 + 2'
    """
    return list(_fences(text))


def _fences(text: str) -> Iterator[Fence]:
    opening, before, start, first = None, 0, 0, 0
    for number, row in enumerate(re.finditer(r"[^\n]*\n|[^\n]+", text), 1):
        bare = row[0].rstrip()
        if opening is None:
            if _MISPLACED.match(bare):
                raise PageError(number, "a fence starts its own line, indented by spaces only")
            if opening := _OPENING.fullmatch(bare):
                before, start, first = row.start(), row.end(), number
        elif bare == opening["indent"] + opening["ticks"]:
            info, indent = opening["info"].strip(), opening["indent"]
            span, outer = (start, row.start()), (before, row.end())
            yield Fence(first, info, indent, text[slice(*span)], *span, outer)
            opening = None
        elif bare and not bare.startswith(opening["indent"]):
            raise PageError(number, f"a line stands left of the fence of line {first}")
    if opening is not None:
        raise PageError(first, "this fence is never closed")


def check_fence(fence: Fence) -> None:
    r"""Refuse a fence whose language, option or value the press does not know.

    Args:
        fence: The fence.

    Raises:
        PageError: Naming the fence's line, the offender and what is understood.

    Examples:
        >>> check_fence(find_fences('```python exec="on"\n1\n```')[0])
    """

    def refuse(what: str) -> PageError:
        return PageError(fence.line, f"the fence has {what}")

    if fence.language not in LANGUAGES:
        raise refuse(f"the language {fence.language!r}; expected one of {sorted(LANGUAGES)}")
    known = LANGUAGES[fence.language]
    for key, value in fence.options:
        if key not in known:
            raise refuse(f"the option {key!r}; expected one of {sorted(known)}")
        if value not in known[key]:
            raise refuse(f"{key}={value!r}; expected one of {list(known[key])}")
    if fence.options and not (fence.executed or fence.pinned):
        raise refuse('options but no exec="on", so it would not run')
