"""What the claims of the chapter on residual paths are measured by."""

from __future__ import annotations

import math

import numpy as np

from gradbook.activations import relu, tanh
from gradbook.book.claims.record import Measurement
from gradbook.book.residual import one_input
from gradbook.book.residual.centering import batch_normalized
from gradbook.book.residual.deep_training import CHANCE, swept_losses
from gradbook.book.residual.measure import energies, one_layer_blocks
from gradbook.book.residual.routes_by_length import gradients_by_length
from gradbook.book.residual.shattering import gradient_correlation, orthogonal_pair
from gradbook.checks import Array
from gradbook.initializers import he
from gradbook.layers import LayerNorm, RMSNorm
from gradbook.networks import plain
from gradbook.networks.residual_blocks import post_norm, pre_norm, residual, two_layer_blocks

BLOCKS = 10
SCALES = {"α = 1": 1.0, "α = 1/√L": BLOCKS**-0.5}
ROUTE_BLOCKS, ROUTE_SCALE = 5, 0.5
TANH_DEPTHS = (16, 64)
NORM_BLOCKS, NORM_WIDTH, BEHIND_BLOCKS = 16, 64, 4
PAIR_BLOCKS, PAIR_WIDTH, PAIR_DEPTHS, PAIR_BATCH = 3, 64, (2, 4), 64
RECTIFIED = 5
NORM = RMSNorm(None, epsilon=0.0)
WIDTH, HIDDEN, LAG = 64, 10, 0.25
CENTERED_DEPTHS, CENTERED_POINTS = one_input.NOTEBOOK.depths[1:], 64
OWN_RATES = {"α = 1, η = 0.0003": 3e-4, "α = 1, η = 0.1": 0.1}


def scaled_energies(rng: np.random.Generator, draws: int) -> Measurement:
    """Return mean squares at the end and energies at the input, scale by scale."""
    columns = []
    for scale in SCALES.values():
        blocks = two_layer_blocks(rng, 32, BLOCKS, relu, ensemble=(draws,))
        found = energies(rng, residual(blocks, scale), 32)
        columns += [found.signal[:, -1], found.gradient[:, 0]]
    return Measurement.mean(np.stack(columns, axis=-1))


def routes(rng: np.random.Generator, draws: int) -> Measurement:
    """Return the energy on routes that cross one block, two, and so on."""
    blocks = two_layer_blocks(rng, 16, ROUTE_BLOCKS, relu, ensemble=(draws,))
    da = rng.standard_normal((draws, 1, 16))
    parts = gradients_by_length(residual(blocks, ROUTE_SCALE), rng.standard_normal((1, 16)), da)
    return Measurement.mean(np.square(parts[1:]).sum(axis=(-2, -1)).T / 16)


def root_of_depth(rng: np.random.Generator, draws: int) -> Measurement:
    """Return the logarithm of the mean energy at the input, for each depth."""
    logs, errors = [], []
    for depth in TANH_DEPTHS:
        blocks = one_layer_blocks(rng, 128, depth, tanh, ensemble=(draws,))
        energy = energies(rng, residual(blocks), 128).gradient[:, 0]
        logs.append(math.log(energy.mean()))
        errors.append(energy.std(ddof=1) / math.sqrt(draws) / energy.mean())
    return Measurement.of(logs, errors)


def stream(rng: np.random.Generator, draws: int) -> Measurement:
    """Return the stream's mean square at the end and the gradient's energy at the input."""
    blocks = two_layer_blocks(rng, NORM_WIDTH, NORM_BLOCKS, relu, ensemble=(draws,))
    found = energies(rng, pre_norm(blocks, NORM), NORM_WIDTH)
    return Measurement.mean(np.stack([found.signal[:, -1], found.gradient[:, 0]], axis=-1))


def behind(rng: np.random.Generator, draws: int) -> Measurement:
    """Return the gradient's energy at the bottom, and what the path alone keeps per block."""
    blocks = two_layer_blocks(rng, NORM_WIDTH, BEHIND_BLOCKS, relu, ensemble=(draws,))
    found = energies(rng, post_norm(blocks, NORM), NORM_WIDTH)
    path = np.exp(-np.log(found.signal[:, 1::2]).mean(axis=1))
    return Measurement.mean(np.stack([found.gradient[:, 0], path], axis=-1))


def rectified(rng: np.random.Generator, draws: int) -> Measurement:
    """Return the energy behind the first block, over that at the output, per block."""
    blocks = [block[:1] for block in two_layer_blocks(rng, 128, RECTIFIED, relu, ensemble=(draws,))]
    found = energies(rng, post_norm(blocks, LayerNorm(None, None)), 128)
    return Measurement.mean(found.gradient[:, 2:3])


def normalized_gates(rng: np.random.Generator, draws: int) -> Measurement:
    """Return how alike gradients at two inputs of a batch are, with its statistics fixed."""
    columns = []
    for depth in PAIR_DEPTHS:
        others = rng.standard_normal((PAIR_BATCH - 2, PAIR_WIDTH))
        x = np.concatenate([orthogonal_pair(rng, PAIR_WIDTH), others])
        layers = batch_normalized(rng, x, depth, ensemble=(draws,))
        columns.append(gradient_correlation(layers, x[:2]))
    return Measurement.mean(np.stack(columns, axis=-1))


def aligned(rng: np.random.Generator, draws: int) -> Measurement:
    """Return how alike gradients at two inputs are: plain, with a path, with pre-norm."""
    sizes, x = [PAIR_WIDTH] * (PAIR_BLOCKS + 1), orthogonal_pair(rng, PAIR_WIDTH)
    bare = plain(
        rng, sizes, relu, he, output_activation=relu, bias_variance=None, ensemble=(draws,)
    )
    blocks = two_layer_blocks(rng, PAIR_WIDTH, PAIR_BLOCKS, relu, ensemble=(draws,))
    kinds = (bare, residual(blocks), pre_norm(blocks, NORM))
    return Measurement.mean(np.stack([gradient_correlation(net, x) for net in kinds], axis=-1))


def notebook(rng: np.random.Generator, draws: int) -> Measurement:
    """Return the autocorrelation at a lag that the biases decide, for both scales."""
    setting = one_input.Replication(width=WIDTH, networks=draws)
    at = round(LAG * setting.points / 4)
    found = [one_input.replicate(rng, HIDDEN, factor, setting=setting) for factor in (1.0, 2.0)]
    return Measurement.of([value[at] for value, _ in found], [error[at] for _, error in found])


def centered_notebook(rng: np.random.Generator, draws: int) -> Measurement:
    """Return one minus the autocorrelation of neighbors among the inputs."""
    setting = one_input.Replication(width=WIDTH, points=CENTERED_POINTS, networks=draws)
    found = [
        one_input.replicate(rng, depth, 1.0, center=True, setting=setting)
        for depth in CENTERED_DEPTHS
    ]
    return Measurement.of([1 - value[1] for value, _ in found], [error[1] for _, error in found])


def own_rate(rng: np.random.Generator, draws: int) -> Measurement:
    """Return the share of networks that end at less than half of the loss of guessing."""
    seeds = rng.integers(1 << 31, size=draws)
    rates = {"α = 1": tuple(OWN_RATES.values())}
    ends = np.stack([swept_losses(int(seed), rates=rates)["α = 1"] for seed in seeds])
    learned: Array = (ends < CHANCE / 2).mean(axis=(0, 2))
    return Measurement.of(learned)
