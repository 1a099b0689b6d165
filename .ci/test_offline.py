"""The book as a folder of files, opened without a server."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser
from search import search, titles
from visits import OFFLINE, PHONE, WIDE, Scheme, built_pages, visit

HOME = OFFLINE.as_uri() + "/"
# What a host serves for an unknown address is of no use in a folder.
PAGES = [name for name in built_pages(OFFLINE) if name != "404.html"]
TITLES = titles(OFFLINE)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("scheme", "width"), [("light", WIDE), ("dark", PHONE)])
async def test_a_page_opens_from_a_folder_and_its_search_finds_it(
    browser: Browser, name: str, scheme: Scheme, width: int
) -> None:
    """Its math, figures and fonts lie beside it, and nothing comes from anywhere else."""
    async with visit(browser, HOME, name, scheme=scheme, width=width) as seen:
        await seen.look(scheme)
        await search(seen, {name: TITLES[name]})


def test_every_page_has_a_title_to_search_for() -> None:
    """Each page is looked for by its own heading."""
    assert sorted(TITLES) == sorted(PAGES)
