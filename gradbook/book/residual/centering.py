"""Networks whose statistics over a set of inputs are taken once and then held fixed.

What a network computes at one input is then a function of that input alone, so that its Jacobians
at two inputs can be compared.
"""

from collections.abc import Sequence

import numpy as np

from gradbook.activations import relu
from gradbook.checks import Array
from gradbook.initializers import he
from gradbook.layers import BatchNorm, Dense, Layer
from gradbook.networks.normalization import normalized


def centered(layers: Sequence[Layer], x: Array) -> list[Layer]:
    r"""Replace each bias by minus the mean of $h W$ over the inputs, except in the last layer.

    Each pre-activation then has mean 0 over `x`. What biases the layers had is forgotten.

    Examples:
        >>> layer = Dense(np.array([[2.0]]), None, relu)
        >>> centered([layer, layer], np.array([[1.0], [3.0]]))[0].parameters["b"].tolist()
        [-4.0]
    """
    h, found = np.asarray(x), []
    for layer in layers[:-1]:
        if not isinstance(layer, Dense):
            raise TypeError(f"layers must be dense, got {layer!r}")
        shifted = Dense(layer.W, -(h @ layer.W).mean(axis=-2), layer.activation)
        found.append(shifted)
        h = shifted.forward(h).a
    return [*found, layers[-1]]


def fixed_at(layers: Sequence[Layer], x: Array) -> list[Layer]:
    """Return the network for evaluation: every batch normalization has the statistics of `x`."""
    h, found = np.asarray(x), []
    for given in layers:
        layer = given.fixed(h) if isinstance(given, BatchNorm) else given
        found.append(layer)
        h = layer.forward(h).a
    return found


def batch_normalized(
    rng: np.random.Generator, x: Array, depth: int, *, ensemble: tuple[int, ...] = ()
) -> list[Layer]:
    """Draw relu(BN(hW)) layers as wide as the inputs, with their statistics fixed at `x`."""
    width = x.shape[-1]
    layers = normalized(
        rng, [width] * (depth + 2), relu, he, lambda _: BatchNorm(None, None), ensemble=ensemble
    )
    return fixed_at(layers[:-1], x)
