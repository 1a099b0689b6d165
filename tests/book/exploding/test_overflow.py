"""Where products overflow, against NumPy's own types and exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradbook.book.exploding.overflow import overflow_depth, predicted_overflow_depth
from gradbook.precision import Format, float16, float64
from number_formats import CASES, each, each_numpy, nearest


def test_a_power_of_two_overflows_where_its_exponent_does() -> None:
    for fmt in CASES:
        for power in (1, 2, 3):
            expected = -(-(fmt.max_exponent + 1) // power)
            assert overflow_depth(fmt, 2.0**power) == expected
            assert predicted_overflow_depth(fmt, 2.0**power) == expected


@each_numpy
def test_overflow_depth_is_numpys(fmt: Format, dtype: type[np.floating[Any]]) -> None:
    for factor in (1.1, math.sqrt(2), 1.7, 4.9, 1000.0):
        power, depth = dtype(1), 0
        with np.errstate(over="ignore"):
            while np.isfinite(power):
                power, depth = power * dtype(factor), depth + 1
        assert overflow_depth(fmt, factor) == depth


def test_the_predicted_overflow_is_that_of_the_exact_power() -> None:
    for fmt in CASES:
        # 11^37 in bfloat16 and 1.447265625^30 in float16 round up to infinity by a hair.
        for factor in (1.3, math.sqrt(2), 1.9, 7.0, 11.0, 1.447265625):
            stored = Fraction(nearest(fmt, Fraction(factor)))
            depth = predicted_overflow_depth(fmt, factor)
            assert math.isinf(nearest(fmt, stored**depth))
            assert math.isfinite(nearest(fmt, stored ** (depth - 1)))


def test_the_edge_of_overflow_lies_half_a_unit_above_the_largest_number() -> None:
    stored = Fraction(1027, 1024)
    assert 65_520 <= stored**3791 < 65_528  # a quarter of a unit further would be one layer later
    assert predicted_overflow_depth(float16, float(stored)) == 3791


@each
@settings(max_examples=15)  # each takes up to 3,000 layers
@given(factor=st.floats(1.25, 8))
def test_the_predicted_overflow_is_within_two_layers(fmt: Format, factor: float) -> None:
    # A product of L factors is off by L half units in the last place: in bfloat16 by up to
    # (1 + 2^-8)^400 = 4.8, of which 1.25 makes seven layers; roundings that do not conspire, two.
    assert abs(overflow_depth(fmt, factor) - predicted_overflow_depth(fmt, factor)) <= 2


def test_factors_that_never_overflow_or_not_soon_are_refused() -> None:
    for call in (overflow_depth, predicted_overflow_depth):
        with pytest.raises(ValueError, match=r"1 and inf in float16, got 1\.0001, stored as 1\.0"):
            call(float16, 1.0001)
        with pytest.raises(
            ValueError, match=r"factor must lie between 1 and inf in float64, got 0\.5"
        ):
            call(float64, 0.5)
        with pytest.raises(ValueError, match="factor must be positive, got -2"):
            call(float64, -2)
        with pytest.raises(ValueError, match=r"inf in float16, got .*, stored as inf"):
            call(float16, 1e6)
    with pytest.raises(ValueError, match=r"within 1000000 layers, got 1\.0001"):
        overflow_depth(float64, 1.0001)
    assert predicted_overflow_depth(float64, 1.0001) > 7_000_000
