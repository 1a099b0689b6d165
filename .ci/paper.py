"""The book on paper: its built pages behind each other, printed by Chromium into one PDF.

`make pdf` writes `dist/gradbook.pdf`. The reference is left out: it is for looking up, on a screen.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import re
from collections.abc import Iterable
from pathlib import Path

from leaves import LINK, Leaf, file_of, leaves, section
from playwright.async_api import Browser, Route
from servers import served
from visits import ROOT, SITE, chromium

PAPER = "paper.html"
FOOT = (
    '<div style="width: 100%; font-size: 8pt; text-align: center">'
    '<span class="pageNumber"></span></div>'
)
_SHEETS = re.compile(r'<link rel="stylesheet"[^>]*>')


def paper(printed: Iterable[Leaf], title: str, about: str) -> str:
    """Return one page of HTML that holds all pages: cover, contents, and a section for each.

    Args:
        printed: The pages.
        title: What stands on the cover.
        about: What stands below it.
    """
    parts = {leaf.name: leaf for leaf in printed}
    first = next(iter(parts.values()))
    sheets = "".join(
        LINK.sub(lambda m: f'{m[1]}="/{file_of(first.name, m[2])}"', sheet)
        for sheet in _SHEETS.findall(first.html)
    )
    contents = "".join(
        f'<li><a href="#{leaf.slug}">{html.escape(leaf.title)}</a></li>' for leaf in parts.values()
    )
    sections = "".join(section(leaf, parts) for leaf in parts.values())
    return (
        f'<!doctype html><html lang="en" dir="ltr"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title>{sheets}</head>"
        '<body data-md-color-scheme="default" class="gb-paper md-typeset">'
        f'<section class="gb-cover"><h1>{html.escape(title)}</h1>'
        f"<p>{html.escape(about)}</p></section>"
        f'<section class="gb-contents"><h1>Contents</h1><ol>{contents}</ol></section>'
        f"{sections}</body></html>"
    )


async def printed(browser: Browser, home: str, text: str) -> bytes:
    """Return a PDF of a page of HTML, with an outline and the numbers of its pages.

    Args:
        browser: Chromium.
        home: Where the site is served, whose style sheets and fonts it asks for.
        text: The page.
    """
    page = await browser.new_page()

    async def answer(route: Route) -> None:
        await route.fulfill(body=text, content_type="text/html; charset=utf-8")

    await page.route(home + PAPER, answer)
    await page.goto(home + PAPER, wait_until="load", timeout=300_000)
    await page.evaluate("document.fonts.ready.then(() => 1)")
    made = await page.pdf(
        prefer_css_page_size=True,
        outline=True,
        tagged=True,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOT,
    )
    await page.close()
    return made


async def write(site: Path, to: Path) -> None:
    """Print the book of a built site into a file."""
    first = leaves(site)
    about = re.search(r'name="description" content="([^"]*)"', first[0].html)
    text = paper(first, first[0].title, html.unescape(about[1]) if about else "")
    with served(site) as home:
        async with chromium() as browser:
            to.parent.mkdir(exist_ok=True)
            to.write_bytes(await printed(browser, home, text))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", type=Path, default=SITE)
    parser.add_argument("--to", type=Path, default=ROOT / "dist" / "gradbook.pdf")
    given = parser.parse_args()
    asyncio.run(write(given.site, given.to))
    print(given.to)
