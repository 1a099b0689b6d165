"""The book on paper: its built pages behind each other, printed by Chromium into one PDF.

`make pdf` writes `dist/gradbook.pdf`. The reference is left out: it is for looking up, on a screen.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urldefrag

from playwright.async_api import Browser, Route
from visits import ROOT, SITE, chromium, served

from gradbook.press.binding.sheet import Opening, built
from gradbook.press.reading import reading_order

ON_SCREEN = "reference/"
PAPER = "paper.html"
FOOT = (
    '<div style="width: 100%; font-size: 8pt; text-align: center">'
    '<span class="pageNumber"></span></div>'
)
_ARTICLE = re.compile(r"<article[^>]*>(.*?)</article>", re.DOTALL)
_SHEETS = re.compile(r'<link rel="stylesheet"[^>]*>')
_NAMED = re.compile(r'\b(id|for|aria-labelledby|aria-describedby)="([^"]*)"')
_LINK = re.compile(r'(?<![\w-])((?:xlink:)?href)="([^"]*)"')
_PAINT = re.compile(r"url\(#([^)]+)\)")


@dataclass(frozen=True)
class Leaf:
    """One page of the site, as a part of the printed book.

    Attributes:
        name: Its file, as seen from home.
        html: Its HTML.
    """

    name: str
    html: str

    @property
    def slug(self) -> str:
        """What its part is called, and the names in it begin with."""
        return re.sub(r"/?index\.html$|\.html$", "", self.name).replace("/", "-") or "home"

    @property
    def title(self) -> str:
        """Its headline."""
        opening = Opening()
        opening.feed(self.html)
        return opening.headline


def leaves(site: Path, config: Path = ROOT / "mkdocs.yml") -> list[Leaf]:
    """Return the pages that are printed, in their order."""
    names = [built(Path(name), site) for name in reading_order(config)]
    return [
        Leaf(name, (site / name).read_text(encoding="utf-8"))
        for name in names
        if not name.startswith(ON_SCREEN)
    ]


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
        _LINK.sub(lambda m: f'{m[1]}="/{_file(first.name, m[2])}"', sheet)
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


def section(leaf: Leaf, parts: Mapping[str, Leaf]) -> str:
    """Return a page's article as a section, whose names and links are those of the whole.

    Args:
        leaf: The page.
        parts: All that are printed, by their files.
    """
    found = _ARTICLE.search(leaf.html)
    article = found[1] if found else ""
    article = _NAMED.sub(lambda m: f'{m[1]}="{_own(leaf, m[2])}"', article)
    article = _LINK.sub(lambda m: _led(leaf, parts, m), article)
    article = _PAINT.sub(lambda m: f"url(#{leaf.slug}--{m[1]})", article)
    article = re.sub(r"<details(?![^>]*gb-folded)", "<details open", article)
    return f'<section id="{leaf.slug}" class="md-content__inner">{article}</section>'


def _own(leaf: Leaf, names: str) -> str:
    return " ".join(f"{leaf.slug}--{name}" for name in names.split())


def _led(leaf: Leaf, parts: Mapping[str, Leaf], match: re.Match[str]) -> str:
    """Return a link within the paper, or one to elsewhere; what is not printed has none."""
    address, anchor = urldefrag(html.unescape(match[2]))
    if re.match(r"[a-z]+:", address):
        return match[0]
    target = parts.get(_file(leaf.name, address)) if address else leaf
    if target is None:
        return 'class="gb-unprinted"'
    return f'{match[1]}="#{target.slug}{f"--{anchor}" if anchor else ""}"'


def _file(page: str, address: str) -> str:
    """Return the file that an address on a page names, as seen from home."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), address))
    is_folder = address.endswith("/") or posixpath.basename(address) in ("", ".", "..")
    return posixpath.normpath(posixpath.join(path, "index.html")) if is_folder else path


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
