r"""Long products of matrices, $P_t = M_t \cdots M_2 M_1$: how fast they grow, without overflow.

A gradient that crosses many layers, or many steps of a recurrent network, is multiplied by such a
product. It grows or shrinks exponentially, at rates that are called Lyapunov exponents: natural
logarithms per factor. All functions keep the logarithm of the length apart from the direction, so
that ten thousand factors are no harder than ten. The factors have shape (T, ..., n, n), the one
that is applied first coming first.

Examples:
    >>> rotation = np.array([[0.0, -1.0], [1.0, 0.0]])
    >>> spiral = np.broadcast_to(2 * rotation, (5000, 2, 2))  # 2^5000 is no float
    >>> stretches(spiral).mean(axis=0) / np.log(2)
    array([1., 1.])
"""

import numpy as np
from numpy.typing import ArrayLike

from gradbook.checks import Array, finite_array, integer_at_least


def log_norms(matrices: ArrayLike) -> Array:
    r"""Measure $\ln \lVert M_t \cdots M_1 \rVert$ for each $t$, the norm being the largest stretch.

    The logarithms have shape (T, ...), and are minus infinity from the factor on with which the
    product becomes zero.

    Examples:
        >>> [f"{np.exp(log):.3f}" for log in log_norms([[[0.5, 10.0], [0.0, 0.5]]] * 3)]
        ['10.025', '10.006', '7.502']
    """
    factors = _factors(matrices)
    product, scale, logs = np.broadcast_to(np.eye(factors.shape[-1]), factors[0].shape), 0.0, []
    with np.errstate(divide="ignore"):
        for factor in factors:
            product = factor @ product
            size = np.abs(product).max(axis=(-2, -1), keepdims=True)
            scale = scale + np.log(size[..., 0, 0])
            # A product that is zero stays so; its logarithm above is minus infinity for good.
            product = product / np.where(size > 0, size, 1)  # mutant(1): zero stays zero
            stretch = np.linalg.norm(product, ord=2, axis=(-2, -1))
            # mutant(>,0): of a product of zero, scale is minus infinity
            logs.append(scale + np.where(stretch > 0, np.log(stretch), 0))
    return np.stack(logs)


def power_norms(matrix: ArrayLike, powers: int) -> Array:
    r"""Measure $\lVert A^k \rVert$ for $k = 0 \ldots K$, infinite where float64 ends."""
    square = _factors(finite_array("matrix", matrix)[None], "matrix")
    powers = integer_at_least("powers", powers, 0)
    first = np.ones((1, *square.shape[1:-2]))
    if powers == 0:
        return first
    with np.errstate(over="ignore"):
        later = np.exp(log_norms(np.broadcast_to(square, (powers, *square.shape[1:]))))
    return np.concatenate([first, later])


def stretches(matrices: ArrayLike) -> Array:
    r"""Measure by QR how much each factor lengthens what the factors before it made.

    The factors carry along an orthonormal frame: $M_t Q_{t-1} = Q_t R_t$, $Q_0 = 1$. The product of
    the first $k$ diagonal entries of $|R_t|$ is the growth of a $k$-dimensional volume. So the
    first column of logarithms, summed, is $\ln \lVert M_t \cdots M_1 e_1 \rVert$ for the first unit
    vector $e_1$, exactly. Nothing is ever larger than one factor, so nothing overflows. Returns
    $\ln |(R_t)_{ii}|$, shape (T, ..., n); minus infinity where a factor flattens the frame.

    Examples:
        >>> logs = stretches([[[3.0, 0.0], [4.0, 1.0]], [[2.0, 0.0], [0.0, 2.0]]])
        >>> np.exp(logs).round(12).tolist()
        [[5.0, 0.6], [2.0, 2.0]]
    """
    factors = _factors(matrices)
    frame, logs = np.broadcast_to(np.eye(factors.shape[-1]), factors[0].shape), []
    with np.errstate(divide="ignore"):
        for factor in factors:
            frame, triangle = np.linalg.qr(factor @ frame)
            logs.append(np.log(np.abs(np.diagonal(triangle, axis1=-2, axis2=-1))))
    return np.stack(logs)


def _factors(matrices: ArrayLike, name: str = "matrices") -> Array:
    array = finite_array(name, matrices)
    if array.ndim < 3 or array.shape[-2] != array.shape[-1]:
        own, expected = (
            (array.shape[1:], "(..., n, n)")
            if name == "matrix"
            else (array.shape, "(T, ..., n, n)")
        )
        raise ValueError(f"{name} must have shape {expected}, got {own}")
    return array
