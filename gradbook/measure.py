"""Measure gradients in many random networks, for the figures of several chapters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import Activation
from gradbook.backpropagation import Trace, backprop_from, forward
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
    return _norms(backprop_from(layers, x, da).dh, axes=2)


def delta_norms(trace: Trace) -> Array:
    r"""Return $\lVert\delta_l\rVert$ of each layer, shape (..., layers); each needs a `z`."""
    deltas = [delta for delta in trace.delta if delta is not None]
    if len(deltas) != len(trace.delta):
        raise ValueError(f"trace must have a delta in each layer, got {len(deltas)}")
    return _norms(deltas, axes=2)


def weight_norms(trace: Trace) -> Array:
    r"""Return $\lVert\partial L/\partial W_l\rVert$, shape (..., layers); each needs a `W`."""
    return _norms(_gradients(trace, "W"), axes=2)


def bias_norms(trace: Trace) -> Array:
    r"""Return $\lVert\partial L/\partial b_l\rVert$, shape (..., layers); each needs a `b`.

    The bias gradient is the sum of $\delta_l$ over the batch.
    """
    return _norms(_gradients(trace, "b"), axes=1)


def _gradients(trace: Trace, name: str) -> list[Array]:
    found = [grads[name] for grads in trace.gradients if name in grads]
    if len(found) != len(trace.gradients):
        raise ValueError(f"trace must have a gradient of {name} in each layer, got {len(found)}")
    return found


def _norms(arrays: Sequence[Array], axes: int) -> Array:
    """Return one norm per array, over its last axes, stacked along a new last axis."""
    over = tuple(range(-axes, 0))
    return np.stack([np.sqrt(np.square(array).sum(axis=over)) for array in arrays], axis=-1)


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
    norms = []
    for layers, x in _random_networks(rng, recipe, depth=depth, width=width, draws=draws):
        da = rng.standard_normal(x.shape)
        norms.append(boundary_norms(layers, x, da / np.linalg.norm(da)))
    return np.array(norms)


def mean_slopes(
    rng: np.random.Generator, recipe: Recipe, *, depth: int, width: int, draws: int
) -> Array:
    """Measure the mean of $f'(z)$ over each layer's units in random networks.

    Each draw has one input from $N(0, 1)$ per unit and no biases; shape (draws, depth).
    """
    nets = _random_networks(rng, recipe, depth=depth, width=width, draws=draws)
    return np.array(
        [
            [recipe.activation.df(r.z).mean() for r in forward(layers, x) if r.z is not None]
            for layers, x in nets
        ]
    )


def _random_networks(
    rng: np.random.Generator, recipe: Recipe, *, depth: int, width: int, draws: int
) -> Iterator[tuple[list[Layer], Array]]:
    rng = generator("rng", rng)
    depth, width = positive_int("depth", depth), positive_int("width", width)
    f, how, sizes = recipe.activation, recipe.initializer, [width] * (depth + 1)
    for _ in range(positive_int("draws", draws)):
        layers = plain(rng, sizes, f, how, output_activation=f, bias_variance=None)
        yield layers, rng.standard_normal((1, width))


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
