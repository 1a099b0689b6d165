"""Small Transformers that are trained together, against ones that are trained alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradbook.book.transformers.warmup import Trial, final_losses, reversed_tokens, transformer
from gradbook.losses import softmax_cross_entropy
from gradbook.optimizers import Adam
from gradbook.training import train

SMALL = Trial(pairs=1, width=8, sequences=4, steps=3, seeds=2, rates=(0.01, 0.1), warm=(0, 2))


def test_targets_are_the_tokens_from_last_to_first() -> None:
    x, y = reversed_tokens(np.random.default_rng(0), SMALL, 3)
    said = x.argmax(axis=-1).reshape(3, 6)
    assert y.argmax(axis=-1).reshape(3, 6).tolist() == said[:, ::-1].tolist()


def test_a_member_is_trained_as_if_alone() -> None:
    one = replace(SMALL, steps=1, warm=(0,))
    rng = np.random.default_rng(0)
    layers = transformer(rng, "pre-norm", one, one.seeds)
    x, y = reversed_tokens(rng, one, one.sequences)
    alone = train(layers, x, y, softmax_cross_entropy, optimizer=Adam(lr=0.1), steps=1)
    new = reversed_tokens(rng, one, 32)
    expected = train(alone.layers, *new, softmax_cross_entropy, lr=1e-9, steps=1).loss[:, 0]
    # A step of length 1, scaled afterwards, is off by a rounding of 1.
    np.testing.assert_allclose(final_losses(0, "pre-norm", one)[0, 1], expected, rtol=1e-9)


def test_the_rate_rises_in_a_line() -> None:
    short, slow = replace(SMALL, warm=(0,), steps=1), replace(SMALL, warm=(10,), steps=1)
    scaled = replace(short, rates=(0.001, 0.01))
    np.testing.assert_allclose(
        final_losses(0, "post-norm", slow), final_losses(0, "post-norm", scaled), rtol=1e-9
    )


def test_networks_that_have_learned_nothing_guess() -> None:
    assert Trial().chance == pytest.approx(np.log(6))
