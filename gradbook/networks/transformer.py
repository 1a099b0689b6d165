r"""Draw the blocks of a Transformer: attention, and two layers for each row on its own.

They are blocks as any others: `residual`, `pre_norm` and `post_norm` join them to a network.
"""

import numpy as np

from gradbook.activations import Activation, identity, relu
from gradbook.checks import positive_int
from gradbook.initializers import Initializer, lecun
from gradbook.layers import Attention, Dense, Layer
from gradbook.networks.residual_blocks import two_layer_blocks


def attention_block(
    rng: np.random.Generator,
    width: int,
    attention: Attention,
    initializer: Initializer = lecun,
    *,
    ensemble: tuple[int, ...] = (),
) -> list[Layer]:
    r"""Draw $A(h W_{qkv}) \, W_o$ without biases: what a Transformer calls attention.

    The weights of queries, keys and values are drawn one after the other, each of its own fan-in
    and fan-out, and stand side by side in one array.

    Examples:
        >>> block = attention_block(np.random.default_rng(0), 4, Attention(time=3, heads=2))
        >>> [layer.parameters["W"].shape for layer in (block[0], block[2])]
        [(4, 12), (4, 4)]
        >>> block[0].forward(np.ones((6, 4))).a.shape
        (6, 12)

    Source: Vaswani et al. 2017, section 3.2.
    """
    n = positive_int("width", width)
    parts = [initializer.draw(rng, n, n, ensemble) for _ in range(3)]
    out = initializer.draw(rng, n, n, ensemble)
    return [
        Dense(np.concatenate(parts, axis=-1), None, identity),
        attention,
        Dense(out, None, identity),
    ]


def transformer_blocks(
    rng: np.random.Generator,
    width: int,
    depth: int,
    attention: Attention,
    activation: Activation = relu,
    *,
    ensemble: tuple[int, ...] = (),
) -> list[list[Layer]]:
    r"""Draw $2 \cdot$ `depth` blocks, by turns attention and $f(h W_1) \, W_2$.

    Examples:
        >>> blocks = transformer_blocks(np.random.default_rng(0), 4, 3, Attention(time=2))
        >>> [len(block) for block in blocks]
        [3, 2, 3, 2, 3, 2]
    """
    blocks = list[list[Layer]]()
    for _ in range(positive_int("depth", depth)):
        blocks.append(attention_block(rng, width, attention, ensemble=ensemble))
        blocks += two_layer_blocks(rng, width, 1, activation, ensemble=ensemble)
    return blocks
