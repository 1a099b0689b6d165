r"""Split the gradient of a residual network by how many blocks its routes cross.

Each block offers a gradient two ways, so through $L$ blocks there are $2^L$ routes:

$$\prod_l (I + \alpha J_l) = \sum_S \alpha^{|S|} \prod_{l \in S} J_l,$$

a sum over all sets $S$ of blocks. Routes that cross equally many blocks can be followed together,
so that $2^L$ routes take $L + 1$ gradients at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gradbook.backpropagation import forward
from gradbook.checks import Array, finite_array
from gradbook.layers import Forward, Layer, Residual


@dataclass(frozen=True)
class TrainedRoutes:
    """Hold which routes brought most of the gradient of a trained residual network.

    Source: Veit, Wilber & Belongie 2016, abstract.
    """

    layers: int = 110
    shortest: int = 10
    longest: int = 34


TRAINED = TrainedRoutes()
"""As published."""


def gradients_by_length(layers: Sequence[Layer], x: ArrayLike, da: ArrayLike) -> Array:
    r"""Return the parts of $\partial L/\partial x$ that crossed $k = 0, \dots, L$ blocks.

    A part $g_k$ behind a block has crossed $k$ blocks; before it, $g_k + \alpha g_{k-1} J$ has.

    Args:
        layers: Residual layers and nothing else.

    Returns:
        The parts, shape (blocks + 1, ..., batch, width). Their sum is the gradient.

    Examples:
        >>> from gradbook.activations import identity
        >>> from gradbook.layers import Dense
        >>> layers = [Residual(Dense(np.array([[w]]), None, identity)) for w in (3.0, 5.0)]
        >>> gradients_by_length(layers, [[1.0]], [[1.0]]).ravel().tolist()  # (1 + 3)(1 + 5)
        [1.0, 8.0, 15.0]

    Source: Veit, Wilber & Belongie 2016 for the routes.
    """
    for number, layer in enumerate(layers, start=1):
        if not isinstance(layer, Residual):
            raise TypeError(f"layers must be residual, got {layer!r} as layer {number}")
    records = forward(layers, x)
    start = np.broadcast_to(finite_array("da", da), records[-1].a.shape)
    parts = [start]
    for layer, record in zip(reversed(layers), reversed(records), strict=True):
        crossed = [_through_block(layer, record, part) for part in parts]
        none = np.zeros_like(start)
        parts = [a + b for a, b in zip([*parts, none], [none, *crossed], strict=True)]
    return np.stack(parts)


def _through_block(layer: Layer, record: Forward, da: Array) -> Array:
    """Bring back what goes through the block: all that the layer returns but the path's share."""
    return layer.backward(record, da).dx - da
