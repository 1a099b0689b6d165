"""Rates of descent against matrix norms, powers of matrices and sorted counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.book.update_rule.bowls import (
    best_learning_rate,
    condition_number,
    contraction,
    counted_steps,
    curvatures,
    predicted_steps,
)


def bowl(seed: int, size: int = 3) -> np.ndarray:
    """Return a positive definite matrix turned away from the axes."""
    root = np.random.default_rng(seed).standard_normal((size, size))
    half = root @ root.T + 0.1 * np.eye(size)
    return (half + half.T) / 2


BOWLS = st.builds(bowl, st.integers(0, 200), st.integers(1, 5))


@given(BOWLS, st.floats(0.01, 3.0))
def test_the_rate_is_the_spectral_norm_of_one_step(hessian: np.ndarray, scaled: float) -> None:
    lr = scaled / np.linalg.norm(hessian, 2)
    one_step = np.eye(len(hessian)) - lr * hessian
    # Two ways to the singular values of a symmetric matrix of norm about 1.
    assert contraction(hessian, lr) == pytest.approx(np.linalg.norm(one_step, 2), abs=1e-12)


@given(BOWLS)
def test_the_condition_number_is_numpys(hessian: np.ndarray) -> None:
    assert condition_number(hessian) == pytest.approx(np.linalg.cond(hessian), rel=1e-9)


@given(BOWLS)
def test_no_learning_rate_on_a_grid_beats_the_best_one(hessian: np.ndarray) -> None:
    best, kappa = best_learning_rate(hessian), np.linalg.cond(hessian)
    least = contraction(hessian, best)
    assert least == pytest.approx((kappa - 1) / (kappa + 1), abs=1e-9)
    # 1e-12 for bowls that are round but for rounding.
    assert all(contraction(hessian, best * s) >= least - 1e-12 for s in np.linspace(0.5, 1.5, 31))


@given(BOWLS, st.floats(0.05, 0.95), st.floats(0.01, 0.9), st.integers(0, 99))
def test_steps_are_counted_as_powers_of_one_step_and_never_exceed_the_prediction(
    hessian: np.ndarray, scaled: float, fraction: float, seed: int
) -> None:
    lr = 2 * scaled / np.linalg.norm(hessian, 2)
    start = np.random.default_rng(seed).standard_normal(len(hessian))
    count = counted_steps(hessian, start, lr, fraction)
    one_step = np.eye(len(hessian)) - lr * hessian
    before, after = (
        np.linalg.norm(np.linalg.matrix_power(one_step, k) @ start) for k in (count - 1, count)
    )
    limit = fraction * np.linalg.norm(start)
    # Rounding moves the distances by some 1e-15 per step, of which there are a few thousand.
    assert after <= limit * (1 + 1e-9)
    assert before > limit * (1 - 1e-9)
    assert 1 <= count <= predicted_steps(hessian, lr, fraction) + 1


def test_at_the_best_rate_two_parts_shrink_together_and_the_prediction_is_exact() -> None:
    for kappa in (2.0, 10.0, 300.0):
        hessian = np.diag([1.0, kappa])
        lr = best_learning_rate(hessian)
        predicted = predicted_steps(hessian, lr, 0.001)
        assert counted_steps(hessian, [3.0, -1.0], lr, 0.001) == predicted
        assert predicted == int(np.ceil(np.log(1000) / np.log((kappa + 1) / (kappa - 1))))


def test_a_round_bowl_takes_one_step_at_its_best_rate() -> None:
    assert counted_steps(4 * np.eye(2), [1.0, 2.0], 0.25, 0.001) == 1
    assert predicted_steps(4 * np.eye(2), 0.25, 0.001) == 1


@pytest.mark.parametrize(
    ("hessian", "message"),
    [
        ([1.0, 2.0], "hessian must be a symmetric matrix, got"),
        ([[1.0, 2.0]], "hessian must be a symmetric matrix, got"),
        ([[1.0, 2.0], [3.0, 9.0]], "hessian must be a symmetric matrix, got"),
        ([[1.0, 0.0], [0.0, 0.0]], "hessian must be positive definite, .* is 0"),
        ([[1.0, 0.0], [0.0, -2.0]], "hessian must be positive definite, .* is -2"),
    ],
)
def test_what_is_no_bowl_is_refused(hessian: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        curvatures(hessian)


@pytest.mark.parametrize(
    ("w", "lr", "fraction", "message"),
    [
        ([1.0, 1.0], 0.2, 0.1, "lr must be below 2 over the largest curvature, got 0.2"),
        ([1.0, 1.0], 0.3, 0.1, "lr must be below 2 over the largest curvature, got 0.3"),
        ([1.0, 1.0], -0.1, 0.1, "lr must be positive, got -0.1"),
        ([1.0, 1.0], 0.1, 1.0, "fraction must lie between 0 and 1, got 1.0"),
        ([1.0, 1.0], 0.1, 0.0, "fraction must lie between 0 and 1, got 0.0"),
        ([1.0], 0.1, 0.1, r"w must have shape \(2,\) and not be 0, got \[1.0\]"),
        ([0.0, 0.0], 0.1, 0.1, r"w must have shape \(2,\) and not be 0, got \[0.0, 0.0\]"),
    ],
)
def test_a_descent_that_never_arrives_or_starts_is_refused(
    w: list[float], lr: float, fraction: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        counted_steps([[1.0, 0.0], [0.0, 10.0]], w, lr, fraction)
