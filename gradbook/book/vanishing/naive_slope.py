"""The sigmoid's slope as it is usually computed, to show where that dies."""

import numpy as np
from numpy.typing import ArrayLike

from gradbook.checks import Array, float_array


def naive_sigmoid_derivative(z: ArrayLike) -> Array:
    r"""Compute $s(1 - s)$ with $s = 1/(1 + e^{-z})$ literally, which dies in floating point.

    On the right $s$ rounds to 1 and the result is exactly 0 from $z = p \ln 2$ on, where the format
    has $p$ significand bits. On the left it is exactly 0 once $e^{-z}$ overflows. The true
    derivative is 0 nowhere: compare `sigmoid.df`.

    Examples:
        >>> import math
        >>> from gradbook.activations import sigmoid
        >>> edge = 53 * math.log(2)  # float64 has 53 significand bits
        >>> [f"{naive_sigmoid_derivative(z):.2g}" for z in (edge - 0.01, edge + 0.01, -edge, -710)]
        ['2.2e-16', '0', '1.1e-16', '0']
        >>> f"{sigmoid.df(710):.2g}"
        '4.5e-309'
    """
    z = float_array("z", z)
    with np.errstate(over="ignore"):  # the overflow on the left is what is to be shown
        s = 1 / (1 + np.exp(-z))
    return s * (1 - s)
