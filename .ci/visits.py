"""What the browser checks share: the built pages, a browser, and what a visit notices."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    Response,
    Route,
    async_playwright,
    expect,
)

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SITE = Path(os.environ.get("BOOK_SITE", ROOT / "site"))
AGAIN = Path(os.environ.get("BOOK_AGAIN", ROOT / "build" / "again"))
ZENSICAL = Path(os.environ.get("BOOK_ZENSICAL", ROOT / "build" / "zensical"))
OFFLINE = Path(os.environ.get("BOOK_OFFLINE", ROOT / "build" / "offline"))
# The first is Chromium without its windows: the same pages in half the time.
CHROMIUMS = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
WIDE, PHONE = 1280, 390
PATIENCE = 60_000
"""How many milliseconds something may take to appear."""

Scheme = Literal["light", "dark"]
BODY = {"light": "default", "dark": "slate"}
"""What Material calls the two schemes."""


def script(name: str) -> str:
    """Return one of the functions that the checks run in a page."""
    return (HERE / name).read_text(encoding="utf-8")


def built_pages(site: Path) -> list[str]:
    """List the pages of a built site, the largest first: all of them, and none is named here."""
    pages = sorted(site.rglob("*.html"), key=lambda path: (-path.stat().st_size, path))
    if not pages:
        raise FileNotFoundError(f"{site} holds no page: run `bash .ci/run`, which builds it")
    return [path.relative_to(site).as_posix() for path in pages]


def first_of(names: Sequence[str]) -> str:
    """Return the path of the first program that is installed."""
    found = [path for name in names if (path := shutil.which(name))]
    if not found:
        raise FileNotFoundError(f"none of {names} is installed: run `bash .ci/run`")
    return found[0]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start the machine's own Chromium; Playwright switches its sandbox off, as root needs."""
    path = first_of(CHROMIUMS)
    async with async_playwright() as playwright:
        # A container's /dev/shm is too small for a long page.
        arguments = ["--disable-dev-shm-usage"]
        browser = await playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        await browser.close()


@dataclass
class Visit:
    """A page in the browser, and everything that went wrong so far.

    Args:
        page: The page.
        home: The address of the site.
        name: What to call the visit: the page, the window's width.
        faults: What is wrong, and what to do.
    """

    page: Page
    home: str
    name: str
    faults: list[str] = field(default_factory=list)

    def said(self, message: ConsoleMessage) -> None:
        """Note an error or a warning on the console."""
        if message.type in {"error", "warning"}:
            self.faults.append(f"on the console: {message.text}")

    def failed(self, request: Request) -> None:
        """Note a request that got no answer."""
        self.faults.append(f"no answer ({request.failure}): see why {request.url} fails")

    def answered(self, response: Response) -> None:
        """Note a file that is missing."""
        if response.status >= 400:
            self.faults.append(f"status {response.status}: add or do not ask for {response.url}")

    async def elsewhere(self, route: Route) -> None:
        """Note a call for another host, and stop it."""
        self.faults.append(
            f"another host is asked: keep a copy in docs/assets of {route.request.url}"
        )
        await route.abort()

    async def turn(self, scheme: Scheme) -> None:
        """Let the system prefer a scheme, and see that the page follows."""
        await self.page.emulate_media(color_scheme=scheme)
        body = self.page.locator("body")
        await expect(body).to_have_attribute("data-md-color-scheme", BODY[scheme])

    async def look(self, scheme: Scheme) -> None:
        """Note what a reader would miss."""
        for fault in await self.page.evaluate(LOOK):
            self.faults.append(f"{scheme}: {fault}")

    def end(self) -> None:
        """Fail if anything was noted, and say of which page."""
        if self.faults:
            lines = [f"{self.name} has {len(self.faults)} faults", *self.faults]
            pytest.fail("\n- ".join(lines), pytrace=False)


LOOK = script("look.js")
OPEN = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"


@asynccontextmanager
async def visit(
    browser: Browser,
    home: str,
    name: str,
    *,
    scheme: Scheme = "light",
    width: int = WIDE,
    height: int = 900,
    scripts: bool = True,
    touch: bool = False,
) -> AsyncIterator[Visit]:
    """Open a page, note each error, failed request and call for another host, and fail if any was.

    Args:
        browser: The browser; the page gets a context of its own, so no visit sees another's.
        home: The address all requests must begin with.
        name: The page, relative to it.
        scheme: `light` or `dark`.
        width: The window's width in pixels.
        height: Its height.
        scripts: Whether scripts run.
        touch: Whether it is a phone that is touched, where nothing hovers.
    """
    context = await browser.new_context(
        color_scheme=scheme,
        viewport={"width": width, "height": height},
        java_script_enabled=scripts,
        reduced_motion="reduce",
        has_touch=touch,
        is_mobile=touch,
    )
    context.set_default_timeout(PATIENCE)
    seen = Visit(await context.new_page(), home, f"{name} at {width} px")
    context.on("console", seen.said)
    context.on("weberror", lambda error: seen.faults.append(f"a script fails: {error.error}"))
    context.on("requestfailed", seen.failed)
    context.on("response", seen.answered)
    await context.route(re.compile(rf"^(?!{re.escape(home)}|data:|blob:)"), seen.elsewhere)
    await seen.page.goto(home + name)
    # What a reader can open is looked at too.
    await seen.page.evaluate(OPEN)
    try:
        yield seen
    except Exception as error:
        error.add_note("\n- ".join([f"This was {seen.name}; noted before:", *seen.faults]))
        raise
    finally:
        await context.close()
    seen.end()
