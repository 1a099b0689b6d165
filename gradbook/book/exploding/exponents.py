r"""Lyapunov exponents of long products: measured factor by factor, and known for random matrices.

Examples:
    >>> spiral = np.broadcast_to([[0.0, -2.0], [2.0, 0.0]], (5000, 2, 2))  # 2^5000 is no float
    >>> lyapunov_exponents(spiral) / np.log(2)
    array([1., 1.])
"""

import numpy as np
from numpy.typing import ArrayLike

from gradbook.book.polygamma import digamma
from gradbook.checks import Array, positive, positive_int
from gradbook.theory.products import stretches


def lyapunov_exponents(matrices: ArrayLike) -> Array:
    r"""Estimate the Lyapunov exponents of a product, $\frac{1}{T} \sum_t \ln |(R_t)_{ii}|$.

    For long products they come out in decreasing order; $e$ to the first is the factor by which
    almost every vector, and the norm of the product, grows per matrix.
    """
    return np.asarray(stretches(matrices).mean(axis=0))


def gaussian_exponents(n: int, variance: float = 1.0) -> Array:
    r"""Predict the exponents of independent $n \times n$ factors with entries from $N(0, v)$.

    $$\mu_i = \tfrac12 \left[ \ln 2 + \psi\left(\tfrac{n - i + 1}{2}\right) + \ln v \right],
    \qquad i = 1 \ldots n.$$

    A Gaussian matrix looks the same in every frame. So $M_t Q_{t-1}$ has independent normal entries
    again, and $(R_t)_{ii}^2/v$ is the squared length of a normal vector in the $n - i + 1$
    dimensions that the first $i - 1$ columns leave: chi-squared, and independent from factor to
    factor. The formula is therefore exact for the expectation of each stretch, not only in the
    limit.

    Examples:
        >>> " ".join(f"{mu:.3f}" for mu in gaussian_exponents(4))
        '0.558 0.365 0.058 -0.635'

    Source: Newman 1986.
    """
    n, variance = positive_int("n", n), positive("variance", variance)
    degrees = np.arange(n, 0, -1)
    return np.asarray((np.log(2 * variance) + digamma(degrees / 2)) / 2)
