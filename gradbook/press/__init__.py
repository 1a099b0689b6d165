"""The press: Markdown extensions that turn chapters into pages, and what proofreads them.

They are plain Python-Markdown extensions, so that MkDocs and Zensical build the same book from
the same `mkdocs.yml`. Nothing in the rest of the package imports this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradbook.press.arithmetic import settle

if TYPE_CHECKING:
    from gradbook.press.extension import Press

# Whatever computes pages or checks them comes by here, before it loads NumPy.
settle()


def makeExtension(**options: Any) -> Press:
    """Return the extension that `mkdocs.yml` names as `gradbook.press`."""
    # What needs no Markdown, such as the names of results, is there without it.
    from gradbook.press.extension import Press  # noqa: PLC0415

    return Press(**options)
