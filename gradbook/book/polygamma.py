r"""The digamma and trigamma functions, which turn up wherever logarithms of lengths are averaged.

If $z$ holds $n$ independent numbers from $N(0, 1)$, then $\lVert z \rVert^2$ has a chi-squared
distribution, $E \ln \lVert z \rVert^2 = \ln 2 + \psi(n/2)$ and
$\mathrm{Var} \ln \lVert z \rVert^2 = \psi_1(n/2)$, with $\psi(x) = \frac{d}{dx} \ln \Gamma(x)$ and
$\psi_1 = \psi'$.

Both are computed as $\Gamma$ is by hand: the recurrence leads from $x$ to $x + 10$, where the
asymptotic series, whose coefficients are Bernoulli numbers, is exact to rounding. The first term
left out is below $10^{-15}$ there.
"""

import numpy as np
from numpy.typing import ArrayLike

from gradbook.checks import Array, finite_array

_SHIFT = 10  # mutant: further is as good

# B_2k for k = 1, 2, ...
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


def digamma(x: ArrayLike) -> Array:
    r"""Compute $\psi(x) = \ln x - \frac{1}{2x} - \sum_k \frac{B_{2k}}{2k\,x^{2k}}$ at $x + 10$.

    The recurrence $\psi(x) = \psi(x + 1) - 1/x$ leads back. The values are good to about $10^{-15}$
    times the largest term, $1/x$ or $\ln x$.

    Examples:
        >>> [f"{digamma(x):.10f}" for x in (1, 2)]  # minus Euler's constant, and 1 more
        ['-0.5772156649', '0.4227843351']
    """
    here, far = _shifted(x)
    u = 1 / far
    series = u / 2 + sum(b / (2 * k) * u ** (2 * k) for k, b in enumerate(_BERNOULLI, start=1))
    return np.asarray(np.log(far) - series - (1 / here).sum(axis=0))


def trigamma(x: ArrayLike) -> Array:
    r"""Compute $\psi_1(x) = \frac1x + \frac{1}{2x^2} + \sum_k \frac{B_{2k}}{x^{2k+1}}$ at $x + 10$.

    The recurrence $\psi_1(x) = \psi_1(x + 1) + 1/x^2$ leads back. The values are good to a relative
    $10^{-14}$.

    Examples:
        >>> f"{trigamma(1):.10f} {np.pi**2 / 6:.10f}"
        '1.6449340668 1.6449340668'
    """
    here, far = _shifted(x)
    u = 1 / far
    series = u + u**2 / 2 + sum(b * u ** (2 * k + 1) for k, b in enumerate(_BERNOULLI, start=1))
    return np.asarray(series + ((1 / here) ** 2).sum(axis=0))


def _shifted(x: ArrayLike) -> tuple[Array, Array]:
    """Return x, x + 1, ..., x + 9 along a new first axis, and x + 10."""
    array = finite_array("x", x).astype(np.float64)
    if (array <= 0).any():
        raise ValueError(f"x must be positive, got {array.min()}")
    shifts = np.arange(_SHIFT).reshape(-1, *[1] * array.ndim)
    return array + shifts, array + _SHIFT
