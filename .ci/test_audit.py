"""What `make audit` says holds for home and the heaviest pages, and lines can be read."""

from __future__ import annotations

import re
import statistics

import pytest
from audit import VIEWS, Audit, audited, chosen
from lighthouse import CATEGORIES
from playwright.async_api import Browser
from servers import compressed
from visits import SITE, WIDE, built_pages, visit

from gradbook.press.reading import AIMS

PAGES = built_pages(SITE)
HEAVIEST = [
    "index.html",
    next(name for name in PAGES if name.startswith("chapters/")),
    next(name for name in PAGES if name.startswith("reference/")),
]
FONTS = ("serif", "sans-serif", "DejaVu Serif Condensed", "Liberation Serif", "Georgia")
"""Those that are not here are another one: whatever it is, lines are as long."""

PROSE = """() => [...document.querySelectorAll(".md-content__inner > p:not([class])")]
  .filter((p) => !p.querySelector("math, code, .md-button")).map((p) => {
    const lines = p.getBoundingClientRect().height / parseFloat(getComputedStyle(p).lineHeight);
    return [Math.round(lines), p.textContent.length];
  }).filter(([lines]) => lines >= 3).map(([lines, signs]) => signs / (lines - 0.5))"""
"""Characters in a line of each longer paragraph, whose last line is half full on average."""


@pytest.mark.parametrize("name", HEAVIEST)
async def test_the_heaviest_pages_are_within_their_aims(browser: Browser, name: str) -> None:
    """Touched: in the other views test_browser.py looks at every page."""
    with compressed(SITE) as home:
        found = await audited(browser, home, name, views={"touch": VIEWS["touch"]})
    assert not found.beyond(), "\n".join([*found.cells(), *found.faults])


def test_no_page_has_more_elements_than_a_phone_draws_at_once() -> None:
    """As they are sent: scripts add a button here and there."""
    texts = {name: (SITE / name).read_text(encoding="utf-8") for name in PAGES}
    found = {name: len(re.findall("<[a-zA-Z]", text)) for name, text in texts.items()}
    assert {name: count for name, count in found.items() if count > AIMS["elements"]} == {}


@pytest.mark.parametrize("name", [name for name in PAGES if name != "404.html"])
def test_a_page_waits_for_one_style_sheet_and_no_script(name: str) -> None:
    """Each more is a request without which a phone shows nothing."""
    head, _, _ = (SITE / name).read_text(encoding="utf-8").partition("</head>")
    assert len(re.findall(r'<link rel="stylesheet"', head)) == 1
    assert re.findall(r"<script\b[^>]*\bsrc=", head) == []


def test_a_page_asks_at_once_for_the_font_of_its_mathematics() -> None:
    """Lines would jump when it comes, and a page without any needs none."""
    for name in set(PAGES) - {"404.html"}:
        head, _, body = (SITE / name).read_text(encoding="utf-8").partition("</head>")
        asked = re.findall(r'<link rel="preload" as="font"[^>]* href="([^"]+)"', head)
        assert len(asked) == ("<math" in body), name
        assert all((SITE / name).parent.joinpath(font).is_file() for font in asked)


def test_loading_a_page_styles_it_once() -> None:
    """The theme has a rule for all elements while colors are set: it is taken out, or renamed."""
    [sheet] = (SITE / "assets").glob("all.*.css")
    assert "color-switching" not in sheet.read_text(encoding="utf-8")


async def test_a_line_of_prose_has_60_to_75_characters(browser: Browser, home: str) -> None:
    """On a wide window, in the fonts that machines have."""
    set_font = "(font) => document.body.style.setProperty('--gb-serif', font)"
    async with visit(browser, home, HEAVIEST[1], width=WIDE) as seen:
        for font in FONTS:
            await seen.page.evaluate(set_font, font)
            signs = await seen.page.evaluate(PROSE)
            assert len(signs) >= 5, font
            assert 60 <= statistics.median(signs) <= 75, font


def test_what_is_beyond_its_aim_is_marked() -> None:
    """Whatever page it is, and nothing may have a fault."""
    good = dict.fromkeys(CATEGORIES, 100.0)
    assert Audit("a.html", 10, 10, (), good).beyond() == []
    large = Audit("a.html", 151, 4001, ("x",), good | {"performance": 94.0})
    assert large.beyond() == ["KB", "elements", "axe", "performance"]
    assert large.cells() == ("a.html", "151!", "4001!", "1!", "94!", "100", "100", "100")
    assert Audit("a.html", 1, 1, (), {}).cells()[4:] == ("-",) * 4


def test_pages_are_chosen_by_their_name_or_by_a_word() -> None:
    """Without a word it is all of them."""
    pages = ["index.html", "a/index.html", "b/index.html"]
    assert chosen(pages, []) == pages
    assert chosen(pages, ["index.html"]) == ["index.html"]
    assert chosen(pages, ["a/"]) == ["a/index.html"]
