"""Figures: arrays in, a `Picture` with its alt text and caption out.

Every figure is drawn in the colors of `gradbook.show.theme`, and no series is told by color alone.
`alt` says in words what a reader sees in it; `caption` says what it shows, and may hold formulas
between dollars.
"""

from gradbook.show.figures.curves import lines, norms
from gradbook.show.figures.picture import Picture

__all__ = [
    "Picture",
    "lines",
    "norms",
]
