"""The list of the book's texts, `llms.txt`, and the links from one text to another."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gradbook.press.binding.sheet import Sheet

_LINK = re.compile(r"\]\(([\w./-]+\.md)(#[\w-]+)?\)")


def linked(text: str, path: str, given: Mapping[str, Sheet], home: str) -> str:
    """Return a page's text with links that lead to the text of other pages.

    Args:
        text: The page's Markdown.
        path: The file of its source.
        given: The pages by their sources' names.
        home: Where the book will be; empty for links from page to page.
    """
    here = posixpath.dirname(given[path].name)

    def led(match: re.Match[str]) -> str:
        source = posixpath.normpath(posixpath.join(posixpath.dirname(path), match[1]))
        if source not in given:
            return match[0]
        target = f"{given[source].name}.md"
        return f"]({home + target if home else posixpath.relpath(target, here or '.')})"

    return _LINK.sub(led, text)


def contents(nav: Iterable[Any], given: Mapping[str, Sheet], home: str) -> Iterator[str]:
    """Yield the lines of `llms.txt` below its summary: a list of links for each section.

    Args:
        nav: What `mkdocs.yml` says of the order.
        given: The pages by their sources' names.
        home: Where the book will be; empty for links that begin at home.
    """
    yield "## Pages"
    for entry in nav:
        for title, inside in entry.items():
            if isinstance(inside, str):
                yield _link(title, given[inside], home)
    for entry in nav:
        for title, inside in entry.items():
            if not isinstance(inside, str):
                yield f"\n## {title}"
                pairs = (pair for inner in inside for pair in inner.items())
                yield from (_link(name, given[source], home) for name, source in pairs)


def _link(title: str, sheet: Sheet, home: str) -> str:
    return f"- [{title}]({home}{sheet.name}.md): {sheet.description}"
