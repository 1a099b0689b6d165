r"""Quadratic bowls $\frac12 w^\top H w$: how fast gradient descent runs down to their minimum at 0.

Along each eigenvector of the Hessian $H$ the bowl is a parabola with the eigenvalue as its
curvature, and one step multiplies that part of $w$ by $1 - \eta\lambda$. All parts share one
learning rate, so the part with the largest factor decides.

Examples:
    >>> bowl = [[1.0, 0.0], [0.0, 10.0]]
    >>> f"{condition_number(bowl):.1f} {best_learning_rate(bowl):.4f}"
    '10.0 0.1818'
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from gradbook.checks import Array, finite, finite_array, positive
from gradbook.update import minimize


def curvatures(hessian: ArrayLike) -> Array:
    r"""Return the eigenvalues $\lambda_1 \le \dots \le \lambda_n$ of the Hessian.

    Args:
        hessian: The matrix $H$, shape (n, n), symmetric and positive definite.

    Examples:
        >>> [f"{c:.1f}" for c in curvatures([[2.0, 1.0], [1.0, 2.0]])]
        ['1.0', '3.0']
    """
    matrix = finite_array("hessian", hessian)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or (matrix != matrix.T).any():
        raise ValueError(f"hessian must be a symmetric matrix, got {matrix.tolist()}")
    values = np.linalg.eigvalsh(matrix)
    if values[0] <= 0:
        raise ValueError(
            f"hessian must be positive definite, or the bowl has no lowest point; its least "
            f"eigenvalue is {values[0]:.3g}"
        )
    return np.asarray(values)


def condition_number(hessian: ArrayLike) -> float:
    r"""Return $\kappa = \lambda_{\max} / \lambda_{\min}$.

    Examples:
        >>> f"{condition_number([[2.0, 1.0], [1.0, 2.0]]):.1f}"
        '3.0'
    """
    found = curvatures(hessian)
    return float(found[-1] / found[0])


def best_learning_rate(hessian: ArrayLike) -> float:
    r"""Return $\eta = 2 / (\lambda_{\min} + \lambda_{\max})$, which makes the slowest part fastest.

    There the flattest and the steepest part are multiplied by $\pm(\kappa - 1)/(\kappa + 1)$. A
    larger rate makes the steepest part slower, a smaller one the flattest.

    Examples:
        >>> f"{best_learning_rate([[2.0, 1.0], [1.0, 2.0]]):.2f}"
        '0.50'

    Source: Nesterov 2004.
    """
    found = curvatures(hessian)
    return float(2 / (found[0] + found[-1]))


def contraction(hessian: ArrayLike, lr: float) -> float:
    r"""Return $\max_i |1 - \eta\lambda_i|$, by which a step multiplies the distance at most.

    Returns:
        The rate. From 1 on, descent does not arrive from everywhere.

    Examples:
        >>> [f"{contraction([[1.0, 0.0], [0.0, 10.0]], lr):.2f}" for lr in (0.02, 0.19, 0.21)]
        ['0.98', '0.90', '1.10']
    """
    return float(np.abs(1 - positive("lr", lr) * curvatures(hessian)).max())


def predicted_steps(hessian: ArrayLike, lr: float, fraction: float) -> int:
    r"""Predict after how many steps at most the distance to 0 has shrunk to a fraction of it.

    $k = \lceil \ln(\text{fraction}) / \ln(\text{rate}) \rceil$; exact where every part of the
    starting point shrinks at the same rate, as two parts do at the `best_learning_rate`.

    Examples:
        >>> predicted_steps([[1.0, 0.0], [0.0, 10.0]], 2 / 11, 0.001)
        35
    """
    if not 0 < finite("fraction", fraction) < 1:
        raise ValueError(f"fraction must lie between 0 and 1, got {fraction}")
    factor = contraction(hessian, lr)
    if factor >= 1:
        raise ValueError(
            f"lr must be below 2 over the largest curvature, got {lr}, where the rate is {factor}"
        )
    # At a rate of 0, one step is enough, and its logarithm is minus infinity.
    return max(1, math.ceil(math.log(fraction) / math.log(factor))) if factor else 1


def counted_steps(hessian: ArrayLike, w: ArrayLike, lr: float, fraction: float) -> int:
    """Count the steps until the distance to 0 is at most a fraction of what it was.

    Examples:
        >>> counted_steps([[1.0, 0.0], [0.0, 10.0]], [1.0, 1.0], 2 / 11, 0.001)
        35
    """
    matrix, start = finite_array("hessian", hessian), finite_array("w", w)
    most = predicted_steps(matrix, lr, fraction)
    if start.shape != matrix.shape[:1] or not start.any():
        raise ValueError(f"w must have shape {matrix.shape[:1]} and not be 0, got {start.tolist()}")
    # One more than predicted, for a prediction that is missed by a rounding.
    path = minimize(lambda point: matrix @ point, start, lr, most + 1)
    distances = np.linalg.norm(path, axis=-1)
    return int(np.argmax(distances <= fraction * distances[0]))
