"""Where Tab leads on a page, and whether it shows where it is."""

from __future__ import annotations

import asyncio
from typing import Any

from playwright.async_api import CDPSession, Page
from visits import Visit, script

STOPS = script("stops.js")
PRESS = ("rawKeyDown", "keyUp")
TAB = {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
MOST = 32
"""How many keys are on their way together: the page is painted about once for all of them."""


async def tab_stops(seen: Visit) -> list[dict[str, str]]:
    """Press Tab until it comes round, note what is wrong on the way, and return every stop."""
    devtools = await seen.page.context.new_cdp_session(seen.page)
    await seen.page.evaluate(STOPS)
    trapped = False
    at_once = 2
    while not trapped:
        await asyncio.gather(*(_send(devtools, kind) for _ in range(at_once) for kind in PRESS))
        at_once = min(2 * at_once, MOST)
        stop = await seen.page.evaluate("walk.held()")
        if stop is None:
            break
        if stop:
            at_once = 2
            trapped = stop["trapped"]
            seen.faults.extend(await _faults(seen.page, devtools, stop))
            await seen.page.evaluate("walk.go()")
    stops: list[dict[str, str]] = await seen.page.evaluate("walk.stops")
    return stops


async def _send(devtools: CDPSession, kind: str) -> None:
    await devtools.send("Input.dispatchKeyEvent", {"type": kind, **TAB})


async def _faults(page: Page, devtools: CDPSession, stop: dict[str, Any]) -> list[str]:
    what = stop["what"]
    if stop["trapped"]:
        return [f"Tab does not leave {what}: let it, or take it out of the order"]
    if not stop["inWindow"]:
        return [f"Tab leads out of the window, to {what}: show it there, or make it inert"]
    if not stop["ring"]:
        return [f"no ring shows the focus of {what}: give it an outline in docs/assets/book.css"]
    if stop["isNew"]:
        # With and without the color of its ring: the pictures must differ.
        ringed, bare = [await _picture(page, devtools, stop, c) for c in ("", "transparent")]
        if ringed == bare:
            return [f"the ring of {what} is not painted: see what covers or cuts its outline"]
    return []


async def _picture(page: Page, devtools: CDPSession, stop: dict[str, Any], color: str) -> str:
    await page.evaluate("(color) => walk.color(color)", color)
    # Playwright's own picture takes five times as long: it guards against what walk.color prevents.
    options = {"clip": {**stop["clip"], "scale": 1}, "optimizeForSpeed": True}
    taken: str = (await devtools.send("Page.captureScreenshot", options))["data"]
    return taken
