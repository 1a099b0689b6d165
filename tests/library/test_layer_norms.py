"""Norms layer by layer, against loops over plain matrices."""

from __future__ import annotations

import numpy as np
import pytest

from gradbook.activations import tanh
from gradbook.backpropagation import backprop, backprop_from
from gradbook.initializers import lecun
from gradbook.losses import half_squared_error
from gradbook.measure import Recipe, bias_norms, delta_norms, mean_slopes, weight_norms
from gradbook.networks import plain, unrolled

RNG = np.random.default_rng(0)
LAYERS = plain(RNG, (3, 5, 4, 2), tanh, lecun, bias_variance=0.3, ensemble=(6,))
X, Y = RNG.standard_normal((7, 3)), RNG.standard_normal((7, 2))


def test_norms_are_roots_of_sums_of_squares_of_each_layer_of_each_member() -> None:
    trace = backprop(LAYERS, X, Y, half_squared_error)
    for member in range(6):
        for layer in range(3):
            delta = trace.delta[layer]
            assert delta is not None
            grads = trace.gradients[layer]
            expected = [np.linalg.norm(a[member]) for a in (delta, grads["W"], grads["b"])]
            found = [
                norms(trace)[member, layer] for norms in (delta_norms, weight_norms, bias_norms)
            ]
            # Sums of at most 28 squares, in another order.
            np.testing.assert_allclose(found, expected, rtol=1e-13)


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


def test_a_layer_without_what_is_asked_for_is_refused() -> None:
    bare = plain(np.random.default_rng(0), (2, 2, 2), tanh, lecun, bias_variance=None)
    with pytest.raises(ValueError, match="trace must have a gradient of b in each layer, got 0"):
        bias_norms(backprop_from(bare, np.ones((1, 2)), np.ones((1, 2))))
    trace = backprop_from(bare, np.ones((1, 2)), np.ones((1, 2)))
    hidden = type(trace)(**{**vars(trace), "delta": (None, *trace.delta[1:])})
    with pytest.raises(ValueError, match="trace must have a delta in each layer, got 1"):
        delta_norms(hidden)


def test_each_step_of_a_recurrent_network_has_its_own_norms() -> None:
    steps = unrolled(np.random.default_rng(3), 3, 4, tanh, lecun)
    trace = backprop_from(steps, np.ones((1, 3)), np.ones((1, 3)))
    assert weight_norms(trace).shape == bias_norms(trace).shape == (4,)
