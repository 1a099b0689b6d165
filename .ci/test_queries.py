"""What readers type into the search, and which page it gives them."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Browser, expect
from search import open_search
from visits import visit

QUERIES = {
    query.strip(): pages.split()
    for query, _, pages in (
        line.partition("=")
        for line in Path(__file__).with_name("queries.txt").read_text("utf-8").splitlines()
        if not line.startswith("#")
    )
}
FOUND = """(query) => {
  const said = document.querySelector(".md-search-result__meta").textContent;
  const field = document.querySelector("input.md-search__input").value;
  if (field !== query || !/\\d|No matching/.test(said)) return null;
  return [...document.querySelectorAll(".md-search-result__item > a")]
    .map((link) => new URL(link.href).pathname.replace(/\\/$/, "").split("/").at(-1) || "index");
}"""


async def test_the_search_gives_the_page_that_answers(browser: Browser, home: str) -> None:
    """First for four of five, among the first three for nearly all, and always some."""
    places = {}
    async with visit(browser, home, "index.html") as seen:
        await open_search(seen.page)
        for query, pages in QUERIES.items():
            await seen.page.keyboard.press("ControlOrMeta+a")
            await seen.page.keyboard.type(query)
            await seen.page.wait_for_timeout(400)
            handle = await seen.page.wait_for_function(FOUND, arg=query)
            found = list(dict.fromkeys(await handle.json_value()))
            places[query] = min((found.index(page) for page in pages if page in found), default=99)
            print(query, places[query], found[:4])
    first = sum(place == 0 for place in places.values())
    among_three = sum(place < 3 for place in places.values())
    assert len(places) == 49
    assert max(places.values()) < 99, places
    assert first >= 40, places
    assert among_three >= 47, places


async def test_the_index_is_fetched_when_a_reader_searches(browser: Browser, home: str) -> None:
    """And not with every page."""
    asked = []
    async with visit(browser, home, "index.html") as seen:
        seen.page.on("request", lambda request: asked.append(request.url))
        await seen.page.reload()
        await seen.page.wait_for_load_state("networkidle")
        assert not any("search_index" in address for address in asked)
        async with seen.page.expect_request("**/search_index.json"):
            await seen.page.keyboard.press("/")


async def test_what_was_looked_for_is_marked_on_the_page_that_a_hit_leads_to(
    browser: Browser, home: str
) -> None:
    """Though its index has to be fetched for that."""
    async with visit(browser, home, "chapters/activations/index.html") as seen:
        await seen.page.goto(f"{home}chapters/activations/index.html?h=dead+relu")
        await expect(seen.page.locator("article mark").first).to_be_visible()
