"""What the search of a page finds."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import Page, expect
from playwright.async_api import TimeoutError as PlaywrightTimeout
from visits import Visit, built_pages


def titles(site: Path) -> dict[str, str]:
    """Return the words of the title of every page that the search knows."""
    found = {}
    for name in sorted(built_pages(site)):
        text = (site / name).read_text(encoding="utf-8")
        heading = re.search(r"<h1[^>]*>(.*?)(?:<a class=\"headerlink\"|</h1>)", text, re.S)
        if heading and name != "404.html":
            found[name] = " ".join(re.findall(r"\w+", re.sub(r"<[^>]+>", " ", heading[1])))
    return found


async def open_search(page: Page) -> None:
    """Press its key and wait: Material opens it behind a timer, which other keys can overtake."""
    await page.keyboard.press("/")
    await expect(page.locator("#__search")).to_be_checked()


FOUND = """(address) => [...document.querySelectorAll(".md-search-result__link")]
  .some((link) => link.href.split(/[?#]/)[0].replace(/index.html$/, "") === address)"""


async def search(seen: Visit, wanted: dict[str, str]) -> None:
    """Search for the titles of pages, and note those that do not come up."""
    await open_search(seen.page)
    for name, title in wanted.items():
        await seen.page.keyboard.press("ControlOrMeta+a")
        await seen.page.keyboard.type(title)
        address = seen.home + name.removesuffix("index.html")
        try:
            await seen.page.wait_for_function(FOUND, arg=address)
        except PlaywrightTimeout:
            seen.faults.append(
                f"the search for {title!r} does not find {name}: see the page's title, "
                "and the search plugin in mkdocs.yml"
            )
