r"""Predict how the gradient of a wide ReLU network of one input changes along that input.

For wide networks at random, $K(x, y) = E h(x) h(y)$ follows a map from layer to layer. With
$r = \sqrt{ab - c^2}$, where $a, b$ are the squared lengths at $x$ and $y$, $c$ their product and
$\theta$ their angle,

$$F(a, b, c) = \frac{s}{2\pi} \bigl( r + (\pi - \theta) c \bigr), \qquad
K' = F + \sigma_b^2 \quad \text{or, with a path,} \quad K' = K + \alpha^2 F .$$

The derivatives at $x$ and $y$ have the covariance $\partial^2 K/\partial x \, \partial y$, so the
chain rule on this map predicts the autocorrelation of gradients, with nothing fitted.

Source: Cho & Saul 2009 for the map.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from gradbook.book.residual.one_input import NOTEBOOK, Notebook, inputs
from gradbook.checks import Array, non_negative, positive, positive_int


@dataclass(frozen=True, eq=False)
class _Pair:
    """Hold the kernel at pairs (x, y) with its derivatives by x and by y."""

    a: Array
    b: Array
    c: Array
    half_da: Array
    half_db: Array
    c_x: Array
    c_y: Array
    c_xy: Array


def gradient_covariance(
    x: Array, y: Array, depth: int, factor: float, *, bias: float = 0.0, scale: float | None = None
) -> Array:
    r"""Predict $E\, g(x) g(y)$ for the gradient $g$ of a wide ReLU network of one input.

    The first hidden layer has weights and biases of variance `factor` (times $1/n$), the others
    weights of `factor` and biases of `bias`. With `scale` there is a path around each of them.

    Args:
        depth: The number of hidden layers, or of blocks behind the first if there is a path.
        factor: The width times the variance of a weight.
        bias: The width times the variance of a bias behind the first layer.
        scale: The factor $\alpha$ of the blocks; None for a plain network.

    Returns:
        The covariances, up to one factor for all, in the shape of `x`.

    Examples:
        >>> x = np.array([-1.0, 1.0])
        >>> gradient_covariance(x, x, 3, 2.0).round(12).tolist()
        [2.0, 2.0]

    Source: Cho & Saul 2009.
    """
    s, b = positive("factor", factor), non_negative("bias", bias)
    one = np.ones_like(x)
    pair = _Pair(*(s * part for part in (x * x + 1, y * y + 1, x * y + 1, x, y, y, x, one)))
    if scale is not None:
        pair = _relu_map(pair, s)
    for _ in range(positive_int("depth", depth)):
        step = _relu_map(pair, s)
        if scale is None:
            pair = _added(step, _constant(step, b))
        else:
            pair = _added(pair, _times(_relu_map(pair, 2.0), scale * scale))
    return pair.c_xy


def predicted_autocorrelation(
    points: int,
    depth: int,
    factor: float,
    *,
    bias: float = 0.0,
    scale: float | None = None,
    setting: Notebook = NOTEBOOK,
) -> Array:
    """Predict what `shattering.autocorrelation` tends to, for many wide networks.

    Returns:
        One number per lag, shape (points,).

    Examples:
        >>> he = predicted_autocorrelation(16, 50, 2.0, bias=2.0)
        >>> f"{he[0]:.3f} {he[1]:.3f}"
        '1.000 0.181'
    """
    x = inputs(points, setting)
    first, second = np.meshgrid(x, x)
    return _by_lag(gradient_covariance(first, second, depth, factor, bias=bias, scale=scale))


def centered_autocorrelation(points: int, depth: int, *, setting: Notebook = NOTEBOOK) -> Array:
    r"""Predict the autocorrelation where each pre-activation has mean 0 over the inputs.

    Subtracting a unit's mean over the inputs is linear, so a wide layer stays normal, with

    $$C(x, y) = K(x, y) - \overline{K(x, \cdot)} - \overline{K(\cdot, y)} + \overline{K}$$

    in place of $K$. Biases cancel, and the scale of the weights is a common factor: neither is
    left in the result.

    Returns:
        One number per lag, shape (points,).

    Examples:
        >>> [f"{centered_autocorrelation(64, depth)[1]:.3f}" for depth in (1, 10, 24)]
        ['0.969', '0.328', '0.003']
    """
    x = inputs(points, setting)
    first, second = np.meshgrid(x, x)
    one = np.ones_like(first)
    start = (first * first, second * second, first * second, first, second, second, first, one)
    pair = _centered(_Pair(*start))
    for _ in range(positive_int("depth", depth)):
        pair = _centered(_relu_map(pair, 2.0))
    return _by_lag(pair.c_xy)


def _by_lag(pairs: Array) -> Array:
    sums = np.array([np.diagonal(pairs, lag).sum() for lag in range(len(pairs))])
    return np.asarray(sums / sums[0])


def _centered(k: _Pair) -> _Pair:
    """Subtract the means over the inputs; x runs along the last axis and y along the first."""
    over_y, over_x = (partial(np.mean, axis=axis, keepdims=True) for axis in (0, 1))
    c = k.c - over_y(k.c) - over_x(k.c) + k.c.mean()
    c_x, c_y = k.c_x - over_y(k.c_x), k.c_y - over_x(k.c_y)
    lengths, slopes = np.diagonal(c), np.diagonal(c_x)  # half the slope of C(x, x) is C_x there
    a, half_da = (np.broadcast_to(row, c.shape) for row in (lengths, slopes))
    return _Pair(a, a.T, c, half_da, half_da.T, c_x, c_y, k.c_xy)


_ALIKE = 1e-7
"""Below this sine two inputs count as one: differences of squares keep no more digits."""


def _relu_map(k: _Pair, s: float) -> _Pair:
    """Apply F and its chain rule; at equal inputs F(a, a, a) = s a/2."""
    root = np.sqrt(k.a * k.b)
    r = np.sqrt(np.maximum(root * root - k.c * k.c, 0.0))
    apart = r > _ALIKE * root
    theta = np.where(apart, np.arccos(np.clip(k.c / root, -1.0, 1.0)), np.where(k.c > 0, 0, np.pi))
    slope, bend = math.pi - theta, np.where(apart, 1 / np.where(apart, r, 1.0), 0.0)
    r = np.where(apart, r, 0.0)
    u, v = k.half_da / k.a, k.half_db / k.b
    cross = k.c_x * k.c_y - k.c * (k.c_x * v + k.c_y * u) + k.half_da * k.half_db
    unit = s / (2 * math.pi)
    return _Pair(
        a=s * k.a / 2,
        b=s * k.b / 2,
        c=unit * (r + slope * k.c),
        half_da=s * k.half_da / 2,
        half_db=s * k.half_db / 2,
        c_x=unit * (slope * k.c_x + r * u),
        c_y=unit * (slope * k.c_y + r * v),
        c_xy=unit * (slope * k.c_xy + bend * cross),
    )


def _constant(like: _Pair, value: float) -> _Pair:
    full, zero = np.full_like(like.a, value), np.zeros_like(like.a)
    return _Pair(full, full, full, *[zero] * 5)


def _added(first: _Pair, second: _Pair) -> _Pair:
    return _Pair(**{name: getattr(first, name) + getattr(second, name) for name in vars(first)})


def _times(pair: _Pair, factor: float) -> _Pair:
    return _Pair(**{name: factor * value for name, value in vars(pair).items()})
