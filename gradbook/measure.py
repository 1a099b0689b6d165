"""Measure gradients in many random networks, for the figures of several chapters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gradbook.activations import Activation
from gradbook.backprop import Trace, backprop_from, forward
from gradbook.checks import Array, generator, positive_int
from gradbook.initializers import Initializer
from gradbook.layers import Layer
from gradbook.networks import plain


@dataclass(frozen=True)
class Recipe:
    """Say how a network of equal layers is made.

    Args:
        name: What a figure calls it.
        activation: The activation of every layer.
        initializer: How its weights are drawn.
    """

    name: str
    activation: Activation
    initializer: Initializer


def boundary_norms(layers: Sequence[Layer], x: Array, da: Array) -> Array:
    r"""Return $\lVert\partial L/\partial h_l\rVert$ at every boundary, from input to output.

    Args:
        layers: The network.
        x: Inputs, `(..., batch, fan_in)`.
        da: The gradient on the output.

    Returns:
        Norms over batch and units, shape (..., layers + 1).

    Raises:
        TypeError: As `backprop_from`.
        ValueError: As `backprop_from`.

    Examples:
        >>> from gradbook.activations import identity
        >>> from gradbook.layers import Dense
        >>> layers = [Dense(0.5 * np.eye(2), None, identity)] * 2
        >>> boundary_norms(layers, np.ones((1, 2)), np.array([[0.0, 1.0]])).tolist()
        [0.25, 0.5, 1.0]
    """
    return _norms(backprop_from(layers, x, da).dh, axes=2)


def delta_norms(trace: Trace) -> Array:
    r"""Return $\lVert\delta_l\rVert$ in every layer, from the first to the last.

    Args:
        trace: What `backprop` or `backprop_from` recorded; every layer has a `z`.

    Returns:
        Norms over batch and units, shape (..., layers).

    Raises:
        ValueError: If a layer has no `z`, and so no delta.

    Examples:
        >>> from gradbook.activations import identity
        >>> from gradbook.layers import Dense
        >>> layers = [Dense(0.5 * np.eye(2), None, identity)] * 2
        >>> delta_norms(backprop_from(layers, np.ones((1, 2)), np.array([[3.0, 4.0]]))).tolist()
        [2.5, 5.0]
    """
    deltas = [delta for delta in trace.delta if delta is not None]
    if len(deltas) != len(trace.delta):
        raise ValueError(f"trace must have a delta in each layer, got {len(deltas)}")
    return _norms(deltas, axes=2)


def weight_norms(trace: Trace) -> Array:
    r"""Return $\lVert\partial L/\partial W_l\rVert$ in every layer, the root of the sum of squares.

    Args:
        trace: What `backprop` or `backprop_from` recorded; every layer has a `W`.

    Returns:
        Norms, shape (..., layers).

    Raises:
        ValueError: If a layer has no `W`.

    Examples:
        >>> from gradbook.activations import identity
        >>> from gradbook.layers import Dense
        >>> layers = [Dense(np.array([[2.0]]), None, identity)] * 2
        >>> weight_norms(backprop_from(layers, [[3.0]], [[1.0]])).tolist()
        [6.0, 6.0]
    """
    return _norms(_gradients(trace, "W"), axes=2)


def bias_norms(trace: Trace) -> Array:
    r"""Return $\lVert\partial L/\partial b_l\rVert$ in every layer.

    The bias gradient is the sum of $\delta_l$ over the batch.

    Args:
        trace: What `backprop` or `backprop_from` recorded; every layer has a `b`.

    Returns:
        Norms, shape (..., layers).

    Raises:
        ValueError: If a layer has no `b`.

    Examples:
        >>> from gradbook.activations import identity
        >>> from gradbook.layers import Dense
        >>> layers = [Dense(np.eye(2), np.zeros(2), identity)]
        >>> bias_norms(backprop_from(layers, np.ones((2, 2)), [[3.0, 0.0], [0.0, 4.0]])).tolist()
        [5.0]
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
    gradient of length 1 on the output, so that only the layers shape what is measured.

    Args:
        rng: The random generator.
        recipe: Activation and initializer.
        depth: Number of layers.
        width: Units in each layer, inputs and outputs included.
        draws: Number of networks.

    Returns:
        Norms from the input (first) to the output (last, which is 1), shape (draws, depth + 1).

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: A size is not positive.

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
    r"""Measure the mean of $f'(z)$ over the units of each layer of networks never trained.

    Args:
        rng: The random generator.
        recipe: Activation and initializer.
        depth: Number of layers.
        width: Units in each layer, inputs and outputs included.
        draws: Number of networks, each with one input from $N(0, 1)$ per unit and no biases.

    Returns:
        Mean slopes from the first layer to the last, shape (draws, depth).

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: A size is not positive.

    Examples:
        >>> from gradbook.activations import sigmoid
        >>> from gradbook.initializers import constant
        >>> zero = Recipe("all weights 0", sigmoid, constant(0.0))
        >>> mean_slopes(np.random.default_rng(0), zero, depth=3, width=4, draws=1).tolist()
        [[0.25, 0.25, 0.25]]
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
    """Draw one network after the other, each with its input."""
    rng = generator("rng", rng)
    depth, width = positive_int("depth", depth), positive_int("width", width)
    for _ in range(positive_int("draws", draws)):
        layers = plain(
            rng,
            [width] * (depth + 1),
            recipe.activation,
            recipe.initializer,
            output_activation=recipe.activation,
            bias_variance=None,
        )
        yield layers, rng.standard_normal((1, width))


def geometric_mean(values: Array) -> float:
    r"""Return $\exp \overline{\ln v}$, the mean that suits ratios.

    Args:
        values: Positive numbers.

    Raises:
        ValueError: A value is not positive.

    Examples:
        >>> f"{geometric_mean(np.array([1.0, 100.0])):.1f}"
        '10.0'
    """
    if not (values > 0).all():
        raise ValueError(f"values must be positive, got {values!r}")
    return float(np.exp(np.log(values).mean()))
