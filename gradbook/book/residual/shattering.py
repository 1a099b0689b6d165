r"""Shattered gradients: how alike the gradients at two different inputs are.

Two Jacobians of the same network are compared entry by entry,

$$\frac{\operatorname{tr} J_1^\top J_2}{\sqrt{\operatorname{tr} J_1^\top J_1 \;
\operatorname{tr} J_2^\top J_2}},$$

and the gradients of a network with one input by their autocorrelation along that input.

Source: Balduzzi et al. 2017.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from gradbook.backpropagation import backprop_from
from gradbook.checks import Array, finite_array, generator, positive_int
from gradbook.jacobians import jacobian
from gradbook.layers import Layer


def jacobian_products(layers: Sequence[Layer], x: ArrayLike) -> Array:
    r"""Return $\operatorname{tr} J_a^\top J_b / n$ for all pairs of a batch of inputs.

    Args:
        x: Inputs, `(..., batch, n)`.

    Returns:
        One symmetric matrix per member of the ensemble, shape (..., batch, batch).

    Examples:
        >>> from gradbook.activations import relu
        >>> from gradbook.layers import Dense
        >>> layers = [Dense(np.eye(2), None, relu)]
        >>> jacobian_products(layers, [[1.0, 1.0], [1.0, -1.0]]).tolist()
        [[1.0, 0.5], [0.5, 0.5]]
    """
    J = jacobian(layers, x)
    flat = J.reshape(*J.shape[:-2], -1)
    return np.asarray(flat @ flat.mT / J.shape[-1])


def gradient_correlation(layers: Sequence[Layer], x: ArrayLike) -> Array:
    """Return how alike the Jacobians at two inputs are, between -1 and 1.

    Args:
        x: Two inputs, `(..., 2, n)`.

    Returns:
        One number per member of the ensemble.
    """
    products = jacobian_products(layers, x)
    lengths = np.sqrt(products[..., 0, 0] * products[..., 1, 1])
    return np.asarray(products[..., 0, 1] / lengths)


def orthogonal_pair(rng: np.random.Generator, width: int) -> Array:
    """Draw two inputs at a right angle, each of mean square 1.

    Returns:
        The inputs as rows, shape (2, width).
    """
    if positive_int("width", width) < 2:
        raise ValueError(f"width must be at least 2, got {width}")
    q, _ = np.linalg.qr(generator("rng", rng).standard_normal((width, 2)))
    return np.asarray(np.sqrt(width) * q.T)


def input_gradients(layers: Sequence[Layer], x: ArrayLike) -> Array:
    """Return the derivative of a network of one input and one output, at many inputs.

    Args:
        x: Inputs, shape (points,).

    Returns:
        Derivatives, shape (..., points).

    Examples:
        >>> from gradbook.activations import relu
        >>> from gradbook.layers import Dense
        >>> input_gradients([Dense(np.array([[2.0]]), None, relu)], [-1.0, 1.0]).tolist()
        [0.0, 2.0]
    """
    points = finite_array("x", x)[:, None]
    return backprop_from(layers, points, 1.0).dh[0][..., 0]


def autocorrelation(values: ArrayLike) -> Array:
    r"""Return $\sum_i g_i g_{i+k} / \sum_i g_i^2$ for every lag $k$, both averaged over rows.

    No mean is subtracted, and at large lags fewer pairs enter: the definition of the notebook, but
    for the average over networks before the division, which a ratio for each would bias.

    Args:
        values: One row per network, shape (networks, points).

    Examples:
        >>> autocorrelation([[1.0, 1.0, 1.0, 1.0]]).tolist()
        [1.0, 0.75, 0.5, 0.25]

    Source: Prince 2023, notebook 11.1.
    """
    rows = finite_array("values", values)
    if rows.ndim != 2 or not rows.any():
        raise ValueError(f"values must be a matrix and not 0, got shape {rows.shape}")
    points = rows.shape[1]
    sums = np.mean([np.correlate(row, row, "full")[points - 1 :] for row in rows], axis=0)
    return np.asarray(sums / sums[0])
