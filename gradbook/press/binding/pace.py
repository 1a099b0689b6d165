"""How long a chapter takes, to read and with its exercises: said below its headline."""

from __future__ import annotations

import re

from gradbook.press.pages import MATH, Page
from gradbook.press.reading import main_line_of, measured

WORDS_A_MINUTE, LINES_A_MINUTE, FORMULAS_A_MINUTE = 150, 6, 6
"""Of prose, of code and of formulas within the prose, read to be understood.

A novel is read at some 240 words a minute. A formula that stands alone, a figure and a table take a
minute each. Guessed, and nearer to what readers in their second year say than words alone.
"""

_EXERCISE = re.compile(r"(?m)^\*\*\d+\.")
_FORMULA = re.compile(r"(?ms)^\$\$$.+?^\$\$$")
_HEADLINE = re.compile(r"</h1>")


def minutes_of(source: Page) -> int:
    """Estimate how long a page takes to read: its prose, formulas, code, figures and tables."""
    page = measured(source.path, source, ())
    main = main_line_of(source)
    alone = len(_FORMULA.findall(main))
    within = (len(MATH.findall(main)) - alone) / FORMULAS_A_MINUTE
    read = page.words / WORDS_A_MINUTE + page.code / LINES_A_MINUTE + within
    return max(1, round(read + alone + page.tables + page.figures))


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
