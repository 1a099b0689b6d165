r"""Build networks of blocks: plain, with residual paths, with normalization before or behind.

A block is a list of layers as wide at its end as at its beginning. What is drawn and how it is
joined are two things: the same blocks make a plain network, a residual one, a pre-norm one or a
post-norm one, so that a comparison changes nothing but the path.
"""

from collections.abc import Sequence

import numpy as np

from gradbook.activations import Activation, identity
from gradbook.checks import positive_int
from gradbook.initializers import Initializer, he, lecun
from gradbook.layers import Dense, Layer, Residual

Blocks = Sequence[Sequence[Layer]]


def two_layer_blocks(
    rng: np.random.Generator,
    width: int,
    depth: int,
    activation: Activation,
    initializers: tuple[Initializer, Initializer] = (he, lecun),
    *,
    ensemble: tuple[int, ...] = (),
) -> list[list[Layer]]:
    r"""Draw `depth` blocks $f(h W_1)\, W_2$ without biases, one after the other.

    With the ReLU and variances $2/n$ and $1/n$ a block returns, on average, the energy it got.

    Source: Hanin & Rolnick 2018; Zhang, Dauphin & Ma 2019.
    """
    n, count = positive_int("width", width), positive_int("depth", depth)
    inner, outer = initializers
    return [
        [
            Dense(inner.draw(rng, n, n, ensemble), None, activation),
            Dense(outer.draw(rng, n, n, ensemble), None, identity),
        ]
        for _ in range(count)
    ]


def chained(blocks: Blocks) -> list[Layer]:
    """Join blocks without any path around them: the plain network."""
    return [layer for block in blocks for layer in block]


def residual(blocks: Blocks, scale: float = 1.0) -> list[Layer]:
    r"""Give every block a path around it: $h + \alpha B(h)$.

    Source: He et al. 2016.
    """
    return [Residual(block, scale) for block in blocks]


def pre_norm(blocks: Blocks, norm: Layer, scale: float = 1.0) -> list[Layer]:
    r"""Normalize what enters a block, and leave the path alone: $h + \alpha B(N(h))$.

    Take a normalization without parameters, or all places will share them.

    Examples:
        >>> from gradbook.layers import RMSNorm
        >>> block = [Dense(np.array([[3.0]]), None, identity)]
        >>> pre_norm([block], RMSNorm(None, epsilon=0.0))[0].forward(np.array([[2.0]])).a
        array([[5.]])

    Source: Xiong et al. 2020.
    """
    return [Residual([norm, *block], scale) for block in blocks]


def post_norm(blocks: Blocks, norm: Layer, scale: float = 1.0) -> list[Layer]:
    r"""Normalize the sum, and with it the path: $N(h + \alpha B(h))$, two layers for each block.

    As in `pre_norm`, the normalization has no parameters.

    Examples:
        >>> from gradbook.layers import RMSNorm
        >>> block = [Dense(np.array([[3.0]]), None, identity)]
        >>> layers = post_norm([block], RMSNorm(None, epsilon=0.0))
        >>> layers[1].forward(layers[0].forward(np.array([[2.0]])).a).a
        array([[1.]])

    Source: Xiong et al. 2020.
    """
    return [layer for block in blocks for layer in (Residual(block, scale), norm)]
