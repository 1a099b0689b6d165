"""Norms layer by layer, against loops over plain matrices."""

from __future__ import annotations

import numpy as np
import pytest

from gradbook.activations import relu, sigmoid, tanh
from gradbook.backprop import backprop, backprop_from
from gradbook.initializers import he, lecun
from gradbook.losses import half_squared_error
from gradbook.measure import (
    Recipe,
    bias_norms,
    boundary_norms,
    delta_norms,
    geometric_mean,
    gradient_norms,
    weight_norms,
)
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


def test_boundary_norms_are_those_of_the_chain_of_matrices() -> None:
    layers = plain(np.random.default_rng(1), (4, 4, 4), relu, he, bias_variance=None)
    x, da = np.ones((1, 4)), np.array([[1.0, -2.0, 0.5, 1.0]])
    h, slopes = x, []
    for layer in layers:
        z = h @ layer.parameters["W"]
        last = layer is layers[-1]
        slopes.append(np.ones_like(z) if last else (z > 0).astype(float))
        h = z if last else np.maximum(z, 0)
    expected, grad = [np.linalg.norm(da)], da
    for layer, slope in zip(reversed(layers), reversed(slopes), strict=True):
        grad = (grad * slope) @ layer.parameters["W"].T
        expected.insert(0, np.linalg.norm(grad))
    np.testing.assert_allclose(boundary_norms(layers, x, da), expected, rtol=1e-13)


def test_gradient_norms_start_from_one_and_differ_from_draw_to_draw() -> None:
    recipe = Recipe("sigmoid", sigmoid, lecun)
    norms = gradient_norms(np.random.default_rng(2), recipe, depth=3, width=6, draws=4)
    assert norms.shape == (4, 4)
    np.testing.assert_allclose(norms[:, -1], 1, rtol=1e-13)
    assert len(np.unique(norms[:, 0])) == 4


@pytest.mark.parametrize("name", ["depth", "width", "draws"])
def test_sizes_of_zero_are_refused(name: str) -> None:
    sizes = {"depth": 2, "width": 2, "draws": 2, name: 0}
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1, got 0"):
        gradient_norms(np.random.default_rng(0), Recipe("", sigmoid, lecun), **sizes)


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


def test_the_geometric_mean_is_that_of_logarithms_and_refuses_zero() -> None:
    assert geometric_mean(np.array([2.0, 8.0])) == pytest.approx(4)
    with pytest.raises(ValueError, match="values must be positive"):
        geometric_mean(np.array([1.0, 0.0]))
