"""Write the home page's figure as a file, for the README, which no block can reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradbook.press.fences import find_fences
from gradbook.press.places import DOCS, ROOT
from gradbook.press.session import execute

FIGURE = ROOT / ".github" / "story.svg"
_PAPER = '<rect width="100%" height="100%" fill="#ffffff" rx="6"/>'


def story(page: Path = DOCS / "index.md") -> str:
    """Return the first figure of a page as an SVG document on white paper.

    Args:
        page: The page, whose blocks are run.

    Raises:
        ValueError: No block of the page shows a figure.
    """
    namespace: dict[str, Any] = {"__name__": "__page__"}
    for fence in find_fences(page.read_text(encoding="utf-8")):
        if fence.executed:
            value, _ = execute(fence.source, namespace, f"<{page.name}>")
            if hasattr(value, "svg"):
                return _on_paper(str(value.svg()))
    raise ValueError(f"page is {str(page)!r}; expected a page with a figure")


def _on_paper(svg: str) -> str:
    # A README is shown in the dark as well; the ink is black, so the paper must be white.
    body = svg.index(">", svg.index("<svg")) + 1
    return f"{svg[:body]}{_PAPER}{svg[body:]}"
