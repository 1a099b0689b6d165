"""The page for unknown addresses: it says where to go from there."""

from __future__ import annotations

import re

_HOME = re.compile(r'<a href="([^"]*)"[^>]*\bmd-logo\b')
_HEADLINE = re.compile(r"</h1>")


def led_on(page: str) -> str:
    """Return the page for unknown addresses with a line that leads to the book.

    Args:
        page: Its HTML, whose logo leads home from wherever it is shown.
    """
    home = _HOME.search(page)
    if not home:
        return page
    line = (
        "<p>The book has no page at this address. The menu lists its pages, the search knows "
        f'their words, and <a href="{home[1]}">the first page</a> is where it begins.</p>'
    )
    page = page.replace("<title>", "<title>No such page - ", 1)
    return _HEADLINE.sub(f"</h1>\n{line}", page, count=1)
