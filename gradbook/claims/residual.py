"""Claims of the chapter on residual paths: energies, routes, norms, and gradients that shatter."""

from __future__ import annotations

import math

import numpy as np

from gradbook import one_input
from gradbook import residual_theory as theory
from gradbook.activations import relu, tanh
from gradbook.checks import Array
from gradbook.claims.record import Claim, Kind, Measurement
from gradbook.initializers import he
from gradbook.input_kernel import predicted_autocorrelation
from gradbook.layers import Layer, RMSNorm
from gradbook.networks import plain
from gradbook.residual_measure import energies
from gradbook.residual_networks import (
    one_layer_blocks,
    post_norm,
    pre_norm,
    residual,
    two_layer_blocks,
)
from gradbook.routes_by_length import gradients_by_length
from gradbook.shattering import (
    independent_gate_products,
    jacobian_products,
    orthogonal_pair,
)
from gradbook.sources import (
    BALDUZZI,
    CHO_SAUL,
    HANIN_ROLNICK,
    PRINCE,
    VEIT,
    XIONG,
    YANG_SCHOENHOLZ,
)

CHAPTER = "residual"

BLOCKS = 10
SCALES = {"α = 1": 1.0, "α = 1/√L": BLOCKS**-0.5}
ROUTE_BLOCKS = 5
TANH_BLOCKS, TANH_RATE = 64, 8 / (3 * math.sqrt(2 * math.pi))
NORM_BLOCKS, NORM_WIDTH = 16, 64
PAIR_DEPTHS, PAIR_BLOCKS, PAIR_WIDTH = (2, 4), 3, 64
NORM = RMSNorm(None, epsilon=0.0)
WIDTH, HIDDEN, LAG = 64, 10, 0.25


def _scaled(rng: np.random.Generator, draws: int) -> Measurement:
    columns = []
    for scale in SCALES.values():
        blocks = two_layer_blocks(rng, 32, BLOCKS, relu, ensemble=(draws,))
        found = energies(rng, residual(blocks, scale), 32)
        columns += [found.signal[:, -1], found.gradient[:, 0]]
    return Measurement.mean(np.stack(columns, axis=-1))


def _routes(rng: np.random.Generator, draws: int) -> Measurement:
    layers = residual(two_layer_blocks(rng, 16, ROUTE_BLOCKS, relu, ensemble=(draws,)))
    da = rng.standard_normal((draws, 1, 16))
    parts = gradients_by_length(layers, rng.standard_normal((1, 16)), da)
    return Measurement.mean(np.square(parts[1:]).sum(axis=(-2, -1)).T / 16)


def _root_of_depth(rng: np.random.Generator, draws: int) -> Measurement:
    blocks = one_layer_blocks(rng, 128, TANH_BLOCKS, tanh, ensemble=(draws,))
    energy = energies(rng, residual(blocks), 128).gradient[:, 0]
    error = energy.std(ddof=1) / math.sqrt(draws) / energy.mean()
    return Measurement.of(math.log(energy.mean()), error)


def _rate(_: np.random.Generator, __: int) -> Measurement:
    short, long = 300, 1200
    logs = np.log(theory.one_layer_energies(tanh, long)[1])
    growth = logs[long] - logs[short] - 8 / (9 * math.pi) * math.log(long / short)
    return Measurement.of(growth / (math.sqrt(long) - math.sqrt(short)))


def _stream(rng: np.random.Generator, draws: int) -> Measurement:
    blocks = two_layer_blocks(rng, NORM_WIDTH, NORM_BLOCKS, relu, ensemble=(draws,))
    found = energies(rng, pre_norm(blocks, NORM), NORM_WIDTH)
    return Measurement.mean(np.stack([found.signal[:, -1], found.gradient[:, 0]], axis=-1))


def _behind(rng: np.random.Generator, draws: int) -> Measurement:
    blocks = two_layer_blocks(rng, NORM_WIDTH, NORM_BLOCKS, relu, ensemble=(draws,))
    found = energies(rng, post_norm(blocks, NORM), NORM_WIDTH)
    energy, sums = found.gradient[:, 0], found.signal[:, 1::2]
    error = energy.std(ddof=1) / math.sqrt(draws) / energy.mean()
    per_block = energy.mean() ** (1 / NORM_BLOCKS)
    path = np.exp(-np.log(sums).mean(axis=1))
    return Measurement.of(
        [per_block, path.mean()],
        [per_block * error / NORM_BLOCKS, path.std(ddof=1) / math.sqrt(draws)],
    )


def _gate_model(rng: np.random.Generator, draws: int) -> Measurement:
    columns = [
        independent_gate_products(rng, 16, depth, path=path, networks=draws)
        for path in (False, True)
        for depth in PAIR_DEPTHS
    ]
    return Measurement.mean(np.stack(columns, axis=-1))


def _alike(layers: list[Layer], x: Array) -> Array:
    products = jacobian_products(layers, x)
    lengths = np.sqrt(products[:, 0, 0] * products[:, 1, 1])
    return np.asarray(products[:, 0, 1] / lengths)


def _real(rng: np.random.Generator, draws: int, nets: int) -> Measurement:
    sizes, x = [PAIR_WIDTH] * (PAIR_BLOCKS + 1), orthogonal_pair(rng, PAIR_WIDTH)
    bare = plain(
        rng, sizes, relu, he, output_activation=relu, bias_variance=None, ensemble=(draws,)
    )
    blocks = two_layer_blocks(rng, PAIR_WIDTH, PAIR_BLOCKS, relu, ensemble=(draws,))
    kinds = (bare, residual(blocks), pre_norm(blocks, NORM))[:nets]
    return Measurement.mean(np.stack([_alike(net, x) for net in kinds], axis=-1))


def _aligned() -> list[float]:
    ones, falling = np.ones(PAIR_BLOCKS), 1 / np.arange(1, PAIR_BLOCKS + 1)
    cases = ((ones, False), (ones, True), (falling, True))
    return [float(theory.aligned_gates(beta, path=path)[-1]) for beta, path in cases]


def _independent() -> list[float]:
    ones = np.ones(PAIR_BLOCKS)
    return [float(theory.independent_gates(ones, path=path)[-1]) for path in (False, True)]


def _notebook(rng: np.random.Generator, draws: int) -> Measurement:
    setting = one_input.Replication(width=WIDTH, networks=draws)
    at = round(LAG * setting.points / 4)
    found = [one_input.replicate(rng, HIDDEN, factor, setting=setting) for factor in (1.0, 2.0)]
    return Measurement.of([value[at] for value, _ in found], [error[at] for _, error in found])


def _notebook_theory() -> list[float]:
    at = round(LAG * 64 / 4)
    return [
        float(predicted_autocorrelation(64, HIDDEN, factor, bias=factor)[at])
        for factor in (1.0, 2.0)
    ]


ENERGY = Claim(
    name="residual-energy",
    chapter=CHAPTER,
    statement="Blocks that keep their energy make it (1 + α²)^L: 2^L for α = 1, near e for 1/√L",
    setting=f"h + α f(h W₁) W₂, ReLU, variances 2/n and 1/n, n = 32, L = {BLOCKS}, signal forward, "
    "and back a gradient independent of the weights",
    source=HANIN_ROLNICK,
    kind=Kind.EXPECTATION,
    cases=tuple(f"{name}, {way}" for name in SCALES for way in ("forward", "backward")),
    theory=lambda: [theory.scaled_energy(BLOCKS, s)[-1] for s in SCALES.values() for _ in range(2)],
    measure=_scaled,
    draws=550,
    full=4000,
)
ROUTES = Claim(
    name="routes-by-length",
    chapter=CHAPTER,
    statement="The gradient's energy over routes that cross k of L blocks is binomial",
    setting=f"α = 1, n = 16, L = {ROUTE_BLOCKS}, energies of the parts over that at the output",
    source=VEIT,
    kind=Kind.EXPECTATION,
    cases=tuple(f"k = {k}" for k in range(1, ROUTE_BLOCKS + 1)),
    theory=lambda: 2.0**ROUTE_BLOCKS * theory.route_shares(ROUTE_BLOCKS)[1:],
    measure=_routes,
    draws=3000,
    full=20_000,
)
TANH = Claim(
    name="tanh-residual",
    chapter=CHAPTER,
    statement="With tanh the log of the gradient's energy grows by a recursion, like c√L, not cL",
    setting=f"h + tanh(h) W, n = 128, σ_w = 1, q₀ = 1, L = {TANH_BLOCKS}; log of the mean energy",
    source=YANG_SCHOENHOLZ,
    kind=Kind.ASYMPTOTIC,
    cases=("ln energy",),
    theory=lambda: math.log(theory.one_layer_energies(tanh, TANH_BLOCKS)[1][-1]),
    measure=_root_of_depth,
    tolerance=0.01,
    draws=24,
    full=400,
    format=".3f",
)
RATE = Claim(
    name="tanh-rate",
    chapter=CHAPTER,
    statement="The factor of √L is c = 8/(3√(2π)), beside a term (8/9π) ln L",
    setting="the recursion from L = 300 to 1200, less the logarithmic term",
    source=YANG_SCHOENHOLZ,
    kind=Kind.EXACT,
    cases=("c",),
    theory=lambda: TANH_RATE,
    measure=_rate,
    # Terms in 1/√L are left out.
    tolerance=4e-3,
)
STREAM = Claim(
    name="pre-norm-growth",
    chapter=CHAPTER,
    statement="Pre-norm: the stream's mean square grows by 1 per block, and the gradient's energy "
    "at the bottom is 1 + L/q₀ times that at the top",
    setting=f"RMS normalization before each ReLU block, n = {NORM_WIDTH}, q₀ = 1, L = "
    f"{NORM_BLOCKS}; the normalization takes one direction of n",
    source=XIONG,
    kind=Kind.ASYMPTOTIC,
    cases=("stream", "gradient"),
    theory=lambda: [
        theory.pre_norm_energy(NORM_BLOCKS)[0][-1],
        theory.pre_norm_energy(NORM_BLOCKS, width=NORM_WIDTH)[1][0],
    ],
    measure=_stream,
    # The mean of 1/q lies above 1/q, by some L/n in all.
    tolerance=0.05,
    draws=250,
    full=2000,
    format=".2f",
)
BEHIND = Claim(
    name="post-norm-energy",
    chapter=CHAPTER,
    statement="Post-norm with ReLU blocks halves the energy on the path in each block, and keeps "
    "the gradient's",
    setting=f"RMS normalization behind each sum, n = {NORM_WIDTH}, L = {NORM_BLOCKS}; "
    "factors per block, exact for infinite width",
    source=XIONG,
    kind=Kind.ASYMPTOTIC,
    cases=("gradient", "path alone"),
    theory=lambda: (1.0, 0.5),
    measure=_behind,
    tolerance=0.03,
    draws=120,
    full=2000,
    format=".3f",
)
GATES = Claim(
    name="gates-independent",
    chapter=CHAPTER,
    statement="If gates were independent, gradients at two inputs would be correlated by 2^−L, "
    "with a path by (3/4)^L",
    setting="the model: gates are coins, n = 16",
    source=BALDUZZI,
    kind=Kind.EXPECTATION,
    cases=tuple(f"{name}, L = {d}" for name in ("plain", "residual") for d in PAIR_DEPTHS),
    theory=lambda: [
        theory.independent_gates(np.ones(depth), path=path)[-1]
        for path in (False, True)
        for depth in PAIR_DEPTHS
    ],
    measure=_gate_model,
    draws=2500,
    full=20_000,
    format=".4f",
)
SHATTERED = Claim(
    name="gates-in-networks",
    chapter=CHAPTER,
    statement="Networks at random do as the model of independent gates",
    setting=f"He's weights, orthogonal inputs, n = {PAIR_WIDTH}, L = {PAIR_BLOCKS}: they do not, "
    "because inputs align on their way",
    source=BALDUZZI,
    kind=Kind.ASYMPTOTIC,
    cases=("plain", "residual"),
    theory=_independent,
    measure=lambda rng, draws: _real(rng, draws, 2),
    tolerance=0.05,
    draws=160,
    full=600,
    format=".4f",
    holds=False,
)
ALIGNED = Claim(
    name="gates-aligned",
    chapter=CHAPTER,
    statement="Gradients at two inputs are correlated by a product over blocks, with the angle "
    "from the arc-cosine map: plain Π(1 − θ/π)",
    setting=f"He's weights, orthogonal inputs, n = {PAIR_WIDTH}, L = {PAIR_BLOCKS}; "
    "exact for infinite width",
    source=CHO_SAUL,
    kind=Kind.ASYMPTOTIC,
    cases=("plain", "residual", "pre-norm"),
    theory=_aligned,
    measure=lambda rng, draws: _real(rng, draws, 3),
    tolerance=0.05,
    draws=120,
    full=600,
    format=".4f",
)
NOTEBOOK = Claim(
    name="notebook-11-1",
    chapter=CHAPTER,
    statement="Gradients along one input: at Glorot's scale biases hide it from the gates",
    setting=f"the notebook's network, n = {WIDTH}, {HIDDEN} hidden layers, autocorrelation at lag "
    f"{LAG:g}; theory: the mixed derivative of the arc-cosine kernel",
    source=PRINCE,
    kind=Kind.ASYMPTOTIC,
    cases=("variance 1/n", "variance 2/n"),
    theory=_notebook_theory,
    measure=_notebook,
    tolerance=0.05,
    draws=200,
    full=1200,
    format=".3f",
)
