"""Every page of the built site in Chromium, as readers with various eyes and hands meet it."""

from __future__ import annotations

import ast
import string

import pytest
from accessibility import accessibility
from keyboard import tab_stops
from playwright.async_api import Browser, expect
from search import open_search, search, titles
from visits import BODY, PHONE, SITE, WIDE, Scheme, built_pages, visit

PAGES = built_pages(SITE)
every_page = pytest.mark.parametrize("name", PAGES)
every_width = pytest.mark.parametrize("width", [WIDE, PHONE])
every_scheme = pytest.mark.parametrize("scheme", ["light", "dark"])


@every_page
@pytest.mark.parametrize(
    ("width", "schemes"),
    [(WIDE, ("light", "dark")), (PHONE, ("dark", "light"))],
    ids=["wide, light then dark", "phone, dark then light"],
)
async def test_a_page_shows_all_it_has_to_everyone_and_the_keyboard_goes_everywhere(
    browser: Browser, home: str, name: str, width: int, schemes: tuple[Scheme, Scheme]
) -> None:
    """No error, no other host; math, figures and colors can be seen; axe-core is content.

    Every stop of Tab lies in the window and has a ring; search, theme and navigation are among
    them. A page is looked at in both schemes at both widths, and has been opened in either.
    """
    async with visit(browser, home, name, scheme=schemes[0], width=width) as seen:
        for scheme in schemes:
            await seen.turn(scheme)
            await seen.look(scheme)
            seen.faults.extend(await accessibility(seen.page, scheme))
        seen.faults.extend(missed(await tab_stops(seen), width))


def missed(stops: list[dict[str, str]], width: int) -> list[str]:
    """Return what Tab should come to and does not, or comes to and should not."""
    names = {stop["name"] for stop in stops}
    faults = [
        f"Tab does not come to {wanted!r}: see what hides it or takes it out of the order"
        for wanted in ("Search", "Switch to light mode")
        if wanted not in names
    ]
    links = sum("md-nav__link" in stop["kind"] for stop in stops)
    drawer = "Navigation" in names
    if (links >= 3, drawer) != ((True, False) if width == WIDE else (False, True)):
        faults.append(
            f"Tab comes to {links} links of the navigation and {'its' if drawer else 'no'} button: "
            "see docs/assets/book.js, which shows links where there is room and a button elsewhere"
        )
    return faults


@pytest.mark.parametrize("name", ["index.html", "404.html"])
async def test_a_page_is_complete_without_scripts(browser: Browser, home: str, name: str) -> None:
    """Math and figures are made when the book is built: test_offline.py looks at all others."""
    async with visit(browser, home, name, width=PHONE, scripts=False) as seen:
        await seen.look("light")


@every_scheme
async def test_the_keyboard_opens_the_contents_on_a_phone(
    browser: Browser, home: str, scheme: Scheme
) -> None:
    """Enter shows the links, first of the book, then of the chapters; Tab leads to them."""
    async with visit(browser, home, "index.html", scheme=scheme, width=PHONE) as seen:
        links = seen.page.locator(".md-nav--primary a.md-nav__link:visible")
        assert await links.count() == 0, "the contents are open before anyone asked for them"
        await seen.page.get_by_role("button", name="Navigation").press("Enter")
        await expect(links.first).to_be_in_viewport(ratio=1)
        await seen.page.locator("label:visible", has_text="Chapters").press("Enter")
        chapter = links.filter(has_text="1 ")
        await expect(chapter.first).to_be_in_viewport(ratio=1)
        seen.faults.extend(await accessibility(seen.page, scheme))
        names = {stop["name"] for stop in await tab_stops(seen)}
        assert await chapter.first.inner_text() in names, "Tab does not come to the open chapters"
        await seen.page.keyboard.press("Escape")
        await expect(chapter.first).not_to_be_visible()
        await expect(seen.page.get_by_role("button", name="Navigation")).to_be_focused()


async def test_the_keyboard_changes_the_colors_and_the_choice_stays(
    browser: Browser, home: str
) -> None:
    """Enter goes on from the system's scheme to light and to dark; a reload keeps dark."""
    async with visit(browser, home, "index.html", scheme="light") as seen:
        body = seen.page.locator("body")
        await seen.page.locator("#__palette_0").focus()
        for scheme in BODY.values():
            await seen.page.keyboard.press("Enter")
            await expect(body).to_have_attribute("data-md-color-scheme", scheme)
        await seen.page.reload()
        await expect(body).to_have_attribute("data-md-color-scheme", BODY["dark"])


async def test_the_search_knows_every_word_of_its_index(browser: Browser, home: str) -> None:
    """Each first letter asks for all words that begin with it: none may be garbled."""
    async with visit(browser, home, "index.html") as seen:
        await open_search(seen.page)
        meta = seen.page.locator(".md-search-result__meta")
        for letter in string.ascii_lowercase:
            await seen.page.keyboard.type(letter)
            await expect(meta).to_contain_text("matching document")
            await seen.page.keyboard.press("Backspace")
            await expect(meta).to_contain_text("Type to start")


@every_width
@every_scheme
async def test_the_search_finds_every_page_and_the_keyboard_opens_it(
    browser: Browser, home: str, width: int, scheme: Scheme
) -> None:
    """A page's title leads to the page, and its results can be read.

    What is found does not hang on colors or width: all pages are looked for once.
    """
    name, title = list(titles(SITE).items())[-1]
    once = (scheme, width) == ("light", WIDE)
    async with visit(browser, home, "index.html", scheme=scheme, width=width) as seen:
        await search(seen, titles(SITE) if once else {name: title})
        seen.faults.extend(await accessibility(seen.page, scheme))
        seen.end()
        await seen.page.keyboard.press("ArrowDown")
        await seen.page.keyboard.press("Enter")
        await expect(seen.page.locator("article h1")).to_contain_text(title)
        assert seen.page.url.startswith(home + name.removesuffix("index.html"))


async def test_who_leaves_the_search_goes_on_from_where_they_were(
    browser: Browser, home: str
) -> None:
    """Tab leads to what follows on the screen, and not back to the first entry of the menu."""
    async with visit(browser, home, "chapters/vanishing/index.html") as seen:
        await seen.page.locator("#remember").scroll_into_view_if_needed()
        before = await seen.page.evaluate("scrollY")
        await open_search(seen.page)
        await seen.page.keyboard.type("nan")
        await seen.page.keyboard.press("Escape")
        await expect(seen.page.locator("article > :focus")).to_be_in_viewport()
        assert await seen.page.evaluate("scrollY") == before
        await seen.page.keyboard.press("Tab")
        await expect(seen.page.locator("article :focus")).to_have_count(1)


async def test_copying_leaves_prompts_and_output_out(browser: Browser, home: str) -> None:
    """What is pasted from a session runs as it is."""
    async with visit(browser, home, "chapters/activations/index.html") as seen:
        await seen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        code = seen.page.locator("article pre:has(.gp):has(.go):visible").first
        assert ">>>" in await code.inner_text()
        await code.hover()
        await code.locator("button[data-clipboard-target], .md-code__button").first.click()
        copied = await seen.page.evaluate("navigator.clipboard.readText()")
        assert copied
        assert ">>>" not in copied
        ast.parse(copied)


async def test_on_a_phone_nothing_lies_on_the_code(browser: Browser, home: str) -> None:
    """The button to copy it shows as soon as the code is touched, or Tab comes to it."""
    async with visit(browser, home, "chapters/vanishing/index.html", width=PHONE) as seen:
        code = seen.page.locator("article pre:has(> .md-code__nav):visible").first
        button = code.locator("> .md-code__nav")
        await expect(button).to_have_css("opacity", "0")
        await code.hover()
        await expect(button).to_have_css("opacity", "1")
        await seen.page.mouse.move(0, 0)
        await expect(button).to_have_css("opacity", "0")
        await button.locator("button").focus()
        await expect(button).to_have_css("opacity", "1")
