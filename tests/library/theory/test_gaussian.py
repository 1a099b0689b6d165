"""The midpoint rule against closed forms, moments and the error it states."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.activations import relu, sigmoid
from gradbook.theory import gaussian
from gradbook.theory.gaussian import expectation

# Sums of 4,000 terms, each rounded to 1e-16.
ROUNDING = 1e-14
KINKS = np.linspace(-5, 5, 401)


def density(z: float) -> float:
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def above(z: float) -> float:
    """Return the probability of lying above z."""
    return math.erfc(z / math.sqrt(2)) / 2


def ramp(kink: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda z: np.maximum(z - kink, 0)


def step(kink: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda z: np.heaviside(z - kink, 1)


def hinge(kink: float) -> float:
    """Return the mean of a ramp, from the density's own antiderivative."""
    return density(kink) - kink * above(kink)


@pytest.mark.parametrize("power", range(21))
def test_moments_are_those_of_the_normal_distribution(power: int) -> None:
    even = math.prod(range(power - 1, 0, -2))  # (power - 1)!!
    scale = even if power % 2 == 0 else math.prod(range(power, 0, -2))
    exact = even if power % 2 == 0 else 0
    # Beyond 10 lies ∫ zᵖ φ on both sides, whose leading term is 2 · 10ᵖ⁻¹ φ(10).
    tail = 1.5 * 2 * 10.0 ** (power - 1) * density(10) / scale
    assert float(expectation(lambda z: z**power)) / scale == pytest.approx(
        exact / scale, abs=ROUNDING + tail
    )


def test_the_closed_forms_of_relu_and_sigmoid() -> None:
    at_zero = density(0) * 3e-5**2 / 24  # the stated error of a kink at 0, of size 1.5e-11
    assert float(expectation(relu.f)) == pytest.approx(1 / math.sqrt(2 * math.pi), abs=at_zero)
    assert float(expectation(lambda z: relu.f(z) ** 2)) == pytest.approx(1 / 2, abs=ROUNDING)
    assert float(expectation(relu.df)) == pytest.approx(1 / 2, abs=ROUNDING)
    assert float(expectation(sigmoid.f)) == pytest.approx(1 / 2, abs=ROUNDING)


@given(st.floats(-3, 3), st.floats(0.01, 3))
def test_exponentials_and_waves_have_their_known_means(shift: float, slope: float) -> None:
    grown = expectation(lambda z: np.exp(slope * z + shift - slope * slope / 2))
    # exp(3z) moves the bulk to z = 3: what lies beyond 10 is then P(z > 7) = 1e-12.
    assert float(grown) == pytest.approx(math.exp(shift), rel=1e-11)
    wave = expectation(lambda z: np.cos(slope * z + shift))
    known = math.cos(shift) * math.exp(-slope * slope / 2)
    assert float(wave) == pytest.approx(known, abs=ROUNDING)


@pytest.mark.parametrize("scale", [1e-4, 1e-2, 1, 1e2, 1e4])
def test_a_function_that_lives_in_a_tiny_interval_is_not_lost(scale: float) -> None:
    bell = expectation(lambda z: np.exp(-np.square(scale * z)))
    assert float(bell) == pytest.approx(1 / math.sqrt(1 + 2 * scale**2), rel=ROUNDING)
    slopes = expectation(lambda z: sigmoid.df(scale * z) ** 2)
    if scale >= 100:  # ∫ s'² = 1/6, and the density is flat over it but for a share of 1/scale²
        assert float(slopes) * scale == pytest.approx(density(0) / 6, rel=1 / scale**2)


def test_a_kink_costs_what_is_stated_told_or_untold() -> None:
    told = [abs(expectation(ramp(k), [k]) - hinge(k)) for k in KINKS]
    untold = [abs(expectation(ramp(k)) - hinge(k)) for k in KINKS]
    assert max(told) < 2e-7
    assert 2e-7 < max(untold) < 4e-7


def test_a_jump_costs_what_is_stated_told_or_untold() -> None:
    told = [abs(expectation(step(k), [k]) - above(k)) for k in KINKS]
    untold = [abs(expectation(step(k)) - above(k)) for k in KINKS]
    assert max(told) < 3e-7
    assert 1e-4 < max(untold) < 5e-4


def test_gauss_hermite_misses_relu_by_what_is_stated() -> None:
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    mean = float(weights @ np.maximum(nodes, 0)) / math.sqrt(2 * math.pi)
    assert abs(mean - hinge(0)) == pytest.approx(2e-3, rel=0.25)


def test_the_width_of_the_cells_is_what_is_stated() -> None:
    seen: list[Any] = []
    expectation(lambda z: seen.append(z) or z)  # type: ignore[func-returns-value]
    gaps = np.diff(seen[0])
    assert len(seen[0]) == gaussian._CELLS
    assert gaps.min() == pytest.approx(3e-5, rel=0.15)
    assert gaps.max() == pytest.approx(0.04, rel=0.05)
    assert seen[0][-1] + gaps[-1] / 2 == pytest.approx(gaussian._REACH, abs=1e-3)
    assert not seen[0].flags.writeable


def test_many_functions_are_one_call() -> None:
    powers = np.arange(6).reshape(2, 3, 1)
    means = expectation(lambda z: z**powers)
    np.testing.assert_allclose(means, [[1, 0, 1], [0, 3, 0]], atol=ROUNDING)


def test_kinks_beyond_reach_and_named_twice_change_nothing() -> None:
    plain = expectation(sigmoid.f)
    assert expectation(sigmoid.f, [50.0, -50.0, 1e300]) == plain
    # Cutting one cell in two, unevenly, changes its own midpoint error, of size h³/24 = 1e-9.
    assert float(expectation(sigmoid.f, [1.0, 1.0])) == pytest.approx(float(plain), abs=1e-8)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"g must return shape \(\.\.\., 4000\), got \(\)"):
        expectation(lambda z: z.sum())
    with pytest.raises(ValueError, match="kinks must be a finite number, got nan"):
        expectation(np.square, [math.nan])
    with pytest.raises(TypeError, match="kinks must be a real number, got 'x'"):
        expectation(np.square, ["x"])  # type: ignore[list-item]
