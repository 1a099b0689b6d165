"""The one error by which the press stops a build."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click import ClickException
from pymdownx.superfences import SuperFencesException

if TYPE_CHECKING:
    from markdown import Markdown

_NUMBERED = re.compile(r"(\d+)\s")


class PressError(SuperFencesException, ClickException):  # type: ignore[misc]
    """Say which page and which block is wrong.

    SuperFences swallows every exception but its own, so a plain error in a fence would leave the
    page without its block and the build green. The command lines of MkDocs and Zensical print the
    message of a `ClickException` without a traceback.
    """

    def __init__(self, message: str) -> None:
        """Take the message as it is to be printed."""
        ClickException.__init__(self, message)


@dataclass(frozen=True)
class Place:
    """Which page a converter converts, and where it goes, as far as a site generator told it.

    Attributes:
        page: Its source, below the folder of pages.
        docs: That folder.
        site: The folder that the site is built into.
        url: The page's address below that of the site.
        up: What leads to the site from the page, in HTML that the press writes. MkDocs leaves such
            a link as it is, Zensical takes it to be seen from the page's source.
        chapter: The number that its title in the navigation begins with, if it does.
    """

    page: str
    docs: Path | None = None
    site: Path | None = None
    url: str = ""
    up: str = ""
    chapter: str = ""


def page_of(md: Markdown) -> str:
    """Return the source path of the page that `md` converts, as the site generator names it."""
    return place_of(md).page


def place_of(md: Markdown) -> Place:
    """Return which page `md` converts.

    MkDocs hangs the page on a tree processor (`file.src_uri`), Zensical on a preprocessor
    (`page.path`, below `docs`); a nested converter, such as markdown-exec's, points at the outer
    one.
    """
    md = getattr(md, "_original_md", md)
    for processor in (*md.treeprocessors, *md.preprocessors):
        file: Any = getattr(processor, "file", None)
        if isinstance(getattr(file, "src_uri", None), str):
            up = "../" * file.url.removeprefix("./").count("/")
            chapter = _chapter(processor, file.src_uri)
            docs, site = Path(file.src_dir), Path(file.dest_dir)
            return Place(file.src_uri, docs, site, file.url, up, chapter)
        page: Any = getattr(processor, "page", None)
        if isinstance(getattr(page, "path", None), str):
            site = Path(getattr(processor, "config", {}).get("site_dir", "site"))
            up, chapter = "../" * page.path.count("/"), _chapter(processor, page.path)
            return Place(page.path, Path("docs"), site, page.url, up, chapter)
    return Place("page")


def _chapter(processor: Any, page: str) -> str:
    nav = getattr(processor, "config", {}).get("nav") or ()
    titles = (title for title, path in _entries(nav) if path == page)
    return next((found[1] for title in titles if (found := _NUMBERED.match(title))), "")


def _entries(nav: Any) -> Iterator[tuple[str, str]]:
    """Yield titles and pages of a navigation, as MkDocs and as Zensical have it."""
    for entry in nav:
        if not isinstance(entry, dict):
            continue
        pairs = (
            [(entry["title"], entry["url"] or entry["children"])]
            if "url" in entry
            else entry.items()
        )
        for title, inner in pairs:
            yield from [(str(title), inner)] if isinstance(inner, str) else _entries(inner)
