"""The one error by which the press stops a build."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from click import ClickException
from pymdownx.superfences import SuperFencesException

if TYPE_CHECKING:
    from markdown import Markdown


class PressError(SuperFencesException, ClickException):  # type: ignore[misc]
    """Say which page and which block is wrong.

    SuperFences swallows every exception but its own, so a plain error in a fence would leave the
    page without its block and the build green. The command lines of MkDocs and Zensical print the
    message of a `ClickException` without a traceback.
    """

    def __init__(self, message: str) -> None:
        """Take the message as it is to be printed."""
        ClickException.__init__(self, message)


def page_of(md: Markdown) -> str:
    """Return the source path of the page that `md` converts, as the site generator names it."""
    return _place(md)[0]


def docs_of(md: Markdown) -> Path | None:
    """Return the folder that holds the page that `md` converts, if a site generator named it."""
    return _place(md)[1]


def _place(md: Markdown) -> tuple[str, Path | None]:
    """Return the page's name and folder.

    MkDocs hangs the page on a tree processor (`file.src_uri`), Zensical on a preprocessor
    (`page.path`, below `docs`); a nested converter, such as markdown-exec's, points at the outer
    one.
    """
    md = getattr(md, "_original_md", md)
    for processor in (*md.treeprocessors, *md.preprocessors):
        file: Any = getattr(processor, "file", None)
        if isinstance(getattr(file, "src_uri", None), str):
            return file.src_uri, Path(file.src_dir)
        path = getattr(getattr(processor, "page", None), "path", None)
        if isinstance(path, str):
            return path, Path("docs")
    return "page", None
