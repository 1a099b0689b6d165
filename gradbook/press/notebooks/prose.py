"""A page's Markdown as a notebook shows it: values filled in, links that lead to the site."""

from __future__ import annotations

import posixpath
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from gradbook.press.pages import FRONT, Page, Value, is_element, spliced

_LINK = re.compile(r"(?<=\]\()\s*([^()\s]+)")
_SPECIAL = re.compile(r"[*_`<$\\]")
_MARK = re.compile(r"^[ \t]*\N{OBJECT REPLACEMENT CHARACTER}(\d+)[ \t]*$", re.MULTILINE)
_BOX = re.compile(
    r"^(?P<kind>!!!|\?\?\?\+?) \w+(?: \"(?P<title>[^\"\n]*)\")?\n"
    r"(?P<body>(?:(?: {4}.*|[ \t]*)(?:\n|\Z))*)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Site:
    """Where a page's links lead to, seen from the folder of notebooks.

    Attributes:
        page: The page, as a path below the folder of pages.
        base: The address of the site; relative to the notebooks where it has none.
        folders: Whether `a.md` becomes `a/`, and not `a.html`.
    """

    page: str
    base: str = "../"
    folders: bool = True

    def address(self, target: str) -> str:
        """Return where a link of the page leads.

        Args:
            target: The link as it is written.

        Examples:
            >>> Site("chapters/vanishing.md").address("../glossary.md#dead-unit")
            '../glossary/#dead-unit'
        """
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            return target
        folder = posixpath.dirname(self.page)
        path = posixpath.normpath(posixpath.join(folder, parts.path)) if parts.path else self.page
        if path.endswith(".md") and self.folders:
            path = f"{path.removesuffix('.md')}/".removesuffix("index/")
        elif path.endswith(".md"):
            path = f"{path.removesuffix('.md')}.html"
        return self.base + path + (f"#{parts.fragment}" if parts.fragment else "")


def parts(page: Page, value: Callable[[str], str], site: Site) -> Iterator[str | int]:
    """Yield a page's prose as Markdown and, by their numbers, the fences between it.

    Args:
        page: The page.
        value: Gives the text of an expression.
        site: Where its links lead to.
    """
    text = FRONT.sub("", _filled(page, value))
    at = 0
    for box in _BOX.finditer(text):
        yield from _pieces(text[at : box.start()], site, str)
        body = textwrap.dedent(box["body"])
        yield from _pieces(body, site, partial(_boxed, box["kind"], _titles(box["title"] or "")))
        at = box.end()
    yield from _pieces(text[at:], site, str)


def _filled(page: Page, value: Callable[[str], str]) -> str:
    """Return the text with its values, and a mark for each fence and none for comments."""
    changes = [(*span, "") for span in page.comments]
    changes += [(v.start, v.end, _text(v, value(v.expr))) for v in page.values]
    for number, fence in enumerate(page.fences):
        mark = f"{fence.indent}\N{OBJECT REPLACEMENT CHARACTER}{number}\n"
        changes.append((*fence.outer, mark))
    return spliced(page.text, changes)


def _text(value: Value, text: str) -> str:
    if value.math:
        return text
    return "" if is_element(text) else _SPECIAL.sub(r"\\\g<0>", text)


def _pieces(text: str, site: Site, wrap: Callable[[str], str]) -> Iterator[str | int]:
    at = 0
    for mark in _MARK.finditer(text):
        yield from _prose(text[at : mark.start()], site, wrap)
        yield int(mark[1])
        at = mark.end()
    yield from _prose(text[at:], site, wrap)


def _prose(text: str, site: Site, wrap: Callable[[str], str]) -> Iterator[str]:
    if text.strip():
        linked = _LINK.sub(lambda link: site.address(link[1]), text.strip("\n"))
        yield wrap(linked)


def _titles(title: str) -> Iterator[str]:
    """Yield the title of a box, and those of its parts behind code."""
    yield title
    while True:
        yield f"{title}, continued"


def _boxed(kind: str, titles: Iterator[str], text: str) -> str:
    title = next(titles)
    if kind == "!!!":
        lines = [f"**{title}**", "", *text.split("\n")]
        return "\n".join(f"> {line}".rstrip() for line in lines)
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"
