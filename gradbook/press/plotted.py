"""The numbers of a figure as CSV, read from what is drawn."""

import csv
import io
import re
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

Point = tuple[str, float | str, float]


def to_csv(figure: Figure) -> str:
    """Return the points of a figure's lines and the edges of its bands, six digits each.

    A level has no x. A figure without axes, such as a diagram of a network, has no numbers.

    Args:
        figure: The figure.

    Examples:
        >>> figure = Figure()
        >>> axes = figure.add_subplot(xlabel="step", title="loss")
        >>> _ = axes.plot([1, 2], [0.5, 0.25], label="SGD")
        >>> print(to_csv(figure))
        series,step,loss
        SGD,1,0.5
        SGD,2,0.25
    """
    panels = [axes for axes in figure.axes if axes.axison]
    rows = [(axes, point) for axes in panels for point in _points(axes)]
    if not rows:
        return ""
    one = panels[0] if len(panels) == 1 else None
    head = ["series", one.get_xlabel(), _height(one)] if one else ["panel", "series", "x", "y"]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    for axes, (name, x, y) in rows:
        panel = [] if one else [f"{_height(axes)} over {axes.get_xlabel()}"]
        writer.writerow([*panel, name, _digits(x), _digits(y)])
    return file.getvalue().rstrip("\n")


def _height(axes: Axes) -> str:
    """Return the name of the vertical axis, which the house sets above it."""
    return axes.get_ylabel() or axes.get_title(loc="left") or axes.get_title()


def _points(axes: Axes) -> Iterator[Point]:
    for band in axes.collections:
        if isinstance(band, PolyCollection):
            yield from _edges(band)
    for line in axes.lines:
        x, y = (np.asarray(values, dtype=float) for values in line.get_data())
        of_data = line.get_transform() == axes.transData
        if of_data:
            yield from ((_name(line), *pair) for pair in zip(x, y, strict=True))
        elif x.tolist() == [0, 1]:  # from edge to edge; what leads to a label is elsewhere
            yield _name(line), "", y[0]


def _edges(band: PolyCollection) -> Iterator[Point]:
    """Yield the lower edge of a band, then its upper one: its outline goes there and back."""
    for path in band.get_paths():
        corners = np.asarray(path.vertices)
        half = (len(corners) - 3) // 2
        sides = {"lower": corners[1 : half + 1], "upper": corners[half + 2 : -1][::-1]}
        for side, points in sides.items():
            name = ", ".join(part for part in (_name(band), f"{side} edge") if part)
            yield from ((name, x, y) for x, y in points)


def _name(drawn: Line2D | PolyCollection) -> str:
    """Return a label; one that begins with an underscore is kept out of legends."""
    label = str(drawn.get_label())
    return "" if re.fullmatch(r"_child\d+", label) else label.removeprefix("_")


def _digits(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
