"""What several kinds of layers need: sums over shared parameters, and checks of their arrays."""

import numpy as np

from gradbook.activations import Activation
from gradbook.checks import Array, float_array
from gradbook.layers.base import Forward


def sum_to(array: Array, shape: tuple[int, ...]) -> Array:
    r"""Sum over the axes along which an array of shape `shape` was broadcast.

    If $y$ is $w$ repeated, each copy sends back its own gradient, and
    $\partial L/\partial w = \sum_\text{copies} \partial L/\partial y$.
    """
    if array.shape == shape:  # a sum over no axis would be a copy
        return array
    extra = array.ndim - len(shape)
    axes = [i for i, n in enumerate(array.shape) if i < extra or shape[i - extra] != n]
    total: Array = array.sum(axis=tuple(axes))
    return total.reshape(shape)


def biased(z: Array, b: Array | None) -> Array:
    """Add a bias to every row of the batch, if there is one: into `z`, where the sum fits."""
    if b is None:
        return z
    rows = b if b.ndim == 1 else b[..., None, :]
    # mutant(and,>,2): the sum is the same, in z or not
    if b.dtype != z.dtype or (b.ndim > 1 and b.shape[:-1] != z.shape[:-2]):
        return z + rows
    z += rows
    return z


def delta_of(activation: Activation, record: Forward, da: Array) -> Array:
    r"""Multiply by the slope at the recorded `z`: $\delta = \partial L/\partial a \cdot f'(z)$."""
    if record.z is None:
        raise ValueError("record must come from this layer's forward, got a record without z")
    return activation.back(record.z, record.a, da)


def weight_gradient(W: Array | None, x: Array | None, delta: Array) -> Array | None:
    r"""Compute $x^\top \delta$, summed over whatever shares `W`; None where there is no weight."""
    if W is None or x is None:  # mutant(or): both or none
        return None
    if delta.ndim == 2:
        return x.T @ delta
    # mutant(1,2,-): what is below gives the same
    if W.ndim == 2 and x.shape[:-1] == delta.shape[:-1]:  # all rows share W: one product, no stack
        return x.reshape(-1, x.shape[-1]).T @ delta.reshape(-1, delta.shape[-1])
    return sum_to(x.mT @ delta, W.shape)


def bias_gradient(b: Array | None, delta: Array) -> Array | None:
    """Sum `delta` over the batch and over whatever shares `b`; None where there is no bias."""
    if b is None:
        return None
    total: Array = np.add.reduce(delta, axis=-2)
    return total if total.ndim == 1 else sum_to(total, b.shape)


def floating(name: str, value: Array) -> Array:
    """Return a floating-point array as it is, or raise.

    Never converted: layers share a parameter by identity, and a conversion would be a copy.
    """
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        found = f"dtype {value.dtype}" if isinstance(value, np.ndarray) else repr(value)
        raise TypeError(f"{name} must be a floating-point NumPy array, got {found}")
    return float_array(name, value)


def check_weights(name: str, W: Array, b: Array | None) -> None:
    """Raise unless `W` is `(..., fan_in, fan_out)` and `b`, if any, fits it."""
    if floating(name, W).ndim < 2:
        raise ValueError(f"{name} must have shape (..., fan_in, fan_out), got {W.shape}")
    if b is not None:
        if floating("b", b).shape[-1:] != W.shape[-1:]:
            raise ValueError(f"b must have shape (..., {W.shape[-1]}) to fit {name}, got {b.shape}")
        check_ensemble("b", b.shape[:-1], name, W.shape[:-2])


def check_input(name: str, x: Array, W: Array) -> None:
    """Raise unless `x` is `(..., batch, fan_in)` with the `fan_in` of `W`."""
    found: tuple[int, ...] = getattr(x, "shape", ())
    weights = W.shape
    if len(found) < 2 or found[-1] != weights[-2] or 0 in found:
        expected = f"(..., batch, {weights[-2]})"
        raise ValueError(f"{name} must have shape {expected}, got {found}")
    if len(found) > 2 < len(weights):
        check_ensemble(name, found[:-2], "the weights", weights[:-2])


def check_ensemble(
    name: str, axes: tuple[int, ...], other: str, other_axes: tuple[int, ...]
) -> None:
    """Raise unless the ensemble axes of two arrays broadcast."""
    if axes == other_axes or not axes or not other_axes:
        return
    try:
        np.broadcast_shapes(axes, other_axes)
    except ValueError:
        expected = f"ensemble axes that broadcast with {other_axes} of {other}"
        raise ValueError(f"{name} must have {expected}, got {axes}") from None
