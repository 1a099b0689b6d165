"""Optimizers against plain loops over single numbers and closed forms on quadratics."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

from gradbook.activations import identity
from gradbook.clipping import clip_global_norm
from gradbook.layers import Dense
from gradbook.losses import half_squared_error
from gradbook.optimizers import (
    Adam,
    Clipping,
    GradientDescent,
    Momentum,
    Optimizer,
)
from gradbook.training import train

GRADIENTS = np.random.default_rng(0).standard_normal(12) * np.logspace(-4, 3, 12)
EACH = (GradientDescent(0.1), Momentum(0.1, 0.7), Adam(0.1, 0.8, 0.95, 1e-3))


def run(optimizer: Optimizer, grads: np.ndarray) -> list[float]:
    w = [np.array([2.0])]
    state, path = optimizer.start(w), []
    for g in grads:
        w, state = optimizer.step(w, [np.array([g])], state)
        path.append(w[0].item())
    assert state.steps == len(grads)
    return path


def momentum_by_hand(lr: float, beta: float) -> list[float]:
    """Polyak's form, in positions alone."""
    before, w, path = 2.0, 2.0, []
    for g in GRADIENTS:
        before, w = w, w - lr * g + beta * (w - before)
        path.append(w)
    return path


def adam_by_hand(lr: float, beta1: float, beta2: float, epsilon: float) -> list[float]:
    """Weighted means over the whole history, each divided by the sum of its weights."""
    w, path = 2.0, []
    for t in range(1, len(GRADIENTS) + 1):
        past = [float(g) for g in GRADIENTS[:t]]
        first = [beta1 ** (t - 1 - i) for i in range(t)]
        second = [beta2 ** (t - 1 - i) for i in range(t)]
        mean = sum(a * g for a, g in zip(first, past, strict=True)) / sum(first)
        square = sum(a * g * g for a, g in zip(second, past, strict=True)) / sum(second)
        w -= lr * mean / (math.sqrt(square) + epsilon)
        path.append(w)
    return path


def test_momentum_is_the_heavy_ball() -> None:
    # Relative to weights near 100 a dozen roundings.
    np.testing.assert_allclose(
        run(Momentum(0.1, 0.7), GRADIENTS), momentum_by_hand(0.1, 0.7), 1e-12
    )


def test_adam_divides_weighted_means() -> None:
    path = run(Adam(0.1, 0.8, 0.95, 1e-3), GRADIENTS)
    np.testing.assert_allclose(path, adam_by_hand(0.1, 0.8, 0.95, 1e-3), rtol=1e-12)


def test_gradient_descent_is_a_sum() -> None:
    path = run(GradientDescent(0.1), GRADIENTS)
    np.testing.assert_allclose(path, 2 - 0.1 * np.cumsum(GRADIENTS), rtol=1e-12)


def test_without_momentum_the_heavy_ball_is_gradient_descent() -> None:
    assert run(Momentum(0.1, 0.0), GRADIENTS) == run(GradientDescent(0.1), GRADIENTS)


@pytest.mark.parametrize("g", [1e-12, 1e-8, 3.0, -1e100])
def test_the_first_step_of_adam_has_a_closed_form(g: float) -> None:
    (w,) = run(Adam(0.25), np.array([g]))
    expected = 2 - 0.25 * math.copysign(1, g) * abs(g) / (abs(g) + 1e-8)
    assert w == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("optimizer", EACH)
def test_members_train_side_by_side_and_inputs_stay(optimizer: Optimizer) -> None:
    rng = np.random.default_rng(1)
    values, grads = [rng.standard_normal((3, 2))], [rng.standard_normal((3, 2))]
    kept = values[0].copy(), grads[0].copy()
    state = optimizer.start(values)
    together, after = optimizer.step(values, grads, state)
    again, _ = optimizer.step(values, grads, state)
    np.testing.assert_array_equal(together[0], again[0])
    np.testing.assert_array_equal(values[0], kept[0])
    np.testing.assert_array_equal(grads[0], kept[1])
    assert after.steps == 1
    for k in range(3):
        alone, _ = optimizer.step([values[0][k]], [grads[0][k]], optimizer.start([values[0][k]]))
        np.testing.assert_array_equal(together[0][k], alone[0])


@pytest.mark.parametrize("optimizer", EACH)
def test_float32_stays_float32(optimizer: Optimizer) -> None:
    w = [np.ones(2, np.float32)]
    state = optimizer.start(w)
    for _ in range(2):
        w, state = optimizer.step(w, w, state)
    assert w[0].dtype == np.float32
    assert all(a.dtype == np.float32 for part in state.averages for a in part)


@pytest.mark.parametrize("optimizer", EACH)
def test_a_clip_goes_before_the_step(optimizer: Optimizer) -> None:
    careful = Clipping(optimizer, partial(clip_global_norm, max_norm=1.0))
    path = run(careful, GRADIENTS)
    # A clip of one entry is the nearest number of size at most 1.
    np.testing.assert_allclose(path, run(optimizer, np.clip(GRADIENTS, -1, 1)), rtol=1e-13)
    state = careful.start([np.zeros(1)])
    _, state = careful.step([np.zeros(1)], [np.array([-7.0])], state)
    assert state.clip is not None
    assert state.clip.norm == 7.0
    assert state.clip.clipped


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GradientDescent(0), "lr must be positive, got 0"),
        (lambda: Momentum(-1, 0.5), "lr must be positive, got -1"),
        (lambda: Momentum(1, 1), "beta must be at least 0 and below 1, got 1"),
        (lambda: Adam(0), "lr must be positive, got 0"),
        (lambda: Adam(1, beta1=-0.1), "beta1 must be at least 0 and below 1, got -0.1"),
        (lambda: Adam(1, beta2=1.0), "beta2 must be at least 0 and below 1, got 1.0"),
        (lambda: Adam(1, epsilon=0), "epsilon must be positive, got 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def line() -> list[Dense]:
    return [Dense(np.array([[1.0]]), None, identity)]


def test_training_takes_the_steps_of_its_optimizer() -> None:
    trained = train(line(), [[1.0]], [[0.0]], half_squared_error, optimizer=EACH[1], steps=5)
    w, state = [np.array([1.0])], EACH[1].start([np.array([1.0])])
    for _ in range(5):
        w, state = EACH[1].step(w, w, state)  # the loss is w²/2
    assert trained.layers[0].parameters["W"].item() == pytest.approx(w[0].item(), rel=1e-14)


def test_a_learning_rate_is_gradient_descent() -> None:
    by_rate = train(line(), [[1.0]], [[5.0]], half_squared_error, lr=0.3, steps=4)
    by_record = train(
        line(), [[1.0]], [[5.0]], half_squared_error, optimizer=GradientDescent(0.3), steps=4
    )
    np.testing.assert_array_equal(by_rate.loss, by_record.loss)


@pytest.mark.parametrize("given", [{}, {"lr": 0.1, "optimizer": Adam(0.1)}])
def test_training_wants_one_way_to_step(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="exactly one of lr and optimizer must be given, got"):
        train(line(), [[1.0]], [[5.0]], half_squared_error, steps=1, **given)  # type: ignore[arg-type]
