"""See by their shapes that layers came last to first, as code that goes back fills a list."""

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

from gradbook.diagnosis.measuring.names import NO_MATRIX, Kind, Layer, Role

ENOUGH = 3
"""The fewest matrices of which it is no chance that each fits the next one the wrong way alone."""


class Widths(NamedTuple):
    """How many numbers enter a layer, and how many leave it."""

    inputs: int
    outputs: int


def widths_of(layers: Sequence[Layer]) -> list[Widths]:
    """Return the widths of dense layers; none where no bias tells which axis the outputs are.

    Examples:
        >>> from gradbook.diagnosis.measuring.names import group
        >>> widths_of(group({"1.W": (4, 2), "1.b": (2,), "2.W": (2, 2), "2.b": (2,)}))
        [Widths(inputs=4, outputs=2), Widths(inputs=2, outputs=2)]
    """
    weighted = [layer for layer in layers if layer.kind not in NO_MATRIX]
    found = [_shapes(layer) for layer in weighted]
    told = {s.index(b) for s, b in found if len(s) == 2 and len(set(s)) == 2 and b in s}
    dense = all(x.kind is Kind.DENSE for x in weighted) and all(len(s) == 2 for s, _ in found)
    if not dense or len(told) != 1:
        return []
    [out] = told
    return [Widths(shape[1 - out], shape[out]) for shape, _ in found]


def _shapes(layer: Layer) -> tuple[tuple[int, ...], int]:
    """Return the shape of a layer's matrix, and how wide its bias is; 0 if it has none."""
    matrix: tuple[int, ...] = ()
    bias = 0
    for member in layer.members:
        shape = member.shape or ()
        if member.role is Role.BIAS or len(shape) == 1:
            bias = max(shape, default=0)
        else:
            matrix = shape
    return matrix, bias


def run_back(layers: Sequence[Layer]) -> bool:
    """Tell whether what enters each layer leaves the next one, and not the one before.

    Examples:
        >>> from gradbook.diagnosis.measuring.names import group
        >>> shapes = {"0.W": (8, 3), "0.b": (3,), "1.W": (8, 8), "2.W": (5, 8)}
        >>> run_back(group(shapes)), run_back(group(shapes)[::-1])
        (True, False)
    """
    widths = widths_of(layers)
    fits = all(a.outputs == b.inputs for a, b in pairwise(widths))
    back = all(a.inputs == b.outputs for a, b in pairwise(widths))
    return len(widths) >= ENOUGH and back and not fits


def deltas_run_back(given: Sequence[Collection[int]], layers: Sequence[Layer]) -> bool:
    """Tell whether δ fits the layers' outputs last to first alone.

    Args:
        given: How wide each δ may be; that of the output layer may be missing.
        layers: The layers, first to last.
    """
    outputs = [width.outputs for width in widths_of(layers)]
    if not 0 <= len(outputs) - len(given) < 2:
        return False
    outputs = outputs[: len(given)]
    fits, back = (
        all(width in one for width, one in zip(outputs, way, strict=True))
        for way in (given, given[::-1])
    )
    return back and not fits
