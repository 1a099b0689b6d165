"""Claims of the chapter on residual paths: energies, routes, norms, and gradients that shatter."""

from __future__ import annotations

import math

import numpy as np

from gradbook.activations import tanh
from gradbook.book.claims.record import Claim, ClaimKind, Measurement, Rival
from gradbook.book.residual import measured, theory
from gradbook.book.residual.input_kernel import centered_autocorrelation, predicted_autocorrelation
from gradbook.book.residual.measured import (
    BEHIND_BLOCKS,
    BLOCKS,
    CENTERED_DEPTHS,
    CENTERED_POINTS,
    HIDDEN,
    LAG,
    NORM_BLOCKS,
    NORM_WIDTH,
    OWN_RATES,
    PAIR_BATCH,
    PAIR_BLOCKS,
    PAIR_DEPTHS,
    PAIR_WIDTH,
    RECTIFIED,
    ROUTE_BLOCKS,
    ROUTE_SCALE,
    SCALES,
    TANH_DEPTHS,
    WIDTH,
)
from gradbook.book.sources import (
    BALDUZZI,
    CHO_SAUL,
    FIXUP,
    PRINCE,
    THIS_BOOK,
    YANG_SCHOENHOLZ,
)

CHAPTER = "residual"
TANH_RATE = 8 / (3 * math.sqrt(2 * math.pi))


def _tanh_logs() -> list[float]:
    return [math.log(theory.one_layer_energies(tanh, depth)[1][-1]) for depth in TANH_DEPTHS]


def _rate(_: np.random.Generator, __: int) -> Measurement:
    short, long = 300, 1200
    logs = np.log(theory.one_layer_energies(tanh, long)[1])
    growth = logs[long] - logs[short] - 8 / (9 * math.pi) * math.log(long / short)
    return Measurement.of(growth / (math.sqrt(long) - math.sqrt(short)))


def _gates(branches: str, *, coins: bool) -> float:
    beta = {"ones": np.ones(PAIR_BLOCKS), "falling": 1 / np.arange(1, PAIR_BLOCKS + 1)}
    model = theory.independent_gates if coins else theory.aligned_gates
    kind, path = branches.split()
    return float(model(beta[kind], path=path == "path")[-1])


def _of_three(*, coins: bool) -> list[float]:
    kinds = ("ones plain", "ones path", "falling path")
    return [_gates(kind, coins=coins) for kind in kinds]


def _one_input(depth: int, factor: float, points: int, lag: int) -> float:
    return float(predicted_autocorrelation(points, depth, factor, bias=factor)[lag])


ENERGY = Claim(
    name="residual-energy",
    chapter=CHAPTER,
    statement="Blocks that keep their energy make it (1 + α²)^L: 2^L for α = 1, near e for 1/√L",
    setting=f"h + α f(h W₁) W₂, ReLU, variances 2/n and 1/n, n = 32, L = {BLOCKS}, signal forward, "
    "and back a gradient independent of the weights",
    source=FIXUP,
    kind=ClaimKind.EXPECTATION,
    cases=tuple(f"{name}, {way}" for name in SCALES for way in ("forward", "backward")),
    theory=lambda: [theory.scaled_energy(BLOCKS, s)[-1] for s in SCALES.values() for _ in range(2)],
    measure=measured.scaled_energies,
    rival=Rival(
        "Lengths add where energies do: (1 + α)^(2L)",
        lambda: [(1 + s) ** (2 * BLOCKS) for s in SCALES.values() for _ in range(2)],
    ),
    draws=550,
    full=4000,
)
ROUTES = Claim(
    name="routes-by-length",
    chapter=CHAPTER,
    statement="Routes that cross k of L random blocks bring the energy C(L, k) α^(2k)",
    setting=f"α = {ROUTE_SCALE:g}, n = 16, L = {ROUTE_BLOCKS}, ReLU blocks that keep their energy, "
    "energies of the parts over that at the output",
    source=THIS_BOOK,
    kind=ClaimKind.EXPECTATION,
    cases=tuple(f"k = {k}" for k in range(1, ROUTE_BLOCKS + 1)),
    theory=lambda: (
        (1 + ROUTE_SCALE**2) ** ROUTE_BLOCKS * theory.route_shares(ROUTE_BLOCKS, ROUTE_SCALE)[1:]
    ),
    measure=measured.routes,
    rival=Rival(
        "As many as there are routes: C(L, k)",
        lambda: 2.0**ROUTE_BLOCKS * theory.route_shares(ROUTE_BLOCKS)[1:],
    ),
    draws=3000,
    full=20_000,
)
TANH = Claim(
    name="tanh-residual",
    chapter=CHAPTER,
    statement="With tanh the log of the gradient's energy grows by a recursion, like c√L, not cL",
    setting="h + tanh(h) W, n = 128, σ_w = 1, q₀ = 1; log of the mean energy",
    source=YANG_SCHOENHOLZ,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"ln energy, L = {depth}" for depth in TANH_DEPTHS),
    theory=_tanh_logs,
    measure=measured.root_of_depth,
    tolerance=0.01,
    rival=Rival(
        "In proportion to the depth, from the shorter network on",
        lambda: [_tanh_logs()[0] * depth / TANH_DEPTHS[0] for depth in TANH_DEPTHS],
    ),
    draws=40,
    full=400,
    format=".3f",
)
RATE = Claim(
    name="tanh-rate",
    chapter=CHAPTER,
    statement="The factor of √L is c = 8/(3√(2π)), beside a term (8/9π) ln L",
    setting="the recursion from L = 300 to 1200, less the logarithmic term",
    source=YANG_SCHOENHOLZ,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("c",),
    theory=lambda: TANH_RATE,
    measure=_rate,
    # Terms in 1/√L are left out.
    tolerance=4e-3,
    rival=Rival("The slope's integral, 2, in place of its square's, 4/3", lambda: 1.5 * TANH_RATE),
)
STREAM = Claim(
    name="pre-norm-growth",
    chapter=CHAPTER,
    statement="Pre-norm: the stream's mean square grows by 1 per block, and the gradient's energy "
    "at the bottom is 1 + L/q₀ times that at the top, in wide layers",
    setting=f"RMS normalization before each ReLU block, n = {NORM_WIDTH}, q₀ = 1, L = "
    f"{NORM_BLOCKS}; with the correction of first order in 1/n",
    source=THIS_BOOK,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("stream", "gradient"),
    theory=lambda: [
        theory.pre_norm_energy(NORM_BLOCKS)[0][-1],
        theory.pre_norm_mean(NORM_BLOCKS, NORM_WIDTH),
    ],
    measure=measured.stream,
    # Of second order in L/n: 1 to 2 % at 2000 networks.
    tolerance=0.05,
    rival=Rival("Each block doubles both, as without a norm", lambda: 2.0**NORM_BLOCKS),
    draws=250,
    full=2000,
    format=".2f",
)
BEHIND = Claim(
    name="post-norm-energy",
    chapter=CHAPTER,
    statement="Post-norm with ReLU blocks halves the energy on the path in each block, and keeps "
    "the gradient's, in wide layers",
    setting=f"RMS normalization behind each sum, n = {NORM_WIDTH}, L = {BEHIND_BLOCKS}; the mean "
    "energy at the bottom, and per block the path's",
    source=THIS_BOOK,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("gradient", "path alone"),
    theory=lambda: (1.0, 0.5),
    measure=measured.behind,
    tolerance=0.07,  # of order blocks/width
    rival=Rival("The gradient fades with the path", lambda: (0.5**BEHIND_BLOCKS, 1.0)),
    draws=240,
    full=2000,
    format=".3f",
)
RECTIFIED_END = Claim(
    name="post-norm-rectified",
    chapter=CHAPTER,
    statement="If blocks end with a ReLU, post-norm with LN multiplies a gradient's energy by "
    "2/(2 − 1/π) per block",
    setting=f"{RECTIFIED} blocks of width 128, energy behind block 1 over that at the output",
    source=THIS_BOOK,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("energy",),
    theory=lambda: (2 / (2 - 1 / math.pi)) ** (RECTIFIED - 1),
    measure=measured.rectified,
    tolerance=0.08,  # of order blocks/width: 0.04
    rival=Rival("It keeps the energy, as with linear ends", lambda: 1.0),
    draws=120,
    full=600,
    format=".3f",
)
COINS = Claim(
    name="gates-normalized",
    chapter=CHAPTER,
    statement="With batch normalization gates are coins: gradients at two inputs are correlated "
    "by 2^−L",
    setting=f"relu(BN(hW)), two of {PAIR_BATCH} random inputs, statistics fixed, n = {PAIR_WIDTH}",
    source=BALDUZZI,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"L = {depth}" for depth in PAIR_DEPTHS),
    theory=lambda: [0.5**depth for depth in PAIR_DEPTHS],
    measure=measured.normalized_gates,
    tolerance=0.05,
    rival=Rival(
        "Inputs align, as without a normalization: Π(1 − θ/π)",
        lambda: [theory.aligned_gates(np.ones(d), path=False)[-1] for d in PAIR_DEPTHS],
    ),
    draws=240,
    full=1000,
    format=".4f",
)
ALIGNED = Claim(
    name="gates-aligned",
    chapter=CHAPTER,
    statement="Without a normalization gradients at two inputs are correlated by a product over "
    "blocks, with the angle from the arc-cosine map: plain Π(1 − θ/π)",
    setting=f"He's weights, orthogonal inputs, n = {PAIR_WIDTH}, L = {PAIR_BLOCKS}; "
    "exact for infinite width",
    source=CHO_SAUL,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("plain", "residual", "pre-norm"),
    theory=lambda: _of_three(coins=False),
    measure=measured.aligned,
    tolerance=0.05,
    rival=Rival("Gates are coins", lambda: _of_three(coins=True)),
    draws=160,
    full=600,
    format=".4f",
)
NOTEBOOK = Claim(
    name="notebook-11-1",
    chapter=CHAPTER,
    statement="Gradients along one input: without centering they are not white noise",
    setting=f"the notebook's network, n = {WIDTH}, {HIDDEN} hidden layers, autocorrelation at lag "
    f"{LAG:g}; theory: the mixed derivative of the arc-cosine kernel",
    source=PRINCE,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("variance 1/n", "variance 2/n"),
    theory=lambda: [_one_input(HIDDEN, factor, 64, round(LAG * 16)) for factor in (1.0, 2.0)],
    measure=measured.notebook,
    tolerance=0.05,
    rival=Rival("White noise", lambda: 0.0),
    draws=200,
    full=1200,
    format=".3f",
)
CENTERED = Claim(
    name="notebook-centered",
    chapter=CHAPTER,
    statement="Centered over the inputs the derivative at neighboring inputs is uncorrelated at 24 "
    "layers",
    setting=f"the notebook's network, each unit's mean over {CENTERED_POINTS} inputs subtracted, "
    f"n = {WIDTH}, one minus the correlation of neighbors; weights of variance 1/n: another scale "
    "drops out with the biases; theory: the centered kernel",
    source=THIS_BOOK,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"{depth} layers" for depth in CENTERED_DEPTHS),
    theory=lambda: [
        1 - float(centered_autocorrelation(CENTERED_POINTS, depth)[1]) for depth in CENTERED_DEPTHS
    ],
    measure=measured.centered_notebook,
    tolerance=0.05,
    rival=Rival(
        "Weights of variance 2/n are what it takes, without centering",
        lambda: [1 - _one_input(depth, 2.0, CENTERED_POINTS, 1) for depth in CENTERED_DEPTHS],
    ),
    draws=40,
    full=400,
    format=".3f",
)
OWN_RATE = Claim(
    name="own-rate",
    chapter=CHAPTER,
    statement="A path without a scale or a norm can be trained, at a learning rate of its own",
    setting="16 blocks of width 24, 40 steps, α = 1; share of networks that end below half of the "
    "loss of guessing, of 5 in each of 3 draws",
    source=THIS_BOOK,
    kind=ClaimKind.TRAINING,
    cases=tuple(OWN_RATES),
    theory=lambda: (1.0, 0.0),
    measure=measured.own_rate,
    tolerance=0.14,  # one or two of fifteen may differ
    rival=Rival("A path alone is no cure", lambda: (0.0, 0.0)),
    draws=3,
    full=20,
)
