"""How long a chapter takes, to read and with its exercises: said below its headline."""

from __future__ import annotations

import re

from gradbook.press.pages import Page
from gradbook.press.reading import main_line_of, measured

WORDS_A_MINUTE, LINES_A_MINUTE = 150, 6
"""Of prose and of code, read to be understood; a novel is read at some 240 words a minute.

A formula that stands alone, a figure and a table take a minute each. Guessed, not measured.
"""

_EXERCISE = re.compile(r"(?m)^\*\*\d+\.")
_FORMULA = re.compile(r"(?ms)^\$\$$.+?^\$\$$")
_HEADLINE = re.compile(r"</h1>")


def minutes_of(source: Page) -> int:
    """Estimate how long a page takes to read: its prose, formulas, code, figures and tables."""
    page = measured(source.path, source, (), None)
    displays = page.tables + page.figures + len(_FORMULA.findall(main_line_of(source)))
    return max(1, round(page.words / WORDS_A_MINUTE + page.code / LINES_A_MINUTE + displays))


def timed(page: str, source: Page) -> str:
    """Return a page that says how long it takes to read, and how many exercises come on top.

    Args:
        page: Its HTML.
        source: Its Markdown.
    """
    exercises = len(_EXERCISE.findall(source.unfenced))
    more = f"{exercises} exercise" + "s" * (exercises != 1)
    parts = [f"about {minutes_of(source)} min to read", f"{more} on top"][: 1 + (exercises > 0)]
    line = f'<p class="gb-pace" data-search-exclude>{", ".join(parts)}</p>'
    return _HEADLINE.sub(f"</h1>\n{line}", page, count=1)
