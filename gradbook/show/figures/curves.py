"""Curves: named series over one axis, measured beside theory."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from gradbook.checks import Array, finite, float_array, positive
from gradbook.show.figures.labels import label_ends, legend_above
from gradbook.show.figures.picture import Picture
from gradbook.show.figures.series import Bands, Curve, Named, checked_curves, drawable
from gradbook.show.figures.style import LEVEL, house_style, looks, new_axes, ring
from gradbook.show.figures.ticks import linear_axis, log_axis

_HEIGHT = 3.6


@house_style()
def lines(
    x: ArrayLike,
    series: Named,
    *,
    alt: str,
    caption: str,
    x_label: str,
    y_label: str,
    bands: Bands | None = None,
    theory: Named | None = None,
    theory_label: str = "theory",
    levels: Mapping[str, float] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    legend: bool = False,
) -> Picture:
    """Draw named series over x, each with its own color, dashes and marker.

    NaN leaves a gap. A value of 0 or below has no place on a logarithmic axis and raises an
    error instead of vanishing from the picture: put NaN there, and say so in the caption.

    Args:
        x: The common abscissa, shape (n,).
        series: Up to 8 measured series by name, each of shape (n,).
        y_label: Name of the vertical axis, set above it, where it reads without a tilted head.
        bands: Lower and upper edge, each of shape (n,), for any of the series, shaded.
        theory: Predicted values, each of shape (n,), for any of the series, drawn as rings.
        levels: Heights of dotted reference lines by name.
        legend: Whether names stand in a legend above the axes instead of at the lines' ends.

    Examples:
        >>> depth = np.arange(1, 11)
        >>> picture = lines(
        ...     depth, {"sigmoid": 0.24**depth}, log_y=True, x_label="layers", y_label="slopes",
        ...     alt="A straight line falls from 0.24 at one layer to 6e-7 at ten.",
        ...     caption="The product of slopes falls exponentially with depth.",
        ... )
        >>> [text.get_text() for text in picture.figure.axes[0].texts]
        ['sigmoid']
    """
    at = drawable("x", x, log=log_x)
    curves = checked_curves(len(at), series, bands or {}, theory or {}, log=log_y)
    heights = {
        name: (positive if log_y else finite)(f"levels[{name!r}]", height)
        for name, height in (levels or {}).items()
    }
    figure, axes = new_axes(_HEIGHT)
    axes.set(xlabel=x_label, title=y_label)
    axes.set_xscale("log" if log_x else "linear")
    axes.set_yscale("log" if log_y else "linear")
    axes.autoscale(False)  # Matplotlib's own limits overflow where values come near 1e308
    handles = [_draw(axes, at, curve) for curve in curves]
    handles += [axes.axhline(y, label=name, **LEVEL) for name, y in heights.items()]
    _settle(axes.xaxis, axes.dataLim.intervalx, 0.03, points=at.tolist())
    _settle(axes.yaxis, axes.dataLim.intervaly, 0.06)
    (legend_above if legend else label_ends)(figure, handles, theory_label if theory else "")
    return Picture(figure, alt, caption)


def norms(
    values: Named,
    *,
    alt: str,
    caption: str,
    x_label: str = "layer",
    y_label: str = "gradient norm",
    coverage: float = 0.9,
    theory: Named | None = None,
    theory_label: str = "theory",
    levels: Mapping[str, float] | None = None,
    legend: bool = False,
) -> Picture:
    """Draw the norm of the gradient in each layer on a logarithmic axis, as `lines` does.

    An ensemble is drawn as its median with a band of quantiles, which, unlike mean and standard
    error, are the same seeds whether one ranks the norms or their logarithms.

    Args:
        values: Norms by name, each of shape (layers,) or (seeds, layers).
        coverage: Share of the seeds inside the band, at least, between 0 and 1: as many are left
            out below it as above.

    Examples:
        >>> seeds = np.array([[0.01, 0.1, 1.0], [0.02, 0.2, 1.0], [0.03, 0.3, 1.0]])
        >>> picture = norms({"sigmoid": seeds}, alt="The norm falls.", caption="Three networks.")
        >>> [f"{y:.2f}" for y in picture.figure.axes[0].lines[0].get_ydata()]
        ['0.02', '0.20', '1.00']
    """
    if not 0 < coverage < 1:
        raise ValueError(f"coverage must lie between 0 and 1, got {coverage!r}")
    looks("values", len(values))
    ensembles = {name: _ensemble(name, array) for name, array in values.items()}
    quantiles = {name: _quantiles(array, coverage) for name, array in ensembles.items()}
    depth = max(array.shape[1] for array in ensembles.values())
    return lines(
        np.arange(1, depth + 1),
        {name: rows[0] for name, rows in quantiles.items()},
        bands={
            name: (rows[1], rows[2]) for name, rows in quantiles.items() if len(ensembles[name]) > 1
        },
        theory=theory,
        theory_label=theory_label,
        levels=levels,
        log_y=True,
        legend=legend,
        x_label=x_label,
        y_label=y_label,
        alt=alt,
        caption=caption,
    )


def _quantiles(array: Array, coverage: float) -> tuple[Array, Array, Array]:
    """Return over the seeds the median, as `numpy.median` has it, and the ends of the band."""
    # Without interpolation an end is one of the seeds, also where others are infinite.
    ranked, half = np.sort(array, axis=0), (len(array) - 1) // 2
    ranked[:, np.isnan(array).any(axis=0)] = np.nan
    out = min(int(len(array) * (1 - coverage) / 2 + 1e-9), half)
    middle, whole = ranked[half].copy(), np.isfinite(array).all(axis=0)
    middle[whole] = np.median(array[:, whole], axis=0)
    return middle, ranked[out], ranked[-1 - out]


def _draw(axes: Axes, x: Array, curve: Curve) -> Line2D:
    if curve.band is not None:
        shade: dict[str, Any] = {"color": curve.look.color, "alpha": 0.18, "linewidth": 0}
        axes.fill_between(x, *curve.band, label=f"_{curve.name}", **shade)
    (line,) = axes.plot(x, curve.y, label=curve.name, markevery=curve.marks, **curve.look.line())
    if curve.theory is not None:
        look: dict[str, Any] = {
            "label": f"_{curve.name}, theory",
            "zorder": 3,
            **ring(curve.look.color),
        }
        axes.plot(x, curve.theory, markevery=curve.marks, **look)
    return line


def _settle(axis: Axis, limits: Array, margin: float, points: Sequence[float] = ()) -> None:
    """Set limits and ticks by what has been drawn, from `limits[0]` to `limits[1]`, at `points`."""
    if axis.get_scale() == "log":
        low, high = np.log10(limits)
        # At least a factor of two is shown, so that equal numbers look equal.
        pad = max(margin * (high - low), 0.15 - (high - low) / 2)
        low, high = 10.0 ** max(low - pad, -323.0), 10.0 ** min(high + pad, 308.0)
        log_axis(axis, low, high, points)
    else:
        low, high = limits
        pad = margin * (high - low) or 0.2 * abs(low) or 0.2
        low, high = low - pad, high + pad
        linear_axis(axis, integers=bool(points) and bool((np.rint(points) == points).all()))
    axis.set_view_interval(low, high, ignore=True)


def _ensemble(name: str, array: ArrayLike) -> Array:
    checked = float_array(f"values[{name!r}]", array)
    if checked.ndim not in (1, 2):
        raise ValueError(
            f"values[{name!r}] must have shape (layers,) or (seeds, layers), got {checked.shape}"
        )
    return np.atleast_2d(checked)
