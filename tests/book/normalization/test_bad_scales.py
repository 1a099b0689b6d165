"""Badly scaled networks: that they are what the trial says, and what the record holds."""

import dataclasses

import numpy as np
import pytest

from gradbook.activations import identity
from gradbook.book.normalization.bad_scales import (
    DEEP_TRIAL,
    SCALES,
    ScaleTrial,
    attempt,
    hidden_ratio,
)
from gradbook.datasets import gaussian_classes
from gradbook.layers import Dense
from gradbook.networks.normalization import batch_norm, layer_norm

QUICK = ScaleTrial(depth=6, steps=3, seeds=4)


def test_without_normalization_the_scale_enters_the_ratio_with_every_layer_crossed() -> None:
    ratios = [
        attempt(np.random.default_rng(0), dataclasses.replace(QUICK, scale=scale), None).ratio
        for scale in (1.0, 10.0)
    ]
    # The same draws, ten times as large; a ReLU is homogeneous. The gradient at the end cancels
    # in the ratio up to its direction, which depends on the outputs' size: within a factor of 3.
    growth = ratios[1] / ratios[0] / 10.0 ** (QUICK.depth - 1)
    assert (np.abs(np.log(growth)) < np.log(3)).all()


@pytest.mark.parametrize("norm", [batch_norm, layer_norm])
def test_with_normalization_the_scale_of_the_weights_does_not_enter_the_ratio(norm: object) -> None:
    for scale in SCALES:
        trial = dataclasses.replace(QUICK, scale=scale)
        ratio = attempt(np.random.default_rng(0), trial, norm).ratio  # type: ignore[arg-type]
        # Five layers at a factor of 1.2 at most in norm, and the noise of a narrow network.
        assert 0.2 < ratio.min() <= ratio.max() < 6


def test_the_record_has_one_entry_per_seed_and_one_loss_per_step() -> None:
    outcome = attempt(np.random.default_rng(0), QUICK, batch_norm)
    assert outcome.ratio.shape == outcome.after_one.shape == outcome.moved.shape == (4,)
    assert outcome.loss.shape == (4, 4)
    assert (outcome.loss[:, -1] < outcome.loss[:, 0]).all()
    assert (outcome.moved > 0).all()
    assert DEEP_TRIAL.depth > ScaleTrial().depth


def test_a_small_scale_makes_the_same_learning_rate_a_large_step() -> None:
    small, usual = (
        attempt(np.random.default_rng(0), dataclasses.replace(QUICK, scale=k), layer_norm).moved
        for k in (0.07, 1.0)
    )
    # 1/0.07² if only hidden weights were scaled; the small output layer sends less back.
    assert (small / usual > 4).all()


def test_layers_that_are_no_equal_groups_are_refused() -> None:
    task = gaussian_classes(np.random.default_rng(0), classes=2, dimension=2, examples=2)
    with pytest.raises(ValueError, match="layers must be depth = 2 equal groups and one, got 4"):
        hidden_ratio([Dense(np.eye(2), None, identity)] * 4, task, depth=2)
