"""Central differences, and the error that theory predicts for them."""

from __future__ import annotations

import numpy as np
import pytest

from gradbook.activations import sigmoid, softplus
from gradbook.book.backpropagation.differences import (
    best_step,
    central_difference,
    default_step,
    error_terms,
    predicted_step_errors,
    step_errors,
)

POINTS = np.random.default_rng(0).standard_normal(4000)


def third(w: np.ndarray) -> np.ndarray:
    """Return the third derivative of the softplus."""
    return sigmoid.df(w) * (1 - 2 * sigmoid.f(w))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_difference_of_a_cubic_is_off_by_exactly_the_square_of_the_step(
    dtype: type[np.floating],
) -> None:
    # [(w + s)³ - (w - s)³]/2s = 3w² + s², and all these numbers are exact.
    found = central_difference(lambda w: w * w * w, np.array([1.0, 2.0], dtype), 0.5)
    assert found.dtype == dtype
    assert found.tolist() == [3.25, 12.25]


def test_the_default_step_is_the_cube_root_of_the_gap_above_one() -> None:
    for dtype, bits in ((np.float32, 23), (np.float64, 52)):
        assert default_step(np.dtype(dtype)) == pytest.approx(2 ** (-bits / 3), rel=1e-15)
    with_default, with_step = (
        central_difference(np.sin, POINTS, step) for step in (None, default_step(POINTS.dtype))
    )
    assert (with_default == with_step).all()


def test_errors_are_root_mean_squares_over_the_points() -> None:
    # The square has an exact difference; the derivative handed over is wrong by 3 and by 4.
    wrong = step_errors(np.square, lambda w: 2 * w + [3, 4], [1.0, 2.0], [0.5])
    assert wrong.tolist() == [pytest.approx(np.sqrt(12.5), rel=1e-15)]


@pytest.mark.parametrize("step", [1e-2, 1e-3, 1e-4])
def test_the_truncation_error_is_the_predicted_one(step: float) -> None:
    A, R = error_terms(softplus.f, softplus.df, third, POINTS)
    (found,) = step_errors(softplus.f, softplus.df, POINTS, [step])
    assert pytest.approx(np.sqrt(np.mean(third(POINTS) ** 2)) / 6, rel=1e-14) == A
    # The next term is s⁴ f⁗′/120, and rounding adds in squares: (1e-12/1e-10)² at the least step.
    assert found == pytest.approx(predicted_step_errors(A, R, [step]).item(), rel=1e-3)


@pytest.mark.parametrize(
    ("dtype", "steps"),
    [(np.float32, [1e-3, 1e-4, 1e-5]), (np.float64, [1e-7, 1e-8, 1e-9, 1e-10])],
)
def test_the_rounding_error_is_the_predicted_one_or_a_little_more(
    dtype: type[np.floating], steps: list[float]
) -> None:
    points = POINTS.astype(dtype)
    terms = error_terms(softplus.f, softplus.df, third, points)
    found = step_errors(softplus.f, softplus.df, points, steps)
    ratio = found / predicted_step_errors(*terms, steps)
    # Roundings inside the softplus are left out; they can double the variance, not quadruple it.
    assert (ratio > 0.9).all()
    assert (ratio < 1.6).all()


def test_the_rounding_term_follows_the_gaps_of_the_numbers() -> None:
    # f(w) = w + 1023 on [1, 2): gaps of 2⁻⁵² for w and 2⁻⁴³ for f, which outweighs it.
    points = np.linspace(1, 1.99, 50)
    A, R = error_terms(lambda w: w + 1023, np.ones_like, np.ones_like, points)
    assert pytest.approx(1 / 6) == A
    assert pytest.approx(np.sqrt((2.0**-86 + 2.0**-104) / 6) / 2) == R


def test_the_best_step_minimizes_the_predicted_error() -> None:
    A, R = 0.3, 1e-16
    around = best_step(A, R) * np.array([0.99, 1.0, 1.01])
    low, least, high = predicted_step_errors(A, R, around)
    assert least < min(low, high)
    # An eighth of the rounding halves the step.
    assert best_step(A, R / 8) == pytest.approx(best_step(A, R) / 2)


@pytest.mark.parametrize("call", [central_difference, lambda f, w, s: step_errors(f, f, w, [s])])
@pytest.mark.parametrize("step", [0.0, -1.0])
def test_a_step_that_is_not_positive_is_refused(call: object, step: float) -> None:
    with pytest.raises(ValueError, match="step must be positive"):
        call(np.sin, [1.0], step)


def test_terms_that_are_not_positive_are_refused() -> None:
    with pytest.raises(ValueError, match="A must be positive, got 0"):
        best_step(0, 1)
    with pytest.raises(ValueError, match="R must be positive, got -1"):
        best_step(1, -1)
