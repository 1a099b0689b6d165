"""Phase diagrams: contours of a predicted gain over two variances, with measured points on them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from gradbook.checks import Array, finite_array
from gradbook.show.figures.labels import legend_above
from gradbook.show.figures.picture import Picture
from gradbook.show.figures.style import house_style, new_axes
from gradbook.show.figures.ticks import linear_axis
from gradbook.show.formats import fixed_text
from gradbook.show.theme import INK, PAPER, SERIES

_HEIGHT = 4.2
_SHADE = 0.13
_DOTS: dict[str, Any] = {
    "linestyle": "none",
    "marker": "o",
    "color": SERIES[0],
    "markersize": 6.5,
    "zorder": 3,
    "clip_on": False,
}
_BESIDE: dict[str, Any] = {
    "xytext": (7, 0),
    "textcoords": "offset points",
    "va": "center",
    "color": INK,
    "zorder": 4,
}


@house_style()
def phase_diagram(
    x: ArrayLike,
    y: ArrayLike,
    gain: ArrayLike,
    *,
    levels: Sequence[float],
    points: ArrayLike,
    alt: str,
    caption: str,
    x_label: str,
    y_label: str,
    digits: int = 2,
) -> Picture:
    """Draw contours of a gain, the one at 1 bold, and measured gains at points of the plane.

    The side of gains above 1 is shaded. Each contour carries its level at the upper edge, so there
    the gain must rise from left to right, and reach it.

    Args:
        x: Abscissas of the grid, increasing, shape (n,).
        y: Ordinates of the grid, increasing, shape (m,).
        gain: Predicted gains, shape (m, n).
        levels: Gains whose contours are drawn; 1 is always one of them.
        points: Abscissa, ordinate and measured gain of each point, shape (points, 3).
        digits: Decimals of the numbers printed at the points.

    Examples:
        >>> w2, b2 = np.linspace(0, 2, 21), np.linspace(0, 1, 11)
        >>> picture = phase_diagram(
        ...     w2, b2, np.broadcast_to(w2, (11, 21)), levels=[0.5, 1.5], points=[[1.5, 0.5, 1.49]],
        ...     alt="Straight contours.", caption="A linear network.", x_label="σw²", y_label="σb²",
        ... )
        >>> [text.get_text() for text in picture.figure.axes[0].texts]
        ['0.5', '1', '1.5', '1.49']
    """
    across, up, gains = _grid(x, y, gain)
    marks = finite_array("points", points)
    if marks.ndim != 2 or marks.shape[1] != 3:
        raise ValueError(f"points must have shape (points, 3), got {marks.shape}")
    figure, axes = new_axes(_HEIGHT)
    axes.grid(visible=False)
    axes.set(xlabel=x_label, title=y_label, xlim=across[[0, -1]], ylim=up[[0, -1]])
    axes.contourf(across, up, gains, [1, gains.max() + 1], colors=SERIES[1], alpha=_SHADE)
    for level in sorted({1.0, *levels}):
        _contour(axes, across, up, gains, level)
    (dot,) = axes.plot(*marks[:, :2].T, label="measured", **_DOTS)
    for abscissa, ordinate, value in marks:
        label = axes.annotate(fixed_text(value, digits), (abscissa, ordinate), **_BESIDE)
        label.set_bbox({"facecolor": PAPER, "edgecolor": "none", "pad": 0.8, "alpha": 0.8})
    linear_axis(axes.xaxis)
    linear_axis(axes.yaxis)
    side = Line2D([], [], color=SERIES[1], alpha=3 * _SHADE, linewidth=9, label="exploding")
    edge = Line2D([], [], color=INK, linewidth=2.4, label="neither")
    legend_above(figure, [dot, side, edge])
    return Picture(figure, alt, caption)


def _grid(x: ArrayLike, y: ArrayLike, gain: ArrayLike) -> tuple[Array, Array, Array]:
    across, up, gains = (finite_array(name, v) for name, v in (("x", x), ("y", y), ("gain", gain)))
    for name, axis in (("x", across), ("y", up)):
        if axis.ndim != 1 or len(axis) < 2 or (np.diff(axis) <= 0).any():
            raise ValueError(f"{name} must increase along its one axis, got shape {axis.shape}")
    if gains.shape != (len(up), len(across)):
        raise ValueError(f"gain must have shape {(len(up), len(across))}, got {gains.shape}")
    return across, up, gains


def _contour(axes: Axes, x: Array, y: Array, gains: Array, level: float) -> None:
    top = gains[-1]
    if not top.min() < level < top.max() or (np.diff(top) <= 0).any():
        raise ValueError(f"levels must be reached once along the upper edge, got {level}")
    bold = level == 1
    axes.contour(x, y, gains, [level], colors=INK, linewidths=2.4 if bold else 1.0)
    place, inset = np.interp(level, top, x), 0.04 * (y[-1] - y[0])
    label = axes.text(place, y[-1] - inset, f"{level:g}", ha="center", va="top", color=INK)
    label.set(fontweight="bold" if bold else "normal")
    label.set_bbox({"facecolor": PAPER, "edgecolor": "none", "pad": 1.5})
