"""What each page of the book is made from, so that it is built again when that has changed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, get_files

from gradbook.press.fences import PageError
from gradbook.press.reach import Package, imports
from gradbook.press.results import package_now
from gradbook.press.work import Work, work_of

_MODULE = re.compile(r"^::: ([\w.]+)", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """A page as its sources are at one moment.

    Attributes:
        built: The file that the page is built into.
        work: Its blocks and expressions.
        stamp: A digest of its text, of what its blocks can reach, and of the book's settings.
        is_reference: Whether it shows docstrings.
    """

    built: Path
    work: Work
    stamp: str
    is_reference: bool


def read_sources(settings: MkDocsConfig) -> dict[str, Source]:
    """Return the pages of a book by their addresses, the home page first.

    Args:
        settings: The book's.
    """
    package = package_now()
    told = Path(str(settings.config_file_path)).read_text(encoding="utf-8")
    pages = sorted(get_files(settings).documentation_pages(), key=lambda file: file.url != "./")
    return {file.url.removeprefix("./"): _read(file, told, package) for file in pages}


def _read(file: File, settings: str, package: Package) -> Source:
    text = Path(str(file.abs_src_path)).read_text(encoding="utf-8", errors="replace")
    try:
        work = work_of(file.src_uri, text)
    except PageError:  # told when the page is built
        work = Work(file.src_uri, (), ())
    modules = _MODULE.findall(text)
    code = [*work.blocks, *map(_import, modules)]
    pairs = frozenset[tuple[str, str]]().union(*(imports(part).anywhere for part in code))
    parts = "\0".join([text, settings, package.digest(pairs)])
    stamp = hashlib.sha256(parts.encode()).hexdigest()
    return Source(Path(file.abs_dest_path), work, stamp, bool(modules))


def _import(name: str) -> str:
    """Return code that reaches a module, or the module that has a name of its package."""
    parent, _, own = name.rpartition(".")
    return f"from {parent} import {own}" if parent else f"import {own}"
