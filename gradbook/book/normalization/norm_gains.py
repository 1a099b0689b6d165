r"""By how much a normalized layer multiplies a gradient's energy, in theory and in random networks.

The layer is $h_l = f(\hat z)$ with $\hat z$ the normalized $h_{l-1} W_l$, the weights are
independent with mean 0. On its way back the energy is multiplied by $E f'(z)^2$ at the activation,
by $1/s^2$ at the normalization, and by the weights' $\sigma_w^2 = n \mathrm{Var}(w)$. What the
normalization divides by is $s^2 = \sigma_w^2 \cdot$ (what it keeps of the energy of $h_{l-1}$), so
$\sigma_w^2$ cancels.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradbook.activations import Activation, relu
from gradbook.checks import Array, generator, integer_at_least, positive_int
from gradbook.layers import Activate, BatchNorm, Layer
from gradbook.theory.gaussian import expectation
from gradbook.theory.meanfield import mean_square, mean_square_slope


def layer_gain(activation: Activation) -> float:
    r"""Return $E f'(z)^2 / E f(z)^2$: a wide layer with LayerNorm or RMSNorm before $f$.

    The mean over the units of $h W$ is close to 0 already, so both normalizations divide by the
    root mean square, $s^2 = \sigma_w^2 E f(z)^2$.

    Returns:
        The factor on the energy per layer, exact for infinite width.

    Examples:
        >>> from gradbook.activations import relu, sigmoid, tanh
        >>> [f"{layer_gain(f):.4f}" for f in (relu, tanh, sigmoid)]
        ['1.0000', '1.1778', '0.1528']
    """
    return float(mean_square_slope(activation, 1.0) / mean_square(activation, 1.0))


def batch_gain(activation: Activation) -> float:
    r"""Return $E f'(z)^2 / \mathrm{Var} f(z)$: a wide layer with BatchNorm before $f$.

    What all examples have in common, $(E f)^2$, is subtracted and not divided by. In Hermite
    polynomials, $f = \sum_k a_k H_k$ orthogonal and of mean square 1, the factor is a mean of
    the degree, $\sum k a_k^2 / \sum_{k \ge 1} a_k^2$: at least 1, and 1 for a linear $f$ alone.

    Returns:
        The factor on the energy per layer, exact for infinite width and then infinite batch.

    Examples:
        >>> from gradbook.activations import identity, relu
        >>> f"{batch_gain(identity):.4f} {batch_gain(relu):.4f} {math.pi / (math.pi - 1):.4f}"
        '1.0000 1.4669 1.4669'

    Source: Yang et al. 2019, who treat finite batches as well.
    """
    mean = expectation(activation.f, activation.kinks)
    variance = mean_square(activation, 1.0) - mean**2
    return float(mean_square_slope(activation, 1.0) / variance)


def tuned_batch_gain(activation: Activation, gamma: float, beta: float) -> float:
    r"""Return $E (\gamma f'(\gamma z + \beta))^2 / \mathrm{Var} f(\gamma z + \beta)$.

    The factor of `batch_gain` is that at $\gamma = 1$, $\beta = 0$; where $f$ is nearly linear on
    the $z$ that occur, it comes down to one.

    Examples:
        >>> from gradbook.activations import relu, tanh
        >>> f"{tuned_batch_gain(tanh, 0.2, 0.0):.4f} {tuned_batch_gain(relu, 1.0, 2.0):.4f}"
        '1.0017 1.0178'

    Source: Yang et al. 2019, who say that it can be reduced in this way.
    """
    kinks = [(kink - beta) / gamma for kink in {0.0, *activation.kinks}]

    def mean(g: Callable[[Array], Array]) -> float:
        return float(expectation(lambda z: g(gamma * z + beta), kinks))

    variance = mean(lambda x: activation.f(x) ** 2) - mean(activation.f) ** 2
    return gamma**2 * mean(lambda x: activation.df(x) ** 2) / variance


def relu_batch_gain(batch: int) -> float:
    r"""Return the factor of a wide layer with BatchNorm and ReLU for a batch of $B$ examples.

    Let the examples of a batch be equally correlated. Then $\hat z$ of a unit is uniform on the
    sphere $\sum \hat z_i = 0$, $\sum \hat z_i^2 = B$, two of its entries have the correlation
    $\rho = -1/(B-1)$, and with $\theta = \arccos \rho$

    $$\kappa = E f(\hat z_1) f(\hat z_2)
    = \frac{\sin\theta + (\pi - \theta)\cos\theta}{2\pi}, \qquad
    p = P(\hat z_1, \hat z_2 > 0) = \frac14 + \frac{\arcsin\rho}{2\pi} .$$

    *What is divided by.* The examples of $h$ have the mean square $\frac12$ and the mean product
    $\kappa$, so $z$ less its mean is made of $B - 1$ independent normal numbers of variance
    $v = \sigma_w^2 (\frac12 - \kappa)$, and $E\,1/s^2 = B / ((B - 3) v)$.

    *What is let through.* Upstream lies a gradient without mean over the batch, otherwise
    without direction, with covariance $G = I - \frac1B 11^\top$. The slopes, 0 or 1, are
    $D = \mathrm{diag}(d)$ with $K = \sum d_i$ ones, and the normalization projects on what is
    orthogonal to $1$ and $\hat z$, with $P = G - \frac1B \hat z \hat z^\top$. What is left of the
    energy $B - 1$ is

    $$\mathrm{tr}(P D G D) = \mathrm{tr}(P D) - \tfrac1B d^\top P d, \qquad
    E\,\mathrm{tr}(P D) = \frac B2 - 1, \qquad
    E\,d^\top P d = \frac B2 - \frac{E K^2}{B} - \frac12 - (B - 1)\kappa,$$

    with $E K^2 = \frac B2 + B(B - 1)p$. Divided by $B - 1$, times $E\,1/s^2$ and $\sigma_w^2$ it is
    the factor. For large batches it falls to $\pi/(\pi - 1)$.

    Args:
        batch: Examples in a batch, at least 4: with three, $E\,1/s^2$ is infinite, with two the
            gradient is 0.

    Returns:
        The factor on the energy per layer, exact for infinite width.

    Examples:
        >>> [f"{relu_batch_gain(batch):.4f}" for batch in (4, 16, 64, 10**6)]
        ['3.0841', '1.5900', '1.4931', '1.4669']
    """
    B = integer_at_least("batch", batch, 4)
    rho = -1 / (B - 1)
    theta = math.acos(rho)
    kappa = (math.sin(theta) + (math.pi - theta) * rho) / (2 * math.pi)
    both = 0.25 + math.asin(rho) / (2 * math.pi)
    kept = B / 2 - 1
    squared_count = B / 2 + B * (B - 1) * both
    kept -= (B / 2 - squared_count / B - 0.5 - (B - 1) * kappa) / B
    return B / ((B - 3) * (0.5 - kappa)) * kept / (B - 1)


@dataclass(frozen=True)
class Stack:
    """Say how random normalized networks are measured."""

    width: int
    batch: int
    depth: int = 6
    draws: int = 4


def energy_gains(
    rng: np.random.Generator,
    activation: Activation,
    norm: Layer,
    stack: Stack,
    *,
    norm_last: bool = False,
    sigma_w2: float = 1.0,
) -> Array:
    """Measure by how much the energy of a random gradient grows per layer on its way back.

    The layers next to input and output are left out: there the examples are not yet correlated as
    they will be, and the gradient not yet free of what the normalization takes from it.

    Args:
        norm: The normalization, without parameters.
        stack: The networks; at least three layers deep.

    Returns:
        The geometric mean over the layers, shape (draws,). In float32.

    Examples:
        >>> from gradbook.activations import identity
        >>> from gradbook.layers import RMSNorm
        >>> linear = energy_gains(
        ...     np.random.default_rng(0), identity, RMSNorm(None), Stack(width=400, batch=8)
        ... )
        >>> linear.shape, bool(abs(linear.mean() - 1) < 0.1)
        ((4,), True)
    """
    rng, depth = generator("rng", rng), integer_at_least("depth", stack.depth, 3)
    pair = (Activate(activation), norm) if norm_last else (norm, Activate(activation))
    draws = range(positive_int("draws", stack.draws))
    energies = np.array([_energies(rng, pair, stack, math.sqrt(sigma_w2)) for _ in draws])
    # energies[k] is that of the gradient after k layers
    result: Array = (energies[:, depth - 1] / energies[:, 1]) ** (1 / (depth - 2))
    return result


@dataclass(frozen=True)
class BatchSurvey:
    """Say for which widths and batches the growth by batch normalization is measured.

    Args:
        draws: Networks for each width.
    """

    widths: tuple[int, ...] = (64, 512)
    batches: tuple[int, ...] = (8, 16, 32, 64, 128)
    draws: tuple[int, ...] = (24, 5)
    depth: int = 6


SURVEY = BatchSurvey()
"""A narrow and a wide network, from small batches to large ones."""


def batch_survey(rng: np.random.Generator, survey: BatchSurvey) -> tuple[Array, Array]:
    """Measure the factor of batch normalization with ReLU for each width and batch.

    Returns:
        Means over the draws and their standard errors, shape (widths, batches).
    """
    norm, moments = BatchNorm(None, None), []
    for width, draws in zip(survey.widths, survey.draws, strict=True):
        for batch in survey.batches:
            stack = Stack(width, batch, survey.depth, draws)
            gains = energy_gains(rng, relu, norm, stack)
            moments.append((gains.mean(), gains.std(ddof=1) / math.sqrt(draws)))
    mean, error = np.array(moments).reshape(len(survey.widths), len(survey.batches), 2).T
    return mean.T, error.T


def _energies(
    rng: np.random.Generator, pair: tuple[Layer, Layer], stack: Stack, sigma_w: float
) -> list[float]:
    """Pass forward and back without the gradients on the weights, which nobody asks for."""
    n, first, second = positive_int("width", stack.width), *pair
    h = rng.standard_normal((stack.batch, n), dtype=np.float32)
    passed = []
    for _ in range(stack.depth):
        W = rng.standard_normal((n, n), dtype=np.float32) * np.float32(sigma_w / math.sqrt(n))
        one = first.forward(h @ W)
        two = second.forward(one.a)
        passed.append((W, one, two))
        h = two.a
    dh = rng.standard_normal(h.shape, dtype=np.float32)
    energies = [float(np.square(dh).sum())]
    for W, one, two in reversed(passed):
        dh = first.backward(one, second.backward(two, dh).dx).dx @ W.T
        energies.append(float(np.square(dh).sum()))
    return energies
