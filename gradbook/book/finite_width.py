r"""State what a finite width does to the energies of a ReLU network, exactly.

Take dense ReLU layers without biases, independent normal weights of variance
$\sigma_w^2/\text{fan\_in}$, and one input. Given what comes in, the units of a layer of width $n$
have independent normal pre-activations. Each is positive with probability $\frac12$, so $B$ of
them are, $B \sim \mathrm{Bin}(n, \frac12)$, and the layer multiplies the mean square of its input
by

$$\frac{\sigma_w^2}{n} \chi^2_B ,$$

the sum of $B$ squared standard normal numbers, independently of every other layer. All else follows
from that. The mean is $\sigma_w^2/2$ at every width, so what He's $\sigma_w^2 = 2$ keeps it keeps
for narrow networks, too. But a product of many random factors is log-normal rather than normal: its
mean comes from rare networks, and the typical one lies below. And a narrow layer can die, $B = 0$.

The energy of a gradient has the same law on its way back, $\lVert \partial L/\partial x \rVert^2 /
\lVert \partial L/\partial a_L \rVert^2$ in a network of equal layers, if the gradient on the output
has a mean of zero, no preferred direction, and does not depend on the weights.

Source: Hanin 2018; Hanin & Nica 2020.

Examples:
    What He's initialization keeps on average, half of the networks of this shape fall far short of:

    >>> law = relu_energy([20] * 19, sigma_w2=2.0)
    >>> f"mean {law.mean:.3f}, median about {law.typical:.3f}"
    'mean 1.000, median about 0.074'
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradbook.book.polygamma import digamma, trigamma
from gradbook.checks import Array, positive, positive_int


@dataclass(frozen=True)
class EnergyLaw:
    r"""Hold the moments of $X$, the factor by which a network multiplies an energy.

    Args:
        mean: $E X$.
        second_moment: $E X^2$.
        mean_log: $E \ln X$, given that no layer dies.
        variance_log: $\mathrm{Var} \ln X$, given that no layer dies.
        alive: The probability that no layer dies; where one does, $X = 0$.
    """

    mean: float
    second_moment: float
    mean_log: float
    variance_log: float
    alive: float

    @property
    def variance(self) -> float:
        r"""Return $\mathrm{Var}\,X = E X^2 - (E X)^2$."""
        return self.second_moment - self.mean**2

    @property
    def typical(self) -> float:
        r"""Return $e^{E \ln X}$, the geometric mean, which is the median if $\ln X$ is normal."""
        return math.exp(self.mean_log)


def relu_energy(widths: Sequence[int], sigma_w2: float = 2.0) -> EnergyLaw:
    r"""Compute the moments of $X = \prod_l \frac{\sigma_w^2}{n_l} \chi^2_{B_l}$.

    With $E (\chi^2_B)^2 = E B(B + 2) = \frac{n^2}{4}(1 + \frac5n)$,

    $$E X = \left(\tfrac{\sigma_w^2}{2}\right)^L, \qquad
    E X^2 = (E X)^2 \prod_l \left(1 + \tfrac{5}{n_l}\right),$$

    and given $B_l > 0$, with $E \ln \chi^2_B = \ln 2 + \psi(B/2)$ and
    $\mathrm{Var} \ln \chi^2_B = \psi_1(B/2)$,

    $$E \ln X = \sum_l \left[ E\,\psi(\tfrac{B_l}{2}) + \ln \tfrac{2 \sigma_w^2}{n_l} \right],
    \qquad \mathrm{Var} \ln X = \sum_l \left[ E\,\psi_1(\tfrac{B_l}{2}) +
    \mathrm{Var}\,\psi(\tfrac{B_l}{2}) \right] .$$

    At $\sigma_w^2 = 2$, each layer adds about $-\frac{5}{2n}$ to the mean log. `widths` are those
    of the ReLU layers: the number of inputs does not matter on the way forward, but the law holds
    on the way back only where all widths, the inputs included, are equal.

    Source: Hanin & Nica 2020.
    """
    sizes, w2 = layer_sizes(widths), positive("sigma_w2", sigma_w2)
    layers = {n: _log_moments(n) for n in set(sizes)}
    mean = (w2 / 2) ** len(sizes)
    return EnergyLaw(
        mean=mean,
        second_moment=mean**2 * math.prod(1 + 5 / n for n in sizes),
        mean_log=math.fsum(layers[n][0] + math.log(2 * w2 / n) for n in sizes),
        variance_log=math.fsum(layers[n][1] for n in sizes),
        alive=math.prod(1 - 0.5**n for n in sizes),
    )


def active_probabilities(n: int) -> Array:
    r"""Return $P(B = b \mid B > 0)$ for $b = 1 \ldots n$, $B \sim \mathrm{Bin}(n, \frac12)$."""
    n = positive_int("n", n)
    log_choices = np.array(
        [math.lgamma(n + 1) - math.lgamma(b + 1) - math.lgamma(n - b + 1) for b in range(1, n + 1)]
    )
    weights = np.exp(log_choices - log_choices.max())
    return np.asarray(weights / weights.sum())


def _log_moments(n: int) -> tuple[float, float]:
    """Return E ψ(B/2) and E ψ₁(B/2) + Var ψ(B/2) for B > 0."""
    p, half = active_probabilities(n), np.arange(1, n + 1) / 2
    psi = digamma(half)
    mean = float(p @ psi)
    return mean, float(p @ (trigamma(half) + np.square(psi - mean)))  # mutant(@): of two vectors


def layer_sizes(widths: Sequence[int]) -> list[int]:
    """Return the widths, of which there must be one at least."""
    sizes = [positive_int(f"widths[{i}]", n) for i, n in enumerate(widths)]
    if not sizes:
        raise ValueError("widths must hold at least one layer, got none")
    return sizes
