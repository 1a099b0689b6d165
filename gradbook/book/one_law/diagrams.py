r"""Map out where signals and gradients die, hold or grow: the phases and their depth scales.

Both maps of `meanfield` are affine in $\sigma_w^2$ and $\sigma_b^2$. So the averages over $z$ are
tabulated once for each activation, and a diagram of forty thousand points takes less than a second.

Source: Poole et al. 2016; Schoenholz et al. 2017.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import Activation
from gradbook.checks import Array, non_negative_array
from gradbook.theory.meanfield import LONGEST, mean_square, mean_square_slope

# Relative changes of a length below this count as none: they are rounding errors of the rule.
_ROUNDING = 1e-12
_SHORTEST = 1e-12
_PER_DECADE = 40
_CHUNK = 512


@dataclass(frozen=True, eq=False)
class Phases:
    r"""Hold where the length map leads from a length of 1, and what a gradient does there.

    Args:
        q: The fixed point; infinite where the length grows without bound.
        chi: $\chi(q)$; at the largest tabulated length where $q$ is infinite.
    """

    q: Array
    chi: Array

    @property
    def xi(self) -> Array:
        r"""Return the depth scale $\xi = 1/|\ln \chi|$, in which an energy changes $e$-fold.

        It is infinite where $\chi = 1$, and 0 where $\chi = 0$. Source: Schoenholz et al. 2017.
        """
        with np.errstate(divide="ignore"):
            return np.asarray(1 / np.abs(np.log(self.chi)))


def phases(activation: Activation, sigma_w2: ArrayLike, sigma_b2: ArrayLike = 0.0) -> Phases:
    r"""Find the fixed point and $\chi$ for whole arrays of $(\sigma_w^2, \sigma_b^2)$ in one call.

    `meanfield.fixed_point` says what is found, here always from a length of 1. Between the entries
    of the table, forty for each factor of ten, averages are interpolated by cubics. For smooth
    activations the results have a relative error of about $10^{-6}$.

    Examples:
        >>> from gradbook.activations import relu
        >>> found = phases(relu, sigma_w2=[1.0, 2.0, 4.0], sigma_b2=[[0.5], [0.0]])
        >>> found.q.round(6).tolist(), found.chi[0].round(6).tolist()
        ([[1.0, inf, inf], [0.0, 1.0, inf]], [0.5, 1.0, 2.0])

    Source: Poole et al. 2016.
    """
    variances = np.broadcast_arrays(
        non_negative_array("sigma_w2", sigma_w2), non_negative_array("sigma_b2", sigma_b2)
    )
    w2, b2 = (array.ravel().astype(np.float64) for array in variances)
    parts = [
        _fixed_points(activation, w2[i : i + _CHUNK], b2[i : i + _CHUNK])
        for i in range(0, len(w2), _CHUNK)
    ]
    q = np.concatenate(parts)
    gains = w2 * np.exp(_interpolated(_table(activation)[2], np.clip(q, _SHORTEST, LONGEST)))
    return Phases(q.reshape(variances[0].shape), gains.reshape(variances[0].shape))


def _fixed_points(activation: Activation, w2: Array, b2: Array) -> Array:
    """Return what the map leads to from 1, infinite if nowhere, for one-dimensional arrays."""
    lengths, squares, _ = _table(activation)
    growth = w2[:, None] * (np.exp(squares) / lengths) + b2[:, None] / lengths - 1
    growth[np.abs(growth) < _ROUNDING] = 0
    start = int(np.searchsorted(lengths, 1.0))
    up = growth[:, start] > 0
    # Index of the last node before the sign changes, going up or going down from the start.
    first_above = np.argmax(growth[:, start:] < 0, axis=1) + start
    last_below = start - np.argmax(growth[:, start::-1] > 0, axis=1)
    left = np.where(up, first_above - 1, last_below)
    endless = up & (growth[:, start:] >= 0).all(axis=1)
    dying = (growth[:, start] < 0) & (growth[:, : start + 1] <= 0).all(axis=1)
    q = _bisected(squares, w2, b2, lengths[np.clip(left, 0, len(lengths) - 2)])
    q = np.where(growth[:, start] == 0, 1.0, q)
    return np.where(endless, np.inf, np.where(dying, 0.0, q))


def _bisected(squares: Array, w2: Array, b2: Array, low: Array) -> Array:
    """Bisect between a node and the next for the length at which growth ends."""
    step = 10 ** (1 / _PER_DECADE)
    a, b = np.log(low), np.log(low * step)
    for _ in range(24):  # a cell of the table is 0.06 wide; 0.06/2^24 is below its own error
        middle = (a + b) / 2
        q = np.exp(middle)
        grows = w2 * np.exp(_interpolated(squares, q)) + b2 > q
        a, b = np.where(grows, middle, a), np.where(grows, b, middle)
    return np.asarray(np.exp((a + b) / 2))


@lru_cache(maxsize=64)
def _table(activation: Activation) -> tuple[Array, Array, Array]:
    """Return lengths and the logarithms of both averages there; shared, so write-protected."""
    decades = round(math.log10(LONGEST / _SHORTEST))
    lengths = np.logspace(np.log10(_SHORTEST), np.log10(LONGEST), decades * _PER_DECADE + 1)
    with np.errstate(divide="ignore"):
        table = tuple(
            np.log(average(activation, lengths)) for average in (mean_square, mean_square_slope)
        )
    for array in (lengths, *table):
        array.flags.writeable = False
    return lengths, table[0], table[1]


def _interpolated(logs: Array, q: Array) -> Array:
    """Interpolate a column of the table by the cubic through the four nodes around each q."""
    place = (np.log10(q) - math.log10(_SHORTEST)) * _PER_DECADE
    node = np.clip(place.astype(int), 1, len(logs) - 3)
    t = place - node
    y0, y1, y2, y3 = (logs[node + k] for k in (-1, 0, 1, 2))
    return np.asarray(
        -t * (t - 1) * (t - 2) / 6 * y0
        + (t + 1) * (t - 1) * (t - 2) / 2 * y1
        - (t + 1) * t * (t - 2) / 2 * y2
        + (t + 1) * t * (t - 1) / 6 * y3
    )
