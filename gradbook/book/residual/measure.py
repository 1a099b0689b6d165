"""Measure energies in networks of blocks: of the signal going forward, of a gradient going back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradbook.activations import Activation, identity
from gradbook.backpropagation import forward
from gradbook.checks import Array, generator, positive_int
from gradbook.initializers import Initializer, lecun
from gradbook.layers import Activate, Dense, Layer


@dataclass(frozen=True, eq=False)
class Energies:
    r"""Hold mean squares at every boundary of every network of an ensemble.

    Args:
        signal: $\overline{h_l^2}$, from the input on, where it is 1; shape (networks, layers + 1).
        gradient: $\lVert \partial L/\partial h_l \rVert^2$ over its value at the output.
    """

    signal: Array
    gradient: Array


def one_layer_blocks(
    rng: np.random.Generator,
    width: int,
    depth: int,
    activation: Activation,
    initializer: Initializer = lecun,
    *,
    ensemble: tuple[int, ...] = (),
) -> list[list[Layer]]:
    r"""Draw `depth` blocks $f(h)\, W$, an activation before its weights, each of two layers.

    Source: Yang & Schoenholz 2017.
    """
    n, count = positive_int("width", width), positive_int("depth", depth)
    return [
        [Activate(activation), Dense(initializer.draw(rng, n, n, ensemble), None, identity)]
        for _ in range(count)
    ]


def energies(rng: np.random.Generator, layers: Sequence[Layer], width: int) -> Energies:
    """Send a random input forward and a random gradient, independent of the weights, back.

    Args:
        layers: An ensemble of networks of equal width, with one leading axis.

    Examples:
        >>> from gradbook.layers import Residual
        >>> layers = [Residual(Dense(np.eye(2)[None], None, identity))] * 3
        >>> found = energies(np.random.default_rng(0), layers, 2)
        >>> found.signal.round(9).tolist(), found.gradient.round(9).tolist()
        ([[1.0, 4.0, 16.0, 64.0]], [[64.0, 16.0, 4.0, 1.0]])
    """
    x = generator("rng", rng).standard_normal((1, positive_int("width", width)))
    x /= np.sqrt(np.square(x).mean())
    members = len(next(iter(a for layer in layers for a in layer.parameters.values())))
    records = forward(layers, x)
    dh: Array = rng.standard_normal((members, 1, width))
    values = [x, *(record.a for record in records)]
    signal = [np.broadcast_to(np.square(h).mean(axis=(-2, -1)), members) for h in values]
    lengths = [np.square(dh).sum(axis=(-2, -1))]
    for layer, record in zip(reversed(layers), reversed(records), strict=True):
        # Not backprop: the gradients on all weights together would fill the memory.
        dh = layer.backward(record, dh).dx
        lengths.append(np.square(dh).sum(axis=(-2, -1)))
    gradient = np.stack(lengths[::-1], axis=-1)
    return Energies(np.stack(signal, axis=-1), gradient / gradient[:, -1:])
