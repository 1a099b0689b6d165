"""Small layered networks: their edges, and the names and places of what is drawn."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeAlias

from gradbook.checks import positive_int
from gradbook.show.formats import subscript, superscript

Edge: TypeAlias = tuple[int, int, int]
"""The edge (k, i, j) runs from node i of layer k to node j of layer k + 1, counted from 0.

It carries the entry `W[i, j]` of that layer's weights."""

Node: TypeAlias = tuple[int, int]
"""The node (k, i) is node i of layer k, counted from 0."""

_PRIMES = ("′", "″", "‴")


def _small_network(widths: Sequence[int]) -> list[int]:
    checked = [positive_int(f"widths[{k}]", width) for k, width in enumerate(widths)]
    if len(checked) < 2:
        raise ValueError(f"widths must hold at least two layers, got {checked}")
    if max(checked) > 9:
        raise ValueError(f"widths must hold 1 to 9 nodes per layer to be drawn, got {checked}")
    return checked


def all_edges(widths: Sequence[int]) -> list[Edge]:
    """List every edge between neighboring layers, by layer, then by where it starts.

    Examples:
        >>> all_edges([2, 1, 1])
        [(0, 0, 0), (0, 1, 0), (1, 0, 0)]
    """
    return [
        (k, i, j)
        for k, (fan_in, fan_out) in enumerate(pairwise(_small_network(widths)))
        for i in range(fan_in)
        for j in range(fan_out)
    ]


def route(nodes: Iterable[int]) -> list[Edge]:
    """Return the edges of the route through one node per layer, counted from 0.

    Examples:
        >>> route([2, 0, 0])
        [(0, 2, 0), (1, 0, 0)]
    """
    return [(k, i, j) for k, (i, j) in enumerate(pairwise(nodes))]


def weight_names(widths: Sequence[int]) -> dict[Edge, str]:
    """Name each weight as lecture notes do: a prime per layer, then where it comes from and goes.

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

    Examples:
        >>> node_names([1, 2, 1])
        [['x₁'], ['a₁₁', 'a₁₂'], ['o₁']]
    """
    last = len(_small_network(widths)) - 1
    stems = ["x", *(f"a{subscript(k)}" for k in range(1, last)), "o"]
    return [
        [f"{stem}{subscript(i + 1)}" for i in range(width)]
        for stem, width in zip(stems, widths, strict=True)
    ]
