r"""Dead ReLU networks: how often one gives nothing but zero, and no gradient, before any training.

If all pre-activations of one layer are negative, all later layers receive zeros. Without biases
they give zeros, and no gradient comes back.
"""

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import relu
from gradbook.backpropagation import forward
from gradbook.checks import finite_array, generator, positive_int
from gradbook.initializers import he
from gradbook.networks import plain


def dead_probability(width: int, depth: int) -> float:
    """Compute $P = 1 - (1 - 2^{-N})^L$, how often a ReLU network is dead for a given input.

    It has $L$ layers of $N$ units, weights with a symmetric distribution without atoms and no
    biases, and the input is not zero. Then each unit of a layer is positive with probability 1/2,
    independently of the other units and of all that came before, as long as the layer below is not
    zero: the next layer lives with probability $1 - 2^{-N}$. It is exact for one input. For all
    inputs at once it is an upper bound.

    Examples:
        >>> dead_probability(1, 3), f"{dead_probability(5, 10):.4f}"
        (0.875, '0.2720')

    Source: Lu et al. 2019.
    """
    alive = -np.expm1(-np.log(2) * positive_int("width", width))
    return float(-np.expm1(positive_int("depth", depth) * np.log(alive)))


def dead_for_both_probability(width: int) -> float:
    r"""Compute how often two ReLU layers above one input unit are dead for every input.

    For a single input number $x$ all that counts is its sign. If $k$ of the $N$ first weights are
    positive, $x > 0$ reaches $k$ units and $x < 0$ the other $N - k$. No unit is reached by both,
    so the second layer treats them independently:

    $$P = 2^{-2N} \left( 3 - 2 \cdot 2^{-N} \right).$$

    Examples:
        >>> dead_for_both_probability(1), dead_for_both_probability(2)
        (0.5, 0.15625)
    """
    dead = 0.5 ** positive_int("width", width)
    # Both signs reach a unit: dead twice, dead². One does not, 2 · dead of the time: dead once.
    return (1 - 2 * dead) * dead**2 + 2 * dead * dead


def draw_dead(
    rng: np.random.Generator, x: ArrayLike, *, width: int, depth: int, draws: int
) -> np.ndarray:
    """Draw ReLU networks without biases and see which of their outputs are all zero.

    Args:
        x: Inputs, shape (inputs, fan_in).

    Returns:
        Whether each network is dead for each input, shape (draws, inputs).

    Examples:
        >>> dead = draw_dead(np.random.default_rng(0), [[1.0]], width=1, depth=3, draws=1000)
        >>> dead.shape, f"{dead.mean():.2f}"
        ((1000, 1), '0.89')
    """
    points = finite_array("x", x)
    if points.ndim != 2:
        raise ValueError(f"x must have shape (inputs, fan_in), got {points.shape}")
    layers = plain(
        generator("rng", rng),
        [points.shape[1], *[positive_int("width", width)] * positive_int("depth", depth)],
        relu,
        he,
        output_activation=relu,
        bias_variance=None,
        ensemble=(positive_int("draws", draws),),
    )
    dead: np.ndarray = (forward(layers, points)[-1].a == 0).all(axis=-1)
    return dead
