"""What a reader reads of a page that nothing computes; all else is blanked out.

Front matter is read (a title is); HTML comments, link targets and HTML attributes are not, but a
link's text is, and so are alt texts and titles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from gradbook.press.pages import Page, blank

_TAGS = (
    "a|abbr|article|aside|b|blockquote|br|button|caption|circle|code|col|colgroup|dd|del|details|"
    "div|dl|dt|em|figcaption|figure|footer|g|h[1-6]|header|hr|i|iframe|img|input|ins|kbd|label|"
    "legend|li|line|main|mark|nav|ol|option|output|p|path|picture|pre|progress|rect|s|samp|section|"
    "select|small|source|span|strong|summary|svg|table|tbody|td|template|text|th|thead|tr|u|ul|"
    "var|video|[a-z]+(?:-[a-z]+)+"
)
_ATTRIBUTE = r"[a-zA-Z_:][\w:.-]*(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'=<>`]+))?"
_MARKUP = (
    re.compile(rf"<(?:/(?:{_TAGS})|(?:{_TAGS})(?:\s+{_ATTRIBUTE})*\s*/?)\s*>", re.IGNORECASE),
    re.compile(r"\{:?(?:\s*(?:[.#][A-Za-z][\w-]*|[a-z][a-z-]*=(?:\"[^\"\n]*\"|'[^'\n]*')))+\s*\}"),
)
_READ = re.compile(r"\b(?:alt|title|aria-label|placeholder|label)\s*=\s*(\"[^\"]*\"|'[^']*')")
_TARGETS = (
    re.compile(r"\]\(\s*(<[^>\n]*>|(?:[^()\s]|\([^()\s]*\))*)"),
    re.compile(r"\]\[([^\]\n]*)\]"),
    re.compile(r"(?m)^[ \t]*(\[(?!\^)[^\]\n]+\]:[ \t]*\S*)"),
    re.compile(r"(\[\^[\w-]+\])"),
    re.compile(r"(<(?:https?|mailto):[^>\s]*>|\bhttps?://[^\s<>)\]]*[^\s<>)\].,;:])"),
)


@cache
def prose(page: Page) -> str:
    """Return what a reader reads of a page that nothing computes; all else is blanked out."""
    hidden = [(value.start, value.end) for value in page.values] + list(page.comments)
    for fence in page.fences:
        shown = not fence.executed
        hidden += [(fence.outer[0], fence.start), (fence.end, fence.outer[1])] if shown else []
        hidden += [] if shown else [fence.outer]
    hidden += [(cell.start, cell.end) for cell in page.cells if cell.example]
    text = blank(page.text, hidden)
    for pattern in _TARGETS:
        text = blank(text, [match.span(1) for match in pattern.finditer(text)])
    for pattern in _MARKUP:
        text = blank(text, _unread(text, pattern))
    return text


def _unread(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    for match in pattern.finditer(text):
        last = match.start()
        for kept in _READ.finditer(text, *match.span()):
            yield last, kept.start(1)
            last = kept.end(1)
        yield last, match.end()
