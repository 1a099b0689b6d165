"""Build networks with a normalization in every hidden layer, and fix their statistics."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from gradbook.activations import Activation, identity
from gradbook.backprop import forward
from gradbook.checks import Array, positive_int
from gradbook.initializers import Initializer
from gradbook.layers import Activate, BatchNorm, Dense, Layer, LayerNorm, RMSNorm

Norm: TypeAlias = Callable[[tuple[int, ...]], Layer]
"""Make a normalization whose parameters have a given shape, `(..., width)`."""


def batch_norm(shape: tuple[int, ...]) -> BatchNorm:
    """Make a batch normalization with `gamma` 1 and `beta` 0.

    Args:
        shape: The shape of the parameters, `(..., width)`.

    Returns:
        The layer.

    Examples:
        >>> list(batch_norm((3,)).parameters)
        ['gamma', 'beta']
    """
    return BatchNorm(np.ones(shape), np.zeros(shape))


def layer_norm(shape: tuple[int, ...]) -> LayerNorm:
    """Make a layer normalization with `gamma` 1 and `beta` 0.

    Args:
        shape: The shape of the parameters, `(..., width)`.

    Returns:
        The layer.

    Examples:
        >>> layer_norm((2, 3)).parameters["beta"].tolist()
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    return LayerNorm(np.ones(shape), np.zeros(shape))


def rms_norm(shape: tuple[int, ...]) -> RMSNorm:
    """Make an RMS normalization with `gamma` 1.

    Args:
        shape: The shape of the parameter, `(..., width)`.

    Returns:
        The layer.

    Examples:
        >>> list(rms_norm((3,)).parameters)
        ['gamma']
    """
    return RMSNorm(np.ones(shape))


def normalized(
    rng: np.random.Generator,
    widths: Sequence[int],
    activation: Activation,
    initializer: Initializer,
    norm: Norm,
    *,
    norm_last: bool = False,
    ensemble: tuple[int, ...] = (),
) -> list[Layer]:
    r"""Chain hidden layers with a normalization, $h_l = f(\text{norm}(h_{l-1} W_l))$.

    Three entries of the list make one hidden layer: weights, normalization, activation. The weights
    have no biases, which `beta` replaces. The last layer is linear, with biases of zero.

    Args:
        rng: The random generator, drawn from layer by layer.
        widths: The number of inputs, then of the units in each layer.
        activation: The activation of the hidden layers.
        initializer: How all weights are drawn.
        norm: Makes a normalization: `batch_norm`, `layer_norm`, `rms_norm`.
        norm_last: Normalize behind the activation, $h_l = \text{norm}(f(h_{l-1} W_l))$.
        ensemble: Leading axes of every parameter.

    Returns:
        The layers, three for each hidden one and one for the output.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If there are fewer than two widths, or a size is not positive.

    Examples:
        >>> from gradbook.activations import relu
        >>> from gradbook.initializers import he
        >>> layers = normalized(np.random.default_rng(0), (2, 4, 3), relu, he, layer_norm)
        >>> [type(layer).__name__ for layer in layers]
        ['Dense', 'LayerNorm', 'Activate', 'Dense']
    """
    sizes = [positive_int(f"widths[{i}]", width) for i, width in enumerate(widths)]
    if len(sizes) < 2:
        raise ValueError(f"widths must hold the inputs and at least one layer, got {widths!r}")
    layers: list[Layer] = []
    for fan_in, fan_out in pairwise(sizes):
        layers.append(Dense(initializer.draw(rng, fan_in, fan_out, ensemble), None, identity))
        pair = norm((*ensemble, fan_out)), Activate(activation)
        layers += pair[::-1] if norm_last else pair
    last = layers[-3]
    return [*layers[:-3], Dense(last.parameters["W"], np.zeros((*ensemble, sizes[-1])), identity)]


def evaluation(layers: Sequence[Layer], x: Array) -> list[Layer]:
    """Fix the statistics of every batch normalization to those that `x` gives it.

    Layer after layer, `x` passes the layers that are fixed already.

    Args:
        layers: The network; only batch normalizations that are entries of the list are fixed, not
            those within other layers.
        x: Inputs, `(..., batch, fan_in)`, such as all training examples.

    Returns:
        The network for evaluation, in which no example depends on another.

    Raises:
        TypeError: As `gradbook.backprop.forward`.
        ValueError: Likewise.

    Examples:
        >>> x = np.array([[1.0], [5.0]])
        >>> fixed = evaluation([BatchNorm(None, None, epsilon=0.0)], x)
        >>> fixed[0].forward(np.array([[7.0]])).a.item()
        2.0
    """
    records = forward(layers, x)  # the batch's own statistics and the fixed ones agree on x
    return [
        layer.fixed(record.x) if isinstance(layer, BatchNorm) else layer
        for layer, record in zip(layers, records, strict=True)
    ]
