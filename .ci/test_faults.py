"""The checks find what they are there for: each fault that is planted in a page is told."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from accessibility import COLORS, CONTEXT, accessibility
from axe_playwright_python.base import AXE_SCRIPT
from keyboard import tab_stops
from playwright.async_api import Browser
from search import search
from servers import served
from test_browser import missed
from visits import PHONE, WIDE, Scheme, Visit, visit

PAGE = "index.html"
Check = Callable[[Visit], Coroutine[Any, Any, None]]


async def told(
    browser: Browser, home: str, planted: str, check: Check, *, width: int = WIDE
) -> str:
    """Run a script in the home page, check it, and return all that is said."""
    async with visit(browser, home, PAGE, width=width) as seen:
        await seen.page.evaluate(planted)
        await check(seen)
        said, seen.faults[:] = "\n".join(seen.faults), []
        return said


# The page's policy lets no style sheet in that it does not know; a script's own it does.
STYLE = """const sheet = new CSSStyleSheet(); sheet.replaceSync(`%s`);
document.adoptedStyleSheets.push(sheet)"""
ADD = "document.querySelector('article').insertAdjacentHTML('beforeend', `%s`)"

HEARD = {
    "an error on the console": ("console.error('planted')", "on the console: planted"),
    "a failing script": ("setTimeout(() => { planted() })", "a script fails: planted is not"),
    "a missing file": (ADD % "<img src='planted.svg'>", "status 404"),
    "another host": ("fetch('https://planted.invalid').catch(() => {})", "connect-src"),
    "a picture from another host": (
        ADD % "<img src='https://planted.invalid/a.png' alt='a'>",
        "img-src",
    ),
    "a style sheet in the page": (ADD % "<style>p { color: red }</style>", "style-src"),
    "a script in the page": (
        "document.body.append(Object.assign(document.createElement('script'), {text: 'a = 1'}))",
        "script-src",
    ),
}


async def test_what_a_page_does_wrong_is_noted(browser: Browser, home: str) -> None:
    """Whenever it happens, while the page is visited."""

    async def wait(seen: Visit) -> None:
        await seen.page.wait_for_load_state("networkidle")
        await seen.page.wait_for_timeout(100)

    said = await told(browser, home, ";\n".join(planted for planted, _ in HEARD.values()), wait)
    print(said)
    assert [name for name, (_, message) in HEARD.items() if message not in said] == []


LOOKED = {
    "a hidden formula": (STYLE % "math { visibility: hidden }", "cannot be seen"),
    "a formula of another color": (STYLE % "math { color: red }", "not the color of its"),
    "a formula in another font": (
        STYLE % "math * { font-family: serif !important }",
        "font serif of the",
    ),
    "a hidden figure": (STYLE % "figure > svg { opacity: 0 }", "a figure cannot be seen"),
    "a wide figure": (STYLE % "figure > svg { margin-left: 2000px }", "a figure lies at"),
    "a column without a name": (ADD % "<table><tr><th> </th></tr></table>", "an empty header"),
    "a wide page": (ADD % "<p id='wide' style='min-width: 9999px'>a</p>", 'perhaps <p id="wide"'),
}


@pytest.mark.parametrize(("planted", "message"), LOOKED.values(), ids=LOOKED)
async def test_what_cannot_be_seen_is_told(
    browser: Browser, home: str, planted: str, message: str
) -> None:
    """Of a formula, a figure, a table, the page."""
    assert message in await told(browser, home, planted, lambda seen: seen.look("light"))


async def test_what_only_a_script_shows_is_told(browser: Browser, tmp_path: Path) -> None:
    """A figure that waits for a script is missed where scripts do not run."""
    hidden = "<style id='s'>figure { display: none }</style><script>s.remove()</script>"
    figure = "<article><figure><svg width='9' height='9'></svg></figure></article>"
    (tmp_path / PAGE).write_text(f"<link rel='icon' href='data:,'>{hidden}{figure}")
    with served(tmp_path) as home:
        async with visit(browser, home, PAGE) as seen:
            await seen.look("light")
        async with visit(browser, home, PAGE, scripts=False) as seen:
            await seen.look("light")
            said, seen.faults[:] = list(seen.faults), []
    assert "a figure cannot be seen" in said[0]


@pytest.mark.parametrize(
    ("source", "message"), [("gone.svg", "no answer"), ("/gone.svg", "another")]
)
async def test_what_does_not_lie_in_the_folder_is_told(
    browser: Browser, tmp_path: Path, source: str, message: str
) -> None:
    """A missing file, and one that only a server would find."""
    (tmp_path / PAGE).write_text(f"<img src='{source}'>")
    async with visit(browser, tmp_path.as_uri() + "/", PAGE) as seen:
        await seen.page.wait_for_load_state()
        said, seen.faults[:] = list(seen.faults), []
    assert message in said[0]


async def test_what_the_search_does_not_find_is_told(browser: Browser, home: str) -> None:
    """A page that is not there does not come up."""

    async def look_for(seen: Visit) -> None:
        seen.page.set_default_timeout(1_000)
        await search(seen, {"nowhere/index.html": "gradient"})

    assert "does not find nowhere" in await told(browser, home, "", look_for)


TABBED = {
    "a stop out of the window": (
        ADD % "<a href='#' style='position: fixed; left: -999px'>out</a>",
        "Tab leads out of the window, to a",
    ),
    "a stop without a ring": (
        ADD % "<button class='bare' style='outline: none !important'>bare</button>",
        "no ring shows the focus of button.bare",
    ),
    "a ring without a ring in a row of others": (
        "[...document.querySelectorAll('a.md-nav__link')].at(-1)"
        ".style.setProperty('outline', 'none', 'important')",
        "no ring shows the focus of a.md-nav__link",
    ),
    "a ring that is covered": (
        ADD % "<div style='overflow: hidden'><button class='cut'>cut</button></div>"
        + "; "
        + STYLE % ".cut { display: block; width: 100%; margin: 0 }",
        "the ring of button.cut",
    ),
    "a trap": (
        ADD % "<button id='trap'>trap</button>"
        + "; const key = (event) => event.preventDefault(); "
        + "document.getElementById('trap').addEventListener('keydown', key)",
        'Tab does not leave button.focus-visible "trap"',
    ),
    "a search that no key reaches": (
        "document.querySelector('input.md-search__input').tabIndex = -1",
        "Tab does not come to 'Search'",
    ),
    "a navigation that no key reaches": (
        "document.querySelectorAll('.md-nav').forEach((nav) => { nav.inert = true; })",
        "Tab comes to 0 links of the navigation",
    ),
}


@pytest.mark.parametrize(("planted", "message"), TABBED.values(), ids=TABBED)
async def test_where_the_keyboard_goes_astray_is_told(
    browser: Browser, home: str, planted: str, message: str
) -> None:
    """Out of the window, without a ring, into a trap, past what is needed."""

    async def walk(seen: Visit) -> None:
        seen.faults.extend(missed(await tab_stops(seen), WIDE))

    assert message in await told(browser, home, planted, walk)


async def test_a_contrast_that_is_too_low_is_told_wherever_it_hides(
    browser: Browser, home: str
) -> None:
    """What is judged of texts that are alike says all that axe-core says of every text."""
    async with visit(browser, home, PAGE, width=PHONE) as seen:
        for planted in PALE:
            await seen.page.evaluate(planted)
        for scheme in SCHEMES:
            await seen.turn(scheme)
            said = "\n".join(await accessibility(seen.page, scheme))
            everything = await every_contrast(seen)
            # The title is pale in the dark alone, and the word behind the letter in the light.
            assert len(everything) >= len(PALE) - 1
            assert [summary for summary in everything if summary not in said] == []


SCHEMES: tuple[Scheme, Scheme] = ("light", "dark")
PALE = [
    # One word of a block of code; all words of a kind; a word of two behind a single letter.
    "document.querySelector('pre code span:not(:has(*))').style.color = '#999a'",
    ADD % "<pre><code><b style='color: #8889'>and</b> <b style='color: #8889'>or</b></code></pre>",
    ADD % "<p><b style='color: #99a'>a</b> and <b style='color: #99a'>ab</b></p>",
    # Seen through, and over a ground that is not around it.
    ADD % "<p style='opacity: 0.3'>a veil</p>",
    ADD % "<div style='position: relative'><p style='position: relative; z-index: 1'>a word</p>"
    "<i style='position: absolute; inset: 0; background: #777'></i></div>",
    ADD % "<p>A <a href='#' style='color: #333; text-decoration: none'>link</a> of this text.</p>",
    STYLE % "[data-md-color-scheme=slate] h1 { color: #446 !important }",
]


async def every_contrast(seen: Visit) -> set[str]:
    """Let axe-core judge the colors of every text, and return what it says."""
    await seen.page.evaluate(AXE_SCRIPT)
    options = {"runOnly": {"type": "rule", "values": COLORS}}
    found = await seen.page.evaluate("(given) => axe.run(...given)", [CONTEXT, options])
    return {node["failureSummary"] for rule in found["violations"] for node in rule["nodes"]}


async def test_what_hinders_a_screen_reader_is_told(browser: Browser, home: str) -> None:
    """A button without a name, an image without a text."""

    async def judge(seen: Visit) -> None:
        seen.faults.extend(await accessibility(seen.page, "light"))

    planted = ADD % "<button></button><img src='assets/favicon.svg'>"
    said = await told(browser, home, planted, judge)
    assert "button-name" in said
    assert "image-alt" in said
