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

from gradbook.backprop import backprop_from
from gradbook.checks import Array, finite_array, generator, positive_int
from gradbook.jacobian import jacobian
from gradbook.layers import Layer


def jacobian_products(layers: Sequence[Layer], x: ArrayLike) -> Array:
    r"""Return $\operatorname{tr} J_a^\top J_b / n$ for all pairs of a batch of inputs.

    Args:
        layers: The network, with $n$ inputs.
        x: Inputs, `(..., batch, n)`.

    Returns:
        One symmetric matrix per member of the ensemble, shape (..., batch, batch).

    Raises:
        TypeError: As `jacobian`.
        ValueError: As `jacobian`.

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


def orthogonal_pair(rng: np.random.Generator, width: int) -> Array:
    """Draw two inputs at a right angle, each of mean square 1.

    Args:
        rng: The random generator.
        width: The number of entries of each, at least 2.

    Returns:
        The inputs as rows, shape (2, width).

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If `width` is below 2.

    Examples:
        >>> x = orthogonal_pair(np.random.default_rng(0), 8)
        >>> (np.abs(x @ x.T / 8 - np.eye(2)) < 1e-12).all().item()
        True
    """
    if positive_int("width", width) < 2:
        raise ValueError(f"width must be at least 2, got {width}")
    q, _ = np.linalg.qr(generator("rng", rng).standard_normal((width, 2)))
    return np.asarray(np.sqrt(width) * q.T)


def independent_gate_products(
    rng: np.random.Generator, width: int, depth: int, *, path: bool, networks: int
) -> Array:
    r"""Draw Jacobians whose gates are coins of their own for each of two inputs, and compare them.

    Without a path a block is $D W$ with weights of variance $2/n$, with a path it is
    $I + W_1 D W_2$ with variances $2/n$ and $1/n$; in $D$ each unit is 0 or 1 with equal chances.

    Args:
        rng: The random generator.
        width: The width $n$.
        depth: The number of blocks.
        path: Whether there is a path.
        networks: How many networks.

    Returns:
        $\operatorname{tr} J_1^\top J_2 / n$ over its theory's $E \operatorname{tr} J^\top J / n$,
        shape (networks,).

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If a size is not positive.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> products = independent_gate_products(rng, 16, 2, path=False, networks=500)
        >>> f"{products.mean():.2f}"
        '0.25'

    Source: Balduzzi et al. 2017.
    """
    n, count = positive_int("width", width), positive_int("networks", networks)
    J = np.broadcast_to(np.eye(n), (count, 2, n, n))
    for _ in range(positive_int("depth", depth)):
        gates = generator("rng", rng).integers(0, 2, (count, 2, n, 1))
        W = rng.standard_normal((count, 1, n, n)) * np.sqrt(2 / n)
        branch = gates * (W @ J)
        if path:
            V = rng.standard_normal((count, 1, n, n)) / np.sqrt(n)
            branch = J + V @ branch
        J = branch
    energy = 2.0**depth if path else 1.0
    return np.asarray((J[:, 0] * J[:, 1]).sum(axis=(-2, -1)) / n / energy)


def input_gradients(layers: Sequence[Layer], x: ArrayLike) -> Array:
    """Return the derivative of a network of one input and one output, at many inputs.

    Args:
        layers: The network.
        x: Inputs, shape (points,).

    Returns:
        Derivatives, shape (..., points).

    Raises:
        TypeError: As `backprop_from`.
        ValueError: As `backprop_from`.

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

    Returns:
        The autocorrelation for the lags 0 to points - 1, shape (points,).

    Raises:
        TypeError: If `values` is not made of numbers.
        ValueError: If it is not a matrix, or all are 0.

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
