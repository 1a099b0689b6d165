"""Slopes and bias gradients, against loops over plain matrices."""

from __future__ import annotations

import numpy as np
import pytest

from gradbook.activations import tanh
from gradbook.backpropagation import backprop, backprop_from
from gradbook.book.vanishing.measure import bias_norms, mean_slopes
from gradbook.initializers import lecun
from gradbook.losses import half_squared_error
from gradbook.measure import Recipe
from gradbook.networks import plain, unrolled


def test_bias_norms_are_those_of_each_layer_of_each_member() -> None:
    rng = np.random.default_rng(0)
    layers = plain(rng, (3, 5, 4, 2), tanh, lecun, bias_variance=0.3, ensemble=(6,))
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    trace = backprop(layers, x, y, half_squared_error)
    for member in range(6):
        expected = [np.linalg.norm(grads["b"][member]) for grads in trace.gradients]
        np.testing.assert_allclose(bias_norms(trace)[member], expected, rtol=1e-13)


def test_bias_norms_need_a_bias_in_each_layer_and_tell_steps_apart() -> None:
    one = np.ones((1, 3))
    bare = plain(np.random.default_rng(0), (3, 3, 3), tanh, lecun, bias_variance=None)
    with pytest.raises(ValueError, match="trace must have a gradient of b in each layer, got 0"):
        bias_norms(backprop_from(bare, one, one))
    steps = unrolled(np.random.default_rng(3), 3, 4, tanh, lecun)
    assert bias_norms(backprop_from(steps, one, one)).shape == (4,)


def test_mean_slopes_are_those_of_a_loop_over_matrices() -> None:
    rng, n = np.random.default_rng(4), 6
    expected = []
    for _ in range(2):
        matrices = [rng.standard_normal((n, n)) / np.sqrt(n) for _ in range(3)]
        h, row = rng.standard_normal((1, n)), []
        for W in matrices:
            h = np.tanh(h @ W)
            row.append((1 - h * h).mean())
        expected.append(row)
    recipe = Recipe("tanh", tanh, lecun)
    found = mean_slopes(np.random.default_rng(4), recipe, depth=3, width=n, draws=2)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("size", ["depth", "width", "draws"])
def test_a_size_that_is_not_positive_is_refused_by_name(size: str) -> None:
    sizes = {"depth": 2, "width": 2, "draws": 2, size: 0}
    with pytest.raises(ValueError, match=f"{size} must be an integer of at least 1, got 0"):
        mean_slopes(np.random.default_rng(0), Recipe("tanh", tanh, lecun), **sizes)
