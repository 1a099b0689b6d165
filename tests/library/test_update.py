"""Gradient descent: the step and the path on a plain function."""

import math

import numpy as np
import pytest

from gradbook.activations import identity, tanh
from gradbook.backpropagation import backprop, forward_loss
from gradbook.checks import Array
from gradbook.initializers import lecun, orthogonal
from gradbook.layers import Dense
from gradbook.losses import half_squared_error
from gradbook.networks import plain, unrolled
from gradbook.parameters import named_parameters, places
from gradbook.update import (
    descend,
    gradient_step,
    minimize,
)


def test_a_step_goes_against_the_gradient() -> None:
    values = [np.array([2.5, -1.0]), np.array([[3.0]])]
    grads = [np.array([0.5, -0.25]), np.array([[8.0]])]
    first, second = gradient_step(values, grads, lr=0.5)
    assert first.tolist() == [2.25, -0.875]
    assert second.tolist() == [[-1.0]]
    assert values[0].tolist() == [2.5, -1.0]


def test_the_notes_step_ends_at_2_498() -> None:
    [w] = gradient_step([np.array([2.5])], [np.array([0.2 * 0.5 * 0.02])], lr=1)
    assert w[0] == pytest.approx(2.498, rel=1e-15)  # one rounding of a number near 2.5


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_step_is_rounded_to_the_format_of_the_weight(dtype: type) -> None:
    one, gap = np.ones(1, dtype), np.finfo(dtype).eps
    # Below 1 neighbors are half as far apart as above: a quarter of eps is lost, half is not.
    [lost] = gradient_step([one], [np.array([gap / 4], dtype)], lr=np.float64(1))
    [kept] = gradient_step([one], [np.array([gap / 2], dtype)], lr=np.float64(1))
    assert lost.dtype == kept.dtype == dtype
    assert lost[0] == 1
    assert kept[0] == 1 - gap / 2


def test_a_gradient_in_fewer_digits_leaves_the_weight_its_own() -> None:
    [moved] = gradient_step([np.array([1.0 + 2.0**-40])], [np.ones(1, np.float32)], lr=0.5)
    assert moved.dtype == np.float64
    assert moved.item() == 0.5 + 2.0**-40


def test_an_overflowing_step_is_infinite_without_a_warning() -> None:
    [w] = gradient_step([np.array([-1e308])], [np.array([1e308])], lr=1)
    assert w[0] == -np.inf


@pytest.mark.parametrize(
    ("grads", "lr", "message"),
    [
        ([np.ones(2)], 0, "lr must be positive, got 0"),
        ([np.ones(2)], -0.1, r"lr must be positive, got -0\.1"),
        ([np.ones(2)], math.nan, "lr must be a finite number, got nan"),
        ([np.ones(3)], 1, r"grads must have the shapes of values, \[\(2,\)\], got \[\(3,\)\]"),
        ([], 1, r"grads must have the shapes of values, \[\(2,\)\], got \[\]"),
    ],
)
def test_a_step_that_makes_no_sense_is_refused(grads: list[Array], lr: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gradient_step([np.ones(2)], grads, lr)


def test_a_small_step_lowers_the_loss_by_the_squared_gradient() -> None:
    rng = np.random.default_rng(1)
    layers = plain(rng, (3, 4, 2), tanh, lecun, bias_variance=0.1)
    example = rng.standard_normal((5, 3)), rng.standard_normal((5, 2)), half_squared_error
    trace = backprop(layers, *example)
    lr = 1e-6
    fall = trace.loss - forward_loss(descend(layers, trace, lr), *example)
    energy = sum(np.square(p.grad).sum() for p in trace.parameters)
    # The next term is lr/2 gᵀHg, relatively 1e-6 times a curvature of order one; rounding of the
    # losses is eps / (lr energy), about 1e-10.
    assert fall == pytest.approx(lr * energy, rel=1e-4)


def test_descent_moves_every_parameter_once_and_keeps_sharing() -> None:
    rng = np.random.default_rng(2)
    steps = unrolled(rng, 2, 3, tanh, orthogonal, bias_variance=0.1)
    trace = backprop(steps, [[0.5, -0.5]], [[1.0, 0.0]], half_squared_error)
    before = {name: a.copy() for name, a in named_parameters(steps).items()}
    moved = descend(steps, trace, lr=0.5)
    assert places(moved) == places(steps)
    new = named_parameters(moved)
    for parameter in trace.parameters:
        for place in parameter.places:
            np.testing.assert_array_equal(new[place], before[place] - 0.5 * parameter.grad)
    for name, array in named_parameters(steps).items():
        np.testing.assert_array_equal(array, before[name])


def test_descent_solves_a_linear_regression() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((50, 2))
    target = x @ [[2.0], [-3.0]] + 0.5
    layers = plain(rng, (2, 1), tanh, lecun)
    for _ in range(200):
        layers = descend(layers, backprop(layers, x, target, half_squared_error), lr=0.5)
    W, b = layers[0].parameters.values()
    # The slowest mode shrinks by 1 - .5·λ, λ near 1: 200 steps leave nothing but rounding.
    np.testing.assert_allclose(W.ravel(), [2, -3], rtol=1e-12)
    np.testing.assert_allclose(b, [0.5], rtol=1e-12)


def test_a_member_that_diverges_does_not_stop_the_descent_of_the_others() -> None:
    W = np.array([[[3.0]], [[3.0]]])
    x = np.array([[[10.0]], [[1.0]]])  # curvatures 100 and 1
    layers = [Dense(W, None, identity)]
    for _ in range(400):
        layers = descend(layers, backprop(layers, x, [[0.0]], half_squared_error), lr=0.5)
    W = layers[0].parameters["W"]
    assert not np.isfinite(W[0]).any()
    assert abs(W[1, 0, 0]) < 1e-100


def test_a_trace_of_another_network_is_refused() -> None:
    rng = np.random.default_rng(4)
    layers, other = plain(rng, (2, 1), tanh, lecun), plain(rng, (3, 1), tanh, lecun)
    trace = backprop(other, np.ones((1, 3)), [[0.0]], half_squared_error)
    with pytest.raises(ValueError, match="grads must have the shapes of values"):
        descend(layers, trace, lr=0.1)


@pytest.mark.parametrize("lr", [0.1, 0.25, 0.4, 0.5, 0.6])
def test_a_path_on_a_quadratic_is_a_geometric_sequence(lr: float) -> None:
    path = minimize(lambda w: 4 * w, 3.0, lr, steps=12)
    assert path.shape == (13,)
    exact = 3 * (1 - 4 * lr) ** np.arange(13)
    # One rounding of w - lr·4w per step, relative to w: at most 12 eps of the largest term.
    np.testing.assert_allclose(path, exact, rtol=1e-14, atol=1e-15)


def test_a_path_in_the_plane_goes_downhill_along_each_axis_at_its_own_rate() -> None:
    curvatures = np.array([1.0, 10.0])
    path = minimize(lambda w: curvatures * w, [4, -2], lr=0.15, steps=20)
    assert path.shape == (21, 2)
    assert path[0].tolist() == [4.0, -2.0]
    exact = np.array([4, -2]) * (1 - 0.15 * curvatures) ** np.arange(21)[:, None]
    np.testing.assert_allclose(path, exact, rtol=1e-13, atol=1e-15)  # 20 roundings of each


def test_no_steps_leave_the_start() -> None:
    assert minimize(lambda w: w, [[1.0, 2.0]], lr=1, steps=0).tolist() == [[[1.0, 2.0]]]


def test_a_path_that_diverges_runs_to_infinity_without_a_warning() -> None:
    path = minimize(lambda w: w**3, 10.0, lr=1, steps=10)
    assert path[1] == -990
    assert np.isnan(path[-1])
    assert np.isinf(path).any()


def test_a_path_keeps_the_number_format_of_its_start() -> None:
    assert minimize(lambda w: 2 * w, np.float32(1), lr=0.1, steps=3).dtype == np.float32
    assert minimize(lambda w: 2 * w, 1, lr=0.1, steps=3).dtype == np.float64


def test_a_path_without_a_start_a_rate_or_a_gradient_of_the_right_shape_is_refused() -> None:
    for arguments, message in (
        ((np.nan, 0.1, 1), "w must be finite, got nan"),
        (([], 0.1, 1), "w must not be empty"),
        ((1.0, 0.0, 1), "lr must be positive, got 0.0"),
        ((1.0, 0.1, -1), "steps must be an integer of at least 0, got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            minimize(lambda w: w, *arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"df must return shape \(2,\), got \(\)"):
        minimize(np.sum, [1.0, 2.0], lr=0.1, steps=1)
