r"""Networks of one input: how their gradient changes along it, measured and predicted.

For a wide ReLU network at random, $K(x, y) = E h(x) h(y)$ follows a map from layer to layer. With
$r = \sqrt{ab - c^2}$, where $a, b$ are the squared lengths at $x$ and $y$, $c$ their product and
$\theta$ their angle,

$$F(a, b, c) = \frac{s}{2\pi} \bigl( r + (\pi - \theta) c \bigr), \qquad
K' = F + \sigma_b^2 \quad \text{or, with a path,} \quad K' = K + \alpha^2 F .$$

The derivatives at $x$ and $y$ have the covariance $\partial^2 K/\partial x \, \partial y$, so the
chain rule on this map predicts the autocorrelation of gradients, with nothing fitted.

Source: Cho & Saul 2009 for the map; the question is that of Prince 2023, notebook 11.1.
"""

import math
from dataclasses import dataclass

import numpy as np

from gradbook.activations import identity, relu
from gradbook.checks import Array, non_negative, positive, positive_int
from gradbook.initializers import normal
from gradbook.layers import Dense, Layer
from gradbook.networks import plain
from gradbook.residual_networks import residual, two_layer_blocks


@dataclass(frozen=True)
class Notebook:
    """Hold the setting of a published notebook on shattered gradients.

    Args:
        width: Units in each hidden layer.
        depths: Hidden layers of the networks it looks at.
        low: The smallest input.
        high: The end of the inputs, not included.
        points: How many inputs.
        factor: The width times the variance of every weight and every bias.

    Source: Prince 2023, notebook 11.1.
    """

    width: int = 200
    depths: tuple[int, ...] = (1, 24, 50)
    low: float = -2.0
    high: float = 2.0
    points: int = 256
    factor: float = 1.0


NOTEBOOK = Notebook()
"""The setting as published."""


def notebook_network(
    rng: np.random.Generator,
    depth: int,
    width: int,
    factor: float,
    *,
    later_biases: bool = True,
    ensemble: tuple[int, ...] = (),
) -> list[Layer]:
    r"""Draw the notebook's ReLU network: every weight and bias from $N(0, \text{factor}/n)$.

    Args:
        rng: The random generator.
        depth: The number of hidden layers.
        width: Their width $n$.
        factor: 1 for Glorot's scale, as in the notebook, 2 for He's.
        later_biases: Whether hidden layers behind the first have their biases, too.
        ensemble: Leading axes of every parameter.

    Returns:
        The hidden layers and a linear output without a bias, which no gradient would notice.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If a number is not positive.

    Examples:
        >>> layers = notebook_network(np.random.default_rng(0), 2, 8, 1.0, later_biases=False)
        >>> [name for layer in layers for name in layer.parameters]
        ['W', 'b', 'W', 'W']

    Source: Prince 2023, notebook 11.1.
    """
    sizes = [1, *[positive_int("width", width)] * positive_int("depth", depth), 1]
    variance = positive("factor", factor) / width
    layers = plain(rng, sizes, relu, normal(variance), bias_variance=variance, ensemble=ensemble)
    bare = {-1} if later_biases else set(range(1, depth)) | {-1}
    return [
        Dense(layer.parameters["W"], None, identity if i == depth else relu)
        if i in bare or i == depth
        else layer
        for i, layer in enumerate(layers)
    ]


def residual_network(
    rng: np.random.Generator,
    blocks: int,
    width: int,
    scale: float,
    *,
    ensemble: tuple[int, ...] = (),
) -> list[Layer]:
    r"""Draw a ReLU layer with biases, blocks $h + \alpha f(h W_1) W_2$, and a linear output.

    Args:
        rng: The random generator.
        blocks: The number of blocks.
        width: The width.
        scale: The factor $\alpha$.
        ensemble: Leading axes of every parameter.

    Returns:
        The layers; the first one is as in `notebook_network` with the factor 2.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If a size is not positive.

    Examples:
        >>> len(residual_network(np.random.default_rng(0), 3, 8, 1.0))
        5
    """
    first, *_, last = notebook_network(rng, 1, width, 2.0, ensemble=ensemble)
    return [
        first,
        *residual(two_layer_blocks(rng, width, blocks, relu, ensemble=ensemble), scale),
        last,
    ]


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
        x: Inputs, any shape.
        y: Other inputs, same shape.
        depth: The number of hidden layers, or of blocks behind the first if there is a path.
        factor: The width times the variance of a weight.
        bias: The width times the variance of a bias behind the first layer.
        scale: The factor $\alpha$ of the blocks; None for a plain network.

    Returns:
        The covariances, up to one factor for all, in the shape of `x`.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If one is out of range.

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

    Args:
        points: How many inputs, evenly between the setting's ends.
        depth: As `gradient_covariance`.
        factor: As `gradient_covariance`.
        bias: As `gradient_covariance`.
        scale: As `gradient_covariance`.
        setting: Where the inputs lie.

    Returns:
        One number per lag, shape (points,).

    Raises:
        TypeError: As `gradient_covariance`.
        ValueError: As `gradient_covariance`.

    Examples:
        >>> he = predicted_autocorrelation(16, 50, 2.0, bias=2.0)
        >>> f"{he[0]:.3f} {he[1]:.3f}"
        '1.000 0.181'
    """
    x = inputs(points, setting)
    first, second = np.meshgrid(x, x)
    pairs = gradient_covariance(first, second, depth, factor, bias=bias, scale=scale)
    sums = np.array([np.diagonal(pairs, lag).sum() for lag in range(points)])
    return np.asarray(sums / sums[0])


def inputs(points: int, setting: Notebook = NOTEBOOK) -> Array:
    """Return evenly spaced inputs from the setting's low end to its high end, without that.

    Args:
        points: How many.
        setting: Where they lie.

    Returns:
        The inputs, shape (points,).

    Raises:
        TypeError: If `points` is not an integer.
        ValueError: If it is not positive.

    Examples:
        >>> inputs(4).tolist()
        [-2.0, -1.0, 0.0, 1.0]
    """
    return np.linspace(setting.low, setting.high, positive_int("points", points) + 1)[:-1]


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
