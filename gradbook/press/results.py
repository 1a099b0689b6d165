"""Keep what blocks show, so that a result is computed once: by whoever builds, serves or tests."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from functools import cache, cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path

from gradbook.press.arithmetic import SETTINGS
from gradbook.press.places import PACKAGE, ROOT
from gradbook.press.reach import Package, imports, stamp
from gradbook.press.slices import needed

CACHE_VARIABLE = "GRADBOOK_CACHE"
"""The environment variable that names another folder for results, such as an empty one."""


def folder() -> Path:
    """Return the folder of results: what the environment names, or `.results/press`."""
    # Not in `.cache`, which Zensical empties before a clean build.
    return Path(os.environ.get(CACHE_VARIABLE) or ROOT / ".results" / "press")


def package_now() -> Package:
    """Return the package's sources as they are now; what has not changed is not read again."""
    return _package(stamp(PACKAGE))


@lru_cache(maxsize=1)
def _package(_: str) -> Package:
    return Package(PACKAGE)


class Results:
    """A folder with one file per result, named by the hash of all that the result depends on.

    That is the block and those that it needs, the files of the package that they can reach, what
    turns values into HTML, and the versions of what they run on.
    """

    def __init__(self, folder: Path, package: Package | None = None) -> None:
        """Name the folder.

        Args:
            folder: Where results are kept; made when the first one is.
            package: The sources that blocks can reach; this package by default.
        """
        self.folder = folder
        self._package = package

    @cached_property
    def package(self) -> Package:
        """The sources, looked at when the first result is asked for."""
        return self._package or package_now()

    def key(self, sources: Sequence[str], figures: int, expression: str = "") -> str:
        """Return the name of a result.

        Args:
            sources: The page's blocks up to the one that shows it.
            figures: How many figures the page has shown before.
            expression: The inline expression that gives it, if it is no block.
        """
        told = [*sources, expression] if expression else sources
        blocks = [told[n] for n in needed(told)]
        pairs = frozenset[tuple[str, str]]().union(*(imports(text).anywhere for text in blocks))
        parts = [_platform(), self.package.digest(pairs | _PRESS), blocks, figures, expression]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def read(self, key: str) -> str | None:
        """Return a kept result, or nothing if there is none that is whole.

        Args:
            key: Its name.
        """
        try:
            kept = (self.folder / f"{key}.html").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        seal, _, html = kept.partition("\n")
        return html if seal == _seal(html) else None

    def write(self, key: str, html: str) -> None:
        """Keep a result, unless the sources have changed meanwhile: whole, or not at all.

        Args:
            key: Its name.
            html: What is shown.
        """
        if stamp(PACKAGE) != self.package.stamp:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        # A name of its own, then a rename: a build that is cut off leaves no half a result.
        partial = self.folder / f"{key}.{os.getpid()}"
        partial.write_text(f"{_seal(html)}\n{html}", encoding="utf-8", newline="\n")
        partial.replace(self.folder / f"{key}.html")


_PRESS = imports("import gradbook.press.shown").anywhere


def _seal(html: str) -> str:
    return hashlib.sha256(html.encode()).hexdigest()


@cache
def _platform() -> str:
    versions = [f"{name} {version(name)}" for name in ("numpy", "matplotlib")]
    lock = hashlib.sha256((ROOT / "package-lock.json").read_bytes()).hexdigest()
    return " ".join([sys.version, *versions, *SETTINGS.values(), lock])
