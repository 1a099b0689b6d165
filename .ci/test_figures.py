"""What is one click away from a figure: its drawing, its numbers, its code."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from playwright.async_api import Browser, expect
from visits import PHONE, SITE, WIDE, built_pages, visit

DRAWINGS = sorted((SITE / "figures").glob("*.svg"))
# One with few figures is enough: what is tried is the browser.
PAGE = next((name for name in reversed(built_pages(SITE)) if "/vanishing/" in name), "index.html")


def faults(drawing: Path) -> Iterator[str]:
    """Yield what is wrong with a figure's files."""
    text = drawing.read_text(encoding="utf-8")
    if ET.fromstring(text).tag != "{http://www.w3.org/2000/svg}svg":
        yield "is no SVG document"
    for found in re.findall(r"var\([^)]*\)|currentColor|(?:href|src)=\"(?!#)[^\"]*\"", text):
        yield f"needs a page or another file for {found}"
    numbers = drawing.with_suffix(".csv")
    if numbers.exists():
        with numbers.open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        if not rows or any(len(row) != len(head) for row in rows):
            yield f"{numbers.name} is not a table of {head}"


def test_the_files_of_all_figures_stand_alone() -> None:
    """A drawing needs no style sheet, and numbers are a table."""
    assert DRAWINGS, f"{SITE}/figures is empty: build the site"
    found = [f"{drawing.name}: {fault}" for drawing in DRAWINGS for fault in faults(drawing)]
    assert not found, "\n".join(found)


def test_a_file_that_needs_its_page_is_told(tmp_path: Path) -> None:
    """And numbers with a row that is too short."""
    drawing = tmp_path / "a-1.svg"
    drawing.write_text('<svg fill="currentColor"><use href="b.svg#c"/></svg>', encoding="utf-8")
    drawing.with_suffix(".csv").write_text("series,x,y\na,1\n", encoding="utf-8")
    assert [*faults(drawing)] == [
        "is no SVG document",
        "needs a page or another file for currentColor",
        'needs a page or another file for href="b.svg#c"',
        "a-1.csv is not a table of ['series', 'x', 'y']",
    ]


@pytest.mark.parametrize("width", [WIDE, PHONE])
async def test_a_link_opens_the_code_that_is_folded(
    browser: Browser, home: str, width: int
) -> None:
    """By the keyboard, and without scripts."""
    async with visit(browser, home, PAGE, width=width, scripts=False) as seen:
        code = seen.page.locator("[id^=figure-][id$=-code]").first
        await seen.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = 0)")
        await expect(code).not_to_be_visible()
        await seen.page.locator(".gb-files a", has_text="code").first.press("Enter")
        await expect(code).to_be_in_viewport()
