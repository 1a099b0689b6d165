"""Routes by length: against the sum over all routes one by one, and against backpropagation."""

from itertools import product

import numpy as np
import pytest

from gradbook.activations import tanh
from gradbook.backpropagation import backprop_from, forward
from gradbook.book.residual.routes_by_length import gradients_by_length
from gradbook.jacobians import jacobian
from gradbook.layers import Activate, Layer, Residual
from gradbook.networks.residual_blocks import residual, two_layer_blocks


def test_every_length_is_the_sum_of_its_routes() -> None:
    rng = np.random.default_rng(0)
    layers = residual(two_layer_blocks(rng, 4, 3, tanh), 0.7)
    x, u = rng.standard_normal((2, 1, 4))
    branches = []
    for layer, record in zip(layers, forward(layers, x), strict=True):
        assert isinstance(layer, Residual)
        branches.append(0.7 * jacobian(layer.layers, record.x)[0])
    by_hand = np.zeros((4, 1, 4))
    for route in product([0, 1], repeat=3):
        part = u
        for crosses, J in reversed(list(zip(route, branches, strict=True))):
            part = part @ J if crosses else part
        by_hand[sum(route)] += part
    np.testing.assert_allclose(gradients_by_length(layers, x, u), by_hand, rtol=1e-11, atol=1e-13)


def test_the_parts_sum_to_the_gradient_of_every_member() -> None:
    rng = np.random.default_rng(1)
    layers = residual(two_layer_blocks(rng, 3, 5, tanh, ensemble=(2,)))
    x, u = rng.standard_normal((2, 4, 3))
    parts = gradients_by_length(layers, x, u)
    assert parts.shape == (6, 2, 4, 3)
    dx = backprop_from(layers, x, u).dh[0]
    np.testing.assert_allclose(parts.sum(axis=0), dx, rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(parts[0], np.broadcast_to(u, (2, 4, 3)))


def test_only_residual_layers_have_such_routes() -> None:
    layers: list[Layer] = [Residual(Activate(tanh)), Activate(tanh)]
    with pytest.raises(TypeError, match=r"layers must be residual, got Activate.* as layer 2"):
        gradients_by_length(layers, np.ones((1, 2)), 1.0)
