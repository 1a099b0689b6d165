"""Gradients measured in random networks agree with what is known of them."""

from __future__ import annotations

import numpy as np
import pytest

from gradbook.activations import identity, relu, tanh
from gradbook.backpropagation import backprop_from
from gradbook.initializers import lecun, orthogonal, scaled
from gradbook.measure import Recipe, boundary_norms, geometric_mean, gradient_norms
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
