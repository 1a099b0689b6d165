"""The book as a folder of files, opened without a server."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser
from search import search, titles
from visits import OFFLINE, PHONE, built_pages, visit

HOME = OFFLINE.as_uri() + "/"
# What a host serves for an unknown address is of no use in a folder.
PAGES = [name for name in built_pages(OFFLINE) if name != "404.html"]
NESTED = next(name for name in PAGES if "/" in name)
TITLES = titles(OFFLINE)


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_opens_from_a_folder_and_is_complete_without_scripts(
    browser: Browser, name: str
) -> None:
    """Its math, figures and fonts lie beside it, and nothing comes from anywhere else."""
    async with visit(browser, HOME, name, width=PHONE, scripts=False) as seen:
        await seen.look("light")


@pytest.mark.parametrize("name", ["index.html", NESTED])
async def test_the_search_works_from_a_folder(browser: Browser, name: str) -> None:
    """Its index is a script, which home finds beside itself, and a page in a folder above it."""
    async with visit(browser, HOME, name, scheme="dark", width=PHONE) as seen:
        await seen.look("dark")
        await search(seen, TITLES if name == NESTED else {NESTED: TITLES[NESTED]})


def test_every_page_has_a_title_to_search_for() -> None:
    """Each page is looked for by its own heading."""
    assert sorted(TITLES) == sorted(PAGES)
