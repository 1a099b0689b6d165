"""The colors and the text size of the book's figures.

Figures are drawn in these colors, which are right on a white page. The press replaces each of
them by the style sheet's variable of the same role, so that one drawing serves light and dark.
Series have the colors of Okabe and Ito that reach 3:1 on white, told apart by color-blind readers.

Examples:
    >>> CSS[SERIES[0]]
    'var(--gb-1,#0072b2)'
"""

from collections.abc import Mapping
from types import MappingProxyType

INK = "#1f2328"
"""Axes, text and everything else that has the color of the page's text."""

PAPER = "#ffffff"
"""What hides a line behind a label: the color of the page."""

SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Data, in the order of the series."""

TEXT_SIZE = 10.5
"""Points. A page shows a figure so that its text is as large as the page's own."""

CSS: Mapping[str, str] = MappingProxyType(
    {
        INK: "currentColor",
        "#000000": "currentColor",
        PAPER: f"var(--gb-paper,{PAPER})",
        **{color: f"var(--gb-{n},{color})" for n, color in enumerate(SERIES, start=1)},
    }
)
"""What a page writes in place of each color."""
