"""Transformers that are drawn, and what is measured of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradbook.activations import relu
from gradbook.backpropagation import backprop_from, forward
from gradbook.book.transformers.theory import Setting
from gradbook.checks import Array
from gradbook.layers import Attention, Layer, LayerNorm
from gradbook.networks import attention_block, post_norm, pre_norm, residual, two_layer_blocks

NORM = LayerNorm(None, None)
WIDTH, HEADS = 64, 4


@dataclass(frozen=True, eq=False)
class Run:
    """What was measured of an ensemble, the first axis.

    Args:
        q: Mean square of the stream at the blocks' boundaries.
        c: Correlation of two tokens there.
        G: Mean square of the gradient there, over that at the output.
        weights: Mean square of the gradient on each ReLU block's last weights, per token.
    """

    q: Array
    c: Array
    G: Array
    weights: Array


def blocks(
    rng: np.random.Generator,
    setting: Setting,
    *,
    width: int = WIDTH,
    equal: bool = True,
    ensemble: tuple[int, ...] = (),
) -> list[list[Layer]]:
    """Draw a setting's blocks; with `equal`, query weights are zero and all keys weigh the same."""
    attention, drawn = Attention(setting.time, HEADS), list[list[Layer]]()
    for letter in setting.blocks:
        if letter == "A":
            block = attention_block(rng, width, attention, ensemble=ensemble)
            first = block[0].parameters["W"]
            if equal:
                columns = np.arange(3 * width) >= width
                block[0] = block[0].with_parameters({"W": first * columns})
        else:
            [block] = two_layer_blocks(rng, width, 1, relu, ensemble=ensemble)
        scaled = {"W": setting.scale * block[-1].parameters["W"]}
        drawn.append([*block[:-1], block[-1].with_parameters(scaled)])
    return drawn


def network(setting: Setting, drawn: Sequence[Sequence[Layer]]) -> list[Layer]:
    """Join blocks; with pre-norm a last normalization follows the stream."""
    if setting.kind == "path":
        return residual(drawn)
    return [*pre_norm(drawn, NORM), NORM] if setting.kind == "pre-norm" else post_norm(drawn, NORM)


def tokens(rng: np.random.Generator, setting: Setting, draws: int, width: int = WIDTH) -> Array:
    """Draw sequences of normal tokens with the setting's correlation, one for each network."""
    own = rng.standard_normal((draws, setting.time, width))
    shared = rng.standard_normal((draws, 1, width))
    c = setting.correlation
    return np.asarray(np.sqrt(1 - c) * own + np.sqrt(c) * shared)


def run(
    rng: np.random.Generator,
    setting: Setting,
    draws: int,
    *,
    equal: bool = True,
    width: int = WIDTH,
) -> Run:
    """Send one sequence through each network of an ensemble, and a random gradient back."""
    drawn = blocks(rng, setting, width=width, equal=equal, ensemble=(draws,))
    x = tokens(rng, setting, draws, width)
    da = rng.standard_normal(x.shape)
    trace = backprop_from(network(setting, drawn), x, da)
    per, count = (2 if setting.kind == "post-norm" else 1), len(setting.blocks)
    at = [per * n for n in range(count + 1)]
    q, c = np.stack([_alike(trace.h[n]) for n in at], axis=-1)
    energies = [np.square(trace.dh[n]).sum(axis=(-2, -1)) for n in at]
    G = np.stack(energies, axis=-1) / np.square(da).sum(axis=(-2, -1))[:, np.newaxis]
    place = "3.W" if setting.kind == "pre-norm" else "2.W"
    grads = [
        np.square(trace.gradients[per * n][place]).mean(axis=(-2, -1)) / setting.time
        for n, letter in enumerate(setting.blocks)
        if letter == "F"
    ]
    return Run(q, c, G, np.stack(grads, axis=-1) if grads else np.empty((draws, 0)))


def deviations(h: Array) -> Array:
    """Return the mean square of tokens' deviations from their sequence's mean token."""
    return np.asarray(np.square(h - h.mean(axis=-2, keepdims=True)).mean(axis=(-2, -1)))


def apart(h: Array) -> Array:
    """Return the share of tokens' energy by which they differ from their sequence's mean token."""
    return np.asarray(deviations(h) / np.square(h).mean(axis=(-2, -1)))


def bare_shares(rng: np.random.Generator, depth: int, draws: int, time: int = 16) -> Array:
    """Return the shares that set tokens apart, layer by layer of attention without a path."""
    setting = Setting("path", "A" * depth, time)
    drawn = blocks(rng, setting, equal=False, ensemble=(draws,))
    x = tokens(rng, setting, draws)
    records = forward([layer for block in drawn for layer in block], x)
    found = [apart(h) for h in (x, *(record.a for record in records[2::3]))]
    return np.stack(found, axis=-1)


def _alike(h: Array) -> tuple[Array, Array]:
    """Return the mean square of tokens, and the mean product of two over it."""
    time, width = h.shape[-2:]
    q = np.square(h).mean(axis=(-2, -1))
    whole = np.square(h.sum(axis=-2)).sum(axis=-1) / width
    return q, (whole - time * q) / (time * (time - 1) * q)
