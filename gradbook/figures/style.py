"""What all figures have in common: the style, the series' looks, the axes and their ticks."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from gradbook.formats import superscript, true_minus
from gradbook.theme import INK, PAPER, SERIES, TEXT_SIZE

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
_TICKS = 7
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


def tick_text(value: float) -> str:
    """Write a tick's number in Unicode.

    Examples:
        >>> tick_text(-0.5), tick_text(2e-7)
        ('−0.5', '2·10⁻⁷')
    """
    mantissa, _, exponent = f"{value:.6g}".partition("e")
    power = f"·10{superscript(int(exponent))}" if exponent else ""
    return true_minus(mantissa) + power


def power_text(value: float) -> str:
    """Write a power of ten in Unicode.

    Examples:
        >>> power_text(1e-12), power_text(10.0)
        ('10⁻¹²', '10')
    """
    exponent = round(math.log10(value))
    return tick_text(value) if exponent in (0, 1) else f"10{superscript(exponent)}"


def linear_axis(axis: Axis, *, integers: bool = False) -> None:
    """Give an axis a few round ticks, whole numbers if asked."""
    axis.set_major_locator(MaxNLocator(nbins=_TICKS, integer=integers, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))


def log_axis(axis: Axis, low: float, high: float) -> None:
    """Give a logarithmic axis ticks at 1 and every few decades, or at 1, 2, 5 where it is short.

    Args:
        axis: The axis.
        low: The least value shown, positive.
        high: The greatest value shown.
    """
    a, b = math.log10(low), math.log10(high)
    if b - a < 2:
        axis.set_major_locator(FixedLocator(_short_ticks(low, high)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
    else:
        stride = math.ceil((b - a) / (_TICKS + 1))
        decades = stride * np.arange(math.ceil(a / stride), math.floor(b / stride) + 1)
        axis.set_major_locator(FixedLocator((10.0**decades).tolist()))
        axis.set_major_formatter(FuncFormatter(lambda value, _: power_text(value)))
    axis.set_minor_locator(NullLocator())


def _short_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
    shown = [tick for tick in ticks if low <= tick <= high]
    if len(shown) >= 3:
        return shown
    # Matplotlib takes numbers near 1e-300 for zero: find round mantissas instead.
    unit = 10.0 ** max(math.floor(math.log10(low)), -323)
    return [
        unit * m for m in MaxNLocator(nbins=_TICKS).tick_values(low / unit, high / unit) if m > 0
    ]
