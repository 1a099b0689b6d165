"""Names of series: at the ends of their lines, or in a legend above the axes."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context, rcParams
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from gradbook.checks import Array
from gradbook.show.figures.style import ring_handle
from gradbook.show.theme import TEXT_SIZE

# Points that a letter and that a sample of a line takes, with the spaces about it; and by how much
# of itself a letter is larger on a phone, where lines are not.
_LETTER = 0.56 * TEXT_SIZE
_LARGER = 0.2
_HANDLE = 4.6 * TEXT_SIZE
# A line of text needs 1.35 times its size, and the axes take some 0.78 of the figure's height.
_LINE = 1.35 * TEXT_SIZE / 0.78


def legend_above(figure: Figure, handles: Sequence[Line2D], theory_label: str = "") -> None:
    """Set the names in rows above the axes, as many to a row as fit."""
    entries = [*handles, *([ring_handle(theory_label)] if theory_label else [])]
    letters = [len(str(entry.get_label())) for entry in entries]
    more = _LARGER * _LETTER * max(letters)
    sizes = [_HANDLE + more + _LETTER * count for count in letters]
    room = 72 * figure.get_figwidth()
    columns = len(entries)
    while columns > 1 and sum(max(sizes[n::columns]) for n in range(columns)) > room:
        columns -= 1
    # Matplotlib fills columns; names are read by rows.
    by_rows = [entry for first in range(columns) for entry in entries[first::columns]]
    between = rcParams["legend.columnspacing"] + more / TEXT_SIZE
    with rc_context({"legend.columnspacing": between}):
        figure.legend(handles=by_rows, loc="outside upper left", ncols=columns)


def label_ends(figure: Figure, handles: Sequence[Line2D], theory_label: str = "") -> None:
    """Set each name, with a sample of its line, at the height where the line ends.

    The limits of the figure's only axes must be settled. Rings are named above them.
    """
    (axes,) = figure.axes
    more = _LARGER * _LETTER * max(len(str(handle.get_label())) for handle in handles)
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0, 0, 1 - more / (72 * figure.get_figwidth()), 1))
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = np.array([to_axes.transform(_last_point(handle))[1] for handle in handles])
    gap = _LINE / (72 * figure.get_figheight())
    for handle, height in zip(handles, spread(ends, gap), strict=True):
        sample = Line2D([1.02, 1.09], [height, height], transform=axes.transAxes, clip_on=False)
        sample.update_from(handle)
        sample.set(transform=axes.transAxes, clip_on=False, markevery=[1])
        axes.add_line(sample)
        axes.text(1.115, height, str(handle.get_label()), transform=axes.transAxes, va="center")
    if theory_label:  # beside the axes' title, which may be as long as they are
        entry, at = ring_handle(theory_label), (1.015, 1.02)
        axes.legend(handles=[entry], loc="lower left", bbox_to_anchor=at, handlelength=1.2)


def spread(heights: Array, gap: float) -> Array:
    """Move heights as little as possible until neighbors are `gap` apart, in [0, 1] if they fit.

    The least squares under that condition: of the heights less their places' share, the closest
    non-decreasing sequence, found by pooling adjacent violators.

    Examples:
        >>> [f"{y:.2f}" for y in spread(np.array([0.5, 0.5, 0.9]), 0.1)]
        ['0.45', '0.55', '0.90']
    """
    order = np.argsort(heights, kind="stable")
    shares = gap * np.arange(len(heights))
    pools: list[list[float]] = []
    for wanted in heights[order] - shares:
        pools.append([float(wanted)])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    placed = np.concatenate([np.full(len(pool), np.mean(pool)) for pool in pools])
    moved = np.empty(len(heights))
    moved[order] = np.clip(placed, 0, max(1 - shares[-1], 0)) + shares
    return moved


def _last_point(line: Line2D) -> Array:
    points = np.asarray(line.get_xydata(), dtype=np.float64)
    return np.asarray(points[np.isfinite(points).all(axis=1)][-1])
