"""What curves are drawn from: arrays by name, checked before the first stroke."""

import math
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from gradbook.checks import Array, float_array
from gradbook.show.figures.style import Look, looks

Named: TypeAlias = Mapping[str, ArrayLike]
"""Arrays by the name that the figure prints beside them."""

Bands: TypeAlias = Mapping[str, tuple[ArrayLike, ArrayLike]]
"""Lower and upper edges by the name of their series."""

_MARKS = 9
"""Markers along a line: enough to tell it from the others, few enough to show its dashes."""


class Curve(NamedTuple):
    """One series, checked, with its look and the points that carry a marker: (first, step)."""

    name: str
    look: Look
    marks: tuple[int, int]
    y: Array
    band: tuple[Array, Array] | None
    theory: Array | None


def checked_curves(
    size: int, series: Named, bands: Bands, theory: Named, *, log: bool
) -> list[Curve]:
    r"""Return one curve per series, in their order; with `log` every value must be positive.

    NaN where a point is to be left out
    """
    styles = looks("series", len(series))
    for argument, names in (("bands", bands), ("theory", theory)):
        for name in names:
            if name not in series:
                raise ValueError(f"{argument} must name one of {list(series)}, got {name!r}")

    def values(label: str, given: ArrayLike) -> Array:
        return drawable(label, given, size=size, log=log)

    def edges(name: str) -> tuple[Array, Array]:
        low, high = (values(f"bands[{name!r}]", edge) for edge in bands[name])
        return low, high

    step = math.ceil(size / _MARKS)
    return [
        Curve(
            name,
            look,
            # Each series carries its markers elsewhere, so that lines on top of each other show.
            (place * step // len(series), step),
            values(f"series[{name!r}]", given),
            edges(name) if name in bands else None,
            values(f"theory[{name!r}]", theory[name]) if name in theory else None,
        )
        for place, (look, (name, given)) in enumerate(zip(styles, series.items(), strict=True))
    ]


def drawable(label: str, given: ArrayLike, *, size: int | None = None, log: bool = False) -> Array:
    """Return the values of one axis, shape (n,), if every one of them can be drawn.

    NaN stands for a point left out.
    """
    array = float_array(label, given).astype(np.float64)
    if array.ndim != 1 or (size is not None and len(array) != size):
        expected = "(n,)" if size is None else f"({size},)"
        raise ValueError(f"{label} must have shape {expected}, got {array.shape}")
    wrong = np.isinf(array) | (log & (array <= 0))
    if wrong.any():
        index = int(np.argmax(wrong))
        expected = "positive on a logarithmic axis" if log else "finite"
        raise ValueError(
            f"{label} must be {expected}, got {array[index]} at index {index}: "
            "put NaN where a point is to be left out"
        )
    if np.isnan(array).all():
        raise ValueError(f"{label} must hold a number to draw, got nothing but NaN")
    return array
