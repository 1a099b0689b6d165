r"""Tell how healthy an activation is: its ratio per layer, closed units, and the depth it bears.

All activations are put into the same networks: the weights are drawn once, and each activation, if
asked for, with its own scale. Any `Activation` will do.

Examples:
    >>> from gradbook.activations import relu, sigmoid
    >>> layers = networks_to_share(np.random.default_rng(0), depth=10, width=64, draws=10)
    >>> for activation in (sigmoid, relu):
    ...     found = measure_health(np.random.default_rng(1), layers, activation)
    ...     value, error = layer_ratio(found.norms)
    ...     print(f"{predicted_ratio(activation, 10, 1.0):.3f} {value:.3f} ± {error:.3f}")
    0.233 0.234 ± 0.001
    0.707 0.706 ± 0.002
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import Activation, identity
from gradbook.backpropagation import forward
from gradbook.checks import Array, finite_array, generator, positive, positive_int
from gradbook.initializers import lecun
from gradbook.layers import Dense, Layer
from gradbook.networks import plain
from gradbook.theory.gaussian import expectation
from gradbook.theory.meanfield import chi, length_map, propagate

INPUTS = 8
"""How many inputs an examination sends through each network."""

CLOSED = 0.1
"""A unit is closed where its slope is at most this share of the activation's largest slope."""

_ROUNDING = 1e-12


def closed_share(activation: Activation, q: float, part: float = CLOSED) -> float:
    r"""Predict the share of closed units, $P(|f'(\sqrt q z)| \le \text{part} \cdot \sup |f'|)$.

    Args:
        activation: The activation, whose slope has a finite bound.

    Returns:
        The share, good to $10^{-3}$.

    Examples:
        >>> from gradbook.activations import relu, tanh
        >>> [f"{closed_share(tanh, q):.3f}" for q in (1.0, 25.0)], f"{closed_share(relu, 7.0):.1f}"
        (['0.069', '0.716'], '0.5')
    """
    limit = positive("part", part) * _bound(activation)
    scale = math.sqrt(positive("q", q))
    kinks = [kink / scale for kink in activation.kinks]

    def closed(z: Array) -> Array:
        return (np.abs(activation.df(scale * z)) <= limit).astype(np.float64)

    return float(expectation(closed, kinks))


@dataclass(frozen=True, eq=False)
class Examination:
    r"""Hold what a gradient meets on its way through a set of networks.

    Args:
        norms: $\lVert\partial L/\partial h_l\rVert$ from the input to the output, shape
            (draws, depth + 1).
        closed: Share of units that are closed for an input, shape (draws, depth).
        closed_for_all: Share of units that are closed for all inputs, same shape.
    """

    norms: Array
    closed: Array
    closed_for_all: Array


def networks_to_share(
    rng: np.random.Generator, *, depth: int, width: int, draws: int
) -> list[Layer]:
    r"""Draw an ensemble of linear networks, $w \sim N(0, 1/n)$, for `measure_health` to put to use.

    Args:
        width: Units in each layer, inputs and outputs included.

    Returns:
        The layers, whose weights have the shape (draws, width, width).

    Examples:
        >>> layers = networks_to_share(np.random.default_rng(0), depth=2, width=3, draws=5)
        >>> len(layers), layers[0].parameters["W"].shape
        (2, (5, 3, 3))
    """
    depth, width = positive_int("depth", depth), positive_int("width", width)
    draws = positive_int("draws", draws)
    widths = [width] * (depth + 1)
    return plain(rng, widths, identity, lecun, bias_variance=None, ensemble=(draws,))


def with_activation(
    layers: Sequence[Layer], activation: Activation, scale: float = 1.0
) -> list[Layer]:
    """Put an activation into every layer, and multiply all weights."""
    scale = positive("scale", scale)
    dense = [layer for layer in layers if isinstance(layer, Dense)]
    if len(dense) != len(layers):
        kinds = [type(layer).__name__ for layer in layers]
        raise TypeError(f"layers must all be dense, got {kinds}")
    return [Dense(scale * layer.W, layer.b, activation) for layer in dense]


def measure_health(
    rng: np.random.Generator,
    layers: Sequence[Layer],
    activation: Activation,
    scale: float = 1.0,
    *,
    inputs: int = INPUTS,
) -> Examination:
    """Send inputs from $N(0, 1)$ forward and random gradients back through networks.

    Each input has a gradient of its own on the output, of length 1 taken together.

    Examples:
        >>> layers = networks_to_share(np.random.default_rng(0), depth=3, width=8, draws=2)
        >>> found = measure_health(np.random.default_rng(1), layers, identity)
        >>> found.norms.shape, found.closed.tolist()
        ((2, 4), [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    """
    rng, inputs = generator("rng", rng), positive_int("inputs", inputs)
    limit, net = CLOSED * _bound(activation), with_activation(layers, activation, scale)
    draws, fan_in, _ = net[0].parameters["W"].shape
    x = rng.standard_normal((draws, inputs, fan_in))
    da = rng.standard_normal((draws, inputs, net[-1].parameters["W"].shape[-1]))
    norms, closed = [], []
    da = da / np.linalg.norm(da, axis=(-2, -1), keepdims=True)
    # Only gradients at boundaries are wanted: those of the weights would cost as much again.
    zs = [record.z for record in forward(net, x) if record.z is not None]
    for layer, z in zip(net[::-1], zs[::-1], strict=True):
        slopes = activation.df(z)
        norms.append(np.linalg.norm(da, axis=(-2, -1)))
        closed.append(np.abs(slopes) <= limit)
        da = (da * slopes) @ np.swapaxes(layer.parameters["W"], -1, -2)
    norms.append(np.linalg.norm(da, axis=(-2, -1)))
    return Examination(
        np.stack(norms[::-1], axis=-1),
        np.stack([units.mean(axis=(-2, -1)) for units in closed[::-1]], axis=-1),
        np.stack([units.all(axis=-2).mean(axis=-1) for units in closed[::-1]], axis=-1),
    )


def layer_ratio(norms: ArrayLike) -> tuple[float, float]:
    """Measure the ratio by which a layer multiplies a gradient, the geometric mean over layers.

    In each layer it is the root of the mean ratio of energies, which is what theory predicts; the
    mean of logarithms would lie lower.

    Args:
        norms: One row per network, from the input to the output, shape (draws, depth + 1).

    Returns:
        The ratio and its standard error.

    Examples:
        >>> layer_ratio([[0.25, 0.5, 1.0], [1.0, 2.0, 4.0]])
        (0.5, 0.0)
    """
    array = finite_array("norms", norms)
    if array.ndim != 2 or min(array.shape) < 2 or not (array > 0).all():
        raise ValueError(
            "norms must be positive, of at least 2 networks at 2 boundaries, got shape "
            f"{array.shape} and a smallest norm of {array.min():g}"
        )
    gains = np.square(array[:, :-1] / array[:, 1:])
    means = gains.mean(axis=0)
    value = math.exp(np.log(means).mean() / 2)
    # To first order each network moves the logarithm of a mean by its own relative excess.
    excess = (gains / means).mean(axis=1)
    return value, value / 2 * float(excess.std(ddof=1)) / math.sqrt(len(array))


def predicted_ratio(activation: Activation, depth: int, sigma_w2: float) -> float:
    r"""Predict the ratio per layer, $\left( \prod_l \chi(q_l) \right)^{1/(2L)}$, of wide networks.

    Args:
        sigma_w2: Width times the variance of one weight; inputs are from $N(0, 1)$, biases 0.

    Examples:
        >>> from gradbook.activations import relu
        >>> f"{predicted_ratio(relu, 5, 1.0) ** 2:.3f} {predicted_ratio(relu, 5, 2.0):.3f}"
        '0.500 1.000'
    """
    return math.exp(float(np.log(propagate(activation, depth, sigma_w2).chi).mean()) / 2)


def healthy_ratios(depth: int, decades: float = 1.0) -> tuple[float, float]:
    r"""Return the ratios per layer, $10^{\mp \text{decades}/L}$, that keep a gradient in a range.

    A gradient that each of $L$ layers multiplies by a ratio between the two is changed by at most
    so many factors of ten in all.

    Examples:
        >>> [f"{r:.3f}" for r in healthy_ratios(10)], [f"{r:.3f}" for r in healthy_ratios(100)]
        (['0.794', '1.259'], ['0.977', '1.023'])
    """
    high = 10 ** (positive("decades", decades) / positive_int("depth", depth))
    return 1 / high, high


def predicted_health(
    activation: Activation, sigma_w2: float, decades: float = 1.0, *, longest: int = 300
) -> int | None:
    r"""Predict how deep a network may be before its gradient leaves a range.

    Args:
        sigma_w2: Width times the variance of one weight; inputs are from $N(0, 1)$, biases 0.

    Returns:
        The last depth $L$ with $\bigl| \tfrac12 \log_{10} \prod_{l \le L} \chi(q_l) \bigr| \le$
        decades, for it and for all smaller depths; None if that is `longest` or more.

    Examples:
        >>> from gradbook.activations import relu
        >>> predicted_health(relu, 1.0), predicted_health(relu, 2.0)
        (6, None)
    """
    q, decades = positive("sigma_w2", sigma_w2), positive("decades", decades)
    change = 0.0
    for depth in range(positive_int("longest", longest)):
        change += math.log10(float(chi(activation, q, sigma_w2))) / 2
        if abs(change) > decades * (1 + _ROUNDING):
            return depth
        q = float(length_map(activation, q, sigma_w2))
    return None


@dataclass(frozen=True, eq=False)
class Checkup:
    r"""Hold theory and measurement of one activation with one scale of the weights.

    Args:
        scale: What the weights $w \sim N(0, 1/n)$ were multiplied by, $\sigma_w$.
    """

    activation: Activation
    scale: float
    found: Examination

    @property
    def predicted_ratio(self) -> float:
        """Return the ratio per layer that theory gives."""
        depth = self.found.closed.shape[-1]
        return predicted_ratio(self.activation, depth, self.scale**2)

    @property
    def ratio(self) -> tuple[float, float]:
        """Return the measured ratio per layer and its standard error."""
        return layer_ratio(self.found.norms)

    @property
    def depth(self) -> int | None:
        """Return how many layers keep a gradient within a factor of ten; None if very many."""
        return predicted_health(self.activation, self.scale**2)

    @property
    def predicted_closed(self) -> tuple[float, float]:
        """Return the share of closed units in the first and the last layer that theory gives."""
        q = propagate(self.activation, self.found.closed.shape[-1], self.scale**2).q
        return closed_share(self.activation, q[0]), closed_share(self.activation, q[-1])

    @property
    def closed(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the measured shares in the first and the last layer with standard errors."""
        return _mean(self.found.closed[:, 0]), _mean(self.found.closed[:, -1])

    @property
    def closed_for_all(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the shares closed for all inputs in the first and the last layer."""
        return _mean(self.found.closed_for_all[:, 0]), _mean(self.found.closed_for_all[:, -1])


def checkup(
    rng: np.random.Generator,
    layers: Sequence[Layer],
    activation: Activation,
    scale: float = 1.0,
) -> Checkup:
    """Compute and measure everything about an activation, whether the book knows it or not.

    Examples:
        >>> from gradbook.activations import relu
        >>> layers = networks_to_share(np.random.default_rng(0), depth=4, width=64, draws=20)
        >>> found = checkup(np.random.default_rng(1), layers, relu)
        >>> f"{found.predicted_ratio:.3f} {found.ratio[0]:.2f}", found.depth
        ('0.707 0.71', 6)
        >>> print(*(f"{share:.3f}" for share in found.predicted_closed))
        0.500 0.500
    """
    return Checkup(activation, float(scale), measure_health(rng, layers, activation, scale))


def _mean(values: Array) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))


def _bound(activation: Activation) -> float:
    if not 0 < activation.sup_df < math.inf:
        raise ValueError(
            f"activation must have slopes with a bound above 0, got {activation.sup_df} "
            f"for {activation.name}"
        )
    return activation.sup_df
