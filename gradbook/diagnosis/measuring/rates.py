r"""The factor by which each layer multiplies a gradient, with an interval for it.

In a network of random weights the logarithm of a gradient's size makes a step of its own in every
layer, so that it walks at random about its drift. A straight line fitted to such a walk has errors
that are not independent, and its usual interval is several times too narrow; the steps themselves
are independent, and their mean has an honest one. A test measures both.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gradbook.checks import Array, float_array, integer_at_least

CONFIDENCE = 0.95
"""The share of intervals that are to hold the true rate."""

ONE_OF = 4
"""Of how many steps at least one can stand out: of fewer, each makes a large part of the change."""


@lru_cache(maxsize=256)
def student_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    r"""Find the $t$ with $P(|T| \le t) =$ `confidence` for Student's $T$.

    With $t = \sqrt{\nu} \tan\theta$ the probability is the integral of $\cos^{\nu - 1}$ from 0 to
    $\theta$ over that from 0 to $\pi/2$.

    Examples:
        >>> [f"{student_quantile(n):.3f}" for n in (1, 2, 10)]
        ['12.706', '4.303', '2.228']
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}")
    theta = np.linspace(0.0, math.pi / 2, 100_001)
    density = np.cos(theta) ** (integer_at_least("freedom", freedom, 1) - 1)
    mass = np.append(0.0, np.cumsum(density[1:] + density[:-1]))
    return math.sqrt(freedom) * math.tan(np.interp(confidence * mass[-1], mass, theta))


@dataclass(frozen=True)
class Rate:
    """The factor per layer on a gradient's way back."""

    factor: float
    low: float | None
    high: float | None
    steps: int


def rate(rms: Sequence[float] | Array) -> Rate | None:
    r"""Measure the geometric rate at which a gradient changes from layer to layer, going back.

    With the steps $s_l = \ln r_l - \ln r_{l+1}$ the factor is $\exp \bar s$, and the interval
    $\exp(\bar s \pm t \, \text{sd}(s)/\sqrt{m})$ for $m$ steps, with Student's $t$ of $m - 1$
    degrees of freedom.

    Args:
        rms: The sizes $r_l$, the first layer's first. Those before the last layer whose size is 0
            or not finite are left out.

    Examples:
        >>> found = rate([0.1, 0.2, 0.5, 1.0])
        >>> f"{found.factor:.3f} from {found.low:.2f} to {found.high:.2f}"
        '0.464 from 0.34 to 0.64'
    """
    sizes = np.asarray(float_array("rms", rms), np.float64)
    lost = np.flatnonzero(~((sizes > 0) & np.isfinite(sizes)))
    steps = -np.diff(np.log(sizes[lost[-1] + 1 :] if lost.size else sizes))
    if steps.size == 0:
        return None
    mean = float(steps.mean())
    if steps.size == 1:
        return Rate(_exp(mean), None, None, 1)
    deviation = float(steps.std(ddof=1)) / math.sqrt(steps.size)
    reach = student_quantile(steps.size - 1) * deviation
    return Rate(_exp(mean), _exp(mean - reach), _exp(mean + reach), steps.size)


def _exp(x: float) -> float:
    # Of a few layers of wild sizes the interval may reach beyond what a float holds.
    return math.exp(min(max(x, -700.0), 700.0))


def one_layer(rms: Sequence[float] | Array) -> bool:
    """Tell whether one step of at least `ONE_OF` makes half of a change, and twice any other."""
    sizes = np.asarray(float_array("rms", rms), np.float64)
    if sizes.size <= ONE_OF or not np.all((sizes > 0) & np.isfinite(sizes)):
        return False
    steps = np.diff(np.log(sizes))
    *_, second, first = sorted(np.abs(steps))
    return bool(first > max(abs(steps.sum()) / 2, 2 * second))
