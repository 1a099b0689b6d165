"""Energies measured along a network, against a loop over its members."""

import numpy as np
import pytest

from gradbook.activations import relu, tanh
from gradbook.backpropagation import forward
from gradbook.book.residual.measure import energies, one_layer_blocks
from gradbook.networks.residual_blocks import residual, two_layer_blocks


def test_energies_are_those_of_each_member_by_hand() -> None:
    layers = residual(two_layer_blocks(np.random.default_rng(0), 5, 3, relu, ensemble=(4,)))
    found = energies(np.random.default_rng(1), layers, 5)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, 5))
    h = x / np.sqrt(np.square(x).mean())
    da = rng.standard_normal((4, 1, 5))
    for m in range(4):
        states = [h]
        for layer in layers:
            W, V = (layer.parameters[name][m] for name in ("1.W", "2.W"))
            states.append(states[-1] + np.maximum(states[-1] @ W, 0) @ V)
        grads = [da[m]]
        for layer, state in zip(layers[::-1], states[-2::-1], strict=True):
            W, V = (layer.parameters[name][m] for name in ("1.W", "2.W"))
            grads.append(grads[-1] + ((grads[-1] @ V.T) * (state @ W > 0)) @ W.T)
        lengths = np.array([np.square(g).sum() for g in grads[::-1]])
        np.testing.assert_allclose(found.signal[m], [np.square(s).mean() for s in states])
        np.testing.assert_allclose(found.gradient[m], lengths / lengths[-1])


def test_a_network_needs_an_ensemble_of_the_right_width() -> None:
    layers = residual(two_layer_blocks(np.random.default_rng(2), 5, 1, relu, ensemble=(2,)))
    with pytest.raises(ValueError, match="x must have shape"):
        energies(np.random.default_rng(3), layers, 4)


def test_one_layer_blocks_put_the_activation_before_the_weights() -> None:
    rng = np.random.default_rng(1)
    blocks = one_layer_blocks(rng, 6, 2, tanh)
    x = rng.standard_normal((4, 6))
    expected = x
    for _, dense in blocks:
        expected = expected + np.tanh(expected) @ dense.parameters["W"]
    np.testing.assert_allclose(forward(residual(blocks), x)[-1].a, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(("width", "depth", "name"), [(0, 1, "width"), (3, 0, "depth")])
def test_sizes_of_blocks_are_positive(width: int, depth: int, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1, got 0"):
        one_layer_blocks(np.random.default_rng(4), width, depth, relu)
