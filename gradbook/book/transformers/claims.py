"""Claims of the chapter on Transformers: scores, the softmax, collapse, and where the norm is."""

from __future__ import annotations

import math

import numpy as np

from gradbook.book.claims.record import Claim, ClaimKind, Rival
from gradbook.book.sources import (
    DERRIDA,
    DONG,
    HENRY,
    NOCI,
    RADFORD,
    THIS_BOOK,
    VASWANI,
    XIONG,
)
from gradbook.book.transformers import attending, measured, qk_norm, theory, warmup
from gradbook.book.transformers.measured import (
    BEHIND,
    DEPTH,
    DEPTHS,
    DEVIATIONS,
    FACTORS,
    FEW,
    KEYS,
    LAST,
    PATHS,
    SCALED,
    SIZES,
    STREAMS,
    TIME,
    WIDE,
    WIDTHS,
)

CHAPTER = "transformers"
EQUAL = f"query weights zero, T = {TIME}, n = 64"
SCALES = ("α = 1", "α = 1/√branches")


def _last(settings: list[theory.Setting]) -> list[float]:
    return [theory.last_weights(setting)[-1] for setting in settings]


SCORES = Claim(
    name="score-size",
    chapter=CHAPTER,
    statement="Scores that are not divided have the variance d, and so the size √d",
    setting="normalized tokens, weights of variance 1/n, n = 64; mean square of q·k",
    source=VASWANI,
    kind=ClaimKind.EXPECTATION,
    cases=tuple(f"d = {d}" for d in WIDTHS),
    theory=lambda: [float(d) for d in WIDTHS],
    measure=measured.score_sizes,
    rival=Rival("Their size is d, so it is d to divide by", lambda: [float(d * d) for d in WIDTHS]),
    draws=600,
    full=6000,
)
ENTROPY = Claim(
    name="attention-entropy",
    chapter=CHAPTER,
    statement="Normal scores of size s leave a row of attention the entropy ln T − s²/2",
    setting=f"T = {KEYS}; as T grows, theory comes to hold for each s below √(2 ln T)",
    source=DERRIDA,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"s = {size:g}" for size in SIZES),
    theory=lambda: [attending.expected_entropy(size, KEYS) for size in SIZES],
    measure=measured.row_entropy,
    tolerance=0.005,
    rival=Rival("Below the freezing point it is that of equal weights", lambda: math.log(KEYS)),
    draws=2000,
    full=20_000,
    format=".3f",
)
PASSED = Claim(
    name="attention-gradient",
    chapter=CHAPTER,
    statement="Small scores let more gradient through a softmax than equal ones: about e^(s²/2) "
    "times",
    setting=f"T = {KEYS}, norm of the softmax's Jacobian beside that of equal weights",
    source=THIS_BOOK,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"s = {size:g}" for size in SIZES),
    theory=lambda: [attending.expected_passed(size, KEYS) for size in SIZES],
    measure=measured.row_passed,
    tolerance=0.03,
    rival=Rival(
        "The sharper a row, the less comes through", lambda: [math.exp(-s * s / 2) for s in SIZES]
    ),
    draws=2000,
    full=20_000,
    format=".3f",
)
QK_SCORES = Claim(
    name="qk-norm-scores",
    chapter=CHAPTER,
    statement="With QK-norm scores have the size one, however large the weights are",
    setting="normal tokens, heads of d = 16 in n = 64, scores over √d; mean square at weights s "
    "times those of variance 1/n",
    source=THIS_BOOK,
    kind=ClaimKind.EXPECTATION,
    cases=tuple(f"s = {s:g}" for s in FACTORS),
    theory=lambda: [1.0] * len(FACTORS),
    measure=measured.normalized_scores,
    rival=Rival("They grow with the weights, as s²", lambda: [s**4 for s in FACTORS]),
    draws=600,
    full=6000,
    format=".3f",
)
QK_TRAINING = Claim(
    name="qk-norm-training",
    chapter=CHAPTER,
    statement="Pre-norm Transformers whose query and key weights start eight times too large learn "
    "at none of the rates tried, in so few steps, and with QK-norm nearly all do",
    setting=f"four pairs of width {qk_norm.TRIAL.width}, six tokens to be reversed, Adam, "
    f"{qk_norm.TRIAL.steps} steps; share of {qk_norm.TRIAL.seeds} networks of one draw that end "
    "below half of guessing",
    source=HENRY,
    kind=ClaimKind.TRAINING,
    cases=tuple(
        f"{name}, η = {rate:g}" for name in ("without", "QK-norm") for rate in qk_norm.TRIAL.rates
    ),
    theory=lambda: np.repeat([0.0, 1.0], len(qk_norm.TRIAL.rates)),
    measure=lambda rng, draws: measured.with_qk_norm(),
    tolerance=0.25,  # in other draws one of the five may fail at one rate
    rival=Rival("Training shrinks weights that are too large", lambda: 1.0),
    format=".2f",
)
THIRD_POWER = Claim(
    name="rank-collapse",
    chapter=CHAPTER,
    statement="Attention alone leaves of tokens' deviations a product of three, so each layer "
    "multiplies small ones by less than the layer before",
    setting=f"one layer, n = 64, T = {TIME}, four heads, deviations σ about a common token; mean "
    "square behind over before",
    source=DONG,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"σ = {size:g}" for size in DEVIATIONS),
    theory=lambda: [theory.collapsed(size, 64, TIME) for size in DEVIATIONS],
    measure=measured.third_power,
    tolerance=0.15,  # of second order in the scores
    rival=Rival("A mean of T tokens: 1/T, whatever they are", lambda: 1 / TIME),
    draws=300,
    full=3000,
)
ON_A_PATH = Claim(
    name="collapse-on-a-path",
    chapter=CHAPTER,
    statement="A path slows the collapse to a power of two per block, and with a scale little of "
    "it is left",
    setting=f"{DEPTH} blocks of attention, {EQUAL}; correlation of two tokens, at first 0",
    source=NOCI,
    kind=ClaimKind.ASYMPTOTIC,
    cases=SCALES,
    theory=lambda: [theory.signal(setting)[1][-1] for setting in PATHS],
    measure=measured.paths,
    tolerance=0.05,
    rival=Rival("A path alone stops it", lambda: 0.0),
    draws=150,
    full=1500,
    format=".3f",
)
STREAM = Claim(
    name="transformer-stream",
    chapter=CHAPTER,
    statement="A pre-norm stream grows by one per ReLU block, by less per block of attention; "
    "with weights that are scaled by one over the root of the branches it grows by less than one "
    "in all",
    setting=f"{2 * DEPTH} branches, {EQUAL}; mean square at the end",
    source=RADFORD,
    kind=ClaimKind.ASYMPTOTIC,
    cases=SCALES,
    theory=lambda: [theory.signal(setting)[0][-1] for setting in STREAMS],
    measure=measured.streams,
    tolerance=0.04,
    rival=Rival("Every branch adds one", lambda: [1 + 2 * DEPTH * s.scale**2 for s in STREAMS]),
    draws=60,
    full=600,
    format=".3f",
)
LAST_LAYER = Claim(
    name="last-layer",
    chapter=CHAPTER,
    statement="The last block's gradient does not depend on the depth with post-norm, and falls "
    "as one over the stream's mean square with pre-norm",
    setting=f"depth in pairs of attention and ReLU, {EQUAL}; mean square on the last weights, "
    "per token",
    source=XIONG,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"{kind}, {d}" for kind in ("pre-norm", "post-norm") for d in DEPTHS),
    theory=lambda: _last(LAST),
    measure=measured.last_weights,
    tolerance=0.06,
    rival=Rival("It is the other way round", lambda: _last([*LAST[2:], *LAST[:2]])),
    draws=60,
    full=600,
    format=".3f",
)
SCALED_LAST = Claim(
    name="last-layer-scaled",
    chapter=CHAPTER,
    statement="With last weights of one over the root of the branches, a pre-norm's last gradient "
    "hardly depends on the depth",
    setting=f"as before, pre-norm, {EQUAL}",
    source=RADFORD,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"depth {d}" for d in DEPTHS),
    theory=lambda: _last(SCALED),
    measure=measured.scaled_last_weights,
    tolerance=0.06,
    rival=Rival("It falls as without the scale", lambda: _last(LAST[:2])),
    draws=60,
    full=600,
    format=".3f",
)
WARM_UP = Claim(
    name="warm-up",
    chapter=CHAPTER,
    statement="With post-norm, at rates that are nearly too large for it, a network mostly ends "
    "lower with warm-up; with pre-norm it ends higher, at smaller rates and at an equal one",
    setting=f"four pairs, six tokens to be reversed, Adam, {warmup.TRIAL.warm[1]} of "
    f"{warmup.TRIAL.steps} steps of warm-up; share of {warmup.TRIAL.seeds} networks of one draw "
    "that end lower",
    source=XIONG,
    kind=ClaimKind.TRAINING,
    cases=tuple(f"{t.kinds[0]}, η = {rate:g}" for t in warmup.WARM_TRIALS for rate in t.rates),
    theory=lambda: np.repeat([0.0, 1.0], len(warmup.TRIAL.rates)),
    measure=lambda rng, draws: measured.with_warm_up(),
    tolerance=0.2,  # one network of five may differ
    rival=Rival("Warm-up only loses steps, with either", lambda: 0.0),
    format=".2f",
)
BEHIND_ATTENTION = Claim(
    name="post-norm-attention",
    chapter=CHAPTER,
    statement="In a post-norm stream it is attention that loses the gradient: a norm divides by "
    "what tokens share, and a gradient that differs between them does not come back through a mean",
    setting=f"energy at the input, that at the output being one, tokens of correlation 1/2; {FEW} "
    f"blocks of each kind, query weights zero, T = {TIME}, n = {WIDE}",
    source=THIS_BOOK,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("with attention", "ReLU alone"),
    theory=lambda: [theory.gradient(setting)[0][0] for setting in BEHIND],
    measure=measured.behind,
    tolerance=0.08,  # of order blocks/width
    rival=Rival("Post-norm keeps it, with or without", lambda: 1.0),
    draws=100,
    full=1000,
    format=".3f",
)
