"""Bars: a few quantities compared."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from matplotlib.axes import Axes

from gradbook.checks import finite, non_negative
from gradbook.figures.labels import legend_above
from gradbook.figures.picture import Picture
from gradbook.figures.style import house_style, new_axes, ring, ring_handle
from gradbook.figures.ticks import linear_axis
from gradbook.formats import true_minus
from gradbook.theme import INK, SERIES

_NUMBER = 0.18
"""Share of the bars' range that a number takes."""


class _Bar(NamedTuple):
    length: float
    error: float | None
    theory: float | None


@house_style()
def bars(
    values: Mapping[str, float],
    *,
    alt: str,
    caption: str,
    x_label: str,
    errors: Mapping[str, float] | None = None,
    theory: Mapping[str, float] | None = None,
    theory_label: str = "theory",
    number: str = ".2f",
) -> Picture:
    """Draw quantities as horizontal bars from zero, each with its name and its number.

    Args:
        values: The quantities by name, drawn from top to bottom.
        alt: What a reader sees in the figure, in words.
        caption: What the figure shows; may hold formulas between dollars.
        x_label: Name of the quantity.
        errors: Half-lengths of error bars for any of the names.
        theory: Predicted values for any of the names, drawn as rings.
        theory_label: What the rings are called.
        number: Format specification of the numbers printed.

    Returns:
        The picture.

    Raises:
        ValueError: If there are no values, a number is not finite, an error is negative, or a
            name of `errors` or `theory` is not one of `values`.

    Examples:
        >>> picture = bars(
        ...     {"sigmoid": 0.25, "tanh": 1.0},
        ...     x_label="largest slope",
        ...     alt="The bar of tanh is four times as long as that of sigmoid.",
        ...     caption="The largest slope of two activation functions.",
        ... )
        >>> [text.get_text() for text in picture.figure.axes[0].texts]
        ['0.25', '1.00']
    """
    if not values:
        raise ValueError("values must name at least one quantity, got none")
    lengths = _numbers("values", values, values, finite)
    halves = _numbers("errors", errors or {}, values, non_negative)
    rings = _numbers("theory", theory or {}, values, finite)
    figure, axes = new_axes(0.36 * len(lengths) + 0.7 + 0.25 * bool(rings))
    for row, (name, length) in enumerate(lengths.items()):
        bar = _Bar(length, halves.get(name), rings.get(name))
        _draw(axes, row, bar, true_minus(format(length, number)))
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(lengths)), labels=list(lengths))
    axes.set(xlabel=x_label, ylim=(len(lengths) - 0.5, -0.5), xlim=_limits(axes))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    linear_axis(axes.xaxis)
    if rings:
        legend_above(figure, [ring_handle(theory_label)])
    return Picture(figure, alt, caption)


def _numbers(
    argument: str,
    given: Mapping[str, float],
    names: Mapping[str, float],
    check: Callable[[str, float], float],
) -> dict[str, float]:
    for name in given:
        if name not in names:
            raise ValueError(f"{argument} must name one of {list(names)}, got {name!r}")
    return {name: check(f"{argument}[{name!r}]", value) for name, value in given.items()}


def _limits(axes: Axes) -> tuple[float, float]:
    """Leave room for the numbers at the ends, and none where no bar points."""
    low, high = axes.dataLim.intervalx
    room = _NUMBER * (high - low)
    return low - room if low < 0 else 0.0, high + room if high > 0 else 0.0


def _draw(axes: Axes, row: int, bar: _Bar, text: str) -> None:
    (patch,) = axes.barh(row, bar.length, height=0.6, color=(SERIES[0], 0.35))
    patch.set(edgecolor=SERIES[0], linewidth=1.4)
    reach = [bar.length]
    if bar.error is not None:
        reach += [bar.length - bar.error, bar.length + bar.error]
        axes.plot(reach[1:], [row, row], color=INK, linewidth=2.2, marker="|", markersize=9)
    if bar.theory is not None:
        reach.append(bar.theory)
        axes.plot(bar.theory, row, zorder=3, **ring())
    end, side = (max(reach), 1) if bar.length >= 0 else (min(reach), -1)
    axes.annotate(
        text,
        (end, row),
        (side * (12 if bar.theory == end else 6), 0),
        textcoords="offset points",
        va="center",
        ha="left" if side > 0 else "right",
    )
