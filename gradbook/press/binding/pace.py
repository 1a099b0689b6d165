"""How long a chapter takes: said below its headline."""

from __future__ import annotations

import re

from gradbook.press.pages import Page
from gradbook.press.reading import words_of

WORDS_A_MINUTE = 150
"""Of prose with formulas, read to be understood; a novel is read at some 240."""

_EXERCISE = re.compile(r"(?m)^\*\*\d+\.")
_HEADLINE = re.compile(r"</h1>")


def timed(page: str, source: Page) -> str:
    """Return a page that says how long its main line takes, and how many exercises wait behind it.

    Args:
        page: Its HTML.
        source: Its Markdown.
    """
    minutes = max(1, round(words_of(source) / WORDS_A_MINUTE))
    exercises = len(_EXERCISE.findall(source.unfenced))
    wait = f"{exercises} exercise" + "s" * (exercises != 1)
    parts = [f"{minutes} min to read", wait][: 1 + (exercises > 0)]
    line = f'<p class="gb-pace" data-search-exclude>{" · ".join(parts)}</p>'
    return _HEADLINE.sub(f"</h1>\n{line}", page, count=1)
