"""Ticks: a few round numbers on each axis, written in Unicode."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from gradbook.show.formats import superscript, true_minus

_TICKS = 7
"""Intervals between ticks, at most."""


def tick_text(value: float) -> str:
    """Write a tick's number in Unicode.

    Examples:
        >>> tick_text(-0.5), tick_text(2e-7)
        ('−0.5', '2·10⁻⁷')
    """
    mantissa, _, exponent = f"{value:.6g}".partition("e")
    power = f"·10{superscript(int(exponent))}" if exponent else ""
    return true_minus(mantissa) + power


def _power_text(value: float) -> str:
    exponent = round(math.log10(value))
    return tick_text(value) if exponent in (0, 1) else f"10{superscript(exponent)}"


def linear_axis(axis: Axis, *, integers: bool = False) -> None:
    """Give an axis a few round ticks, whole numbers if asked."""
    axis.set_major_locator(MaxNLocator(nbins=_TICKS, integer=integers, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))


def log_axis(axis: Axis, low: float, high: float, points: Sequence[float] = ()) -> None:
    """Give a logarithmic axis ticks at 1 and every few decades.

    Where it is short, they stand at what was measured, if that is a few round numbers with room for
    them, else at 1, 2, 5.
    """
    a, b = math.log10(low), math.log10(high)
    if b - a < 2:
        stand = sorted(set(points))
        ticks = stand if _are_ticks(stand, b - a) else _short_ticks(low, high)
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
    else:
        stride = math.ceil((b - a) / (_TICKS + 1))
        decades = stride * np.arange(math.ceil(a / stride), math.floor(b / stride) + 1)
        axis.set_major_locator(FixedLocator((10.0**decades).tolist()))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _power_text(value)))
    axis.set_minor_locator(NullLocator())


def _are_ticks(points: Sequence[float], decades: float) -> bool:
    few = 3 <= len(points) <= _TICKS + 1
    short = all(x == float(f"{x:.2g}") or (x < 1000 and x == round(x)) for x in points)
    room = decades / (2 * _TICKS)
    return few and short and all(math.log10(b / a) >= room for a, b in pairwise(points))


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
