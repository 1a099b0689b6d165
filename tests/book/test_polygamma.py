"""Digamma and trigamma against closed values, reflections, lgamma and averages of logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.book.polygamma import digamma, trigamma

GAMMA = np.euler_gamma


def test_at_integers_digamma_is_a_harmonic_number() -> None:
    for n in range(1, 40):
        harmonic = float(sum(Fraction(1, k) for k in range(1, n)))
        # The largest term is 1/x = 1 or ln x < 4: some ten roundings of it.
        assert digamma(n) == pytest.approx(harmonic - GAMMA, rel=0, abs=4e-15)


def test_at_half_integers_digamma_is_a_sum_of_odd_reciprocals() -> None:
    for n in range(30):
        odd = float(sum(Fraction(2, 2 * k - 1) for k in range(1, n + 1)))
        expected = -GAMMA - 2 * math.log(2) + odd
        assert digamma(n + 0.5) == pytest.approx(expected, rel=0, abs=6e-15)


def test_trigamma_at_one_and_one_half_is_eulers() -> None:
    assert trigamma(1) == pytest.approx(math.pi**2 / 6, rel=1e-14)
    assert trigamma(0.5) == pytest.approx(math.pi**2 / 2, rel=1e-14)


@given(st.floats(0.01, 0.99))
def test_both_obey_their_reflection_formulas(x: float) -> None:
    angle = math.pi * x
    difference = float(digamma(1 - x) - digamma(x))
    # Near the ends the terms are 1/x, up to 100, and so are their rounding errors.
    assert difference == pytest.approx(math.pi / math.tan(angle), rel=0, abs=1e-12)
    total = float(trigamma(1 - x) + trigamma(x))
    assert total == pytest.approx((math.pi / math.sin(angle)) ** 2, rel=1e-13)


@given(st.floats(0.05, 1e6))
def test_digamma_is_the_slope_of_the_logarithm_of_gamma(x: float) -> None:
    step = 1e-4 * x
    slope = (math.lgamma(x + step) - math.lgamma(x - step)) / (2 * step)
    # Truncation step²/6·ψ'' with ψ'' of order 2/x³ below 1; rounding of lgamma of order x ln x.
    assert digamma(x) == pytest.approx(slope, rel=0, abs=1e-8 * (1 + 2 / x) + 1e-10)


@given(st.floats(0.05, 1e6))
def test_trigamma_is_the_slope_of_digamma(x: float) -> None:
    step = 1e-4 * x
    slope = float(digamma(x + step) - digamma(x - step)) / (2 * step)
    # Truncation is 1e-8 relatively, up to a factor; rounding is 1e-15·ln x over a step.
    assert trigamma(x) == pytest.approx(slope, rel=2e-7, abs=1e-15 * (1 + 14 / step))


def test_they_are_mean_and_variance_of_the_logarithm_of_a_squared_length() -> None:
    rng, draws = np.random.default_rng(0), 40_000
    for n in (1, 2, 5):
        logs = np.log(np.square(rng.standard_normal((draws, n))).sum(axis=-1))
        error = logs.std() / math.sqrt(draws)
        assert logs.mean() == pytest.approx(math.log(2) + digamma(n / 2), abs=4 * error)
        # The variance of such logarithms has a relative standard error below 2 %.
        assert logs.var() == pytest.approx(trigamma(n / 2), rel=0.08)


def test_they_keep_the_shape_of_what_they_are_given() -> None:
    x = np.array([[0.5, 1.0, 2.0], [10.0, 100.0, 1e300]])
    for function in (digamma, trigamma):
        assert function(x).shape == (2, 3)
        assert function(x)[1, 0] == pytest.approx(function(10), rel=1e-15)
    assert digamma(1e300) == pytest.approx(math.log(1e300))


@pytest.mark.parametrize("function", [digamma, trigamma])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (0, "x must be positive, got 0"),
        ([1.0, -0.5], "x must be positive, got -0.5"),
        ([], "x must not be empty"),
        (math.nan, "x must be finite"),
    ],
)
def test_what_has_no_value_is_refused(
    function: Callable[..., object], x: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        function(x)
