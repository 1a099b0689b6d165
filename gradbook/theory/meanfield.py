r"""Predict how long signals and gradients are in wide random networks, layer by layer.

With independent weights of mean 0 and variance $\sigma_w^2/n$ and biases of variance
$\sigma_b^2$, each pre-activation of a wide layer is a sum of many small terms, so nearly normal.
Its variance $q$, the **length**, is all there is to know, and two averages over $z \sim N(0, 1)$
say what the next layer does with it:

$$q' = \sigma_w^2\, E f(\sqrt q z)^2 + \sigma_b^2, \qquad
\chi(q) = \sigma_w^2\, E f'(\sqrt q z)^2.$$

The first is the length map; $\chi$ multiplies the squared norm of a gradient each time it crosses a
layer of the same width. Both are exact for an infinite width; at width $n$ they are off by a share
of order $1/n$ per layer. Every `Activation` will do: nothing here knows one by name.

Arrays of lengths and variances broadcast. Where slopes are averaged, which may jump at 0, a length
of 0 stands for the limit from above.

Source: Poole et al. 2016; Schoenholz et al. 2017.

Examples:
    >>> from gradbook.activations import relu, sigmoid
    >>> [f"{chi(a, q=0.2647, sigma_w2=1.0):.4f}" for a in (sigmoid, relu)]
    ['0.0557', '0.5000']
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import Activation, Map
from gradbook.bisection import last_true
from gradbook.checks import Array, non_negative, non_negative_array, positive, positive_int
from gradbook.theory.gaussian import expectation

LONGEST = 1e8
"""Lengths beyond this one count as growing without bound."""

# For slopes, which may jump at 0, a length of 0 stands for the limit from above.
_SHORTEST = 1e-300  # mutant: as long as it is next to nothing
# Relative changes below this are the rounding errors of the rule, with a wide margin.
_ROUNDING = 1e-12


def mean_square(activation: Activation, q: ArrayLike) -> Array:
    r"""Return $E f(\sqrt q z)^2$, the mean square of an activation whose $z$ has the length $q$."""
    return _average(activation, non_negative_array("q", q), activation.f, np.square)


def mean_slope(activation: Activation, q: ArrayLike) -> Array:
    r"""Return $E f'(\sqrt q z)$."""
    return _average(activation, _above_zero(q), activation.df, np.positive)


def mean_square_slope(activation: Activation, q: ArrayLike) -> Array:
    r"""Return $E f'(\sqrt q z)^2$, by which the slopes alone multiply a gradient's squared norm."""
    return _average(activation, _above_zero(q), activation.df, np.square)


def length_map(
    activation: Activation, q: ArrayLike, sigma_w2: ArrayLike, sigma_b2: ArrayLike = 0.0
) -> Array:
    r"""Return the next layer's length, $q' = \sigma_w^2\, E f(\sqrt q z)^2 + \sigma_b^2$.

    Source: Poole et al. 2016.
    """
    w2, b2 = non_negative_array("sigma_w2", sigma_w2), non_negative_array("sigma_b2", sigma_b2)
    return w2 * mean_square(activation, q) + b2


def chi(activation: Activation, q: ArrayLike, sigma_w2: ArrayLike) -> Array:
    r"""Return $\chi(q) = \sigma_w^2\, E f'(\sqrt q z)^2$, a gradient's gain in energy per layer.

    Source: Schoenholz et al. 2017.
    """
    return non_negative_array("sigma_w2", sigma_w2) * mean_square_slope(activation, q)


@dataclass(frozen=True, eq=False)
class Propagation:
    r"""Hold what is predicted for a network of equal layers, counted from 1 at the input.

    Args:
        q: The length of $z_l$ in each layer, shape (..., depth).
        chi: $\chi(q_l)$, shape (..., depth).
    """

    q: Array
    chi: Array

    @property
    def boundary_energy(self) -> Array:
        r"""Return $E\lVert\partial L/\partial h_l\rVert^2$, that of the output being 1.

        Shape (..., depth + 1), from the input $l = 0$ to the output $l = L$: the product of
        $\chi(q_k)$ over the layers $k > l$ above the boundary. It takes a gradient on the output
        that does not depend on the weights.
        """
        output = np.ones_like(self.chi[..., :1])
        return np.concatenate([_products_from_above(self.chi), output], axis=-1)

    @property
    def delta_energy(self) -> Array:
        r"""Return $E\lVert\delta_l\rVert^2$, that of the last layer being 1; shape (..., depth).

        $\delta_l$ and $\delta_{l+1}$ are the weights of layer $l + 1$ and the slopes of layer $l$
        apart, so this is the product of $\chi(q_k)$ over $l \le k < L$.
        """
        last = np.ones_like(self.chi[..., :1])
        return np.concatenate([_products_from_above(self.chi[..., :-1]), last], axis=-1)


def propagate(
    activation: Activation,
    depth: int,
    sigma_w2: ArrayLike,
    sigma_b2: ArrayLike = 0.0,
    *,
    input_mean_square: ArrayLike = 1.0,
) -> Propagation:
    r"""Iterate the length map through a network of equal layers and note $\chi$ in each.

    The input enters through $q_1 = \sigma_w^2\, \overline{x^2} + \sigma_b^2$, with
    `input_mean_square` $\overline{x^2}$, and nothing else.

    Raises:
        ValueError: If the length overflows before the last layer.

    Examples:
        >>> from gradbook.activations import relu
        >>> net = propagate(relu, 3, sigma_w2=1.0)
        >>> net.q.round(6).tolist(), net.boundary_energy.round(6).tolist()
        ([1.0, 0.5, 0.25], [0.125, 0.25, 0.5, 1.0])
    """
    depth = positive_int("depth", depth)
    w2, b2 = non_negative_array("sigma_w2", sigma_w2), non_negative_array("sigma_b2", sigma_b2)
    with np.errstate(over="ignore"):
        first = w2 * non_negative_array("input_mean_square", input_mean_square) + b2
        lengths: list[Array] = [first]
        while len(lengths) < depth and np.isfinite(lengths[-1]).all():
            lengths.append(length_map(activation, lengths[-1], w2, b2))
    if not np.isfinite(lengths[-1]).all():
        raise ValueError(
            f"depth must be below {len(lengths)}, where the length overflows, got {depth}"
        )
    q = np.stack(lengths, axis=-1)
    return Propagation(q, chi(activation, q, w2[..., None]))


@dataclass(frozen=True)
class FixedPoint:
    r"""Hold a length that the length map repeats, $q' = q$, with $\chi(q)$ there."""

    q: float
    chi: float


def fixed_point(
    activation: Activation, sigma_w2: float, sigma_b2: float = 0.0, *, start: float = 1.0
) -> FixedPoint | None:
    r"""Find the first $q = \sigma_w^2\, E f(\sqrt q z)^2 + \sigma_b^2$ on the way the map takes.

    Where the map makes `start` longer, that is the next fixed point above, where it makes it
    shorter, the next one below, and `start` itself where the map repeats it, as that of the ReLU at
    $\sigma_w^2 = 2$ does every length. Found by bisection, so that a fixed point which the iterates
    approach only as $1/l$, like that of tanh at $\sigma_w = 1$, costs no more than others. None if
    the length grows beyond `LONGEST`: there is no finite one.

    Examples:
        >>> from gradbook.activations import relu, sigmoid
        >>> point = fixed_point(sigmoid, sigma_w2=1.0)
        >>> f"q = {point.q:.4f}, chi = {point.chi:.5f}"
        'q = 0.2647, chi = 0.05572'
        >>> fixed_point(relu, sigma_w2=4.0) is None
        True
    """
    w2, b2 = non_negative("sigma_w2", sigma_w2), non_negative("sigma_b2", sigma_b2)
    if positive("start", start) > LONGEST:
        raise ValueError(f"start must be at most {LONGEST:g}, got {start}")

    def change(q: float) -> float:
        difference = float(length_map(activation, q, w2, b2)) - q
        # mutant(>): a bound for rounding
        return difference if abs(difference) > _ROUNDING * q else 0.0

    q = _next_zero(change, float(start))
    return None if q is None else FixedPoint(q, float(chi(activation, q, w2)))


def _next_zero(change: Callable[[float], float], start: float) -> float | None:
    here = change(start)
    if here == 0:
        return start
    if here > 0:  # mutant: zero has returned
        doublings = math.ceil(math.log2(2 * LONGEST / start))
        above = (start * 2.0**k for k in range(1, doublings + 1))
        high = next((q for q in above if change(q) < 0), None)
        return None if high is None else last_true(lambda q: change(q) >= 0, high / 2, high)
    below = [start / 2.0**k for k in range(1, 100)]  # mutant(1,100): near and far enough
    low = next((q for q in below if change(q) > 0), 0.0)
    if low == 0 and change(0.0) == 0:
        return 0.0
    # mutant(2): any point further up would do
    return last_true(lambda q: change(q) > 0, low, 2 * low or below[-1])


def _average(activation: Activation, q: Array, g: Map, power: Callable[[Array], Array]) -> Array:
    def average(scale: float) -> float:
        # At a scale of 0 all z are taken to 0, and no z to a kink elsewhere.
        kinks = [kink / scale for kink in activation.kinks if scale > 0]
        return float(expectation(lambda z: power(g(scale * z)), kinks))

    return np.reshape([average(scale) for scale in np.sqrt(q).flat], q.shape)


def _above_zero(q: ArrayLike) -> Array:
    result: Array = np.maximum(non_negative_array("q", q), _SHORTEST)
    return result


def _products_from_above(gains: Array) -> Array:
    return np.asarray(np.cumprod(gains[..., ::-1], axis=-1)[..., ::-1])
