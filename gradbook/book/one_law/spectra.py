r"""Compare singular values of whole networks: how unevenly a random network stretches.

Let $\lambda_i$ be the squared singular values of the Jacobian $J$ from the input to the last layer.
$\chi$ predicts their mean. Their second moment tells how uneven they are, and it grows with depth
even where the mean is kept: most directions shrink while a few grow.

Source: Pennington, Schoenholz & Ganguli 2017.
"""

import numpy as np

from gradbook.activations import Activation
from gradbook.checks import Array, generator, positive_int
from gradbook.initializers import Initializer


def spectral_moments(
    rng: np.random.Generator,
    activation: Activation,
    initializer: Initializer,
    *,
    depth: int,
    width: int,
    draws: int,
) -> Array:
    r"""Measure $\frac1n \sum_i \lambda_i$ and $\frac1n \sum_i \lambda_i^2$ of random networks.

    With $J = D_L W_L^\top \cdots D_1 W_1^\top$, $D_l$ the slopes, they are $\frac1n \mathrm{tr}\,
    J J^\top$ and $\frac1n \mathrm{tr} (J J^\top)^2$: no singular value has to be computed.

    Args:
        draws: Number of networks, each with one input from $N(0, 1)$ per unit.

    Returns:
        Both moments of each network, shape (draws, 2).

    Examples:
        >>> from gradbook.activations import identity
        >>> from gradbook.initializers import orthogonal
        >>> rng = np.random.default_rng(0)
        >>> spectral_moments(rng, identity, orthogonal, depth=3, width=8, draws=1).round(9).tolist()
        [[1.0, 1.0]]
    """
    rng, width = generator("rng", rng), positive_int("width", width)
    depth, draws = positive_int("depth", depth), positive_int("draws", draws)
    moments = []
    for _ in range(draws):
        h: Array = rng.standard_normal(width)
        product: Array = np.eye(width)
        for _ in range(depth):
            W = initializer.draw(rng, width, width)
            z = h @ W
            h, product = activation.f(z), (product @ W) * activation.df(z)
        gram = product.T @ product
        moments.append([np.trace(gram) / width, np.square(gram).sum() / width])
    return np.array(moments)


def linear_second_moment(depth: int, width: int) -> float:
    r"""Compute $E \frac1n \mathrm{tr} (J J^\top)^2$ for linear layers with weights $N(0, 1/n)$.

    Let $s = \frac1n \mathrm{tr} A^2$ and $t = (\frac1n \mathrm{tr} A)^2$ for $A = J J^\top$. One
    more layer makes it $W^\top A W$, and the four weights in the trace of its square pair up in
    three ways:

    $$E s' = \left(1 + \tfrac1n\right) s + t, \qquad E t' = t + \tfrac{2}{n^2} s .$$

    Both begin with 1. For $n \to \infty$ the moment is $L + 1$.

    Returns:
        The expectation, exact at every width.

    Examples:
        >>> linear_second_moment(1, 10), f"{linear_second_moment(4, 10**6):.3f}"
        (2.1, '5.000')
    """
    width, s, t = positive_int("width", width), 1.0, 1.0
    for _ in range(positive_int("depth", depth)):
        s, t = (1 + 1 / width) * s + t, t + 2 / width**2 * s
    return s
