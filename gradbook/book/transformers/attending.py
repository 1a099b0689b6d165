r"""One row of attention: how even its weights are, and what comes back through them.

A row gives $T$ keys scores $s_j$ and the weights $p = \operatorname{softmax}(s)$. Let the scores
be normal, independent and of size $s$. They are then the energies of a random energy model, and its
state is known: below $s_c = \sqrt{2 \ln T}$ many keys share the weight, above it a few have it all.

Source: Derrida 1981; Giorlandino & Goldt 2025, who treat attention as such a model.
"""

from __future__ import annotations

import math

import numpy as np

from gradbook.checks import Array, non_negative, positive_int
from gradbook.layers.attention import softmax


def entropy(p: Array) -> Array:
    r"""Return the entropy $-\sum_j p_j \ln p_j$ of each row, which is $\ln T$ for equal weights.

    Examples:
        >>> float(np.exp(entropy(np.array([0.5, 0.5, 0.0]))).round(9))  # as even as two keys
        2.0
    """
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=-1))


def passed(p: Array) -> Array:
    r"""Return what a row lets through to its scores, beside a row of equal weights.

    The Jacobian $\partial p_k/\partial s_j = p_k ([j = k] - p_j)$ turns an independent normal
    gradient on $p$ into one of mean square norm

    $$\lVert J \rVert^2 = \sum_{jk} p_k^2 ([j = k] - p_j)^2
    = \sum p^2 - 2 \sum p^3 + \Bigl(\sum p^2\Bigr)^2,$$

    which is $(T - 1)/T^2$ for equal weights. Returned is the root of the quotient.

    Examples:
        >>> passed(np.array([[0.25] * 4, [1.0, 0.0, 0.0, 0.0]])).tolist()
        [1.0, 0.0]
    """
    keys = p.shape[-1]
    two, three = np.square(p).sum(axis=-1), (p**3).sum(axis=-1)
    # Rounding may leave less than nothing of a row that has one key.
    squared = np.maximum(two - 2 * three + two**2, 0)
    return np.asarray(np.sqrt(squared * keys**2 / (keys - 1)))


def expected_entropy(size: float, keys: int) -> float:
    r"""Return $\ln T - s^2/2$, the entropy while many keys share the weight.

    Over normal scores $E e^s = e^{s^2/2}$, and the mean score under the weights is
    $E s e^s / E e^s = s^2$. So $\ln \sum e^{s_j} - \sum p_j s_j$ is about
    $\ln T + s^2/2 - s^2$.

    Source: Derrida 1981.
    """
    return math.log(positive_int("keys", keys)) - non_negative("size", size) ** 2 / 2


def expected_passed(size: float, keys: int) -> float:
    r"""Return what a row lets through while many keys share the weight: about $e^{s^2/2}$.

    Then $\sum p^k$ is $T \, E e^{ks} / (T \, E e^s)^k = e^{k(k - 1)s^2/2} / T^{k - 1}$.
    """
    moment = [math.exp(k * (k - 1) * size**2 / 2) / keys ** (k - 1) for k in (2, 3)]
    return math.sqrt((moment[0] - 2 * moment[1] + moment[0] ** 2) * keys**2 / (keys - 1))


def rows(rng: np.random.Generator, size: float, keys: int, draws: int) -> Array:
    """Draw normal scores of a size and return the weights, `(draws, keys)`."""
    return softmax(size * rng.standard_normal((draws, keys)))
