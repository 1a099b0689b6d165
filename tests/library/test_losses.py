"""Every loss against formulas that are not its own code."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from autograd import grad

from formulas import LOSSES
from gradbook import losses
from gradbook.losses import (
    ALL,
    Loss,
    half_squared_error,
    one_hot,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)

each = pytest.mark.parametrize("loss", ALL, ids=lambda loss: loss.name)
entropies = pytest.mark.parametrize(
    "loss", [sigmoid_cross_entropy, softmax_cross_entropy], ids=lambda loss: loss.name
)


def example(shape: tuple[int, ...], seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Draw outputs, and targets that are distributions, so that every loss takes them."""
    rng = np.random.default_rng(seed)
    return 2 * rng.standard_normal(shape), rng.dirichlet(np.ones(shape[-1]), shape[:-1])


@pytest.mark.parametrize(("loss", "formula"), LOSSES, ids=lambda x: getattr(x, "name", ""))
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (7, 3)])
def test_f_and_df_agree_with_autograd_on_the_textbook_formula(
    loss: Loss, formula: Callable[[Any, Any], Any], shape: tuple[int, int]
) -> None:
    o, y = example(shape)
    # Sums of at most 21 numbers of order one, each good to a few eps = 2e-16.
    np.testing.assert_allclose(loss.f(o, y), formula(o, y), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(loss.df(o, y), grad(formula)(o, y), rtol=1e-12, atol=1e-14)


@each
def test_df_is_the_slope_that_central_differences_see(loss: Loss) -> None:
    o, y = example((2, 5, 3))
    analytic, step = loss.df(o, y), 1e-5
    for index in np.ndindex(o.shape):
        shift = np.zeros_like(o)
        shift[index] = step
        slope = (loss.f(o + shift, y) - loss.f(o - shift, y)) / (2 * step)
        member = index[0]
        # Truncation is step² |f‴|/6 < 1e-10, cancellation eps |f| / step < 1e-9.
        assert slope[member] == pytest.approx(analytic[index], abs=3e-9)
        assert slope[1 - member] == 0  # members of an ensemble do not meet


@each
def test_leading_axes_are_an_ensemble_of_separate_losses(loss: Loss) -> None:
    o, y = example((4, 2, 6, 3))
    value, slope = loss.f(o, y), loss.df(o, y)
    assert (value.shape, slope.shape) == ((4, 2), (4, 2, 6, 3))
    for member in np.ndindex(4, 2):
        # The order of the additions may differ with the shape.
        assert value[member] == pytest.approx(float(loss.f(o[member], y[member])), rel=1e-14)
        np.testing.assert_allclose(slope[member], loss.df(o[member], y[member]), rtol=1e-13)


@each
def test_one_target_serves_the_whole_ensemble(loss: Loss) -> None:
    o, y = example((4, 6, 3))
    repeated = np.stack([y[0]] * 4)
    assert np.array_equal(loss.f(o, y[0]), loss.f(o, repeated))
    assert np.array_equal(loss.df(o, y[0]), loss.df(o, repeated))


@each
def test_the_loss_is_the_mean_over_the_batch(loss: Loss) -> None:
    o, y = example((5, 3))
    singles = [float(loss.f(o[i : i + 1], y[i : i + 1])) for i in range(5)]
    assert float(loss.f(o, y)) == pytest.approx(sum(singles) / 5, rel=1e-14)
    slopes = np.concatenate([loss.df(o[i : i + 1], y[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(loss.df(o, y), slopes / 5, rtol=1e-14)


@each
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_of_the_output_is_kept(loss: Loss, dtype: type[np.floating[Any]]) -> None:
    o, y = example((6, 3))
    narrow = o.astype(dtype)
    assert loss.f(narrow, y).dtype == dtype
    assert loss.df(narrow, y).dtype == dtype
    assert loss.df(narrow.tolist(), y).dtype == np.float64
    # Some ten roundings of numbers below 8.
    tolerance = 40 * float(np.finfo(dtype).eps)
    assert np.allclose(loss.f(narrow, y), loss.f(o, y), rtol=tolerance, atol=tolerance)
    assert np.allclose(loss.df(narrow, y), loss.df(o, y), rtol=tolerance, atol=tolerance)


@each
def test_the_inputs_are_not_touched(loss: Loss) -> None:
    o, y = example((6, 3))
    before = o.copy(), y.copy()
    loss.f(o, y)
    loss.df(o, y)
    assert np.array_equal(o, before[0])
    assert np.array_equal(y, before[1])


def test_the_half_squared_error_of_the_lecture_note_has_slope_one_fifth() -> None:
    # o = 0.5, y = 0.3: L = 0.02, dL/do = 0.2.
    assert float(half_squared_error.f([[0.5]], [[0.3]])) == pytest.approx(0.02, rel=1e-15)
    assert float(half_squared_error.df([[0.5]], [[0.3]])[0, 0]) == pytest.approx(0.2, rel=1e-15)


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes() -> None:
    for classes in (2, 10):
        o, y = np.full((3, classes), 7.0), one_hot([0, 1, 0], classes)
        assert float(softmax_cross_entropy.f(o, y)) == pytest.approx(math.log(classes), rel=1e-15)
    zero = np.zeros((3, 4))
    assert float(sigmoid_cross_entropy.f(zero, zero)) == pytest.approx(4 * math.log(2), rel=1e-15)


def test_softmax_of_two_classes_is_the_sigmoid_of_the_difference() -> None:
    o, y = example((9, 2))
    difference, first = o[:, :1] - o[:, 1:], y[:, :1]
    expected = float(sigmoid_cross_entropy.f(difference, first))
    assert float(softmax_cross_entropy.f(o, y)) == pytest.approx(expected, rel=1e-14)


@entropies
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_logits_of_any_size_give_the_exact_limits(
    loss: Loss, dtype: type[np.floating[Any]]
) -> None:
    big = float(np.finfo(dtype).max)  # twice this overflows
    for size in (big / 4, big):
        o = np.array([[size, -size]], dtype)
        right, wrong = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
        assert loss.f(o, right) == 0
        assert np.array_equal(loss.df(o, right), [[0, 0]])
        # Two yes-or-no outputs err by `size` each, one softmax by the difference 2 `size`.
        assert loss.f(o, wrong) == (2 * size if size < big else np.inf)
        assert np.array_equal(loss.df(o, wrong), [[1, -1]])


def test_the_slope_is_alive_where_the_probability_rounds_to_the_target() -> None:
    for z in (40.0, 700.0):
        tail = math.exp(-z)  # 1 + e^-z rounds to 1
        slope = sigmoid_cross_entropy.df([[z, -z]], [[1, 0]])
        # exp of a logarithm of size z carries z eps relative error, 2e-13 at most.
        np.testing.assert_allclose(slope, [[-tail, tail]], rtol=1e-12)
        assert float(sigmoid_cross_entropy.f([[z]], [[1]])) == pytest.approx(tail, rel=1e-12)
        slope = softmax_cross_entropy.df([[z, 0.0]], [[1, 0]])
        np.testing.assert_allclose(slope, [[-tail, tail]], rtol=1e-12)


@each
def test_a_diverged_member_neither_warns_nor_disturbs_the_others(loss: Loss) -> None:
    o, y = example((4, 5, 3))
    healthy, healthy_slope = loss.f(o, y), loss.df(o, y)
    o[0, 0, 0], o[1, 2, 1], o[2] = np.inf, np.nan, 1e308
    value, slope = loss.f(o, y), loss.df(o, y)
    assert not np.isfinite(value[:2]).any()
    assert value[3] == healthy[3]
    assert np.array_equal(slope[3], healthy_slope[3])


def test_one_hot_puts_a_one_at_the_label() -> None:
    encoded = one_hot([[0, 2], [1, 1]], 3)
    assert encoded.tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 0]]]
    assert encoded.dtype == np.float64
    assert one_hot(2, 4).tolist() == [0, 0, 1, 0]
    assert one_hot(np.array([1], np.uint8), 2).tolist() == [[0, 1]]


def test_one_hot_names_what_it_refuses() -> None:
    with pytest.raises(ValueError, match=r"labels must lie in 0 \.\.\. 2, got 3"):
        one_hot([0, 3], 3)
    with pytest.raises(ValueError, match=r"labels must lie in 0 \.\.\. 2, got -1"):
        one_hot([-1], 3)
    with pytest.raises(TypeError, match="labels must be integers, got an array of dtype float64"):
        one_hot([0.0], 3)
    with pytest.raises(ValueError, match="classes must be an integer of at least 1, got 0"):
        one_hot([0], 0)


@each
def test_shapes_that_do_not_fit_are_refused(loss: Loss) -> None:
    o, y = example((5, 3))
    for call in (loss.f, loss.df):
        with pytest.raises(ValueError, match=r"output must have a shape .* got shape \(3,\)"):
            call(o[0], y[0])
        with pytest.raises(ValueError, match=r"output's shape \(5, 3\) .* got shape \(4, 3\)"):
            call(o, y[:4])
        with pytest.raises(ValueError, match=r"target must .* got shape \(2, 5, 3\)"):
            call(o, np.stack([y, y]))
        with pytest.raises(ValueError, match="target must be finite, got nan"):
            call(o, y * np.nan)
        with pytest.raises(TypeError, match="output must hold real numbers"):
            call([["a"]], [[1.0]])
        with pytest.raises(ValueError, match="output must not be empty"):
            call(np.zeros((0, 3)), np.zeros((0, 3)))


@entropies
def test_targets_that_are_no_probabilities_are_refused(loss: Loss) -> None:
    for call in (loss.f, loss.df):
        with pytest.raises(ValueError, match=r"target must hold probabilities .* got -0\.5"):
            call([[0.0, 0.0]], [[-0.5, 1.5]])
        with pytest.raises(ValueError, match=r"target must hold probabilities .* got 1\.25"):
            call([[0.0, 0.0]], [[1.25, 0]])


def test_softmax_targets_must_sum_to_one() -> None:
    for call in (softmax_cross_entropy.f, softmax_cross_entropy.df):
        with pytest.raises(ValueError, match=r"target must sum to 1 .* got a sum of 0\.9"):
            call([[0.0, 0.0]], [[0.5, 0.4]])
        call([[0.0, 0.0]], [[0.5, 0.505]])  # as float16 may round it
        with pytest.raises(ValueError, match=r"got a sum of 1\.015"):
            call([[0.0, 0.0]], [[0.5, 0.515]])
    sigmoid_cross_entropy.f([[0.0, 0.0]], [[0.5, 0.4]])  # independent outputs need not


def test_all_gathers_every_record_once() -> None:
    for name in ("half_squared_error", "sigmoid_cross_entropy", "softmax_cross_entropy"):
        assert ALL.count(getattr(losses, name)) == 1
    assert len({loss.name for loss in ALL}) == len(ALL)
