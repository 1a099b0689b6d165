"""The adding unit against its closed loss, random inputs and finite differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.backpropagation import forward_loss
from gradbook.book.exploding.adding import adding_curvature, adding_slope, adding_unit
from gradbook.losses import half_squared_error

WEIGHTS, STEPS = st.floats(-1.6, 1.6), st.integers(2, 12)


def closed_loss(w: float, steps: int) -> float:
    return sum((w**k - 1) ** 2 for k in range(steps)) / 2


def scale(steps: int) -> float:
    """Bound the derivatives that the tolerances below speak of."""
    return closed_loss(1.7, steps) * steps**2 + 1


@given(WEIGHTS, STEPS)
def test_the_loss_of_the_list_is_the_closed_form(w: float, steps: int) -> None:
    layers, h, target = adding_unit(w, steps)
    loss = forward_loss(layers, h, target, half_squared_error)
    assert loss == pytest.approx(closed_loss(w, steps), rel=1e-12, abs=1e-12)


@given(WEIGHTS, STEPS)
def test_slope_and_curvature_are_those_of_finite_differences(w: float, steps: int) -> None:
    s = 1e-5
    rise = closed_loss(w + s, steps) - closed_loss(w - s, steps)
    # Truncation s² and rounding 1e-16/s of the largest terms.
    assert adding_slope(w, steps) == pytest.approx(rise / (2 * s), abs=1e-8 * scale(steps))
    bend = (adding_slope(w + s, steps) - adding_slope(w - s, steps)) / (2 * s)
    assert adding_curvature(w, steps) == pytest.approx(bend, abs=1e-6 * scale(steps))


def test_random_inputs_have_this_loss_on_average() -> None:
    rng, w, steps, draws = np.random.default_rng(0), 1.2, 6, 40_000
    x = rng.standard_normal((draws, steps))
    end = x @ w ** np.arange(steps - 1, -1, -1)
    losses = (end - x.sum(axis=-1)) ** 2 / 2
    error = losses.std() / np.sqrt(draws)
    assert losses.mean() == pytest.approx(closed_loss(w, steps), abs=4 * error)


def test_at_the_minimum_the_curvature_is_a_sum_of_squares() -> None:
    for steps in (2, 5, 10, 50):
        assert adding_curvature(1.0, steps) == sum(k * k for k in range(steps))
        assert adding_slope(1.0, steps) == 0
    assert adding_curvature([[1.0, 0.0]], 4).tolist() == [[14.0, -1.0]]


@pytest.mark.parametrize("function", [adding_unit, adding_slope, adding_curvature])
def test_one_step_or_no_number_is_refused(function: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="steps must be an integer of at least 2, got 1"):
        function(1.0, 1)
    with pytest.raises(ValueError, match="w must be "):
        function(np.inf, 3)
