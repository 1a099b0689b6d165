"""Small layered networks: their edges, and the names and places of what is drawn."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from gradbook.checks import Array, positive_int
from gradbook.figures.style import WIDTH
from gradbook.formats import subscript, superscript
from gradbook.theme import TEXT_SIZE

Edge: TypeAlias = tuple[int, int, int]
"""The edge (k, i, j) runs from node i of layer k to node j of layer k + 1, counted from 0.

It carries the entry `W[i, j]` of that layer's weights."""

Node: TypeAlias = tuple[int, int]
"""The node (k, i) is node i of layer k, counted from 0."""

RADIUS = 15.0
"""Points, of a node."""

_PRIMES = ("′", "″", "‴")
_MARGIN = RADIUS + 4
_ROW = 58.0
_COLUMN = 132.0
_TITLE = 2.3 * TEXT_SIZE
_WIDEST = 72 * WIDTH
# Half the size of a letter, with the padding that keeps lines off it.
_HALF_LETTER = 0.33 * TEXT_SIZE
_HALF_LINE = 0.75 * TEXT_SIZE
# A label is best a third of the way along its edge, where edges of one node have parted; room
# beyond this many of its own half-sizes makes it no clearer.
_BEST_STOP, _ENOUGH_ROOM = 0.34, 1.6


def small_network(widths: Sequence[int]) -> list[int]:
    """Return the widths of a network that is small enough to be drawn node by node.

    Raises:
        ValueError: If there are fewer than two layers, or a layer has not 1 to 9 nodes.

    Examples:
        >>> small_network([3, 20])
        Traceback (most recent call last):
        ValueError: widths must hold 1 to 9 nodes per layer to be drawn, got [3, 20]
    """
    checked = [positive_int(f"widths[{k}]", width) for k, width in enumerate(widths)]
    if len(checked) < 2:
        raise ValueError(f"widths must hold at least two layers, got {checked}")
    if max(checked) > 9:
        raise ValueError(f"widths must hold 1 to 9 nodes per layer to be drawn, got {checked}")
    return checked


def all_edges(widths: Sequence[int]) -> list[Edge]:
    """List every edge between neighboring layers, by layer, then by where it starts.

    Args:
        widths: Nodes per layer.

    Raises:
        ValueError: If `widths` is no small network.

    Examples:
        >>> all_edges([2, 1, 1])
        [(0, 0, 0), (0, 1, 0), (1, 0, 0)]
    """
    return [
        (k, i, j)
        for k, (fan_in, fan_out) in enumerate(pairwise(small_network(widths)))
        for i in range(fan_in)
        for j in range(fan_out)
    ]


def route(nodes: Iterable[int]) -> list[Edge]:
    """Return the edges of the route through one node per layer.

    Args:
        nodes: Which node of each layer, counted from 0.

    Examples:
        >>> route([2, 0, 0])
        [(0, 2, 0), (1, 0, 0)]
    """
    return [(k, i, j) for k, (i, j) in enumerate(pairwise(nodes))]


def weight_names(widths: Sequence[int]) -> dict[Edge, str]:
    """Name each weight as lecture notes do: a prime per layer, then where it comes from and goes.

    Args:
        widths: Nodes per layer.

    Raises:
        ValueError: If `widths` is no small network.

    Examples:
        >>> weight_names([2, 1, 1])
        {(0, 0, 0): 'w′₁₁', (0, 1, 0): 'w′₂₁', (1, 0, 0): 'w″₁₁'}
    """

    def name(k: int, i: int, j: int) -> str:
        layer = _PRIMES[k] if k < len(_PRIMES) else f"⁽{superscript(k + 1)}⁾"
        return f"w{layer}{subscript(i + 1)}{subscript(j + 1)}"

    return {edge: name(*edge) for edge in all_edges(widths)}


def node_names(widths: Sequence[int]) -> list[list[str]]:
    """Name inputs x, hidden units f by layer and place, and outputs o.

    Args:
        widths: Nodes per layer.

    Raises:
        ValueError: If `widths` is no small network.

    Examples:
        >>> node_names([1, 2, 1])
        [['x₁'], ['f₁₁', 'f₁₂'], ['o₁']]
    """
    last = len(small_network(widths)) - 1
    stems = ["x", *(f"f{subscript(k)}" for k in range(1, last)), "o"]
    return [
        [f"{stem}{subscript(i + 1)}" for i in range(width)]
        for stem, width in zip(stems, widths, strict=True)
    ]


def places(widths: Sequence[int], titles: Sequence[str]) -> tuple[dict[Node, Array], float, float]:
    """Place the nodes in columns from left to right, each centered.

    Args:
        widths: Nodes per layer.
        titles: Texts above the layers, for which room is left.

    Returns:
        Centers by node, shape (2,) each; the width and the height of the drawing in points.
    """
    sides = [_HALF_LETTER * len(title) for title in (*titles[:1], *titles[-1:])]
    margin = max([_MARGIN, *sides])
    column = min(_COLUMN, (_WIDEST - 2 * margin) / (len(widths) - 1))
    tallest = _ROW * (max(widths) - 1)
    centers = {
        (k, i): np.array(
            [margin + column * k, _MARGIN + (tallest + _ROW * (width - 1)) / 2 - _ROW * i]
        )
        for k, width in enumerate(widths)
        for i in range(width)
    }
    headroom = _TITLE if titles else 0.0
    return centers, 2 * margin + column * (len(widths) - 1), 2 * _MARGIN + tallest + headroom


def label_places(texts: Mapping[Edge, str], ends: Mapping[Edge, Array]) -> dict[Edge, Array]:
    """Place each label on its edge where it stands clearest of other edges and labels.

    Args:
        texts: Labels by edge.
        ends: Both ends of every edge of the drawing, shape (2, 2).

    Returns:
        Centers by edge, shape (2,) each.
    """
    stops = np.linspace(0.16, 0.84, 35)
    placed: dict[Edge, Array] = {}
    for edge, text in texts.items():
        start, stop = ends[edge]
        spots = start + stops[:, None] * (stop - start)
        half = _half_size(text)
        others = np.array([ends[other] for other in ends if other != edge]).reshape(-1, 2, 2)
        room = np.full(len(spots), _ENOUGH_ROOM)
        for line in others:
            room = np.minimum(room, _distance(spots / half, line / half))
        for other, spot in placed.items():
            both = half + _half_size(texts[other])
            room = np.minimum(room, np.abs((spots - spot) / both).max(axis=1))
        placed[edge] = spots[np.argmax(room - 0.5 * np.abs(stops - _BEST_STOP))]
    return placed


def _half_size(text: str) -> Array:
    return np.array([_HALF_LETTER * len(text), _HALF_LINE])


def _distance(points: Array, line: Array) -> Array:
    """Return the distance of each point, shape (n, 2), to a segment, shape (2, 2)."""
    start, along = line[0], line[1] - line[0]
    share = np.clip((points - start) @ along / (along @ along), 0, 1)
    return np.asarray(np.linalg.norm(points - start - share[:, None] * along, axis=1))
