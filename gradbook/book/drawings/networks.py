"""Small layered networks, drawn node by node, with routes through them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from gradbook.book.drawings.layout import RADIUS, label_places, places
from gradbook.book.drawings.wiring import Edge, all_edges, node_names
from gradbook.checks import Array
from gradbook.show.figures.picture import Picture
from gradbook.show.figures.style import house_style
from gradbook.show.theme import INK, PAPER, SERIES

_PLAIN: dict[str, Any] = {"color": INK, "alpha": 0.7, "linewidth": 1.2}
_UNLIT: dict[str, Any] = {"color": INK, "alpha": 0.6, "linewidth": 1, "linestyle": (0, (4, 3))}
_LIT: dict[str, Any] = {"color": SERIES[1], "linewidth": 3.2}


@house_style()
def network_diagram(
    widths: Sequence[int],
    *,
    alt: str,
    caption: str,
    labels: Sequence[Sequence[str]] | None = None,
    weights: Mapping[Edge, str] | None = None,
    lit: Collection[Edge] = (),
    loss: str = "",
    titles: Sequence[str] = (),
) -> Picture:
    """Draw a small layered network, its nodes and weights named, with some edges lit.

    Lit edges are thick, solid and colored, and their nodes have a thick rim; if any edge is lit,
    the others are thin and dashed. The edge (k, i, j) is that of the entry `W[i, j]` of layer k.

    Args:
        widths: Nodes per layer, 1 to 9 each.
        labels: Texts in the nodes, one sequence per layer; by default those of `node_names`.
        weights: Texts on any of the edges, such as `weight_names(widths)`.
        lit: Edges of the routes to show, such as `route([0, 0, 0])`.
        loss: Text of one more node to which every output leads; it counts as a layer.
        titles: Texts above the layers, one for each, the loss included.

    Examples:
        >>> picture = network_diagram(
        ...     [3, 2, 1], lit=[(0, 0, 0), (1, 0, 0)], caption="The first route.",
        ...     alt="Three inputs, two hidden units, one output; a route from x₁ is lit.",
        ... )
        >>> [text.get_text() for text in picture.figure.axes[0].texts]
        ['x₁', 'x₂', 'x₃', 'a₁₁', 'a₁₂', 'o₁']
    """
    layers = [*widths, *([1] if loss else [])]
    wires = all_edges(layers)
    names = _names(widths, labels) + ([[loss]] if loss else [])
    _same_shape("titles", len(titles) or len(layers), len(layers))
    for argument, given in (("weights", weights or {}), ("lit", lit)):
        for edge in given:
            if edge not in wires:
                raise ValueError(f"{argument} must name edges of the network, got {edge!r}")
    centers, width, height = places(layers, titles)
    figure, axes = _canvas(width, height)
    ends = {(k, i, j): _rim_to_rim(centers[k, i], centers[k + 1, j]) for k, i, j in wires}
    for edge, line in ends.items():
        _edge(axes, line, is_lit=edge in lit, any_lit=bool(lit))
    for edge, spot in label_places(weights or {}, ends).items():
        _weight(axes, spot, (weights or {})[edge], is_lit=edge in lit)
    bright = {node for k, i, j in lit for node in ((k, i), (k + 1, j))}
    for (k, i), center in centers.items():
        _node(axes, center, names[k][i], is_lit=(k, i) in bright)
    for k, title in enumerate(titles):
        axes.text(centers[k, 0][0], height - 4, title, ha="center", va="top")
    return Picture(figure, alt, caption)


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure whose data coordinates are points."""
    figure = Figure(figsize=(width / 72, height / 72))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return figure, axes


def _names(widths: Sequence[int], labels: Sequence[Sequence[str]] | None) -> list[list[str]]:
    if labels is None:
        return node_names(widths)
    _same_shape("labels", len(labels), len(widths))
    for k, (texts, width) in enumerate(zip(labels, widths, strict=True)):
        _same_shape(f"labels[{k}]", len(texts), width)
    return [list(texts) for texts in labels]


def _same_shape(name: str, found: int, expected: int) -> None:
    if found != expected:
        raise ValueError(f"{name} must hold {expected} entries, got {found}")


def _rim_to_rim(start: Array, stop: Array) -> Array:
    step = RADIUS * (stop - start) / np.linalg.norm(stop - start)
    return np.array([start + step, stop - step])


def _edge(axes: Axes, line: Array, *, is_lit: bool, any_lit: bool) -> None:
    look = _LIT if is_lit else _UNLIT if any_lit else _PLAIN
    axes.plot(*line.T, solid_capstyle="butt", zorder=2 if is_lit else 1, **look)


def _weight(axes: Axes, spot: Array, text: str, *, is_lit: bool) -> None:
    box = {"boxstyle": "square,pad=0.14", "facecolor": PAPER, "edgecolor": "none"}
    axes.text(
        spot[0],
        spot[1],
        text,
        ha="center",
        va="center",
        zorder=3,
        bbox=box,
        weight=_weight_of(is_lit),
    )


def _node(axes: Axes, center: Array, text: str, *, is_lit: bool) -> None:
    rim, width = (SERIES[1], 2.6) if is_lit else (INK, 1.2)
    patch = Circle(tuple(center), RADIUS, facecolor=PAPER, edgecolor=rim, linewidth=width, zorder=4)
    axes.add_patch(patch)
    axes.text(
        center[0], center[1], text, ha="center", va="center", zorder=5, weight=_weight_of(is_lit)
    )


def _weight_of(is_lit: bool) -> str:
    return "bold" if is_lit else "normal"
