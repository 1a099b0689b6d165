"""Training deep networks: equal terms for all, and what the path changes."""

import numpy as np
import pytest

from gradbook.backprop import forward
from gradbook.deep_training import TRIAL, Trial, deep_losses, deep_networks
from gradbook.layers import Residual

SMALL = Trial(blocks=3, width=8, steps=4, seeds=2)


def test_all_networks_have_the_same_ends_and_the_residual_ones_the_same_blocks() -> None:
    networks = deep_networks(np.random.default_rng(0), SMALL)
    first, *_, last = networks["plain, 1/n"]
    assert all(layers[0] is first and layers[-1] is last for layers in networks.values())
    bare, scaled, normed = (networks[name][1] for name in ("α = 1", "α = 1/√L", "pre-norm"))
    for layer in (bare, scaled, normed):
        assert isinstance(layer, Residual)
    assert scaled.layers == bare.layers == normed.layers[1:]
    assert (bare.scale, normed.scale) == (1.0, 1.0)
    assert scaled.scale == pytest.approx(3**-0.5, rel=1e-15)


def test_every_network_has_as_many_weights() -> None:
    networks = deep_networks(np.random.default_rng(1), SMALL)
    counts = {
        name: sum(len(layer.parameters) for layer in layers) for name, layers in networks.items()
    }
    assert set(counts.values()) == {SMALL.depth}
    assert TRIAL.depth == 50


def test_the_losses_start_at_those_of_the_drawn_networks_and_have_one_more_than_steps() -> None:
    losses = deep_losses(np.random.default_rng(2), SMALL)
    assert {loss.shape for loss in losses.values()} == {(2, 5)}
    assert list(losses) == list(deep_networks(np.random.default_rng(2), SMALL))


def test_a_normalized_stream_has_mean_square_one_before_the_last_layer() -> None:
    layers = deep_networks(np.random.default_rng(3), SMALL)["pre-norm"]
    records = forward(layers, np.random.default_rng(4).standard_normal((5, 16)))
    # Epsilon takes 1e-5 from a stream whose mean square is at least of order one.
    np.testing.assert_allclose(np.square(records[-2].a).mean(axis=-1), 1.0, rtol=1e-3)
