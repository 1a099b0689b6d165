r"""One linear unit that is to add up its inputs: a loss with a wall, in closed form.

The unit computes $h_t = w h_{t-1} + x_t$ from $h_0 = 0$, so $h_T = \sum_t w^{T-t} x_t$, and is to
give $\sum_t x_t$, which takes $w = 1$. For independent inputs of mean 0 and variance 1 the loss is

$$L(w) = \tfrac12 E (h_T - \textstyle\sum_t x_t)^2 = \tfrac12 \sum_{k=0}^{T-1} (w^k - 1)^2 .$$

Below $|w| = 1$ it is flat. Above it grows like $w^{2T-2}$: a gradient that goes back through $T$
steps is multiplied by $w$ in each of them.

Examples:
    >>> [f"{adding_slope(w, steps=10):.4g}" for w in (0.5, 1.0, 1.5)]
    ['-3.068', '0', '1.4e+04']
    >>> f"{adding_curvature(1.0, steps=10):.0f}"
    '285'
"""

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import identity
from gradbook.backpropagation import backprop
from gradbook.checks import Array, finite, finite_array, integer_at_least
from gradbook.layers import Recurrent
from gradbook.losses import half_squared_error


def adding_unit(w: float, steps: int) -> tuple[list[Recurrent], Array, Array]:
    r"""Unroll the unit, with examples whose mean is the expectation over all inputs.

    Example $i$ has the input $\sqrt T$ at step $i$ and 0 at all others: over the examples the
    inputs have mean square 1 and are uncorrelated, which is all that a quadratic loss asks for.

    Returns:
        The steps, which share the weight; the initial states, shape (T, 1); and the targets, of
        the same shape.

    Examples:
        >>> layers, h, target = adding_unit(1.0, steps=4)
        >>> len(layers), h.shape, target.ravel().tolist()
        (4, (4, 1), [2.0, 2.0, 2.0, 2.0])
    """
    steps = integer_at_least("steps", steps, 2)
    W, U = np.array([[finite("w", w)]]), np.ones((1, 1))
    inputs = np.sqrt(steps) * np.eye(steps)[:, :, None]
    layers = [Recurrent(W, U, None, identity, x) for x in inputs]
    return layers, np.zeros((steps, 1)), inputs.sum(axis=0)


def adding_slope(w: float, steps: int) -> float:
    """Compute $dL/dw$ by backpropagation through time: a sum over the T places of $w$.

    Examples:
        >>> f"{adding_slope(2.0, steps=3):.4f}"  # (w - 1) + 2w (w² - 1)
        '13.0000'
    """
    trace = backprop(*adding_unit(w, steps), half_squared_error)
    return float(trace.parameters[0].grad.item())


def adding_curvature(w: ArrayLike, steps: int) -> Array:
    r"""Return $L''(w) = \sum_k [k (2k - 1) w^{2k-2} - k (k - 1) w^{k-2}]$.

    At $w = 1$ this is $\sum_k k^2 = (T-1) T (2T-1)/6$, so gradient descent is stable at the minimum
    for learning rates below $12/[(T-1) T (2T-1)]$, and much further up the wall for much less.

    Examples:
        >>> f"{adding_curvature(2.0, steps=3):.0f}"  # 1 + 6w² - 2
        '23'
    """
    weights = finite_array("w", w)[..., None]
    k = np.arange(1, integer_at_least("steps", steps, 2))
    # At k = 1 the second term is 0 times 1/w.
    second = np.where(k > 1, k * (k - 1) * weights ** np.maximum(k - 2, 0), 0)
    terms = k * (2 * k - 1) * weights ** (2 * k - 2) - second
    return np.asarray(terms.sum(axis=-1))
