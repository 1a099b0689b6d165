"""Build networks with a normalization in every hidden layer."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from gradbook.activations import Activation, identity
from gradbook.initializers import Initializer
from gradbook.layers import Activate, BatchNorm, Dense, Layer, LayerNorm
from gradbook.networks.dense import checked_widths

Norm: TypeAlias = Callable[[tuple[int, ...]], Layer]
"""Make a normalization whose parameters have a given shape, `(..., width)`."""


def batch_norm(shape: tuple[int, ...]) -> BatchNorm:
    """Make a batch normalization with `gamma` 1 and `beta` 0."""
    return BatchNorm(np.ones(shape), np.zeros(shape))


def layer_norm(shape: tuple[int, ...]) -> LayerNorm:
    """Make a layer normalization with `gamma` 1 and `beta` 0."""
    return LayerNorm(np.ones(shape), np.zeros(shape))


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
    have no biases, which `beta` replaces. The last layer is linear, with biases of zero. With
    `norm_last` the normalization is behind the activation, $h_l = \text{norm}(f(h_{l-1} W_l))$.

    Examples:
        >>> from gradbook.activations import relu
        >>> from gradbook.initializers import he
        >>> layers = normalized(np.random.default_rng(0), (2, 4, 3), relu, he, layer_norm)
        >>> [type(layer).__name__ for layer in layers]
        ['Dense', 'LayerNorm', 'Activate', 'Dense']
    """
    sizes = checked_widths(widths)
    layers: list[Layer] = []
    for fan_in, fan_out in pairwise(sizes):
        layers.append(Dense(initializer.draw(rng, fan_in, fan_out, ensemble), None, identity))
        pair = norm((*ensemble, fan_out)), Activate(activation)
        layers += pair[::-1] if norm_last else pair
    last = layers[-3]
    return [*layers[:-3], Dense(last.parameters["W"], np.zeros((*ensemble, sizes[-1])), identity)]
