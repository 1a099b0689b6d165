"""Tables that a page, a notebook and a terminal can show."""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TypeAlias

from gradbook.show.formats import inline_html, true_minus

Cell: TypeAlias = str | float
"""Text, or a number that its column formats."""

Format: TypeAlias = str | Callable[[float], str]
"""A format specification such as `.3f`, or a function such as one from `gradbook.show.formats`."""


@dataclass(frozen=True)
class Table:
    """Show rows under headers, each column formatted and aligned.

    The first column names its row and is marked up as row headers; an empty text is no header.
    Text may hold formulas between dollars, which the page renders. Numbers are printed with a
    true minus sign in HTML and with a hyphen in plain text, where they can be copied.

    Args:
        headers: One text per column.
        rows: One sequence of cells per row, each as long as `headers`.
        caption: What the table shows, required for readers who cannot see its layout.
        formats: One format per column for its numbers, `""` for those as Python prints them.
        align: One letter per column, `l` or `r`; by default a column of numbers is set right.
        landmark: Whether its frame is a landmark of the page, by the name of its caption, which no
            other landmark may have.

    Examples:
        >>> rows = [["sigmoid", 0.25], ["tanh", 1.0]]
        >>> headers, caption = ["activation", "largest slope"], "What one layer can pass on."
        >>> print(Table(headers, rows, caption, formats=["", ".2f"]))
        activation  largest slope
        ----------  -------------
        sigmoid              0.25
        tanh                 1.00
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str
    formats: Sequence[Format] = ()
    align: str = ""
    landmark: bool = True

    def __post_init__(self) -> None:
        """Check the lengths once, so that drawing cannot fail half way."""
        columns = len(self.headers)
        if columns == 0:
            raise ValueError("headers must name at least one column, got none")
        if not self.caption.strip():
            raise ValueError(f"caption must say what the table shows, got {self.caption!r}")
        for index, row in enumerate(self.rows):
            _same_length(f"row {index}", row, columns)
        if self.formats:
            _same_length("formats", self.formats, columns)
        if self.align:
            _same_length("align", self.align, columns)
            if set(self.align) - {"l", "r"}:
                raise ValueError(f"align must hold only 'l' and 'r', got {self.align!r}")
        for cell in (cell for row in self.rows for cell in row):
            if not isinstance(cell, str | Real):
                raise TypeError(f"a cell must be text or a real number, got {cell!r}")

    def __str__(self) -> str:
        """Set the columns under each other, for a terminal or a doctest."""
        lines = [list(self.headers), *self._texts()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines.insert(1, ["-" * width for width in widths])
        pads = [str.ljust if side == "l" else str.rjust for side in self._sides()]
        return "\n".join(
            "  ".join(
                pad(cell, n) for pad, cell, n in zip(pads, line, widths, strict=True)
            ).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        """Write an accessible table in a frame that scrolls by itself and by keyboard."""
        sides = self._sides()
        # Spaces between cells, without which they are one word for a search.
        head = " ".join(map(_html_header, sides, self.headers))
        body = " ".join(
            f"<tr>{' '.join(map(_html_cell, range(len(sides)), sides, row, texts))}</tr>"
            for row, texts in zip(self.rows, self._texts(), strict=True)
        )
        name = html.escape(self.caption.replace("$", ""))
        role = "region" if self.landmark else "group"
        return (
            f'<div class="gb-table" role="{role}" tabindex="0" aria-label="{name}">'
            f'<table class="gb-table__grid"><caption>{inline_html(self.caption)}</caption> '
            f"<thead><tr>{head}</tr></thead> <tbody>{body}</tbody></table></div>"
        )

    def _texts(self) -> list[list[str]]:
        formats = self.formats or [""] * len(self.headers)
        return [[_text(*pair) for pair in zip(row, formats, strict=True)] for row in self.rows]

    def _sides(self) -> str:
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.headers)
        numbers = (column and not any(isinstance(c, str) for c in column) for column in columns)
        return self.align or "".join("r" if number else "l" for number in numbers)


def _same_length(name: str, values: Sequence[object], columns: int) -> None:
    if len(values) != columns:
        raise ValueError(f"{name} must have {columns} entries, one per header, got {len(values)}")


def _text(cell: Cell, how: Format) -> str:
    if isinstance(cell, str):
        return cell
    return format(cell, how) if isinstance(how, str) else how(cell)


def _side(side: str) -> str:
    return ' class="gb-right"' if side == "r" else ""


def _html_header(side: str, text: str) -> str:
    # A header without text would be announced as one all the same.
    tag, scope = ("th", ' scope="col"') if text else ("td", "")
    return f"<{tag}{scope}{_side(side)}>{inline_html(text)}</{tag}>"


def _html_cell(column: int, side: str, cell: Cell, text: str) -> str:
    # A formatted number may be LaTeX, whose hyphens the page's mathematics turns into minus signs.
    plain = text if isinstance(cell, str) or "$" in text else true_minus(text)
    names_row = column == 0 and text != ""
    tag, scope = ("th", ' scope="row"') if names_row else ("td", "")
    whole = plain.replace(" ± ", "\N{NO-BREAK SPACE}± ")
    return f"<{tag}{scope}{_side(side)}>{inline_html(whole)}</{tag}>"
