"""Descent seen from above: contours of a function of two weights with paths on them."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from gradbook.checks import Array, finite_array
from gradbook.show.figures.labels import legend_above
from gradbook.show.figures.picture import Picture
from gradbook.show.figures.series import Named
from gradbook.show.figures.style import house_style, looks, new_axes, ring
from gradbook.show.figures.ticks import linear_axis
from gradbook.show.theme import INK

Surface: TypeAlias = Callable[[Array, Array], Array]
"""A function of two weights, computed for whole arrays of them."""

Extent: TypeAlias = tuple[float, float, float, float]
"""Left, right, bottom and top of what is shown."""

_HEIGHT = 4.2
_RATIO = 1.75
"""Width to height of the axes."""
_GRID = 101
_CONTOURS = 11


def quadratic(hessian: ArrayLike) -> Surface:
    r"""Return the function $\frac12 w^\top H w$ of the two weights $w$, with symmetric $H$.

    Examples:
        >>> bowl = quadratic([[1, 0], [0, 25]])
        >>> f"{bowl(np.array(2.0), np.array(1.0)):.1f}"
        '14.5'
    """
    matrix = finite_array("hessian", hessian)
    if matrix.shape != (2, 2) or matrix[0, 1] != matrix[1, 0]:
        raise ValueError(f"hessian must be a symmetric 2 by 2 matrix, got {matrix.tolist()}")
    (a, b), (_, c) = matrix
    return lambda u, v: np.asarray(a * u * u + 2 * b * u * v + c * v * v) / 2


@house_style()
def descent_plane(
    surface: Surface,
    paths: Named,
    *,
    alt: str,
    caption: str,
    x_label: str = "w₁",
    y_label: str = "w₂",
    extent: Extent | None = None,
    minimum: tuple[float, float] | None = None,
) -> Picture:
    """Draw the contours of a function of two weights, and descent paths on them.

    Both axes have one scale, so that a gradient stands at a right angle to its contour. A ring
    marks where a path starts, a cross the minimum; contours are closest where it is steepest.

    Args:
        surface: The function, such as `quadratic(H)`.
        paths: Up to 8 paths by name, each of shape (steps + 1, 2), starting point first.
        extent: Left, right, bottom and top; by default what the paths need. More is shown where
            the one scale asks for it; a path that leaves is cut off.
        minimum: Where the function is least, if that is to be marked.

    Examples:
        >>> steps = 0.9 ** np.arange(20)
        >>> picture = descent_plane(
        ...     quadratic([[1, 0], [0, 1]]), {"η = 0.1": np.stack([steps, 0.5 * steps], axis=1)},
        ...     alt="A straight path runs to the center.", caption="A round bowl.",
        ... )
        >>> [text.get_text() for text in picture.figure.legends[0].get_texts()]
        ['η = 0.1']
    """
    tracks = {name: _track(name, path) for name, path in paths.items()}
    styles = looks("paths", len(tracks))
    figure, axes = new_axes(_HEIGHT)
    axes.grid(visible=False)
    axes.set(xlabel=x_label, title=y_label, aspect="equal")
    shown = _extent(np.concatenate(list(tracks.values())), extent)
    _contours(axes, surface, shown)
    if minimum is not None:
        axes.plot(*minimum, color=INK, marker="x", markersize=9, markeredgewidth=2, zorder=2.5)
    handles = []
    for look, (name, track) in zip(styles, tracks.items(), strict=True):
        thin = look.line() | {"linewidth": 1.6, "markersize": 5.5, "markeredgewidth": 0.6}
        (line,) = axes.plot(*track.T, label=name, zorder=3, **thin)
        axes.plot(*track[0], zorder=3.5, **ring(look.color))
        handles.append(line)
    axes.set(xlim=shown[:2], ylim=shown[2:])
    linear_axis(axes.xaxis)
    linear_axis(axes.yaxis)
    legend_above(figure, handles)
    return Picture(figure, alt, caption)


def _track(name: str, path: ArrayLike) -> Array:
    points = finite_array(f"paths[{name!r}]", path).astype(np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"paths[{name!r}] must have shape (steps + 1, 2), got {points.shape}")
    return points


def _extent(points: Array, asked: Extent | None) -> Extent:
    """Widen what is asked for, or what the points need, to the shape of the axes."""
    if asked is None:
        low, high = points.min(axis=0), points.max(axis=0)
        # A path that rests is shown amid one unit of weight.
        margin = 0.12 * float((high - low).max()) or 0.5
        (left, bottom), (right, top) = low - margin, high + margin
    else:
        left, right, bottom, top = asked
        if not (left < right and bottom < top):
            raise ValueError(f"extent must be left < right, bottom < top, got {asked!r}")
    width = max(right - left, _RATIO * (top - bottom))
    height = max(top - bottom, (right - left) / _RATIO)
    x, y = (left + right) / 2, (bottom + top) / 2
    return x - width / 2, x + width / 2, y - height / 2, y + height / 2


def _contours(axes: Axes, surface: Surface, shown: Extent) -> None:
    u, v = np.linspace(*shown[:2], _GRID), np.linspace(*shown[2:], _GRID)
    values = np.asarray(surface(*np.meshgrid(u, v)), dtype=np.float64)
    if values.shape != (_GRID, _GRID) or not np.isfinite(values).all():
        raise ValueError("surface must give one finite number per pair of weights where shown")
    low, high = values.min(), values.max()
    if low < high:
        # Squares, so that a quadratic's contours are evenly spaced.
        levels = low + (high - low) * (np.arange(1, _CONTOURS) / _CONTOURS) ** 2
        axes.contour(u, v, values, levels, colors=INK, alpha=0.4, linewidths=0.8)
