r"""Expectations $E\,g(z)$ over a standard normal $z$, by one midpoint rule, kinks and all.

The rule has 4,000 cells on $[-10, 10]$, equal not in $z$ but in $t$, where
$z \propto \sinh(8t)$: their width grows from $3 \cdot 10^{-5}$ at 0, where $g(s z)$ with a large
scale $s$ does all it does, to 0.04 at the ends, where the density is $10^{-22}$. Cell edges lie at
0 and at every kink that is named.

For a smooth $g$ the error is that of rounding. Where the slope of $g$ jumps by $J$ at a cell's
edge, it is about $J h^2 \varphi / 24$, with $h$ the cell's width and $\varphi$ the normal density:
$1.2 \cdot 10^{-11} J$ at 0 and up to $2 \cdot 10^{-7} J$ elsewhere. Where $g$ itself jumps by $J$,
it is nothing at 0 and up to $3 \cdot 10^{-7} J$ elsewhere. Places of which the rule was not told
cost more: $4 \cdot 10^{-7} J$ for a slope that jumps, $5 \cdot 10^{-4} J$ for a $g$ that jumps. A
Gauss-Hermite rule with a hundred nodes misses $E\,\mathrm{relu}(z)$ by $2 \cdot 10^{-3}$.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from gradbook.checks import Array, finite

_CELLS = 4000
"""Number of cells of the rule, without those that kinks add."""

_REACH = 10.0
"""The rule covers all z up to this absolute value; beyond lies a probability of 2e-23."""

_GRADING = 8.0  # cells at 0 are sinh(8)/8 = 186 times narrower than equal ones would be


def expectation(g: Callable[[Array], Array], kinks: Sequence[float] = ()) -> Array:
    r"""Return $E\,g(z)$ for $z \sim N(0, 1)$.

    `g` takes the nodes, shape (n,), to values of shape (..., n): many functions, or one function
    with many parameters, are one call. `kinks` are where `g` or its slope jumps; 0 need not be
    named.

    Examples:
        >>> f"{expectation(lambda z: np.maximum(z - 1, 0), kinks=[1.0]):.6f}"
        '0.083316'
    """
    places = tuple(sorted({finite("kinks", kink) for kink in kinks}))
    nodes, weights = _rule(places)
    values = np.asarray(g(nodes))
    if values.shape[-1:] != nodes.shape:
        raise ValueError(f"g must return shape (..., {len(nodes)}), got {values.shape}")
    return np.asarray(values @ weights)


@lru_cache(maxsize=256)
def _rule(kinks: tuple[float, ...]) -> tuple[Array, Array]:
    """Return nodes and weights; both are shared by all callers and cannot be written to."""
    stretch = _REACH / math.sinh(_GRADING)
    inside = np.array([kink for kink in kinks if abs(kink) < _REACH])
    edges = np.union1d(np.linspace(-1, 1, _CELLS + 1), np.arcsinh(inside / stretch) / _GRADING)
    t, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    nodes = stretch * np.sinh(_GRADING * t)
    density = np.exp(-np.square(nodes) / 2) / math.sqrt(2 * math.pi)
    weights = density * stretch * _GRADING * np.cosh(_GRADING * t) * widths
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights
