"""What is measured of a layer: its weight's and its bias's gradient, and how they pull at it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.measuring.deltas import size_of
from gradbook.diagnosis.measuring.evidence import Facts
from gradbook.diagnosis.measuring.names import Layer, Named, Role
from gradbook.diagnosis.measuring.silence import WORTH_A_LOOK, silent_share, zero_share
from gradbook.diagnosis.measuring.sizes import Measured
from gradbook.diagnosis.measuring.updates import Update
from gradbook.diagnosis.reading.arrays import Tensors
from gradbook.diagnosis.reading.storage import Tensor, chunks


def _member(layer: Layer, role: Role, axes: Callable[[int], bool]) -> Named | None:
    for member in layer.members:
        guessed = member.role is Role.UNKNOWN and member.shape is not None
        if member.role is role or (guessed and axes(len(member.shape or ()))):
            return member
    return None


def facts_of(
    layer: Layer,
    tensors: Tensors,
    measured: Mapping[str, Measured],
    weights: Tensors | None,
    updates: Mapping[str, Update],
) -> Facts:
    """Return what was measured of a layer, with what its weights add to it if they are given."""
    of_weight = _member(layer, Role.WEIGHT, lambda axes: axes > 1)
    of_bias = _member(layer, Role.BIAS, lambda axes: axes == 1)
    weight = measured[of_weight.name] if of_weight else None
    bias = measured[of_bias.name] if of_bias else None
    found = Facts(layer.name, layer.kind, weight, bias)
    if weight is None or weight.statistics is None or weight.tied_to is not None:
        return found
    tensor = tensors[weight.name] if _worth_reading(weight, bias, weights) else None
    found = replace(found, silent=silent_share(tensor, weight, bias))
    stored = weights[weight.name] if weights is not None else None
    if stored is None or tensor is None or len(tensor.shape) < 2:
        return found
    if stored.shape != tensor.shape:
        raise BadInput(
            f"weights[{weight.name!r}] must have the shape of its gradient, {tensor.shape}, got "
            f"{stored.shape}"
        )
    size = updates[weight.name].weight.rms if weight.name in updates else size_of(stored)
    return replace(found, pull=_pull(stored, tensor), gain=_gain(tensor.shape, size))


def _worth_reading(weight: Measured, bias: Measured | None, weights: Tensors | None) -> bool:
    """Tell whether a second look at a tensor may tell more than its statistics."""
    zeros = zero_share(weight) or 0.0
    return weights is not None or (bias is None and zeros >= WORTH_A_LOOK)


def _pull(weight: Tensor, gradient: Tensor) -> float | None:
    total = 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        for w, g in chunks(weight, gradient):
            total += float(np.dot(w.astype(np.float64), g.astype(np.float64)))
    return total if math.isfinite(total) else None


def _gain(shape: tuple[int, ...], rms: float) -> float | None:
    if len(shape) != 2:
        return None
    width = math.sqrt(math.prod(shape))
    return math.log10(math.sqrt(width) * rms) if rms > 0 and math.isfinite(rms) else None
