"""Gradients measured in random networks agree with what is known of them."""

from __future__ import annotations

import numpy as np
import pytest

from gradbook.activations import identity, relu, tanh
from gradbook.backpropagation import backprop_from
from gradbook.initializers import lecun, orthogonal, scaled
from gradbook.measure import (
    Recipe,
    boundary_norms,
    geometric_mean,
    gradient_norms,
    root_mean_square,
)
from gradbook.networks import plain


def test_norms_at_the_boundaries_are_those_of_the_jacobians_products() -> None:
    rng = np.random.default_rng(0)
    layers = plain(rng, [5, 4, 3], identity, lecun, bias_variance=None)
    x, da = rng.standard_normal((1, 5)), rng.standard_normal((1, 3))
    first, last = (layer.parameters["W"] for layer in layers)
    expected = [da @ last.T @ first.T, da @ last.T, da]
    found = boundary_norms(layers, x, da)
    assert found == pytest.approx([np.linalg.norm(g) for g in expected], rel=1e-13)


def test_norms_run_over_batch_and_units_but_not_over_an_ensemble() -> None:
    rng = np.random.default_rng(1)
    layers = plain(rng, [3, 3], tanh, lecun, ensemble=(4,))
    x, da = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    found = boundary_norms(layers, x, da)
    assert found.shape == (4, 2)
    dh = backprop_from(layers, x, da).dh[0]
    assert found[:, 0] == pytest.approx([np.linalg.norm(member) for member in dh], rel=1e-13)


@pytest.mark.parametrize("factor", [1.0, 2.0, 4.0])
def test_a_relu_net_multiplies_the_mean_energy_by_half_the_weights_variance(factor: float) -> None:
    # Exact in expectation (He et al. 2015): the output gradient is independent of the weights.
    depth, draws = 3, 400
    recipe = Recipe("relu", relu, scaled(factor))
    norms = gradient_norms(np.random.default_rng(2), recipe, depth=depth, width=32, draws=draws)
    energy = norms[:, 0] ** 2
    error = energy.std(ddof=1) / np.sqrt(draws)
    assert abs(energy.mean() - (factor / 2) ** depth) < 4 * error
    assert norms[:, -1] == pytest.approx(1.0)


def test_an_orthogonal_linear_net_keeps_every_norm() -> None:
    recipe = Recipe("linear", identity, orthogonal)
    norms = gradient_norms(np.random.default_rng(3), recipe, depth=9, width=7, draws=2)
    assert norms == pytest.approx(np.ones((2, 10)), rel=1e-12)


def test_the_geometric_mean_is_the_exponential_of_the_mean_logarithm() -> None:
    assert geometric_mean(np.array([0.1, 1.0, 10.0, 100.0])) == pytest.approx(10**0.5)
    with pytest.raises(ValueError, match="positive"):
        geometric_mean(np.array([1.0, 0.0]))


@pytest.mark.parametrize("size", ["depth", "width", "draws"])
def test_a_size_that_is_not_positive_is_refused_by_name(size: str) -> None:
    sizes = {"depth": 2, "width": 2, "draws": 2, size: 0}
    with pytest.raises(ValueError, match=size):
        gradient_norms(np.random.default_rng(0), Recipe("tanh", tanh, lecun), **sizes)


def test_the_root_mean_square_and_its_error_are_those_of_normal_numbers() -> None:
    rng = np.random.default_rng(1)
    values, errors = root_mean_square(3 * rng.standard_normal((1000, 500)))
    # A chi-square of 1000 draws: the root has standard deviation 3 / sqrt(2000) = 0.0671 in each of
    # 500 columns, known to 1 / sqrt(1000) = 3 %, and its estimates to 1 / sqrt(500) at most.
    assert values.std() == pytest.approx(3 / np.sqrt(2000), rel=0.13)
    assert errors.mean() == pytest.approx(3 / np.sqrt(2000), rel=0.02)
    # 500 * 1000 numbers: standard error of the mean 0.003, bias of the root a quarter of 3 / 1000.
    assert values.mean() == pytest.approx(3, abs=0.015)


def test_no_deviation_has_no_error() -> None:
    value, error = root_mean_square([0.0, 0.0])
    assert (value, error) == (0, 0)


@pytest.mark.parametrize("deviations", [[1.0], 1.0])
def test_one_deviation_has_no_known_error(deviations: object) -> None:
    with pytest.raises(ValueError, match=r"^deviations must hold at least two draws"):
        root_mean_square(deviations)  # type: ignore[arg-type]
