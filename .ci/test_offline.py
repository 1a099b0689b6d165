"""The book as a folder of files, opened without a server."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser
from visits import LOOK, OFFLINE, PHONE, WIDE, built_pages, titles, unfound, visit

HOME = OFFLINE.as_uri() + "/"
# What a host serves for an unknown address is of no use in a folder.
PAGES = [name for name in built_pages(OFFLINE) if name != "404.html"]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("scheme", "width"), [("light", WIDE), ("dark", PHONE)])
def test_a_page_opens_from_a_folder(browser: Browser, name: str, scheme: str, width: int) -> None:
    """Its math, figures and fonts lie beside it, and nothing comes from anywhere else."""
    with visit(browser, HOME, name, scheme=scheme, width=width) as seen:
        seen.faults.extend(seen.page.evaluate(LOOK))
        assert seen.faults == []


@pytest.mark.parametrize(("name", "title"), titles(OFFLINE).items())
def test_the_search_works_without_a_server(browser: Browser, name: str, title: str) -> None:
    """It finds every page, also from inside that page's folder."""
    with visit(browser, HOME, name) as seen:
        seen.faults.extend(unfound(seen, {name: title}))
        assert seen.faults == []
