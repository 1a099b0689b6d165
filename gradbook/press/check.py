"""Read a built site as a browser would, and say what a reader would trip over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gradbook.press.assets import has_glyph

# What a browser fetches by itself; an `a` waits for the reader.
_FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "use": "href"}
_FETCHED_LINKS = {"stylesheet", "icon", "preload", "preconnect", "dns-prefetch", "manifest"}
_LEFT_OVER = re.compile(r"\\py\{|\{python\}")  # in HTML that stands on a page
_QUOTED = {"code", "pre", "script", "style"}
_CELLS = ("caption", "td", "th")
_GLUED = "cells of a table without a space between them are one word for the search"
# Elements without an end.
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
_CSS_URL = re.compile(r"url\(\s*['\"]?([^'\")]+)")


@dataclass
class _Page(HTMLParser):
    """The parts of one HTML page that can be wrong."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    cell_ended: bool = False

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.opened += [tag] * (tag not in VOID)
        if self.cell_ended and tag in _CELLS and _GLUED not in self.faults:
            self.faults.append(_GLUED)
        self.cell_ended = False
        if "id" in given:
            if given["id"] in self.ids and not given["id"].startswith("__"):
                self.faults.append(f"the id {given['id']!r} is used twice")
            self.ids.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and _FETCHED_LINKS & set(given.get("rel", "").split()):
            self.fetched.append(given.get("href", ""))
        if tag in _FETCHED and given.get(_FETCHED[tag]):
            self.fetched.append(given[_FETCHED[tag]])
        self._alternative(tag, given)

    def _alternative(self, tag: str, given: dict[str, str]) -> None:
        if tag == "img" and not given.get("alt", "").strip():
            self.faults.append(f"the image {given.get('src', '')!r} has no alt text")
        named = given.get("aria-label") or given.get("aria-labelledby")
        if tag == "svg" and given.get("role") == "img" and not named:
            self.faults.append("a figure has no accessible name")

    def handle_endtag(self, tag: str) -> None:
        while tag in self.opened and (last := self.opened.pop()) != tag:
            self.faults.append(f"<{last}> is not closed: if it is text, write &lt; or ⟨")
        self.cell_ended = self.cell_ended or tag in _CELLS

    def handle_data(self, data: str) -> None:
        self.cell_ended = False
        left = _LEFT_OVER.search(data)
        if left and _QUOTED.isdisjoint(self.opened):
            self.faults.append(f"{left[0]!r} was left unprocessed in {data.strip()[:60]!r}")
        for sign in data if "math" in self.opened else "":
            if not has_glyph(sign):
                self.faults.append(f"the font has no glyph for {sign!r}, in a formula")


def check_site(site: Path) -> list[str]:
    """Return every fault of a built site, each with the page it is on.

    Looked for: dead links and anchors, files a page fetches that are missing or lie on another
    host, images and figures without alternative text, ids used twice, elements left open,
    unprocessed syntax, signs of formulas that the book's font does not hold.

    Args:
        site: The folder that holds the built pages.

    Raises:
        ValueError: The folder holds no page.
    """
    pages = {path: _read(path) for path in sorted(site.rglob("*.html"))}
    if not pages:
        raise ValueError(f"site is {str(site)!r}; expected a folder with built pages")
    faults = [
        f"{path.relative_to(site).as_posix()}: {fault}"
        for path, page in pages.items()
        for fault in [*page.faults, *_links(site, path, pages), *_fetches(site, path, page)]
    ]
    for sheet in sorted(site.rglob("*.css")):
        text = sheet.read_text(encoding="utf-8")
        where = sheet.relative_to(site).as_posix()
        faults += [f"{where}: {fault}" for fault in _missing(site, sheet, _CSS_URL.findall(text))]
    return faults


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    return page


def _links(site: Path, path: Path, pages: dict[Path, _Page]) -> Iterator[str]:
    for link in pages[path].links:
        parts = urlsplit(link)
        # The page for unknown addresses is served from any depth, so its links start at the host.
        if parts.scheme or parts.netloc or path.name == "404.html":
            continue
        target = _resolve(site, path, parts.path)
        if target is None:
            yield f"the link {link!r} leads nowhere"
        elif target in pages and not _has_anchor(pages[target], unquote(parts.fragment)):
            yield f"the link {link!r} leads to an anchor that {target.name} does not have"


def _has_anchor(page: _Page, anchor: str) -> bool:
    return not anchor or anchor in page.ids


def _fetches(site: Path, path: Path, page: _Page) -> list[str]:
    return [] if path.name == "404.html" else list(_missing(site, path, page.fetched))


def _missing(site: Path, path: Path, addresses: list[str]) -> Iterator[str]:
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme == "data" or address.startswith("#"):
            continue
        if parts.scheme or parts.netloc:
            yield f"it fetches {address!r} from another host"
        elif _resolve(site, path, parts.path) is None:
            yield f"it fetches {address!r}, which is not in the site"


def _resolve(site: Path, path: Path, address: str) -> Path | None:
    if not address:
        return path
    base = site if address.startswith("/") else path.parent
    target = (base / unquote(address).lstrip("/")).resolve()
    if target.is_dir():
        target = target / "index.html"
    return target if target.is_file() else None
