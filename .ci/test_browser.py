"""Every page of the built site in Chromium, as readers with various eyes and hands meet it."""

from __future__ import annotations

import string
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from visits import LOOK, PHONE, SITE, WIDE, built_pages, titles, unfound, visit

PAGES = built_pages(SITE)
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLORS = ["color-contrast", "link-in-text-block"]
every_page = pytest.mark.parametrize("name", PAGES)
every_width = pytest.mark.parametrize("width", [WIDE, PHONE])


# Formulas are thousands of elements in the color of the text about them, which LOOK compares.
CONTEXT = {"exclude": [[".katex-html"]]}
# axe-core does not count MathML as text; LOOK finds the headers that are really empty.
RULES = {"empty-table-header": {"enabled": False}}


def accessibility(page: Page, scheme: str = "light") -> list[str]:
    """Return what axe-core finds, one line per element; in the dark only colors are others."""
    only: Any = STANDARDS if scheme == "light" else {"type": "rule", "values": COLORS}
    options = {"runOnly": only, "rules": RULES, "resultTypes": ["violations"]}
    found = Axe().run(page, context=CONTEXT, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['failureSummary']} in {node['html'][:200]}"
        for rule in found
        for node in rule["nodes"]
    ]


@every_page
@every_width
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_shows_all_it_has_to_everyone(
    browser: Browser, home: str, name: str, width: int, scheme: str
) -> None:
    """No error, no other host; math, figures and colors can be seen; axe-core is content."""
    with visit(browser, home, name, scheme=scheme, width=width) as seen:
        shown = seen.page.locator("body").get_attribute("data-md-color-scheme")
        assert shown == {"light": "default", "dark": "slate"}[scheme]
        seen.faults.extend(seen.page.evaluate(LOOK))
        seen.faults.extend(accessibility(seen.page, scheme))
        assert seen.faults == []


@every_page
def test_a_page_is_complete_without_scripts(browser: Browser, home: str, name: str) -> None:
    """Math and figures are made when the book is built."""
    with visit(browser, home, name, width=PHONE, scripts=False) as seen:
        seen.faults.extend(seen.page.evaluate(LOOK))
        assert seen.faults == []


STOP = """async () => {
  const at = document.activeElement;
  if (at === document.body || at.dataset.visited) return null;
  at.dataset.visited = "yes";
  const ringed = at.matches(".md-option") ? at.nextElementSibling : at;
  const box = () => ringed.getBoundingClientRect();
  const opaque = { opacityProperty: true, visibilityProperty: true };
  const inWindow = () => {
    const { x, y, width, height } = box();
    return width * height > 0 && x < innerWidth && x + width > 0 && y < innerHeight
      && y + height > 0 && ringed.checkVisibility(opaque);
  };
  // The search of a phone slides in when it gets the focus.
  for (let wait = 0; wait < 20 && !inWindow(); wait += 1) {
    await new Promise((done) => setTimeout(done, 50));
  }
  const { x, y, width, height } = box();
  const { outlineStyle, outlineWidth } = getComputedStyle(ringed);
  return {
    kind: [at.tagName.toLowerCase(), ...at.classList].join("."),
    name: at.getAttribute("aria-label") || at.innerText,
    inWindow: inWindow(),
    ring: outlineStyle !== "none" && parseFloat(outlineWidth) >= 1,
    clip: { x: x - 6, y: y - 6, width: width + 12, height: height + 12 },
  };
}"""
RING = """(color) => {
  const at = document.activeElement;
  const ringed = at.matches(".md-option") ? at.nextElementSibling : at;
  ringed.style.setProperty("outline-color", color, "important");
}"""


def tab_stops(page: Page) -> list[dict[str, Any]]:
    """Press Tab until it comes round and return every stop, with what is wrong with it."""
    stops: list[dict[str, Any]] = []
    while True:
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop is None:
            return stops
        stop["fault"] = ""
        if not stop["inWindow"]:
            stop["fault"] = f"Tab leads out of the window, to {stop['kind']} {stop['name']!r}"
        elif not stop["ring"]:
            stop["fault"] = f"no ring shows the focus of {stop['kind']} {stop['name']!r}"
        elif all(other["kind"] != stop["kind"] for other in stops):
            stop["fault"] = unpainted(page, stop)
        stops.append(stop)


def unpainted(page: Page, stop: dict[str, Any]) -> str:
    """Compare the picture with one in which the ring is transparent: they must differ."""
    ringed = page.screenshot(clip=stop["clip"], animations="disabled")
    page.evaluate(RING, "transparent")
    bare = page.screenshot(clip=stop["clip"], animations="disabled")
    page.evaluate(RING, "")
    return f"the ring of {stop['kind']} {stop['name']!r} is not painted" if bare == ringed else ""


@every_page
@every_width
def test_the_keyboard_goes_everywhere_and_shows_where_it_is(
    browser: Browser, home: str, name: str, width: int
) -> None:
    """Every stop lies in the window and has a ring; search, theme and navigation are among them."""
    with visit(browser, home, name, width=width) as seen:
        stops = tab_stops(seen.page)
        seen.faults.extend(stop["fault"] for stop in stops if stop["fault"])
        assert seen.faults == []
        names = {stop["name"] for stop in stops}
        assert {"Search", "Switch to light mode"} <= names
        links = sum("md-nav__link" in stop["kind"] for stop in stops)
        drawer = "Navigation" in names
        assert (links >= 3, drawer) == ((True, False) if width == WIDE else (False, True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_keyboard_opens_the_contents_on_a_phone(
    browser: Browser, home: str, scheme: str
) -> None:
    """Enter shows the links, first of the book, then of the chapters; Tab leads to them."""
    with visit(browser, home, "index.html", scheme=scheme, width=PHONE) as seen:
        links = seen.page.locator(".md-nav--primary a.md-nav__link:visible")
        assert links.count() == 0
        seen.page.get_by_role("button", name="Navigation").press("Enter")
        expect(links.first).to_be_in_viewport(ratio=1)
        seen.page.locator("label:visible", has_text="Chapters").press("Enter")
        chapter = links.filter(has_text="1 ")
        expect(chapter.first).to_be_in_viewport(ratio=1)
        seen.faults.extend(accessibility(seen.page, scheme))
        stops = tab_stops(seen.page)
        seen.faults.extend(stop["fault"] for stop in stops if stop["fault"])
        assert seen.faults == []
        assert chapter.first.inner_text() in {stop["name"] for stop in stops}
        seen.page.keyboard.press("Escape")
        expect(chapter.first).not_to_be_visible()


def test_the_keyboard_changes_the_colors_and_the_choice_stays(browser: Browser, home: str) -> None:
    """Enter goes on from the system's scheme to light and to dark; a reload keeps dark."""
    with visit(browser, home, "index.html", scheme="light") as seen:
        body = seen.page.locator("body")
        seen.page.locator("#__palette_0").focus()
        for scheme in ("default", "slate"):
            seen.page.keyboard.press("Enter")
            expect(body).to_have_attribute("data-md-color-scheme", scheme)
        seen.page.reload()
        expect(body).to_have_attribute("data-md-color-scheme", "slate")
        assert seen.faults == []


def test_the_search_knows_every_word_of_its_index(browser: Browser, home: str) -> None:
    """Each first letter asks for all words that begin with it: none may be garbled."""
    with visit(browser, home, "index.html") as seen:
        seen.page.keyboard.press("/")
        meta = seen.page.locator(".md-search-result__meta")
        for letter in string.ascii_lowercase:
            seen.page.keyboard.type(letter)
            expect(meta).to_contain_text("matching document")
            seen.page.keyboard.press("Backspace")
            expect(meta).to_contain_text("Type to start")
        assert seen.faults == []


@every_width
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_search_finds_every_page_and_the_keyboard_opens_it(
    browser: Browser, home: str, width: int, scheme: str
) -> None:
    """A page's title leads to the page, and its results can be read."""
    with visit(browser, home, "index.html", scheme=scheme, width=width) as seen:
        seen.faults.extend(unfound(seen, titles(SITE)))
        seen.faults.extend(accessibility(seen.page, scheme))
        assert seen.faults == []
        seen.page.keyboard.press("ArrowDown")
        seen.page.keyboard.press("Enter")
        name, title = list(titles(SITE).items())[-1]
        expect(seen.page.locator("article h1")).to_contain_text(title)
        assert seen.page.url.startswith(home + name.removesuffix("index.html"))
