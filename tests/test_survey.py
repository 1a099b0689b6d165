"""What is left of a gradient is predicted from one layer and measured in whole networks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradbook.activations import identity, relu, sigmoid, tanh
from gradbook.initializers import he, lecun, orthogonal, orthogonal_with, scaled, torch_linear
from gradbook.measure import Recipe, gradient_norms
from gradbook.survey import measured_decades, predicted_decades, survey


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


def test_orthogonal_linear_layers_lose_exactly_their_gain() -> None:
    recipe = Recipe("", identity, orthogonal_with(0.5))
    found = measured_decades(np.random.default_rng(0), recipe, (2, 5), width=6, draws=3)
    assert found == pytest.approx(np.tile([2, 5], (3, 1)) * math.log10(0.5), abs=1e-12)
    assert predicted_decades(recipe, 5, 6) == pytest.approx(5 * math.log10(0.5), abs=1e-6)


def test_one_depth_measures_what_gradient_norms_measures() -> None:
    # Two implementations, other draws: means within four of their joint standard errors.
    recipe, size = Recipe("", tanh, lecun), {"width": 40, "draws": 60}
    here = measured_decades(np.random.default_rng(1), recipe, [8], **size)[:, 0]
    there = np.log10(gradient_norms(np.random.default_rng(2), recipe, depth=8, **size)[:, 0])
    error = math.sqrt((here.var(ddof=1) + there.var(ddof=1)) / 60)
    assert abs(here.mean() - there.mean()) < 4 * error


def test_predictions_and_measurements_stand_side_by_side() -> None:
    recipes = [Recipe("a", tanh, he), Recipe("b", relu, orthogonal)]
    found = survey(np.random.default_rng(3), recipes, (3, 6), width=100, draws=12)
    assert [(f.recipe.name, f.depth) for f in found] == [("a", 3), ("a", 6), ("b", 3), ("b", 6)]
    for finding in found:
        # 0.03 decades for the finite width, which costs about 5/(4n) of a nat per layer.
        assert abs(finding.measured - finding.predicted) < 0.04 + 4 * finding.error
        assert 0 < finding.error < 0.1


@pytest.mark.parametrize(
    ("change", "named"),
    [({"depths": []}, "depths"), ({"depths": [0]}, "depths"), ({"width": 0}, "width")],
)
def test_a_size_that_cannot_be_is_refused_by_name(change: dict[str, object], named: str) -> None:
    arguments = {"depths": [2], "width": 4, "draws": 2} | change
    with pytest.raises(ValueError, match=named):
        measured_decades(np.random.default_rng(0), Recipe("", relu, he), **arguments)  # type: ignore[arg-type]


def test_one_draw_has_no_error_bar() -> None:
    with pytest.raises(ValueError, match="draws must be at least 2"):
        survey(np.random.default_rng(0), [Recipe("", relu, scaled(1))], [2], width=4, draws=1)
