"""Norms layer by layer, against loops over plain matrices."""

from __future__ import annotations

import numpy as np
import pytest

from gradbook.activations import tanh
from gradbook.backpropagation import backprop, backprop_from
from gradbook.initializers import lecun
from gradbook.layers import Activate
from gradbook.losses import half_squared_error
from gradbook.measure import delta_norms, weight_norms
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
            expected = [np.linalg.norm(a[member]) for a in (delta, grads["W"])]
            found = [norms(trace)[member, layer] for norms in (delta_norms, weight_norms)]
            # Sums of at most 28 squares, in another order.
            np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_a_layer_without_what_is_asked_for_is_refused() -> None:
    bare = plain(np.random.default_rng(0), (2, 2, 2), tanh, lecun, bias_variance=None)
    plus = [*bare, Activate(tanh)]
    with pytest.raises(ValueError, match="trace must have a gradient of W in each layer, got 2"):
        weight_norms(backprop_from(plus, np.ones((1, 2)), np.ones((1, 2))))
    trace = backprop_from(bare, np.ones((1, 2)), np.ones((1, 2)))
    hidden = type(trace)(**{**vars(trace), "delta": (None, *trace.delta[1:])})
    with pytest.raises(ValueError, match="trace must have a delta in each layer, got 1"):
        delta_norms(hidden)


def test_each_step_of_a_recurrent_network_has_its_own_norms() -> None:
    steps = unrolled(np.random.default_rng(3), 3, 4, tanh, lecun)
    trace = backprop_from(steps, np.ones((1, 3)), np.ones((1, 3)))
    assert weight_norms(trace).shape == (4,)
