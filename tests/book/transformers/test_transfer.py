"""Two parametrizations that are one at the base width, and what differs at others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradbook.backpropagation import backprop, forward_loss
from gradbook.book.transformers import transfer
from gradbook.book.transformers.warmup import reversed_tokens, transformer
from gradbook.layers import Attention, Residual
from gradbook.losses import softmax_cross_entropy
from gradbook.optimizers import Adam
from gradbook.parameters import distinct_parameters, with_parameters

SMALL = replace(transfer.TRIAL, pairs=1, steps=2, seeds=2, rates=(0.01, 0.02))


def test_both_are_the_same_at_the_base_width() -> None:
    both = [transfer.swept_losses(0, 16, scaled=scaled, trial=SMALL) for scaled in (False, True)]
    # The scores' factor is a quotient in one and a root in the other.
    np.testing.assert_allclose(*both, rtol=1e-9)
    assert both[0].shape == (2, 2)


def test_a_wide_network_has_a_smaller_readout_and_smaller_scores() -> None:
    drawn = transformer(np.random.default_rng(0), "pre-norm", replace(SMALL, width=64), 2)
    scaled = transfer._scaled(drawn, 16 / 64, 16)
    assert isinstance(scaled[2], Residual)
    attention = scaled[2].layers[2]
    assert isinstance(attention, Attention)
    assert attention.scale == pytest.approx(2 / 16)
    old, new = distinct_parameters(drawn), distinct_parameters(scaled)
    np.testing.assert_allclose(new[-1], old[-1] / 2)
    assert all(a is b for a, b in zip(old[:-1], new[:-1], strict=True))


def test_all_weights_but_those_that_read_one_hot_rows_have_a_rate_of_one_over_the_width() -> None:
    own = replace(SMALL, width=64, steps=1, rates=(0.01,))
    rng = np.random.default_rng(0)
    layers = transfer._scaled(transformer(rng, "pre-norm", own, own.seeds), 1 / 4, 16)
    x, y = reversed_tokens(rng, own, own.sequences)
    new = []
    for n, parameter in enumerate(backprop(layers, x, y, softmax_cross_entropy).parameters):
        adam, value = Adam(lr=0.01 if n < 2 else 0.0025), [parameter.value]
        new += adam.step(value, [parameter.grad], adam.start(value))[0]
    x, y = reversed_tokens(rng, own, 32)
    expected = forward_loss(with_parameters(layers, new), x, y, softmax_cross_entropy)
    found = transfer.swept_losses(0, 64, scaled=True, trial=own)
    # A step of length 1, scaled afterwards, is off by a rounding of 1.
    np.testing.assert_allclose(found, [expected], rtol=1e-9)
