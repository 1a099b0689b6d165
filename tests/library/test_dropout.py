"""Dropout: the mask both ways, and the mean, the variance and the energy it leaves."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from gradbook.backpropagation import backprop_from
from gradbook.layers import Dropout, Layer

DRAWS = 20_000


def outputs(keep: float, x: float = 3.0) -> np.ndarray:
    layer = Dropout.drawn(np.random.default_rng(0), (DRAWS, 1), keep)
    return layer.forward(np.full((DRAWS, 1), x)).a


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_the_mean_is_kept_and_the_energy_grows_by_one_over_keep(keep: float) -> None:
    a = outputs(keep)
    for powers, expected in ((a, 3.0), (np.square(a), 9 / keep)):
        error = powers.std() / np.sqrt(DRAWS)
        assert abs(powers.mean() - expected) < 4 * error  # once in 16,000 seeds beyond
    # The variance of the squares' mean: (x²/p)² (1 - p)/p over the draws, four times its root.
    variance = 9 * (1 / keep - 1)
    allowed = 4 * 9 / keep * np.sqrt((1 - keep) / keep / DRAWS) + 4 * variance / DRAWS
    assert abs(a.var() - variance) < allowed
    assert set(np.unique(a)) == {0.0, 3.0 / keep}


def test_with_keep_1_it_is_the_identity_both_ways() -> None:
    rng = np.random.default_rng(1)
    layer = Dropout.drawn(rng, (50, 40), keep=1)
    x, u = rng.standard_normal((2, 50, 40))
    record = layer.forward(x)
    np.testing.assert_array_equal(record.a, x)
    np.testing.assert_array_equal(layer.backward(record, u).dx, u)


def test_the_gradient_is_that_of_autograd_and_has_the_mask_of_the_signal() -> None:
    rng = np.random.default_rng(2)
    layer = Dropout.drawn(rng, (6, 5), keep=0.4)
    x, u = rng.standard_normal((2, 6, 5))
    record = layer.forward(x)
    dx = layer.backward(record, u).dx
    theirs = autograd.grad(lambda x: anp.sum(u * x * layer.mask / 0.4))(x)
    np.testing.assert_allclose(dx, theirs, rtol=1e-14)
    np.testing.assert_array_equal(dx != 0, record.a != 0)


def test_the_energy_of_a_gradient_grows_by_one_over_keep_in_each_of_several_layers() -> None:
    rng, keep, depth = np.random.default_rng(3), 0.8, 5
    layers = [Dropout.drawn(rng, (2000, 10), keep) for _ in range(depth)]
    energy = np.square(backprop_from(layers, np.ones((2000, 10)), 1.0).dh[0])
    error = energy.std() / np.sqrt(energy.size)
    assert abs(energy.mean() - keep**-depth) < 4 * error


def test_a_mask_may_be_shared_by_the_batch_or_belong_to_members_of_an_ensemble() -> None:
    x = np.ones((5, 3))
    shared = Dropout(np.array([[True, False, True]]), 0.5)
    np.testing.assert_array_equal(shared.forward(x).a, np.tile([2.0, 0.0, 2.0], (5, 1)))
    own = Dropout(np.array([[[True] * 3], [[False] * 3]]), 0.5)
    assert own.forward(x).a.sum(axis=(-2, -1)).tolist() == [30.0, 0.0]


def test_what_is_left_out_stays_out_even_if_it_is_not_finite() -> None:
    layer = Dropout(np.array([[False, False, True]]), 0.5)
    assert layer.forward(np.array([[np.inf, np.nan, 1.0]])).a.tolist() == [[0.0, 0.0, 2.0]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_number_format_is_kept(dtype: type) -> None:
    layer = Dropout(np.array([[True, False]]), 0.3)
    x = np.ones((4, 2), dtype)
    record = layer.forward(x)
    assert record.a.dtype == layer.backward(record, x).dx.dtype == dtype


def test_it_is_a_layer_without_parameters_that_draws_nothing_itself() -> None:
    layer = Dropout.drawn(np.random.default_rng(4), (3, 3), 0.5)
    assert isinstance(layer, Layer)
    assert layer.parameters == {}
    assert layer.with_parameters({}) is layer
    x = np.ones((3, 3))
    np.testing.assert_array_equal(layer.forward(x).a, layer.forward(x).a)


@pytest.mark.parametrize(
    ("mask", "keep", "error", "message"),
    [
        (np.ones((1, 2)), 0.5, TypeError, "mask must be a Boolean NumPy array, got float64"),
        ([True], 0.5, TypeError, "mask must be a Boolean NumPy array, got list"),
        (np.ones((0, 2), bool), 0.5, ValueError, r"mask must not be empty, .* shape \(0, 2\)"),
        (np.ones(2, bool), 0.0, ValueError, "keep must be above 0 and at most 1, got 0"),
        (np.ones(2, bool), 1.5, ValueError, "keep must be above 0 and at most 1, got 1.5"),
        (np.ones(2, bool), np.nan, ValueError, "keep must be a finite number, got nan"),
    ],
)
def test_what_is_no_dropout_is_refused(
    mask: np.ndarray, keep: float, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Dropout(mask, keep)


def test_a_drawn_mask_names_what_is_wrong_with_its_arguments() -> None:
    rng = np.random.default_rng(5)
    with pytest.raises(ValueError, match=r"shape\[1\] must be an integer of at least 1, got 0"):
        Dropout.drawn(rng, (2, 0), 0.5)
    with pytest.raises(ValueError, match="keep must be above 0 and at most 1, got 2"):
        Dropout.drawn(rng, (2, 2), 2)
    with pytest.raises(TypeError, match="rng must be"):
        Dropout.drawn(0, (2, 2), 0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(5, 4), (1, 3), (3,)])
def test_an_input_that_the_mask_does_not_fit_is_named(shape: tuple[int, ...]) -> None:
    layer = Dropout(np.ones((5, 3), bool), 0.5)
    with pytest.raises(ValueError, match=r"x must have a shape that mask \(5, 3\) fits, got \("):
        layer.forward(np.ones(shape))
