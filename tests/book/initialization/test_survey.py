"""What is left of a gradient is predicted from one layer and measured in whole networks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradbook.activations import identity, relu, sigmoid, tanh
from gradbook.book.finite_width import relu_energy
from gradbook.book.survey import (
    ACTIVATIONS,
    OWN,
    drawn,
    measured_decades,
    measured_pairs,
    predicted_decades,
    scales,
    typical_decades,
)
from gradbook.initializers import he, lecun, orthogonal, orthogonal_with, torch_linear
from gradbook.measure import Recipe, gradient_norms


@pytest.mark.parametrize(("initializer", "chi"), [(torch_linear, 1 / 6), (lecun, 1 / 2), (he, 1)])
def test_a_relu_layer_leaves_half_of_n_times_the_variance(initializer, chi) -> None:  # type: ignore[no-untyped-def]
    # Closed form: E f'² = 1/2 at every length (He et al. 2015).
    found = predicted_decades(Recipe("", relu, initializer), depth=30, width=64)
    assert found == pytest.approx(15 * math.log10(chi), abs=1e-9)


def test_a_prediction_outlives_the_underflow_of_its_product() -> None:
    decades = predicted_decades(Recipe("", sigmoid, torch_linear), depth=600, width=50)
    assert 10 ** (2 * decades) == 0.0
    # Per layer the factor is just under (1/4)/sqrt(3), the steepest slope times the weights.
    assert -0.86 < decades / 600 < math.log10(1 / 4 / math.sqrt(3))


def test_the_typical_relu_network_lies_below_by_nearly_the_exact_law() -> None:
    found = typical_decades(Recipe("", relu, he), 40, 50)
    assert found == pytest.approx(math.log10(relu_energy([50] * 40).typical) / 2, rel=0.06)


def test_a_typical_linear_network_lies_below_by_what_a_chi_squared_number_does() -> None:
    # E ln(χ²_n / n) = -1/n + O(1/n²) for the energy, half of it for the norm.
    found = typical_decades(Recipe("", identity, lecun), 40, 50)
    assert found == pytest.approx(-40 / 2 / 50 / math.log(10), rel=1e-6)
    assert typical_decades(Recipe("", identity, orthogonal), 40, 50) == pytest.approx(0, abs=1e-6)


def test_orthogonal_linear_layers_lose_exactly_their_gain() -> None:
    rng = np.random.default_rng(0)
    weights = drawn(rng, orthogonal_with(0.5), depth=5, width=6, draws=3)
    found = measured_decades(rng, identity, weights, (2, 5))
    assert found == pytest.approx(np.tile([2, 5], (3, 1)) * math.log10(0.5), abs=1e-12)
    scaled = measured_decades(rng, identity, weights, (2, 5), scale=2.0)
    assert scaled == pytest.approx(np.zeros((3, 2)), abs=1e-12)


def test_each_depth_measures_what_gradient_norms_measures() -> None:
    # Two implementations, other draws: means within four of their joint standard errors.
    recipe, size = Recipe("", tanh, lecun), {"width": 40, "draws": 60}
    rng = np.random.default_rng(1)
    here = measured_decades(rng, tanh, drawn(rng, lecun, depth=8, **size), (3, 8))
    for depth, column in zip((3, 8), here.T, strict=True):
        norms = gradient_norms(np.random.default_rng(2), recipe, depth=depth, **size)
        there = np.log10(norms[:, 0])
        error = math.sqrt((column.var(ddof=1) + there.var(ddof=1)) / 60)
        assert abs(column.mean() - there.mean()) < 4 * error


def test_every_pair_is_near_its_prediction() -> None:
    size = {"width": 100, "draws": 12}
    found = measured_pairs(np.random.default_rng(3), (tanh, relu), depths=(3, 6), **size)
    for activation in (tanh, relu):
        for initializer in (torch_linear, lecun, he, orthogonal):
            recipe = Recipe("", activation, initializer)
            decades = found[activation.name][initializer.name]
            errors = decades.std(axis=0, ddof=1) / math.sqrt(12)
            for depth, mean, error in zip((3, 6), decades.mean(axis=0), errors, strict=True):
                # 0.01 decades for second order in 1/n.
                assert abs(mean - typical_decades(recipe, depth, 100)) < 0.01 + 4 * error


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda f: f.name)
def test_its_own_gain_makes_the_first_layer_s_gain_one_at_length_one(activation) -> None:  # type: ignore[no-untyped-def]
    z = np.random.default_rng(0).standard_normal(400_000)
    slopes = np.square(activation.df(z))
    error = slopes.std() / math.sqrt(len(z)) * scales(activation, 10)[OWN]
    assert scales(activation, 10)[OWN] * slopes.mean() == pytest.approx(1.0, abs=4 * error)


@pytest.mark.parametrize("depths", [(), (0, 2), (3,)])
def test_depths_that_the_networks_do_not_have_are_refused(depths: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="depths"):
        measured_decades(rng, relu, drawn(rng, he, depth=2, width=4, draws=1), depths)
