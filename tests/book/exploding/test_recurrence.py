"""The one-unit recurrence against closed forms, plain loops and finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.activations import identity, relu, sigmoid, softplus, tanh
from gradbook.book.exploding.recurrence import (
    cliff_bias,
    fixed_point_bias,
    folds,
    passage,
    unit_steps,
)


def s(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def loop(w: float, b: float, x: float, steps: int) -> float:
    for _ in range(steps):
        x = w * s(x) + b
    return x


@given(st.floats(4.2, 100))
def test_the_folds_of_a_sigmoid_are_those_of_the_closed_form(w: float) -> None:
    # w s(1 - s) = 1 is a quadratic equation for s.
    root = math.sqrt(1 - 4 / w)
    found = folds(sigmoid, w)
    for fold, value in zip(found, ((1 - root) / 2, (1 + root) / 2), strict=True):
        x = math.log(value / (1 - value))
        # Where w is near 4 the slope is flat at the fold: x has half the digits, b has all.
        assert fold.x == pytest.approx(x, rel=1e-9)
        assert fold.b == pytest.approx(x - w * value, rel=1e-13)


@given(st.floats(1.05, 50))
def test_the_folds_of_tanh_are_those_of_the_closed_form(w: float) -> None:
    left, right = folds(tanh, w)
    # w (1 - tanh² x) = 1
    t = math.sqrt(1 - 1 / w)
    assert right.x == pytest.approx(math.atanh(t), rel=1e-9)
    assert right.b == pytest.approx(math.atanh(t) - w * t, rel=1e-12)
    assert (left.x, left.b) == pytest.approx((-right.x, -right.b), rel=1e-9)


def test_between_the_folds_a_bias_has_three_fixed_points_and_outside_one() -> None:
    high, low = (fold.b for fold in folds(sigmoid, 5.0))
    x = np.linspace(-20, 20, 400_001)
    for b, count in ((low - 0.01, 1), ((low + high) / 2, 3), (high + 0.01, 1)):
        above = fixed_point_bias(sigmoid, 5.0, x) > b
        assert np.count_nonzero(above[1:] != above[:-1]) == count


def test_the_biases_of_the_results_are_found() -> None:
    assert [f"{fold.b:.4f}" for fold in folds(sigmoid, 5.0)] == ["-2.3444", "-2.6556"]
    assert f"{cliff_bias(sigmoid, 5.0, 0.5):.4f}" == "-2.6123"


def test_a_slope_that_is_nowhere_steep_enough_makes_no_fold() -> None:
    assert folds(sigmoid, 3.9) == folds(sigmoid, -9.0) == folds(tanh, 1.0) == ()
    # The softplus has all slopes up to 1, each once.
    (only,) = folds(softplus, 2.0)
    assert only.x == pytest.approx(0, abs=1e-12)
    (kink,) = folds(relu, 2.0)
    assert (kink.x, kink.b) == (0, 0)


def test_on_both_sides_of_the_cliff_the_end_is_another() -> None:
    cliff = cliff_bias(sigmoid, 5.0, 0.5)
    assert loop(5, cliff, 0.5, 1) == pytest.approx(0.5, abs=1e-15)
    assert loop(5, cliff - 1e-6, 0.5, 200) < -2
    assert loop(5, cliff + 1e-6, 0.5, 200) > 1


@given(st.floats(-6, 6), st.floats(-4, 4), st.floats(-2, 2), st.integers(1, 30))
def test_a_passage_is_the_plain_loop(w: float, b: float, start: float, steps: int) -> None:
    way = passage(sigmoid, w, b, start, steps)
    assert way.x.shape == (steps + 1,)
    x, by_start, by_bias, by_weight = start, 1.0, 0.0, 0.0
    for t in range(steps):
        assert way.x[t] == pytest.approx(x, rel=1e-9, abs=1e-9)
        slope = w * s(x) * (1 - s(x))
        # The derivatives of x_t, carried along forward.
        by_start, by_bias = slope * by_start, slope * by_bias + 1
        by_weight = slope * by_weight + s(x)
        x = w * s(x) + b
    # Thirty factors of at most 1.5 amplify a rounding to 1e-11 at most.
    assert way.x[-1] == pytest.approx(x, rel=1e-9, abs=1e-9)
    assert way.by_start == pytest.approx(by_start, rel=1e-6, abs=1e-12)
    assert way.by_bias == pytest.approx(by_bias, rel=1e-6, abs=1e-12)
    assert way.by_weight == pytest.approx(by_weight, rel=1e-6, abs=1e-12)


def test_the_derivatives_are_those_of_finite_differences() -> None:
    w, b, start, steps, step = 5.0, -2.6, 0.5, 12, 1e-6
    way = passage(sigmoid, w, b, start, steps)
    for found, high, low in (
        (way.by_start, loop(w, b, start + step, steps), loop(w, b, start - step, steps)),
        (way.by_bias, loop(w, b + step, start, steps), loop(w, b - step, start, steps)),
        (way.by_weight, loop(w + step, b, start, steps), loop(w - step, b, start, steps)),
    ):
        # Truncation step² times a third derivative of some 1e3, rounding 1e-15/step.
        assert found == pytest.approx((high - low) / (2 * step), rel=1e-6)


def test_at_the_cliff_the_gradient_is_a_power_of_the_growth_at_the_fixed_point() -> None:
    cliff = cliff_bias(sigmoid, 5.0, 0.5)
    growth = 5 * s(0.5) * (1 - s(0.5))
    way = passage(sigmoid, 5.0, cliff, 0.5, 50)
    # The start is off by a rounding, which grows 3e3-fold on the way.
    assert way.by_start == pytest.approx(growth**50, rel=1e-9)
    assert way.by_bias == pytest.approx((growth**50 - 1) / (growth - 1), rel=1e-9)


def test_weights_and_biases_are_an_ensemble() -> None:
    w, b = np.array([[4.0], [5.0]]), np.array([-2.6, -2.5, -2.4])
    way = passage(tanh, w, b, 0.1, 7)
    assert way.x.shape == (2, 3, 8)
    one = passage(tanh, 5.0, -2.4, 0.1, 7)
    for name in ("x", "by_start", "by_bias", "by_weight"):
        np.testing.assert_allclose(getattr(way, name)[1, 2], getattr(one, name), rtol=1e-14)


def test_the_steps_are_a_list_that_shares_one_weight_and_one_bias() -> None:
    layers = unit_steps(sigmoid, 2.0, -1.0, 4)
    assert len(layers) == 4
    assert len({id(layer.W) for layer in layers}) == len({id(layer.b) for layer in layers}) == 1
    assert [layer.activation for layer in layers] == [sigmoid] * 3 + [identity]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cliff_bias(sigmoid, 4.0, 0.5), r"start must be where .* above 1, got 0.5"),
        (lambda: cliff_bias(sigmoid, math.inf, 0.5), "w must be a finite number, got inf"),
        (lambda: folds(sigmoid, math.nan), "w must be a finite number, got nan"),
        (lambda: fixed_point_bias(sigmoid, 1.0, [math.nan]), "x must be finite"),
        (lambda: unit_steps(sigmoid, 1.0, 1.0, 0), "steps must be an integer of at least 1"),
        (lambda: unit_steps(sigmoid, [1.0, 2.0], [1.0] * 3, 2), r"b must have .* \(2,\), got \(3,"),
        (lambda: passage(sigmoid, 1.0, 1.0, math.inf, 2), "start must be a finite number"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
