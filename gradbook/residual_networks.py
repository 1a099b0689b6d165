r"""Build networks of blocks: plain, with residual paths, with normalization before or behind.

A block is a list of layers as wide at its end as at its beginning. What is drawn and how it is
joined are two things: the same blocks make a plain network, a residual one, a pre-norm one or a
post-norm one, so that a comparison changes nothing but the path.

Examples:
    >>> from gradbook.activations import relu
    >>> from gradbook.layers import RMSNorm
    >>> blocks = two_layer_blocks(np.random.default_rng(0), 4, 3, relu)
    >>> len(chained(blocks)), len(residual(blocks)), len(post_norm(blocks, RMSNorm(None)))
    (6, 3, 6)
"""

from collections.abc import Sequence

import numpy as np

from gradbook.activations import Activation, identity
from gradbook.checks import positive_int
from gradbook.initializers import Initializer, he, lecun
from gradbook.layers import Activate, Dense, Layer, Residual

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
    r"""Draw blocks $f(h W_1)\, W_2$ without biases.

    With the ReLU and variances $2/n$ and $1/n$ a block returns, on average, the energy it got.

    Args:
        rng: The random generator, drawn from block by block.
        width: The number of units, the same everywhere.
        depth: The number of blocks.
        activation: The activation between the two layers.
        initializers: How $W_1$ and $W_2$ are drawn.
        ensemble: Leading axes of every parameter.

    Returns:
        One list of two layers per block.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If a size is not positive.

    Examples:
        >>> from gradbook.activations import relu
        >>> [[first, last]] = two_layer_blocks(np.random.default_rng(0), 4, 1, relu)
        >>> first.parameters["W"].shape, last.parameters["W"].shape
        ((4, 4), (4, 4))

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


def one_layer_blocks(
    rng: np.random.Generator,
    width: int,
    depth: int,
    activation: Activation,
    initializer: Initializer = lecun,
    *,
    ensemble: tuple[int, ...] = (),
) -> list[list[Layer]]:
    r"""Draw blocks $f(h)\, W$, an activation before its weights.

    Args:
        rng: The random generator, drawn from block by block.
        width: The number of units.
        depth: The number of blocks.
        activation: The activation.
        initializer: How $W$ is drawn.
        ensemble: Leading axes of every parameter.

    Returns:
        One list of two layers per block; the first has no parameters.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If a size is not positive.

    Examples:
        >>> from gradbook.activations import tanh
        >>> [block] = one_layer_blocks(np.random.default_rng(0), 4, 1, tanh)
        >>> [type(layer).__name__ for layer in block]
        ['Activate', 'Dense']

    Source: Yang & Schoenholz 2017.
    """
    n, count = positive_int("width", width), positive_int("depth", depth)
    return [
        [Activate(activation), Dense(initializer.draw(rng, n, n, ensemble), None, identity)]
        for _ in range(count)
    ]


def chained(blocks: Blocks) -> list[Layer]:
    """Join blocks without any path around them: the plain network.

    Args:
        blocks: The blocks.

    Returns:
        Their layers, one after the other.

    Examples:
        >>> from gradbook.activations import relu
        >>> len(chained([[Activate(relu)]] * 2))
        2
    """
    return [layer for block in blocks for layer in block]


def residual(blocks: Blocks, scale: float = 1.0) -> list[Layer]:
    r"""Give every block a path around it: $h + \alpha B(h)$.

    Args:
        blocks: The blocks.
        scale: The factor $\alpha$ on each block's output.

    Returns:
        One residual layer per block.

    Raises:
        TypeError: As `Residual`.
        ValueError: As `Residual`.

    Examples:
        >>> residual([[Dense(np.array([[3.0]]), None, identity)]])[0].forward(np.ones((1, 1))).a
        array([[4.]])

    Source: He et al. 2016.
    """
    return [Residual(block, scale) for block in blocks]


def pre_norm(blocks: Blocks, norm: Layer, scale: float = 1.0) -> list[Layer]:
    r"""Normalize what enters a block, and leave the path alone: $h + \alpha B(N(h))$.

    Args:
        blocks: The blocks.
        norm: The normalization, one without parameters or all places will share them.
        scale: The factor $\alpha$.

    Returns:
        One residual layer per block.

    Raises:
        TypeError: As `Residual`.
        ValueError: As `Residual`.

    Examples:
        >>> from gradbook.layers import RMSNorm
        >>> block = [Dense(np.array([[3.0]]), None, identity)]
        >>> pre_norm([block], RMSNorm(None, epsilon=0.0))[0].forward(np.array([[2.0]])).a
        array([[5.]])

    Source: Xiong et al. 2020.
    """
    return [Residual([norm, *block], scale) for block in blocks]


def post_norm(blocks: Blocks, norm: Layer, scale: float = 1.0) -> list[Layer]:
    r"""Normalize the sum, and with it the path: $N(h + \alpha B(h))$.

    Args:
        blocks: The blocks.
        norm: The normalization, one without parameters or all places will share them.
        scale: The factor $\alpha$.

    Returns:
        A residual layer and a normalization per block.

    Raises:
        TypeError: As `Residual`.
        ValueError: As `Residual`.

    Examples:
        >>> from gradbook.layers import RMSNorm
        >>> block = [Dense(np.array([[3.0]]), None, identity)]
        >>> layers = post_norm([block], RMSNorm(None, epsilon=0.0))
        >>> layers[1].forward(layers[0].forward(np.array([[2.0]])).a).a
        array([[1.]])

    Source: Xiong et al. 2020.
    """
    return [layer for block in blocks for layer in (Residual(block, scale), norm)]
