"""The files of a figure: its drawing and its numbers, one click away from it."""

from __future__ import annotations

import html
import re
from pathlib import Path, PurePosixPath

from gradbook.press.errors import Place

FOLDER = "figures"

_FIGURE = re.compile(
    r'<figure class="gb-figure" id="figure-(?P<number>\d+)".*?(?P<svg><svg.*?</svg>).*?'
    r"(?P<end></figcaption></figure>)(?:<!--gb-csv\n(?P<csv>.*?)-->)?",
    re.DOTALL,
)
_VARIABLE = re.compile(r"var\(--[\w-]+,([^()]+)\)")
_SCALED = re.compile(r"calc\(([\d.]+px)\*1\)")
_PAPER = '<rect width="100%" height="100%" style="fill:white" />'


def code_anchor(shown: str) -> str:
    """Return the address, on its page, of the code of a figure; nothing where none is shown.

    Args:
        shown: What a block shows, as HTML.
    """
    found = _FIGURE.search(shown)
    return f"figure-{found['number']}-code" if found else ""


def alone(svg: str) -> str:
    """Return a page's drawing as a document of its own, for a white page, whatever shows it.

    Args:
        svg: The `svg` element as it stands in the page.

    Examples:
        >>> drawn = '<svg viewBox="0 0 9 9"><path style="fill:var(--gb-1,#0072b2)" /></svg>'
        >>> '<path style="fill:#0072b2" />' in alone(drawn)
        True
    """
    plain = _SCALED.sub(r"\1", _VARIABLE.sub(r"\1", svg)).replace("currentColor", "black")
    plain = plain.replace(' data-search-exclude=""', "")
    width, height = re.findall(r'viewBox="\S+ \S+ (\S+) (\S+)"', plain)[0]
    size = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}pt" height="{height}pt" '
    first = plain.index(">") + 1
    head = plain[:first].replace("<svg ", f'{size}font-family="sans-serif" ', 1)
    return f"{head}{_PAPER}{plain[first:]}\n"


def linked(shown: str, place: Place, *, is_folded: bool) -> str:
    """Write the files of the figure that a block shows, and return it with links to them.

    In chapter 4 its third figure is Figure 4.3; a page without a number counts by itself.

    Args:
        shown: What the block shows, as HTML.
        place: Where the page goes; without a site nothing is written.
        is_folded: Whether the block's code is folded below, so that it needs a link, too.
    """
    found = _FIGURE.search(shown)
    if not found:
        return shown
    number = f"{place.chapter}.{found['number']}" if place.chapter else found["number"]
    links = _written(found, place, number) if place.site else []
    if links and is_folded:
        links.append(_link("code", f"#{code_anchor(shown)}", number))
    told = f' <span class="gb-files" data-search-exclude>{" · ".join(links)}</span>'
    before, after = shown[: found.start("end")], shown[found.end() :]
    before = before.replace(f"<b>Figure {found['number']}.</b>", f"<b>Figure {number}.</b>")
    return f"{before}{told if links else ''}{found['end']}{after}"


def _written(found: re.Match[str], place: Place, number: str) -> list[str]:
    assert place.site is not None
    files = {"SVG": alone(found["svg"])}
    if found["csv"]:
        files["CSV"] = f"{html.unescape(found['csv'])}\n"
    links = []
    for kind, text in files.items():
        name = f"{PurePosixPath(place.page).stem}-{found['number']}.{kind.lower()}"
        path = Path(place.site, FOLDER, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        address = html.escape(f"{place.up}{FOLDER}/{name}")
        links.append(_link(kind, address, number, "" if kind == "SVG" else " download"))
    return links


def _link(name: str, address: str, number: str, more: str = "") -> str:
    return f'<a href="{address}"{more} aria-label="{name} of figure {number}">{name}</a>'
