"""A page's code, cut into what becomes one cell each."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from doctest import Example
from typing import Any

from gradbook.press.notebooks.cells import error_output, text_output
from gradbook.press.pages import Page


@dataclass(frozen=True)
class Piece:
    """Code of a page that becomes one cell: a block, or doctests up to one that shows something.

    Attributes:
        fence: The number of that it stands in.
        source: The code.
        example: The doctest that ends it.
        html: What the page shows of a block.
    """

    fence: int
    source: str
    example: Example | None = None
    html: str = ""

    @property
    def outputs(self) -> tuple[dict[str, Any], ...]:
        """What a doctest shows, as the page has it; a block shows it when it runs."""
        example = self.example
        if example is None or not example.want:
            return ()
        if example.exc_msg:
            return (error_output(example.exc_msg),)
        last = ast.parse(self.source).body[-1]
        printed = not isinstance(last, ast.Expr) or ast.unparse(last).startswith("print(")
        return (text_output(example.want, printed=printed),)


def pieces_of(page: Page, shown: Sequence[str]) -> Iterator[Piece]:
    """Yield the code of a page in order, without its pins.

    Args:
        page: The page.
        shown: What each executed block shows, as HTML.
    """
    htmls = iter(shown)
    for number, fence in enumerate(page.fences):
        inside = [cell for cell in page.cells if fence.start <= cell.start < fence.end]
        if fence.executed:
            yield Piece(number, fence.source, html=next(htmls))
        elif fence.language == "pycon" and not fence.pinned:
            lines = list[str]()
            for cell in inside:
                lines.append(cell.source.rstrip("\n"))
                if (cell.example and cell.example.want) or cell is inside[-1]:
                    yield Piece(number, "\n".join(lines), cell.example)
                    lines = []
