r"""Follow two inputs at once: how their correlation changes from layer to layer.

Two inputs give each unit two pre-activations of length $q$ and correlation $c$. The next layer's is

$$c' = \frac{\sigma_w^2\, E f(\sqrt q u_1) f(\sqrt q u_2) + \sigma_b^2}
{\sigma_w^2\, E f(\sqrt q u_1)^2 + \sigma_b^2},$$

where $u_1, u_2$ are standard normal with the correlation $c$. At a fixed point of the length map,
the slope of this map at $c = 1$ is $\chi$: the number that multiplies a gradient's energy on its
way back multiplies the squared distance of two close inputs on their way forward. Where $\chi < 1$
all inputs become alike, where $\chi > 1$ close ones are torn apart. The map rises and is convex on
$[0, 1]$, since its derivatives there are sums of squares: so it has at most one fixed point below
1, to which all pairs tend, and has it if and only if $\chi > 1$.

The rule for the plane takes $u_1 = r \cos\alpha$, $u_2 = r \cos(\alpha - \theta)$ with
$\cos\theta = c$: equal steps of $\ln r$, and between the four angles where $u_1$ or $u_2$ changes
its sign the double-exponential rule, which crowds its nodes where $f(\sqrt q u)$ changes fast if
$q$ is large. For functions that are smooth apart from 0, jumps at 0 included, its relative error is
below $10^{-11}$ for lengths up to $10^4$ and $10^{-6}$ up to $10^8$. A kink elsewhere costs up to
$10^{-3}$, a jump elsewhere $2 \cdot 10^{-2}$.

Source: Poole et al. 2016; the double-exponential rule: Takahasi & Mori 1974.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import Activation
from gradbook.checks import Array, finite_array, non_negative

_RADII = np.exp(np.arange(-18.5, 2.3, 0.1))
_ENDS = 3.1
_ANGLE_STEP = 0.05


def joint_expectation(
    g: Callable[[Array], Array], c: ArrayLike, h: Callable[[Array], Array] | None = None
) -> Array:
    r"""Return $E\,g(u_1) h(u_2)$ for standard normal $u_1, u_2$ of correlation $c$.

    Examples:
        >>> f"{joint_expectation(lambda u: u, 0.3):.12f}"
        '0.300000000000'
        >>> f"{joint_expectation(np.sign, 0.5):.9f} {2 / np.pi * np.arcsin(0.5):.9f}"
        '0.333333333 0.333333333'
    """
    correlations = _correlations(c)
    other = g if h is None else h
    values = [_one_expectation(g, other, float(value)) for value in correlations.flat]
    return np.reshape(np.array(values), correlations.shape)


def correlation_map(
    activation: Activation,
    c: ArrayLike,
    q: float,
    sigma_w2: ArrayLike,
    sigma_b2: ArrayLike = 0.0,
) -> Array:
    """Return the next layer's correlation of two inputs which both have the length $q$.

    Args:
        q: Their length, above 0 unless the biases vary.

    Examples:
        Two inputs at a right angle, under the ReLU:

        >>> from gradbook.activations import relu
        >>> f"{correlation_map(relu, 0.0, q=1.0, sigma_w2=2.0):.6f} {1 / np.pi:.6f}"
        '0.318310 0.318310'

    Source: Poole et al. 2016.
    """
    scale, w2, b2 = math.sqrt(non_negative("q", q)), *_both(sigma_w2, sigma_b2)
    joint = joint_expectation(lambda u: activation.f(scale * u), [1.0, *_correlations(c).flat])
    lengths = w2 * joint[0] + b2
    if (lengths == 0).any():
        raise ValueError(f"q must lead to a length above 0, got {q}")
    return np.asarray((w2 * joint[1:].reshape(np.shape(c)) + b2) / lengths)


def correlation_slope(activation: Activation, c: ArrayLike, q: float, sigma_w2: ArrayLike) -> Array:
    r"""Return $\sigma_w^2\, E f'(\sqrt q u_1) f'(\sqrt q u_2)$, the slope of the correlation map.

    It is that slope where $q$ is a fixed point of the length map, and $\chi(q)$ at $c = 1$.

    Examples:
        >>> from gradbook.activations import relu
        >>> f"{correlation_slope(relu, [0.0, 1.0], q=1.0, sigma_w2=2.0)}"
        '[0.5 1. ]'

    Source: Poole et al. 2016.
    """
    scale, (w2, _) = math.sqrt(non_negative("q", q)), _both(sigma_w2, 0.0)
    return np.asarray(w2 * joint_expectation(lambda u: activation.df(scale * u), c))


def _one_expectation(g: Callable[[Array], Array], h: Callable[[Array], Array], c: float) -> float:
    """Sum over the plane in polar coordinates, a segment of angles after the other."""
    theta = math.acos(c)
    r, radial = _radial_rule()
    unit, share = _segment_rule()
    total = 0.0
    # u1 changes its sign at π/2, u2 at θ ± π/2, and both again half a turn on.
    for low, high in ((theta - math.pi / 2, math.pi / 2), (math.pi / 2, theta + math.pi / 2)):
        for turn in (0.0, math.pi):
            alpha = low + turn + (high - low) * unit
            first = g(r[:, None] * np.cos(alpha))
            second = h(r[:, None] * np.cos(alpha - theta))
            total += (high - low) * float(radial @ (first * second) @ share)
    return total / (2 * math.pi)


@lru_cache(maxsize=1)
def _radial_rule() -> tuple[Array, Array]:
    """Return radii in equal steps of ln r, and weights of r exp(-r²/2) dr that sum to 1."""
    weights = np.square(_RADII) * np.exp(-np.square(_RADII) / 2)
    return _RADII, weights / weights.sum()


@lru_cache(maxsize=1)
def _segment_rule() -> tuple[Array, Array]:
    """Return nodes on (0, 1), crowded at both ends, and weights that sum to 1."""
    t = np.arange(-_ENDS, _ENDS + _ANGLE_STEP / 2, _ANGLE_STEP)
    nodes = 1 / (1 + np.exp(-math.pi * np.sinh(t)))
    weights = np.cosh(t) * nodes * (1 - nodes)
    return nodes, weights / weights.sum()


def _correlations(c: ArrayLike) -> Array:
    values = finite_array("c", c).astype(np.float64)
    if (np.abs(values) > 1).any():
        raise ValueError(f"c must lie within [-1, 1], got {values.flat[np.abs(values).argmax()]}")
    return values


def _both(sigma_w2: ArrayLike, sigma_b2: ArrayLike) -> tuple[Array, Array]:
    pair = finite_array("sigma_w2", sigma_w2), finite_array("sigma_b2", sigma_b2)
    for name, values in zip(("sigma_w2", "sigma_b2"), pair, strict=True):
        if (values < 0).any():
            raise ValueError(f"{name} must not be negative, got {values.min()}")
    return pair
