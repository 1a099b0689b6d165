"""What the claims of the chapter on Transformers are measured by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gradbook.book.claims.record import Measurement
from gradbook.book.transformers import attending, measure, qk_norm
from gradbook.book.transformers.qk_norm import QKNorm
from gradbook.book.transformers.theory import Setting
from gradbook.book.transformers.warmup import WARM_TRIALS, final_losses
from gradbook.checks import Array
from gradbook.layers import Attention
from gradbook.networks import attention_block

TIME, DEPTH = 16, 8
WIDTHS = (4, 16, 64)
SIZES, KEYS = (0.5, 1.0), 256
DEVIATIONS = (0.2, 0.4)
DEPTHS = (2, 8)
LAST = [Setting(kind, "AF" * d, TIME) for kind in ("pre-norm", "post-norm") for d in DEPTHS]
PATHS = [Setting("path", "A" * DEPTH, TIME, scale=s) for s in (1.0, DEPTH**-0.5)]
STREAMS = [Setting("pre-norm", "AF" * DEPTH, TIME, scale=s) for s in (1.0, (2 * DEPTH) ** -0.5)]
SCALED = [Setting("pre-norm", "AF" * d, TIME, scale=(2 * d) ** -0.5) for d in DEPTHS]
WIDE, FEW = 128, 3
FACTORS = (1.0, 2.0, 8.0)
BEHIND = [Setting("post-norm", kinds * FEW, TIME, correlation=0.5) for kinds in ("AF", "F")]


def score_sizes(rng: np.random.Generator, draws: int) -> Measurement:
    """Return the mean square of undivided scores, for heads of several widths."""
    n = 64
    found = []
    for d in WIDTHS:
        heads = n // d
        W = attention_block(rng, n, Attention(2, heads), ensemble=(draws,))[0].parameters["W"]
        x = rng.standard_normal((draws, 2, n))
        x /= np.sqrt(np.square(x).mean(axis=-1, keepdims=True))
        q, k, _ = np.split(x @ W, 3, axis=-1)
        scores = (q[:, 0] * k[:, 1]).reshape(draws, heads, d).sum(axis=-1)
        found.append(np.square(scores).mean(axis=-1))
    return Measurement.mean(np.stack(found, axis=-1))


def normalized_scores(rng: np.random.Generator, draws: int) -> Measurement:
    """Return the mean square of scores behind QK-norm, for weights that are larger by factors."""
    n, heads, found = 64, 4, []
    for factor in FACTORS:
        first = attention_block(rng, n, Attention(2, heads), ensemble=(draws,))[0]
        x = rng.standard_normal((draws, 2, n))
        made = QKNorm(heads).forward(factor * (x @ first.parameters["W"])).a
        q, k, _ = np.split(made, 3, axis=-1)
        products = (q[:, 0] * k[:, 1]).reshape(draws, heads, -1)
        scores = products.sum(axis=-1) / np.sqrt(products.shape[-1])
        found.append(np.square(scores).mean(axis=-1))
    return Measurement.mean(np.stack(found, axis=-1))


def with_qk_norm() -> Measurement:
    """Return the share of networks that end below half of guessing, without QK-norm and with it."""
    half = qk_norm.TRIAL.chance / 2
    found = [qk_norm.final_losses(0, qk_norm.FACTOR, norm) < half for norm in (False, True)]
    return Measurement.of(np.mean(found, axis=-1).ravel())


def with_warm_up() -> Measurement:
    """Return the share of networks that end lower with warm-up than the same without it."""
    found = [final_losses(0, trial.kinds[0], trial) for trial in WARM_TRIALS]
    return Measurement.of(np.mean([warm < cold for cold, warm in found], axis=-1).ravel())


def row_entropy(rng: np.random.Generator, draws: int) -> Measurement:
    """Return the entropy of rows of attention."""
    return _of_rows(attending.entropy, rng, draws)


def row_passed(rng: np.random.Generator, draws: int) -> Measurement:
    """Return the gradient that rows let through, beside equal weights."""
    return _of_rows(attending.passed, rng, draws)


def third_power(rng: np.random.Generator, draws: int) -> Measurement:
    """Return by what one layer of attention multiplies the deviations of tokens."""
    n, found = 64, []
    for size in DEVIATIONS:
        h: Array = rng.standard_normal((draws, 1, n)) + size * rng.standard_normal((draws, TIME, n))
        before = measure.deviations(h)
        for layer in attention_block(rng, n, Attention(TIME, 4), ensemble=(draws,)):
            h = layer.forward(h).a
        found.append(measure.deviations(h) / before)
    return Measurement.mean(np.stack(found, axis=-1))


def paths(rng: np.random.Generator, draws: int) -> Measurement:
    """Return how alike tokens are behind attention on a path."""
    return Measurement.mean(np.stack([measure.run(rng, s, draws).c[:, -1] for s in PATHS], axis=-1))


def streams(rng: np.random.Generator, draws: int) -> Measurement:
    """Return the stream's mean square at its end."""
    return Measurement.mean(
        np.stack([measure.run(rng, s, draws).q[:, -1] for s in STREAMS], axis=-1)
    )


def last_weights(rng: np.random.Generator, draws: int) -> Measurement:
    """Return the mean square of the gradient on the last ReLU block's last weights."""
    return Measurement.mean(_last(rng, LAST, draws))


def scaled_last_weights(rng: np.random.Generator, draws: int) -> Measurement:
    """Return the same for pre-norm with small last weights, at two depths."""
    return Measurement.mean(_last(rng, SCALED, draws))


def behind(rng: np.random.Generator, draws: int) -> Measurement:
    """Return the gradient's energy at the input of a post-norm stream, with and without "A"."""
    found = [measure.run(rng, setting, draws, width=WIDE).G[:, 0] for setting in BEHIND]
    return Measurement.mean(np.stack(found, axis=-1))


def _last(rng: np.random.Generator, settings: Sequence[Setting], draws: int) -> Array:
    return np.stack([measure.run(rng, s, draws).weights[:, -1] for s in settings], axis=-1)


def _of_rows(what: Callable[[Array], Array], rng: np.random.Generator, draws: int) -> Measurement:
    found = [what(attending.rows(rng, size, KEYS, draws)) for size in SIZES]
    return Measurement.mean(np.stack(found, axis=-1))
