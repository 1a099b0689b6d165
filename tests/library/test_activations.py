"""Every activation against formulas that are not its own code."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from autograd import elementwise_grad

from formulas import ACTIVATIONS, SELU_ALPHA, SELU_LAMBDA
from gradbook import activations
from gradbook.activations import ALL, Activation, leaky

CASES = (*ALL, leaky(0.25), leaky(-2.0), leaky(1.0))
DTYPES = (np.float16, np.float32, np.float64)
LN2 = math.log(2)

each = pytest.mark.parametrize("activation", CASES, ids=lambda a: a.name)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def smooth_points(activation: Activation, count: int = 400) -> np.ndarray:
    """Draw points of [-6, 6] at least 0.01 away from every kink."""
    z = np.random.default_rng(20).uniform(-6, 6, count)
    keep = np.ones(count, bool)
    for kink in activation.kinks:
        keep &= np.abs(z - kink) > 0.01
    return z[keep]


@pytest.mark.parametrize(
    ("activation", "formula"), ACTIVATIONS, ids=lambda a: getattr(a, "name", "")
)
def test_f_and_df_agree_with_autograd_on_an_independent_formula(
    activation: Activation, formula: Callable[[Any], Any]
) -> None:
    z = smooth_points(activation)
    # The formulas cancel: 1/2 minus the quadrature leaves some eps, times |z| <= 6; exp(z) - 1 and
    # log(1 + exp(z)) lose e^6 = 400 eps of their value.
    np.testing.assert_allclose(activation.f(z), formula(z), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(
        activation.df(z), elementwise_grad(formula)(z), rtol=1e-12, atol=1e-13
    )


@each
def test_df_is_the_slope_that_central_differences_see(activation: Activation) -> None:
    z, step = smooth_points(activation), 1e-5
    slope = (activation.f(z + step) - activation.f(z - step)) / (2 * step)
    # Truncation is step²/6 |f‴| < 1e-10, cancellation about eps |f| / step = 1e-10.
    np.testing.assert_allclose(activation.df(z), slope, rtol=0, atol=1e-9)


@each
def test_sup_df_is_the_largest_slope_of_a_fine_grid(activation: Activation) -> None:
    grid = np.linspace(-50, 50, 100_001)
    largest = np.abs(activation.df(grid)).max()
    assert largest <= activation.sup_df * (1 + 1e-15)
    # The grid misses a smooth maximum by at most (0.001/2)²/2 |f‴| < 1e-6.
    assert largest >= activation.sup_df * (1 - 1e-6)


@each
def test_df_jumps_at_the_kinks_and_nowhere_else(activation: Activation) -> None:
    step = 1e-3
    grid = np.linspace(-8, 8, 16_001) + step / 2  # no grid point on a kink
    jumps = np.abs(np.diff(activation.df(grid)))
    places = grid[:-1] + step / 2
    # A smooth f' moves by at most step |f″| < 0.004 between neighbors.
    assert np.allclose(places[jumps > 0.01], activation.kinks, rtol=0, atol=1e-9)


@each
def test_df_at_a_kink_is_the_limit_from_the_left(activation: Activation) -> None:
    for kink in activation.kinks:
        assert activation.df(kink) == activation.df(np.nextafter(kink, -1.0))
        assert activation.df(kink) != activation.df(np.nextafter(kink, 1.0))


def test_the_slopes_at_zero_follow_the_convention_of_the_field() -> None:
    assert activations.relu.df(0.0) == 0
    assert activations.leaky_relu.df(0.0) == 0.01
    assert activations.selu.df(0.0) == activations.selu.sup_df


@each
@each_dtype
def test_extreme_inputs_give_finite_values_without_a_warning(
    activation: Activation, dtype: type[np.floating[Any]]
) -> None:
    info = np.finfo(dtype)
    sizes = [0.0, info.smallest_subnormal, info.tiny, 1, 20, 80, 700, 4e3, float(info.max) / 3]
    if dtype is np.float64:
        sizes += [1e-300, 1e-154, 1e3, 1e154, 1e300]
    z = np.array(sizes, dtype)
    # Underflow to zero is exact enough; everything else that IEEE 754 can signal is an error.
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for side in (z, -z):
            assert np.isfinite(activation.f(side)).all()
            assert np.isfinite(activation.df(side)).all()


@each
@each_dtype
def test_shape_and_floating_dtype_are_kept_and_the_input_is_not_touched(
    activation: Activation, dtype: type[np.floating[Any]]
) -> None:
    z = np.linspace(-3, 3, 24).astype(dtype)
    for shape in ((), (24,), (2, 3, 4)):
        x = z[5].reshape(()) if shape == () else z.reshape(shape)
        before = x.copy()
        for g in (activation.f, activation.df):
            y = g(x)
            assert (y.shape, y.dtype) == (shape, dtype)
            assert not np.shares_memory(y, x)
        assert np.array_equal(x, before)


@each
@each_dtype
def test_narrow_formats_agree_with_float64_to_their_precision(
    activation: Activation, dtype: type[np.floating[Any]]
) -> None:
    z = np.linspace(-4, 4, 401).astype(dtype)
    eps = float(np.finfo(dtype).eps)
    for g in (activation.f, activation.df):
        wide = g(z.astype(np.float64))
        # A handful of roundings, each of half an eps, of terms of size at most 1 + |result|.
        assert np.all(np.abs(g(z).astype(np.float64) - wide) <= 4 * eps * (1 + np.abs(wide)))


@each
def test_numbers_lists_and_integers_are_taken_as_float64(activation: Activation) -> None:
    expected = activation.f(np.array([-1.0, 2.0]))
    assert np.array_equal(activation.f([-1, 2]), expected)
    assert activation.f(2) == expected[1]
    assert activation.df([-1, 2]).dtype == np.float64


@each
def test_nan_goes_in_and_comes_out(activation: Activation) -> None:
    assert np.isnan(activation.f(math.nan))
    if activation is not activations.identity:
        assert np.isnan(activation.df(math.nan))


def test_the_sigmoid_slope_is_alive_in_both_tails() -> None:
    for z in (20.0, 40.0, 300.0, 700.0):
        # e^-z/(1 + e^-z)² = e^-z (1 - 2e^-z + ...): the correction is below 5e-9 from z = 20 on.
        expected = math.exp(-z) * (1 - 2 * math.exp(-z))
        assert activations.sigmoid.df(z) == pytest.approx(expected, rel=1e-13)
        assert activations.sigmoid.df(-z) == activations.sigmoid.df(z)
        assert activations.sigmoid.f(-z) == pytest.approx(math.exp(-z), rel=1e-8)
        assert activations.softplus.f(-z) == pytest.approx(math.exp(-z), rel=1e-8)


@each_dtype
def test_the_sigmoid_slope_lives_until_the_format_itself_ends(
    dtype: type[np.floating[Any]],
) -> None:
    last = -math.log(float(np.finfo(dtype).smallest_subnormal))
    for z in (last - 0.1, 0.1 - last):
        assert activations.sigmoid.df(dtype(z)) > 0


def test_the_tanh_slope_is_alive_in_both_tails() -> None:
    for z in (10.0, 20.0, 100.0, 350.0):
        expected = 4 * math.exp(-2 * z) * (1 - 2 * math.exp(-2 * z))  # next term below 1e-17
        # exp(-z) carries a relative error of z eps/2 at most, and is squared.
        assert activations.tanh.df(z) == pytest.approx(expected, rel=1e-13)
        assert activations.tanh.df(-z) == activations.tanh.df(z)


def test_gelu_is_accurate_in_its_left_tail() -> None:
    for x in (4.0, 10.0, 25.0, 37.0):
        fraction = x
        for k in range(400, 0, -1):  # Laplace's continued fraction of the normal tail
            fraction = x + k / fraction
        density = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        tail = density / fraction
        # Rounding z/√2 by eps/2 moves a tail e^(-z²/2) by z² eps/2, below 2e-13.
        assert activations.gelu.f(-x) == pytest.approx(-x * tail, rel=1e-12)
        assert activations.gelu.df(-x) == pytest.approx(tail - x * density, rel=1e-12)
        assert activations.gelu.f(x) == pytest.approx(x - x * tail, rel=1e-15)
        assert activations.gelu.df(x) == pytest.approx(1 - tail + x * density, rel=1e-15)


def test_silu_is_alive_in_its_left_tail() -> None:
    for z in (-40.0, -300.0, -700.0):  # 1 + e^z rounds to 1
        assert activations.silu.f(z) == pytest.approx(z * math.exp(z), rel=1e-13)
        assert activations.silu.df(z) == pytest.approx((1 + z) * math.exp(z), rel=1e-13)


def test_small_negative_inputs_of_the_exponential_units_do_not_cancel() -> None:
    z = -1e-12
    assert activations.elu.f(z) == pytest.approx(z + z * z / 2, rel=1e-15)
    assert activations.selu.f(z) == pytest.approx(SELU_LAMBDA * SELU_ALPHA * z, rel=1e-11)


def test_selu_constants_are_the_published_ones() -> None:
    # A few roundings in a closed form that subtracts numbers of size 1/2: some eps.
    assert activations.selu_constants() == pytest.approx((SELU_ALPHA, SELU_LAMBDA), rel=5e-15)


def test_selu_keeps_mean_zero_and_variance_one() -> None:
    width = 20 / 400_000
    z = np.arange(-10 + width / 2, 10, width)  # midpoints; the kink lies on a cell boundary
    density = width * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    a = activations.selu.f(z)
    # The midpoint rule errs by width²/24 times the jump of the slope, about 1e-10.
    assert float(np.sum(density * a)) == pytest.approx(0, abs=1e-9)
    assert float(np.sum(density * a * a)) == pytest.approx(1, abs=1e-9)


def test_the_sigmoid_slope_is_a_quarter_at_zero() -> None:
    assert activations.sigmoid.df(0.0) == 0.25 == activations.sigmoid.sup_df


def test_all_gathers_every_record_once() -> None:
    named = {"identity", "sigmoid", "tanh", "relu", "leaky_relu", "gelu", "silu", "softplus"}
    for name in named | {"elu", "selu"}:
        assert ALL.count(getattr(activations, name)) == 1
    assert len({a.name for a in ALL}) == len(ALL)


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        activations.sigmoid.sup_df = 0.26  # type: ignore[misc]


def test_a_bound_that_is_no_bound_is_refused() -> None:
    for bound in (-1.0, math.nan):
        with pytest.raises(ValueError, match=f"sup_df must .* got {bound}"):
            Activation("square", np.square, np.square, bound)
    assert Activation("zero", np.zeros_like, np.zeros_like, 0).sup_df == 0


def test_the_factories_name_what_they_refuse() -> None:
    with pytest.raises(ValueError, match="slope must be a finite number, got nan"):
        leaky(math.nan)
    with pytest.raises(TypeError, match=r"slope must be a real number, got '0\.1'"):
        leaky("0.1")  # type: ignore[arg-type]


@each
@each_dtype
def test_the_backward_pass_multiplies_by_the_slope_at_z(
    activation: Activation, dtype: type[np.floating[Any]]
) -> None:
    z = np.concatenate([np.linspace(-40, 40, 201), activation.kinks, [math.nan]]).astype(dtype)
    a = activation.f(z)
    kept = z.copy(), a.copy()
    for da in (np.full_like(z, 3), np.arange(2, dtype=dtype)[:, None], np.full(z.shape, 3.0)):
        found, expected = activation.back(z, a, da), da * activation.df(z)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal((z, a), kept)


def test_a_slope_is_taken_from_the_output_of_its_own_map_only() -> None:
    below = dataclasses.replace(activations.relu, name="below", f=lambda z: np.minimum(z, 0))
    z = np.array([-2.0, 2.0])
    assert below.back(z, below.f(z), np.ones(2)).tolist() == [0, 1]
    flat = dataclasses.replace(activations.relu, df=activations.identity.df)
    assert flat.back(z, flat.f(z), np.ones(2)).tolist() == [1, 1]
