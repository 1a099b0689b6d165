"""Training deep networks: equal terms for all, and what the path changes."""

import numpy as np
import pytest

from gradbook.backpropagation import forward
from gradbook.book.residual.deep_training import (
    RATES,
    Trial,
    deep_networks,
    swept_losses,
)
from gradbook.checks import Array
from gradbook.layers import Residual
from gradbook.optimizers import GradientDescent

SMALL = Trial(blocks=3, width=8, steps=4, seeds=2)


def deep_losses(rng: np.random.Generator) -> dict[str, Array]:
    """Train every kind of network at one rate: the loss before each step and after the last."""
    task = SMALL.task(rng)
    return {
        name: SMALL.trained(layers, task, GradientDescent(0.05)).loss
        for name, layers in deep_networks(rng, SMALL).items()
    }


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
    assert SMALL.depth == 8


def test_the_losses_start_at_those_of_the_drawn_networks_and_have_one_more_than_steps() -> None:
    losses = deep_losses(np.random.default_rng(2))
    assert {loss.shape for loss in losses.values()} == {(2, 5)}
    assert list(losses) == list(deep_networks(np.random.default_rng(2), SMALL))


def test_a_normalized_stream_has_mean_square_one_before_the_last_layer() -> None:
    layers = deep_networks(np.random.default_rng(3), SMALL)["pre-norm"]
    records = forward(layers, np.random.default_rng(4).standard_normal((5, 16)))
    # Epsilon takes 1e-5 from a stream whose mean square is at least of order one.
    np.testing.assert_allclose(np.square(records[-2].a).mean(axis=-1), 1.0, rtol=1e-3)


def test_a_sweep_starts_every_rate_at_the_same_networks_and_leaves_lost_runs_out() -> None:
    rates = {"α = 1": (1e-300, 1e-3), "plain, 2/n": (1e30,)}
    found = swept_losses(5, SMALL, rates)
    assert {name: losses.shape for name, losses in found.items()} == {
        "α = 1": (2, 2),
        "plain, 2/n": (1, 2),
    }
    rng = np.random.default_rng(5)
    start = {name: loss[:, 0] for name, loss in deep_losses(rng).items()}
    np.testing.assert_allclose(found["α = 1"][0], start["α = 1"], rtol=1e-12)
    assert np.isnan(found["plain, 2/n"]).any()


def test_each_kind_has_at_least_three_rates() -> None:
    assert all(len(rates) >= 3 for rates in RATES.values())
    assert set(RATES) < set(deep_networks(np.random.default_rng(0), SMALL))
