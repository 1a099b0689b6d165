"""The latch against its equation, plain loops and finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.activations import tanh
from gradbook.book.exploding.recurrence import folds
from gradbook.book.time_and_gates.latch import hold, latch_factor, latch_margin, latch_state


@given(st.floats(1.001, 50))
def test_the_state_repeats_itself_and_shrinks_deviations(w: float) -> None:
    a = latch_state(w)
    assert 0 < a <= 1
    # Near w = 1 a deviation from the fixed point moves the curve little: half the digits.
    assert math.tanh(w * a) == pytest.approx(a, rel=1e-9)
    u = w * a
    assert latch_factor(w) == pytest.approx(2 * u / math.sinh(2 * u), rel=1e-6, abs=1e-12)
    assert latch_factor(w) < 1


def test_iterating_finds_the_state() -> None:
    a = 0.1
    for _ in range(200):
        a = math.tanh(2 * a)
    assert latch_state(2.0) == pytest.approx(a, rel=1e-14)
    assert f"{latch_state(2.0):.6f} {latch_factor(2.0):.6f}" == "0.957504 0.166372"


@given(st.floats(1.05, 20))
def test_the_margin_is_the_bias_of_the_fold(w: float) -> None:
    # In the recurrence x = w tanh(x) + b the fold that ends the upper state lies at b = -m.
    assert latch_margin(w) == pytest.approx(max(abs(fold.b) for fold in folds(tanh, w)), rel=1e-9)


def end_under(push: float) -> float:
    a = latch_state(2.0)
    for _ in range(5000):
        a = math.tanh(2 * a - push)
    return a


def test_a_push_below_the_margin_never_flips_the_bit_and_one_above_does() -> None:
    margin = latch_margin(2.0)
    assert end_under(margin - 1e-4) > 0
    assert end_under(margin + 1e-4) < 0
    assert hold(np.random.default_rng(0), 2.0, margin - 1e-4, 300, 100).kept.all()
    assert 0 < hold(np.random.default_rng(0), 2.0, 1.5, 300, 100).kept.mean() < 1


def test_the_gradients_are_those_of_finite_differences() -> None:
    held = hold(np.random.default_rng(0), 1.5, 0.4, 6, 3)
    generator = np.random.default_rng(0)
    signs = generator.choice([-1.0, 1.0], size=(3, 1))
    inputs = 0.4 * generator.uniform(-1, 1, (6, 3, 1))
    step = 1e-5

    def run(a: float, member: int, first: int) -> float:
        for x in inputs[first:, member, 0]:
            a = math.tanh(1.5 * a + x)
        return a

    for member in range(3):
        assert held.states[member, 0] == latch_state(1.5) * signs[member, 0]
        for lag in range(7):
            at = held.states[member, 6 - lag]
            high, low = (run(at + s, member, 6 - lag) for s in (step, -step))
            # Truncation step², rounding 1e-16/step.
            assert held.gradients[member, lag] == pytest.approx((high - low) / (2 * step), abs=1e-9)


def test_without_noise_a_step_multiplies_by_the_factor() -> None:
    held = hold(np.random.default_rng(0), 2.0, 0.0, 5, 4)
    np.testing.assert_allclose(held.gradients[:, 1:] / held.gradients[:, :-1], latch_factor(2.0))
    assert held.kept.tolist() == [1.0] * 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: latch_state(1.0), "w must be above 1, got 1.0"),
        (lambda: latch_state(-2.0), "w must be positive"),
        (lambda: latch_margin(0.5), "w must be above 1, got 0.5"),
        (lambda: hold(np.random.default_rng(0), 2.0, -0.1, 2, 2), "noise must not be negative"),
        (lambda: hold(np.random.default_rng(0), 2.0, 0.1, 0, 2), "steps must be an integer"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
