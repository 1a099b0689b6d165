"""QK-norm against autograd, and against what it is to do: forget the weights' size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from gradbook.activations import relu
from gradbook.book.transformers.qk_norm import NORM, TRIAL, QKNorm, final_losses, scaled
from gradbook.checks import Array
from gradbook.layers import Attention
from gradbook.networks import attention_block, two_layer_blocks

SMALL = replace(TRIAL, pairs=1, width=8, sequences=4, steps=2, seeds=2, rates=(0.01, 0.1))


def test_each_head_s_queries_and_keys_have_the_mean_square_one() -> None:
    x = np.random.default_rng(0).standard_normal((5, 3, 24))
    a = QKNorm(heads=2).forward(x).a
    heads = a[..., :16].reshape(5, 3, 4, 4)
    np.testing.assert_allclose(np.square(heads).mean(axis=-1), 1, rtol=1e-3)
    np.testing.assert_array_equal(a[..., 16:], x[..., 16:])


def formula(x: Any) -> Any:
    """Write two heads of width four out, for autograd."""
    parts = [x[:, 4 * i : 4 * i + 4] for i in range(4)]
    roots = [anp.sqrt((p**2).mean(axis=1, keepdims=True) + NORM.epsilon) for p in parts]
    return anp.concatenate([*(p / r for p, r in zip(parts, roots, strict=True)), x[:, 16:]], axis=1)


def test_its_gradient_is_that_of_autograd() -> None:
    x, da = np.random.default_rng(1).standard_normal((2, 3, 24))
    layer = QKNorm(heads=2)
    record = layer.forward(x)
    expected = autograd.grad(lambda z: anp.sum(da * formula(z)))(x)
    np.testing.assert_allclose(record.a, formula(x), rtol=1e-12)
    np.testing.assert_allclose(layer.backward(record, da).dx, expected, rtol=1e-10, atol=1e-12)


def test_larger_weights_change_nothing_behind_it() -> None:
    rng = np.random.default_rng(2)
    block, x = attention_block(rng, 16, Attention(4, 4)), rng.standard_normal((8, 16))

    def run(factor: float, norm: bool) -> Array:
        h = x
        for layer in scaled(block, factor, norm):
            h = layer.forward(h).a
        return h

    np.testing.assert_allclose(run(50.0, True), run(10.0, True), atol=1e-4)
    assert np.abs(run(50.0, False) - run(1.0, False)).max() > 0.1


def test_a_block_without_attention_stays() -> None:
    [block] = two_layer_blocks(np.random.default_rng(3), 16, 1, relu)
    assert scaled(block, 8.0, True) == [*block]


@pytest.mark.parametrize("norm", [False, True])
def test_rates_are_tried_on_the_same_networks(norm: bool) -> None:
    found = final_losses(0, 8.0, norm, SMALL)
    alone = final_losses(0, 8.0, norm, replace(SMALL, rates=(0.1,)))
    assert found.shape == (2, 2)
    np.testing.assert_allclose(found[1], alone[0], rtol=1e-9)
