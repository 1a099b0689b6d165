"""What the browser checks share: the built pages, a server, a browser, and what a visit notices."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    Response,
    Route,
)
from playwright.sync_api import TimeoutError as PlaywrightTimeout

ROOT = Path(__file__).resolve().parent.parent
SITE = Path(os.environ.get("BOOK_SITE", ROOT / "site"))
AGAIN = Path(os.environ.get("BOOK_AGAIN", ROOT / "build" / "again"))
ZENSICAL = Path(os.environ.get("BOOK_ZENSICAL", ROOT / "build" / "zensical"))
OFFLINE = Path(os.environ.get("BOOK_OFFLINE", ROOT / "build" / "offline"))
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDE, PHONE = 1280, 390


def built_pages(site: Path) -> list[str]:
    """List the pages of a built site, so that a new page is checked without being named."""
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    if not pages:
        raise FileNotFoundError(f"{site} holds no page: run `bash .ci/run`, which builds it")
    return pages


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing: what fails is noticed by the browser."""


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve a folder on a free port of this machine and yield its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=site)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Start the machine's own Chromium; Playwright switches its sandbox off, as root needs."""
    found = [path for name in CHROMIUMS if (path := shutil.which(name))]
    if not found:
        raise FileNotFoundError(f"none of {CHROMIUMS} is installed: run `bash .ci/run`")
    # A container's /dev/shm is too small for a long page.
    browser = playwright.chromium.launch(executable_path=found[0], args=["--disable-dev-shm-usage"])
    yield browser
    browser.close()


@dataclass
class Visit:
    """A page in the browser, and everything that went wrong so far."""

    page: Page
    home: str
    faults: list[str] = field(default_factory=list)

    def said(self, message: ConsoleMessage) -> None:
        """Note an error or a warning on the console."""
        if message.type in {"error", "warning"}:
            self.faults.append(f"console: {message.text}")

    def failed(self, request: Request) -> None:
        """Note a request that got no answer."""
        self.faults.append(f"{request.failure}: {request.url}")

    def answered(self, response: Response) -> None:
        """Note a file that is missing."""
        if response.status >= 400:
            self.faults.append(f"{response.status}: {response.url}")

    def elsewhere(self, route: Route) -> None:
        """Note a call for another host, and stop it."""
        self.faults.append(f"another host: {route.request.url}")
        route.abort()


@contextmanager
def visit(
    browser: Browser,
    home: str,
    name: str,
    *,
    scheme: str = "light",
    width: int = WIDE,
    scripts: bool = True,
) -> Iterator[Visit]:
    """Open a page and note each console message, failed request and call for another host.

    Args:
        browser: The browser; the page gets a context of its own, so no visit sees another's.
        home: The address all requests must begin with.
        name: The page, relative to it.
        scheme: `light` or `dark`.
        width: The window's width in pixels.
        scripts: Whether scripts run.
    """
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 900},
        java_script_enabled=scripts,
        reduced_motion="reduce",
    )
    context.set_default_timeout(20_000)
    seen = Visit(context.new_page(), home)
    context.on("console", seen.said)
    context.on("weberror", lambda error: seen.faults.append(f"script: {error.error}"))
    context.on("requestfailed", seen.failed)
    context.on("response", seen.answered)
    context.route(re.compile(rf"^(?!{re.escape(home)}|data:|blob:)"), seen.elsewhere)
    seen.page.goto(home + name)
    # What a reader can open is looked at too.
    seen.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    yield seen
    context.close()


LOOK = r"""async () => {
  await document.fonts.ready;
  const faults = [];
  const box = (element) => element.getBoundingClientRect();
  const seen = (element) => box(element).width > 0 && box(element).height > 0 &&
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const fonts = new Set([...document.fonts].filter((font) => font.status === "loaded")
    .map((font) => font.family.replaceAll('"', "")));

  for (const math of document.querySelectorAll(".katex")) {
    const tex = math.querySelector("annotation").textContent;
    const drawn = math.querySelector(".katex-html");
    if (!seen(drawn)) faults.push(`a formula cannot be seen: ${tex}`);
    if (getComputedStyle(drawn).color !== getComputedStyle(math.parentElement).color) {
      faults.push(`a formula has not the color of its text: ${tex}`);
    }
    for (const part of drawn.querySelectorAll("*")) {
      if (![...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
      const font = getComputedStyle(part).fontFamily.split(",")[0].replaceAll('"', "");
      if (!font.startsWith("KaTeX_") || !fonts.has(font)) {
        faults.push(`the font ${font} of a formula is not loaded: ${tex}`);
        break;
      }
    }
  }

  const room = document.documentElement.clientWidth;
  for (const figure of document.querySelectorAll("article figure > svg, article img")) {
    const { left, right } = box(figure);
    if (!seen(figure)) faults.push(`a figure cannot be seen: ${figure.outerHTML.slice(0, 99)}`);
    if (left < 0 || right > room) faults.push(`a figure lies at ${left} to ${right} of ${room}`);
  }

  for (const header of document.querySelectorAll("article th")) {
    if (!header.textContent.trim()) faults.push(`a table has an empty header: ${header.outerHTML}`);
  }

  const page = document.scrollingElement.scrollWidth;
  if (page > innerWidth) faults.push(`the page scrolls sideways: ${page} of ${innerWidth}`);
  return faults;
}"""
"""What a reader would miss: formulas and figures that do not show, a page wider than the window."""


def titles(site: Path) -> dict[str, str]:
    """Return the words of the title of every page that the search knows."""
    found = {}
    for name in built_pages(site):
        text = (site / name).read_text(encoding="utf-8")
        heading = re.search(r"<h1[^>]*>(.*?)(?:<a class=\"headerlink\"|</h1>)", text, re.S)
        if heading and name != "404.html":
            found[name] = " ".join(re.findall(r"\w+", re.sub(r"<[^>]+>", " ", heading[1])))
    return found


FOUND = """(address) => [...document.querySelectorAll(".md-search-result__link")]
  .some((link) => link.href.split(/[?#]/)[0].replace(/index.html$/, "") === address)"""


def unfound(seen: Visit, wanted: dict[str, str]) -> list[str]:
    """Search for the titles of pages and return those that do not come up."""
    missing = []
    seen.page.keyboard.press("/")
    for name, title in wanted.items():
        seen.page.keyboard.press("ControlOrMeta+a")
        seen.page.keyboard.type(title)
        try:
            seen.page.wait_for_function(FOUND, arg=seen.home + name.removesuffix("index.html"))
        except PlaywrightTimeout:
            missing.append(f"the search for {title!r} does not find {name}")
    return missing
