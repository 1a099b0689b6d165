"""Mini-batches: how the mean over $B$ of $N$ examples strays from the mean over all.

The gradient of a mean loss is the mean of the examples' gradients, so all of this holds for
gradients: `values` has one row per example, shape `(N, ...)`. A mini-batch is drawn without
replacement; no example is in it twice, and a batch of all $N$ examples is exact.

Examples:
    >>> gradients = np.array([1.0, 2.0, 6.0])
    >>> all_batch_means(gradients, 2).tolist()
    [1.5, 3.5, 4.0]
    >>> f"{all_batch_means(gradients, 2).mean():.1f} {gradients.mean():.1f}"
    '3.0 3.0'
"""

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from gradbook.checks import Array, finite_array, generator, integer_at_least, positive_int


def batch_means(rng: np.random.Generator, values: ArrayLike, size: int, draws: int) -> Array:
    r"""Return $\frac{1}{B} \sum_{i \in \text{batch}} g_i$ for mini-batches drawn at random.

    Each is drawn afresh from all examples; the means have shape `(draws, ...)`.
    """
    rng, draws = generator("rng", rng), positive_int("draws", draws)
    rows, size = _checked(values, size)
    order = rng.permuted(np.tile(np.arange(len(rows)), (draws, 1)), axis=1)
    return np.asarray(rows[order[:, :size]].mean(axis=1))


def all_batch_means(values: ArrayLike, size: int) -> Array:
    r"""Return the mean of each of the $\binom{N}{B}$ different mini-batches.

    Give it few examples, for the number of batches explodes.
    """
    rows, size = _checked(values, size)
    chosen = np.array(list(combinations(range(len(rows)), size)))
    return np.asarray(rows[chosen].mean(axis=1))


def batch_standard_error(values: ArrayLike, size: int) -> Array:
    r"""Predict the standard error of a mini-batch mean, $\sqrt{\frac{S^2}{B}(1 - \frac{B}{N})}$.

    $S^2 = \frac{1}{N-1} \sum_i (g_i - \bar g)^2$. The factor $1 - B/N$ is the finite population
    correction: drawing without replacement leaves less to chance, and nothing at $B = N$.

    Examples:
        >>> [f"{batch_standard_error([1.0, 2.0, 6.0], size):.4f}" for size in (1, 2, 3)]
        ['2.1602', '1.0801', '0.0000']

    Source: Cochran 1977.
    """
    rows, size = _checked(values, size)
    if len(rows) == 1:
        raise ValueError("values must hold at least two examples, got one")
    variance = rows.var(axis=0, ddof=1) / size * (1 - size / len(rows))
    return np.asarray(np.sqrt(variance))


def _checked(values: ArrayLike, size: int) -> tuple[Array, int]:
    rows = finite_array("values", values)
    if rows.ndim == 0:
        raise ValueError(f"values must have one row per example, got the single number {rows}")
    size = integer_at_least("size", size, 1)
    if size > len(rows):
        raise ValueError(f"size must be at most the number of examples, {len(rows)}, got {size}")
    return rows, size
