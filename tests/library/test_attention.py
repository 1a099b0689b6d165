"""Attention: who sees whom, what no number can overflow, and what does not fit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradbook.activations import relu
from gradbook.backpropagation import backprop, gradient_check
from gradbook.layers import Attention, Dense, LayerNorm, Positions, Residual
from gradbook.layers.attention import softmax
from gradbook.losses import softmax_cross_entropy
from gradbook.networks import attention_block, pre_norm, transformer_blocks

RNG = np.random.default_rng(0)


def test_the_values_of_a_sequence_are_moved_by_it_alone() -> None:
    layer, x = Attention(time=3, heads=2), RNG.standard_normal((9, 12))
    other = x.copy()
    other[3:6] += 1
    moved = (layer.forward(x).a != layer.forward(other).a).any(axis=-1)
    assert moved.tolist() == [False] * 3 + [True] * 3 + [False] * 3


def test_a_causal_row_sees_itself_and_what_came_before() -> None:
    layer, x = Attention(time=4, causal=True), RNG.standard_normal((4, 6))
    seen = []
    for row in range(4):
        da = np.zeros((4, 2))
        da[row] = 1
        seen.append((layer.backward(layer.forward(x), da).dx != 0).any(axis=-1).sum())
    assert seen == [1, 2, 3, 4]


def test_heads_are_attention_on_their_own_columns() -> None:
    x = RNG.standard_normal((5, 18))
    two = Attention(time=5, heads=2).forward(x).a
    for head in range(2):
        own = [x[:, 6 * part + 3 * head : 6 * part + 3 * (head + 1)] for part in range(3)]
        alone = Attention(time=5).forward(np.hstack(own)).a
        np.testing.assert_allclose(two[:, 3 * head : 3 * (head + 1)], alone, rtol=1e-14)


def test_equal_scores_give_the_mean_of_the_values() -> None:
    x = np.hstack([np.zeros((4, 2)), RNG.standard_normal((4, 2)), RNG.standard_normal((4, 2))])
    a = Attention(time=4).forward(x).a
    np.testing.assert_allclose(a, np.tile(x[:, 4:].mean(axis=0), (4, 1)), rtol=1e-14)


def test_scores_are_divided_by_the_root_of_a_heads_width() -> None:
    x = RNG.standard_normal((4, 24))
    for heads, d in ((1, 8), (2, 4)):
        told = Attention(time=4, heads=heads, scale=1 / math.sqrt(d)).forward(x).a
        np.testing.assert_array_equal(Attention(time=4, heads=heads).forward(x).a, told)


def test_scores_of_thousands_overflow_neither_forward_nor_backward() -> None:
    x = 1e4 * RNG.standard_normal((4, 6))
    layer = Attention(time=4, causal=True)
    with np.errstate(all="raise", under="ignore"):
        record = layer.forward(x)
        assert np.isfinite(layer.backward(record, np.ones((4, 2))).dx).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_number_format_is_kept(dtype: type) -> None:
    x = RNG.standard_normal((4, 6)).astype(dtype)
    for layer in (Attention(time=2), Attention(time=2, causal=True)):
        record = layer.forward(x)
        assert record.a.dtype == layer.backward(record, record.a).dx.dtype == dtype


def test_weights_sum_to_one_and_none_is_seen_ahead() -> None:
    (p,) = Attention(time=4, heads=3, causal=True).forward(RNG.standard_normal((8, 36))).saved
    assert p.shape == (2, 3, 4, 4)
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-14)
    assert (p[..., np.triu(np.ones((4, 4), bool), 1)] == 0).all()


def test_softmax_is_that_of_its_definition() -> None:
    s = RNG.standard_normal((3, 5))
    np.testing.assert_allclose(softmax(s), np.exp(s) / np.exp(s).sum(-1, keepdims=True), rtol=1e-14)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((5, 6), "5, 6"),
        ((4, 7), "4, 7"),
        ((4, 9), "4, 9"),
        ((2, 6, 9), "2, 6, 9"),
        ((6,), "6,"),
        ((0, 6), "0, 6"),
    ],
)
def test_an_input_that_cannot_be_cut_is_named(shape: tuple[int, ...], found: str) -> None:
    with pytest.raises(ValueError, match=rf"2 rows, a multiple of 6\) .*got \({found}\)"):
        Attention(time=2, heads=2).forward(np.ones(shape))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"time": 0}, "time must be an integer of at least 1, got 0"),
        ({"time": 1, "heads": 0}, "heads must be an integer of at least 1, got 0"),
        ({"time": 1, "scale": math.nan}, "scale must be"),
    ],
)
def test_settings_that_make_no_sense_are_named(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Attention(**fields)  # type: ignore[arg-type]


def test_a_record_of_another_layer_is_refused() -> None:
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match="record must come from this layer's forward"):
        Attention(time=2).backward(LayerNorm(None, None).forward(x), np.ones((2, 1)))


def test_each_place_of_a_sequence_has_a_vector_of_its_own() -> None:
    layer = Positions(RNG.standard_normal((3, 2)))
    x = RNG.standard_normal((6, 2))
    np.testing.assert_array_equal(layer.forward(x).a, x + np.concatenate([layer.P, layer.P]))
    back = layer.backward(layer.forward(x), x)
    np.testing.assert_array_equal(back.dx, x)
    np.testing.assert_allclose(back.grads["P"], x[:3] + x[3:], rtol=1e-15)


@pytest.mark.parametrize(
    ("P", "x", "message"),
    [
        (np.ones(3), np.ones((3, 3)), r"P must have shape \(\.\.\., time, width\), got \(3,\)"),
        (np.ones((3, 2)), np.ones((4, 2)), r"a multiple of 3 rows, 2\) to fit P, got \(4, 2\)"),
        (np.ones((3, 2)), np.ones((3, 4)), r"a multiple of 3 rows, 2\) to fit P, got \(3, 4\)"),
        (np.ones((2, 3, 2)), np.ones((4, 3, 2)), r"x must have ensemble axes"),
    ],
)
def test_positions_that_do_not_fit_say_what_does_not(
    P: np.ndarray, x: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Positions(P).forward(x)


def test_a_transformer_is_a_list_whose_gradients_pass_the_check() -> None:
    rng = np.random.default_rng(1)
    blocks = transformer_blocks(rng, 8, 1, Attention(time=3, heads=2, causal=True))
    layers = [
        Dense(rng.standard_normal((5, 8)), None, blocks[0][0].activation),  # type: ignore[attr-defined]
        Positions(rng.standard_normal((3, 8))),
        *pre_norm(blocks, LayerNorm(None, None)),
        LayerNorm(np.ones(8), np.zeros(8)),
        Dense(rng.standard_normal((8, 5)), np.zeros(5), blocks[0][0].activation),  # type: ignore[attr-defined]
    ]
    x, y = np.eye(5)[rng.integers(5, size=6)], np.eye(5)[rng.integers(5, size=6)]
    checks = gradient_check(layers, x, y, softmax_cross_entropy)
    # Its bound is the leading order of the difference's error: a few of hundreds may pass it.
    assert np.mean([check.agrees for check in checks]) > 0.95
    assert all(abs(c.analytic - c.numeric) < 1e-6 for c in checks)
    assert len(backprop(layers, x, y, softmax_cross_entropy).parameters) == 1 + 1 + 4 + 2 + 2


def test_an_attention_block_is_drawn_at_the_scale_of_its_fan_in() -> None:
    rng = np.random.default_rng(2)
    qkv, _, out = attention_block(rng, 64, Attention(time=2), ensemble=(4,))
    for W in np.split(qkv.parameters["W"], 3, axis=-1):
        # 16384 draws: the variance is known to one part in ninety.
        assert 64 * W.var() == pytest.approx(1, abs=0.05)
    assert 64 * out.parameters["W"].var() == pytest.approx(1, abs=0.05)
    assert isinstance(Residual(transformer_blocks(rng, 4, 1, Attention(2), relu)[0]), Residual)
