"""The formats that number formats are tested with, and rounding in exact rational numbers."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gradbook.precision import ALL, Format, float16, float32, float64

NUMPY: list[tuple[Format, type[np.floating[Any]]]] = [
    (float16, np.float16),
    (float32, np.float32),
    (float64, np.float64),
]
E3M4 = Format("a tiny format", significand_bits=5, max_exponent=3)
CASES = (*ALL, E3M4)

each = pytest.mark.parametrize("fmt", CASES, ids=lambda f: f.name)
each_numpy = pytest.mark.parametrize(("fmt", "dtype"), NUMPY, ids=lambda x: getattr(x, "name", ""))


def nearest(fmt: Format, x: Fraction) -> float:
    """Round an exact rational to the format by exact arithmetic, ties to even."""
    if x == 0:
        return 0.0
    exponent = x.numerator.bit_length() - x.denominator.bit_length()
    exponent -= abs(x) < Fraction(2) ** exponent
    unit = Fraction(2) ** (max(exponent, fmt.min_exponent) - fmt.significand_bits + 1)
    rounded = round(x / unit) * unit  # round() of a Fraction is exact and takes ties to even
    if abs(rounded) > Fraction(fmt.largest):
        return math.inf if x > 0 else -math.inf
    return float(rounded)
