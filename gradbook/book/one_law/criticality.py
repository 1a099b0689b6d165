r"""Find the line between networks whose gradients vanish and those whose gradients explode.

Where the fixed point of the length has $\chi < 1$ gradients vanish: the **ordered phase**. Where it
has $\chi > 1$ they explode: the **chaotic phase**. Between them runs the **critical line**.

Source: Poole et al. 2016; Schoenholz et al. 2017.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import Activation
from gradbook.bisection import last_true
from gradbook.checks import Array, non_negative, non_negative_array
from gradbook.theory.gaussian import expectation
from gradbook.theory.meanfield import mean_square, mean_square_slope

# Relative changes of a length below this count as none: they are rounding errors of the rule.
_ROUNDING = 1e-12
# The slope of the length map is a mean divided by √q, whose rounding errors are 1e-12 here.
_SHORTEST_SLOPED = 1e-10  # mutant: of that order


@dataclass(frozen=True)
class Critical:
    """Hold a point of the critical line: a length that stays, with gradients that stay.

    `slope` is $dq'/dq$ at the fixed point, which is stable if this lies between -1 and 1.
    """

    q: float
    sigma_w2: float
    sigma_b2: float
    slope: float


def critical(activation: Activation, sigma_b2: float = 0.0) -> Critical | None:
    r"""Solve $q = \sigma_w^2 E f(\sqrt q z)^2 + \sigma_b^2$ and $\chi(q) = 1$ for $q$, $\sigma_w$.

    The second gives $\sigma_w^2 = 1/E f'(\sqrt q z)^2$, which leaves one equation in $q$.

    Returns:
        The solution with the smallest $q$ between 1e-8 and 1e8. Where every $q$ solves it, as for
        rectifiers without biases, the one with $q = 1$. None where there is none: without biases
        that goes for tanh and GELU and their like, whose length shrinks at $\chi = 1$, and with
        biases for rectifiers, whose length grows.

    Examples:
        >>> from gradbook.activations import sigmoid, tanh
        >>> point = critical(sigmoid)
        >>> f"q = {point.q:.2f}, sigma_w2 = {point.sigma_w2:.2f}, slope {point.slope:.2f}"
        'q = 45.62, sigma_w2 = 103.01, slope 0.06'
        >>> critical(tanh) is None
        True

    Source: Poole et al. 2016; Schoenholz et al. 2017.
    """
    b2 = non_negative("sigma_b2", sigma_b2)

    def growth(q: float) -> float:
        """Return the change of a length at chi = 1, as a share of it; 0 if that is rounding."""
        share = float(critical_line(activation, q)[1])
        change = (b2 - share) / q
        # mutant(*,1.0): a bound for rounding
        return change if abs(change) > _ROUNDING * max(1.0, b2 / q) else 0.0

    grid = np.logspace(-8, 8, 65)  # mutant(65,8): finer and wider is as good
    signs = np.array([np.sign(growth(q)) for q in grid])
    if not signs.any():
        return _critical_at(activation, 1.0, b2)
    places = np.flatnonzero(signs[:-1] * signs[1:] < 0)  # mutant(-): the first crossing is the same
    if not len(places):
        return None
    low, high = grid[places[0]], grid[places[0] + 1]  # mutant(1): further up the sign is the same
    rising = signs[places[0]]
    return _critical_at(activation, last_true(lambda q: rising * growth(q) >= 0, low, high), b2)


def critical_line(activation: Activation, q: ArrayLike) -> tuple[Array, Array]:
    r"""Return the $(\sigma_w^2, \sigma_b^2)$ for which $q$ is a fixed point with $\chi = 1$.

    $$\sigma_w^2 = \frac{1}{E f'(\sqrt q z)^2}, \qquad
    \sigma_b^2 = q - \sigma_w^2\, E f(\sqrt q z)^2 .$$

    Nothing needs to be solved: $q$ is the parameter of the line, 0 standing for the limit from
    above. $\sigma_w^2$ is infinite where all slopes are 0; a negative $\sigma_b^2$ belongs to no
    network.
    """
    lengths = non_negative_array("q", q).astype(np.float64)
    with np.errstate(divide="ignore"):
        w2 = np.asarray(1 / mean_square_slope(activation, lengths))
    return w2, lengths - w2 * mean_square(activation, lengths)


def _critical_at(activation: Activation, q: float, b2: float) -> Critical:
    w2 = float(critical_line(activation, q)[0])
    return Critical(q, w2, b2, float(length_slope(activation, q, w2)))


def length_slope(activation: Activation, q: ArrayLike, sigma_w2: ArrayLike) -> Array:
    r"""Return $dq'/dq = \sigma_w^2\, E[z f(\sqrt q z) f'(\sqrt q z)]/\sqrt q$, the map's slope.

    A fixed point is stable where it lies between -1 and 1, and the distance to it is multiplied by
    it in each layer. Lengths below $10^{-10}$ are taken as $10^{-10}$.
    """
    lengths = np.maximum(non_negative_array("q", q), _SHORTEST_SLOPED)

    def slope(scale: float) -> float:
        kinks = [kink / scale for kink in activation.kinks]
        product = expectation(
            lambda z: z * activation.f(scale * z) * activation.df(scale * z), kinks
        )
        return float(product) / scale

    slopes = np.reshape([slope(scale) for scale in np.sqrt(lengths).flat], lengths.shape)
    return np.asarray(non_negative_array("sigma_w2", sigma_w2) * slopes)
