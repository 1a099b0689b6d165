"""Where products underflow, against NumPy's own types and exact fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.book.vanishing.underflow import predicted_underflow_depth, underflow_depth
from gradbook.precision import Format, bfloat16, float16, float32, float64, round_to
from number_formats import CASES, E3M4, each, each_numpy, nearest

factors = st.floats(0.01, 0.5)


def multiply_up(fmt: Format, factor: float, limit: int = 4000) -> int | None:
    """Count exact products rounded to the format until one is 0."""
    stored = Fraction(nearest(fmt, Fraction(factor)))
    power = Fraction(1)
    for depth in range(1, limit):
        rounded = nearest(fmt, power * stored)
        if rounded == 0:
            return depth
        power = Fraction(rounded)
    return None


def test_a_quarter_underflows_where_the_results_say() -> None:
    expected = {float16: 13, bfloat16: 67, float32: 75, float64: 538}
    for fmt, depth in expected.items():
        assert underflow_depth(fmt, 0.25) == depth
        assert predicted_underflow_depth(fmt, 0.25) == depth


@each_numpy
def test_underflow_depth_is_numpys(fmt: Format, dtype: type[np.floating[Any]]) -> None:
    for factor in (0.5, 0.49, 0.3, 0.1, 0.017):
        power, depth = dtype(1), 0
        while power > 0:
            power, depth = power * dtype(factor), depth + 1
        assert underflow_depth(fmt, factor) == depth


@pytest.mark.parametrize("fmt", [float16, bfloat16, E3M4], ids=lambda f: f.name)
def test_underflow_depth_is_that_of_exact_products_rounded_one_by_one(fmt: Format) -> None:
    for factor in (0.5, 0.4375, 0.3, 0.1):
        assert underflow_depth(fmt, factor) == multiply_up(fmt, factor)


@each
@given(factor=factors)
def test_the_predicted_underflow_is_within_one_layer(fmt: Format, factor: float) -> None:
    if not round_to(fmt, factor) > 0:
        return
    measured = underflow_depth(fmt, factor)
    assert measured is not None
    # Every rounding errs by half the smallest number at most and later factors of at most 1/2
    # halve it, so the product is off by less than one smallest number: one layer.
    assert abs(measured - predicted_underflow_depth(fmt, factor)) <= 1


@each
@pytest.mark.parametrize("power", [1, 2, 3, 5])
def test_the_predicted_underflow_of_a_power_of_two_is_exact(fmt: Format, power: int) -> None:
    factor = 2.0**-power
    assert predicted_underflow_depth(fmt, factor) == underflow_depth(fmt, factor)


def test_the_predicted_underflow_is_that_of_the_exact_power() -> None:
    for fmt in CASES:
        for factor in (0.9, 0.6, 0.35, 0.2):
            stored = Fraction(nearest(fmt, Fraction(factor)))
            depth = predicted_underflow_depth(fmt, factor)
            assert nearest(fmt, stored**depth) == 0
            assert nearest(fmt, stored ** (depth - 1)) > 0


def test_factors_above_one_half_never_underflow() -> None:
    for fmt in CASES:
        assert underflow_depth(fmt, 0.9) is None
        assert underflow_depth(fmt, 0.5 + fmt.epsilon / 2) is None  # the number next to 1/2
        assert fmt is float64 or multiply_up(fmt, 0.9) is None
    power = np.float64(1)
    for _ in range(20_000):
        power = power * np.float64(0.9)
    assert power > 0  # 0.9^20000 is about 1e-915


def test_factors_outside_zero_to_one_are_refused() -> None:
    for call in (underflow_depth, predicted_underflow_depth):
        with pytest.raises(ValueError, match=r"between 0 and 1 in float16, got 1\.5"):
            call(float16, 1.5)
