"""Every page of the built site, measured: `make audit` prints a line for each and fails on a fault.

Weight and elements have aims. axe-core finds nothing, in light and dark, at both widths, and where
a phone is touched. Lighthouse, the median of three runs as a phone, comes from the npm registry
when it is asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from accessibility import accessibility
from lighthouse import CATEGORIES, judged, lighthouse
from playwright.async_api import Browser
from servers import compressed
from visits import PHONE, SITE, WIDE, Scheme, built_pages, chromium, visit

from gradbook.press.reading import AIMS

Views = Mapping[str, tuple[Scheme, int, bool]]
VIEWS: Views = {
    "wide, light": ("light", WIDE, False),
    "wide, dark": ("dark", WIDE, False),
    "phone, light": ("light", PHONE, False),
    "phone, dark": ("dark", PHONE, False),
    "touch": ("light", PHONE, True),
}
HEADERS = ("page", "KB", "elements", "axe", *CATEGORIES)


@dataclass(frozen=True)
class Audit:
    """What was measured of one page.

    Attributes:
        page: Its file.
        kilobytes: Of its HTML, compressed.
        elements: As the browser counts them.
        faults: What axe-core and the visits found, with the view.
        scores: Lighthouse's, if it ran.
    """

    page: str
    kilobytes: float
    elements: int
    faults: tuple[str, ...]
    scores: dict[str, float]

    def beyond(self) -> list[str]:
        """Return what is beyond its aim."""
        sizes = {"KB": self.kilobytes, "elements": self.elements}
        large = [name for name, size in sizes.items() if size > AIMS[name]]
        low = [name for name, score in self.scores.items() if score < CATEGORIES[name]]
        return [*large, *["axe"] * bool(self.faults), *low]

    def cells(self) -> tuple[str, ...]:
        """Return its row, with a `!` behind what is beyond its aim."""
        found = {"KB": self.kilobytes, "elements": self.elements, "axe": len(self.faults)}
        found |= self.scores
        marked = self.beyond()
        numbers = [
            f"{found[name]:.0f}{'!' * (name in marked)}" if name in found else "-"
            for name in HEADERS[1:]
        ]
        return (self.page, *numbers)


async def audited(
    browser: Browser,
    home: str,
    name: str,
    scores: dict[str, float] | None = None,
    views: Views = VIEWS,
) -> Audit:
    """Look at a page in each view, and return what was found."""
    faults, elements = list[str](), 0
    for view, (scheme, width, touch) in views.items():
        async with visit(browser, home, name, scheme=scheme, width=width, touch=touch) as seen:
            await seen.page.wait_for_load_state("load")
            elements = await seen.page.evaluate("document.querySelectorAll('*').length")
            found = await accessibility(seen.page, scheme)
            faults += [f"{view}: {fault}" for fault in [*seen.faults, *found]]
            seen.faults.clear()
    size = len(gzip.compress((SITE / name).read_bytes(), mtime=0)) / 1000
    return Audit(name, size, elements, tuple(faults), scores or {})


async def audit(pages: Sequence[str], script: Path | None) -> list[Audit]:
    """Measure pages, one after the other, and print each line when it is there."""
    found = []
    widest = max(map(len, pages))
    print("  ".join([HEADERS[0].ljust(widest), *HEADERS[1:]]))
    with compressed(SITE) as home:
        async with chromium() as browser:
            for name in pages:
                address = home + name.removesuffix("index.html")
                scores = await asyncio.to_thread(judged, script, address) if script else None
                found.append(await audited(browser, home, name, scores))
                cells = found[-1].cells()
                widths = map(len, HEADERS[1:])
                row = [cell.rjust(width) for cell, width in zip(cells[1:], widths, strict=True)]
                print("  ".join([cells[0].ljust(widest), *row]), flush=True)
    return found


def chosen(pages: Sequence[str], words: Sequence[str]) -> list[str]:
    """Return the pages whose files are called so or else hold one of the words; all without any."""
    exact = [name for name in pages if name in words]
    return exact or [name for name in pages if not words or any(word in name for word in words)]


def main() -> int:
    """Audit the pages that the command line names, all by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", help="words that their files hold; all by default")
    parser.add_argument("--no-lighthouse", action="store_true")
    given = parser.parse_args()
    pages = chosen([name for name in built_pages(SITE) if name != "404.html"], given.pages)
    if not pages:
        print(f"no page of {SITE} is called {' or '.join(given.pages)}", file=sys.stderr)
        return 1
    found = asyncio.run(audit(pages, None if given.no_lighthouse else lighthouse()))
    beyond = [f"{one.page}: {', '.join(one.beyond())}" for one in found if one.beyond()]
    beyond += [f"{one.page}: {fault}" for one in found for fault in one.faults]
    print(*beyond, sep="\n", end="\n" if beyond else "")
    return min(len(beyond), 1)


if __name__ == "__main__":
    sys.exit(main())
