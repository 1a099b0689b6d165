"""What all figures have in common: the style, the looks of series, and how they are laid out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gradbook.show.theme import INK, PAPER, SERIES, TEXT_SIZE

WIDTH = 6.0
"""Inches; a page scales a figure to its column."""

_LINES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.6)),
    (0, (1.2, 1.4)),
    (0, (6, 1.6, 1.2, 1.6)),
    (0, (2.6, 1.2)),
    (0, (9, 2.4)),
    (0, (5, 1.4, 1.2, 1.4, 1.2, 1.4)),
    (0, (1.2, 3)),
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_SIZES = {"P": 8.0, "X": 8.0, "*": 11.0}
"""Points, where an outline needs more than others to be recognized."""
# The first layout is made for axes that still have Matplotlib's default place.
_LAYOUTS = 2
_RC = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gradbook",
    "font.size": TEXT_SIZE,
    "axes.titlesize": TEXT_SIZE,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": INK,
    "grid.alpha": 0.14,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.borderpad": 0,
    "legend.borderaxespad": 0.4,
    "legend.handlelength": 2.6,
    "legend.columnspacing": 1.6,
    # Room for text that a page sets larger than it is drawn.
    "figure.constrained_layout.h_pad": 0.07,
    "figure.constrained_layout.w_pad": 0.05,
}


class Look(NamedTuple):
    """How one series differs from the others: by color, by dashes and by marker."""

    color: str
    dashes: Any
    marker: str

    def line(self) -> dict[str, Any]:
        """Return Matplotlib's arguments for a measured line with its markers."""
        return {
            "color": self.color,
            "linestyle": self.dashes,
            "linewidth": 2,
            "dash_capstyle": "butt",
            "marker": self.marker,
            "markersize": _SIZES.get(self.marker, 6.5),
            "markeredgecolor": PAPER,
            "markeredgewidth": 0.8,
        }


LOOKS = tuple(
    Look(SERIES[n % len(SERIES)], dashes, marker)
    for n, (dashes, marker) in enumerate(zip(_LINES, _MARKERS, strict=True))
)
"""The looks of the first, second, … series."""

LEVEL: dict[str, Any] = {"color": INK, "linestyle": (0, (1, 1.5)), "linewidth": 1.3}
"""Matplotlib's arguments for a reference line."""


@contextmanager
def house_style() -> Iterator[None]:
    """Draw as the book does, whatever the reader's own Matplotlib settings are."""
    with matplotlib.style.context(["default", _RC]):
        yield


def new_axes(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """Return a figure of that many inches with one pair of axes that fill it."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def settle(figure: Figure) -> None:
    """Lay a figure out once and for all: each drawing would else move its axes a little."""
    engine = figure.get_layout_engine()
    if engine is not None:
        for _ in range(_LAYOUTS):
            engine.execute(figure)
        figure.set_layout_engine("none")


def looks(names: object, count: int) -> tuple[Look, ...]:
    """Return the looks of `count` series, or say that there are too many to tell apart."""
    if not 1 <= count <= len(LOOKS):
        raise ValueError(f"{names} must hold 1 to {len(LOOKS)} series, got {count}")
    return LOOKS[:count]


def ring(color: str = INK) -> dict[str, Any]:
    """Return Matplotlib's arguments for a theoretical value: a ring about the measured one."""
    return {
        "color": color,
        "linestyle": "none",
        "marker": "o",
        "markersize": 10,
        "markerfacecolor": "none",
        "markeredgewidth": 1.3,
    }


def ring_handle(label: str) -> Line2D:
    """Return the legend's entry for theory."""
    return Line2D([], [], label=label, **ring())
