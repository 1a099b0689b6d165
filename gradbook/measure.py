"""Measure gradients in many random networks, for the figures of several chapters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import Activation
from gradbook.backpropagation import Trace, backprop_from
from gradbook.checks import Array, finite_array, generator, positive_int
from gradbook.initializers import Initializer
from gradbook.layers import Layer
from gradbook.networks import plain


@dataclass(frozen=True)
class Recipe:
    """Say how a network of equal layers is made."""

    name: str
    activation: Activation
    initializer: Initializer


def boundary_norms(layers: Sequence[Layer], x: Array, da: Array) -> Array:
    r"""Return $\lVert\partial L/\partial h_l\rVert$ at every boundary, from input to output.

    `da` is the gradient on the output; the norms have shape (..., layers + 1).
    """
    return _norms(backprop_from(layers, x, da).dh)


def delta_norms(trace: Trace) -> Array:
    r"""Return $\lVert\delta_l\rVert$ of each layer, shape (..., layers); each needs a `z`."""
    deltas = [delta for delta in trace.delta if delta is not None]
    if len(deltas) != len(trace.delta):
        raise ValueError(f"trace must have a delta in each layer, got {len(deltas)}")
    return _norms(deltas)


def weight_norms(trace: Trace) -> Array:
    r"""Return $\lVert\partial L/\partial W_l\rVert$, shape (..., layers); each needs a `W`."""
    weights = [grads["W"] for grads in trace.gradients if "W" in grads]
    if len(weights) != len(trace.gradients):
        raise ValueError(f"trace must have a gradient of W in each layer, got {len(weights)}")
    return _norms(weights)


def _norms(arrays: Sequence[Array]) -> Array:
    """Return one norm per array, over its last two axes, stacked along a new last axis."""
    return np.stack([np.sqrt(np.square(array).sum(axis=(-2, -1))) for array in arrays], axis=-1)


def gradient_norms(
    rng: np.random.Generator, recipe: Recipe, *, depth: int, width: int, draws: int
) -> Array:
    r"""Measure $\lVert\partial L/\partial h_l\rVert$ in networks that were never trained.

    Each draw has its own weights, one input from $N(0, 1)$ per unit, no biases, and a random
    gradient of length 1 on the output, so that only the layers shape what is measured: norms from
    the input to the output, where they are 1, shape (draws, depth + 1).

    Examples:
        >>> from gradbook.activations import identity
        >>> from gradbook.initializers import orthogonal
        >>> rng = np.random.default_rng(0)
        >>> linear = Recipe("orthogonal", identity, orthogonal)
        >>> gradient_norms(rng, linear, depth=3, width=8, draws=2).round(12).tolist()
        [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
    """
    rng = generator("rng", rng)
    depth, width = positive_int("depth", depth), positive_int("width", width)
    f, how, sizes, norms = recipe.activation, recipe.initializer, [width] * (depth + 1), []
    for _ in range(positive_int("draws", draws)):
        layers = plain(rng, sizes, f, how, output_activation=f, bias_variance=None)
        x, da = rng.standard_normal((2, 1, width))
        norms.append(boundary_norms(layers, x, da / np.linalg.norm(da)))
    return np.array(norms)


def geometric_mean(values: Array) -> float:
    r"""Return $\exp \overline{\ln v}$ of positive numbers, the mean that suits ratios."""
    if not (values > 0).all():
        raise ValueError(f"values must be positive, got {values!r}")
    return float(np.exp(np.log(values).mean()))


def root_mean_square(deviations: ArrayLike) -> tuple[Array, Array]:
    r"""Measure $\sqrt{\overline{d^2}}$ of independent deviations, with its standard error.

    To first order, the error of the root is that of the mean square over twice the root. There is
    one row per draw, shape `(draws, ...)`.
    """
    squares = np.square(finite_array("deviations", deviations))
    if squares.ndim == 0 or len(squares) == 1:
        raise ValueError(f"deviations must hold at least two draws, got {deviations!r}")
    value = np.asarray(np.sqrt(squares.mean(axis=0)))
    error = np.asarray(squares.std(axis=0, ddof=1) / np.sqrt(len(squares)))
    # Without any deviation there is no error either, and nothing to divide by.
    return value, np.divide(error, 2 * value, out=np.zeros_like(error), where=value > 0)
