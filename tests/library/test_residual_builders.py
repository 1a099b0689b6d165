"""Networks of blocks: what each way of joining computes, written out in NumPy."""

from functools import partial

import numpy as np
import pytest

from gradbook.activations import relu
from gradbook.backpropagation import forward
from gradbook.checks import Array
from gradbook.layers import Layer, Residual, RMSNorm
from gradbook.networks.residual_blocks import (
    chained,
    post_norm,
    pre_norm,
    residual,
    two_layer_blocks,
)

WIDTH, DEPTH = 6, 3
NORM = RMSNorm(None, epsilon=0.0)


def output(layers: list[Layer], x: Array) -> Array:
    return forward(layers, x)[-1].a


def normalized(x: Array) -> Array:
    return x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True))


def test_the_same_blocks_joined_in_four_ways() -> None:
    rng = np.random.default_rng(0)
    blocks = two_layer_blocks(rng, WIDTH, DEPTH, relu)
    x = rng.standard_normal((4, WIDTH))
    plain = bare = before = behind = x
    for first, last in blocks:
        W, V = first.parameters["W"], last.parameters["W"]

        def block(h: Array, W: Array = W, V: Array = V) -> Array:
            return np.maximum(h @ W, 0) @ V

        plain = block(plain)
        bare = bare + 0.5 * block(bare)
        before = before + 0.5 * block(normalized(before))
        behind = normalized(behind + 0.5 * block(behind))
    for layers, expected in (
        (chained(blocks), plain),
        (residual(blocks, 0.5), bare),
        (pre_norm(blocks, NORM, 0.5), before),
        (post_norm(blocks, NORM, 0.5), behind),
    ):
        # A few roundings per layer, on numbers of order one.
        np.testing.assert_allclose(output(layers, x), expected, rtol=1e-12, atol=1e-13)


def test_a_branch_is_added_as_it_is_unless_a_scale_is_given() -> None:
    blocks = two_layer_blocks(np.random.default_rng(1), WIDTH, 1, relu)
    x = np.random.default_rng(2).standard_normal((4, WIDTH))
    for build in (residual, partial(pre_norm, norm=NORM), partial(post_norm, norm=NORM)):
        np.testing.assert_array_equal(output(build(blocks), x), output(build(blocks, scale=1), x))


def test_the_variances_are_two_and_one_over_the_width() -> None:
    [[first, last]] = two_layer_blocks(np.random.default_rng(2), 50, 1, relu, ensemble=(40,))
    for layer, variance in ((first, 2 / 50), (last, 1 / 50)):
        W = layer.parameters["W"]
        assert W.shape == (40, 50, 50)
        # The relative error of a variance from N normal numbers is √(2/N) = 0.0045.
        assert W.var() == pytest.approx(variance, rel=0.02)


def test_every_way_keeps_the_very_layers_it_was_given() -> None:
    blocks = two_layer_blocks(np.random.default_rng(3), 4, 2, relu)
    assert chained(blocks) == [layer for block in blocks for layer in block]
    for layer, block in zip(residual(blocks), blocks, strict=True):
        assert isinstance(layer, Residual)
        assert layer.layers == tuple(block)
    first = pre_norm(blocks, NORM)[0]
    assert isinstance(first, Residual)
    assert first.layers == (NORM, *blocks[0])
    assert post_norm(blocks, NORM)[1] is NORM


@pytest.mark.parametrize(("width", "depth", "name"), [(0, 1, "width"), (3, 0, "depth")])
def test_sizes_are_positive(width: int, depth: int, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1, got 0"):
        two_layer_blocks(np.random.default_rng(4), width, depth, relu)
