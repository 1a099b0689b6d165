"""Claims of the chapter on normalization: what it does to gradients, weights, depth and batches."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradbook.activations import identity, relu, sigmoid, tanh
from gradbook.backprop import backprop_from
from gradbook.checks import Array
from gradbook.claims.record import Claim, Kind, Measurement
from gradbook.initializers import he, lecun
from gradbook.layers import BatchNorm, Dense, Layer, LayerNorm, Residual, RMSNorm
from gradbook.measure import boundary_norms
from gradbook.norm_gains import Stack, batch_gain, energy_gains, layer_gain, relu_batch_gain
from gradbook.sources import BA, IOFFE_SZEGEDY, XIONG, YANG, ZHANG_SENNRICH
from gradbook.update import descend

CHAPTER = "normalization"

WIDTH, BATCHES = 1000, (16, 64, 128)
HUGE = 10**6
EXAMPLES, UNITS, EPSILON = 12, 6, 0.1
LARGER, LR = 8.0, 0.3
NOISY = (4, 16, 64)
BLOCKS, STREAM = 5, 128


def _explosion(rng: np.random.Generator, draws: int) -> Measurement:
    gains = [
        energy_gains(rng, relu, BatchNorm(None, None), Stack(WIDTH, batch, draws=draws))
        for batch in BATCHES
    ]
    return Measurement.mean(np.stack(gains, axis=-1))


def _gains(rng: np.random.Generator, draws: int) -> Measurement:
    stack = Stack(width=400, batch=16, draws=draws)
    pairs = [(relu, RMSNorm(None)), (tanh, LayerNorm(None, None)), (sigmoid, LayerNorm(None, None))]
    gains = [energy_gains(rng, f, norm, stack) for f, norm in pairs]
    behind = energy_gains(rng, relu, LayerNorm(None, None), stack, norm_last=True)
    return Measurement.mean(np.stack([*gains, behind], axis=-1))


def _batch(rng: np.random.Generator) -> tuple[Array, Array]:
    x, da = rng.standard_normal((2, EXAMPLES, UNITS))
    return x, da


def _orthogonality(rng: np.random.Generator, _: int) -> Measurement:
    """Return the gradient's sums along 1 and along x̂, the latter over what epsilon leaves."""
    x, da = _batch(rng)
    sums = []
    for norm, axis in ((BatchNorm(None, None, EPSILON), 0), (LayerNorm(None, None, EPSILON), 1)):
        record = norm.forward(x)
        dx = norm.backward(record, da).dx
        s = np.sqrt(x.var(axis=axis) + EPSILON)
        left = EPSILON / s**3 * (da * record.a).sum(axis=axis)
        along = (dx * record.a).sum(axis=axis) / left
        sums += [np.abs(dx.sum(axis=axis)).max(), along.mean()]
    return Measurement.of(sums)


def _pair_of_examples(rng: np.random.Generator, _: int) -> Measurement:
    x, da = (array[:2] for array in _batch(rng))
    layer = BatchNorm(None, None, EPSILON)
    exact = BatchNorm(None, None, 0.0)
    passed, s = layer.backward(layer.forward(x), da).dx, np.sqrt(x.var(axis=0) + EPSILON)
    half = np.abs(da[0] - da[1]) / 2
    return Measurement.of(
        [
            np.abs(exact.backward(exact.forward(x), da).dx).max(),
            (np.abs(passed[0]) / (half * EPSILON / s**3)).mean(),
        ]
    )


def _scaled_weights(rng: np.random.Generator, _: int) -> Measurement:
    x, da = _batch(rng)
    W = rng.standard_normal((UNITS, UNITS))
    runs = [_through(BatchNorm(None, None, 0.0), factor * W, x, da) for factor in (1.0, LARGER)]
    (a, dW), (large_a, large_dW) = runs
    inner = np.abs((W * dW).sum(axis=0)).max()
    return Measurement.of([(large_a / a).mean(), (large_dW / dW).mean(), inner])


def _through(norm: Layer, W: Array, x: Array, da: Array) -> tuple[Array, Array]:
    trace = backprop_from([Dense(W, None, identity), norm], x, da)
    return trace.h[-1], trace.parameters[0].grad


def _grown_weights(rng: np.random.Generator, _: int) -> Measurement:
    x, da = _batch(rng)
    W = rng.standard_normal((UNITS, UNITS))
    layers: list[Layer] = [Dense(W, None, identity), BatchNorm(None, None, 0.0)]
    trace = backprop_from(layers, x, da)
    moved = descend(layers, trace, LR)[0].parameters["W"]
    step = LR * np.linalg.norm(trace.parameters[0].grad)
    return Measurement.of(np.square(moved).sum() / (np.square(W).sum() + step**2))


def _noise_in_theory(batch: int) -> float:
    log_ratio = math.lgamma(batch / 2) - math.lgamma((batch - 1) / 2)
    return 2 - 2 * math.sqrt(2 / batch) * math.exp(log_ratio)


def _noise(rng: np.random.Generator, draws: int) -> Measurement:
    layer = BatchNorm(None, None, 0.0)
    differences = []
    for batch in NOISY:
        z = rng.standard_normal((draws, batch, 1))
        differences.append(np.square(layer.forward(z).a - z).mean(axis=(-2, -1)))
    return Measurement.mean(np.stack(differences, axis=-1))


def _blocks(rng: np.random.Generator, *, rectified: bool, draws: int) -> list[list[Layer]]:
    def one() -> list[Layer]:
        inner = Dense(he.draw(rng, STREAM, STREAM, (draws,)), None, relu)
        outer = Dense(lecun.draw(rng, STREAM, STREAM, (draws,)), None, identity)
        return [inner] if rectified else [inner, outer]

    return [one() for _ in range(BLOCKS)]


def _places(rng: np.random.Generator, draws: int) -> Measurement:
    norm = LayerNorm(None, None)
    pre: list[Layer] = [
        *(Residual([norm, *block]) for block in _blocks(rng, rectified=False, draws=draws)),
        norm,
    ]
    post, rectified = (
        [
            layer
            for block in _blocks(rng, rectified=last, draws=draws)
            for layer in (Residual(block), norm)
        ]
        for last in (False, True)
    )
    return Measurement.mean(
        np.stack([_grown(rng, layers, draws) for layers in (pre, post, rectified)], axis=-1)
    )


def _grown(rng: np.random.Generator, layers: Sequence[Layer], draws: int) -> Array:
    """Return the gradient's energy behind the first block, over that at the output."""
    x, da = rng.standard_normal((2, draws, 4, STREAM))
    norms = boundary_norms(layers, x, da)
    first = 1 if len(layers) == BLOCKS + 1 else 2
    return np.asarray((norms[:, first] / norms[:, -1]) ** 2)


EXPLOSION = Claim(
    name="batch-norm-explosion",
    chapter=CHAPTER,
    statement="relu(BN(hW)) multiplies a gradient's energy by "
    f"{relu_batch_gain(BATCHES[0]):.3f} to {relu_batch_gain(BATCHES[-1]):.3f} per layer",
    setting=f"width {WIDTH}, layers 2 to 5 of 6, independent inputs, γ = 1, β = 0, float32",
    source=YANG,
    kind=Kind.ASYMPTOTIC,
    cases=tuple(f"B = {batch}" for batch in BATCHES),
    theory=lambda: [relu_batch_gain(batch) for batch in BATCHES],
    measure=_explosion,
    # The sample covariance of B examples over n units is off by (B/n)^½ per entry; what is left
    # in the mean is of its square's order, and 0.8 % at width 500 and B = 64.
    tolerance=0.01,
    draws=4,
    full=40,
    format=".4f",
)
LIMIT = Claim(
    name="batch-norm-limit",
    chapter=CHAPTER,
    statement="In large batches the factor is π/(π − 1)",
    setting=f"E f′² / Var f by quadrature; the factor for a finite batch at B = {HUGE:,}",
    source=YANG,
    kind=Kind.EXACT,
    cases=("quadrature", "large batch"),
    theory=lambda: [math.pi / (math.pi - 1)] * 2,
    measure=lambda _, __: Measurement.of([batch_gain(relu), relu_batch_gain(HUGE)]),
    tolerance=3e-6,  # corrections are 1.6/B
    format=".5f",
)
GAINS = Claim(
    name="layer-norm-gains",
    chapter=CHAPTER,
    statement="f(LN(hW)) multiplies a gradient's energy by E f′²/E f²: 1 for the ReLU",
    setting="width 400, 16 examples, layers 2 to 5 of 6, float32; RMSNorm with the ReLU",
    source=BA,
    kind=Kind.ASYMPTOTIC,
    cases=("ReLU", "tanh", "sigmoid", "ReLU, normalized behind"),
    theory=lambda: [1.0, layer_gain(tanh), layer_gain(sigmoid), batch_gain(relu)],
    measure=_gains,
    tolerance=0.02,
    draws=6,
    full=100,
    format=".4f",
)
ORTHOGONAL = Claim(
    name="gradient-orthogonal",
    chapter=CHAPTER,
    statement="A normalized gradient has no sum, and along x̂ only ε/s³ Σ g x̂",
    setting=f"{EXAMPLES} examples of {UNITS} units, ε = {EPSILON:g}, float64",
    source=IOFFE_SZEGEDY,
    kind=Kind.EXACT,
    cases=("BN, sum", "BN, x̂ / theory", "LN, sum", "LN, x̂ / theory"),
    theory=lambda: [0, 1, 0, 1],
    measure=_orthogonality,
)
PAIR = Claim(
    name="batch-of-two",
    chapter=CHAPTER,
    statement="With two examples nothing gets back through BN but what ε lets pass",
    setting="two examples, ε = 0 and ε = 0.1; largest entry, and over ε|g₁ − g₂|/(2s³)",
    source=IOFFE_SZEGEDY,
    kind=Kind.EXACT,
    cases=("ε = 0", "ε = 0.1"),
    theory=lambda: [0, 1],
    measure=_pair_of_examples,
)
SCALE = Claim(
    name="weight-scale",
    chapter=CHAPTER,
    statement="BN(x cW) = BN(x W), ∂L/∂(cW) = (∂L/∂W)/c, and w · ∂L/∂w = 0 for each unit",
    setting=f"c = {LARGER:g}, ε = 0, float64",
    source=IOFFE_SZEGEDY,
    kind=Kind.EXACT,
    cases=("output", "gradient", "w · ∂L/∂w"),
    theory=lambda: [1, 1 / LARGER, 0],
    measure=_scaled_weights,
)
GROWTH = Claim(
    name="weights-grow",
    chapter=CHAPTER,
    statement="A step makes normalized weights longer: ‖W′‖² = ‖W‖² + η²‖∂L/∂W‖²",
    setting=f"one step, η = {LR:g}, ε = 0; left side over right side",
    source=ZHANG_SENNRICH,
    kind=Kind.EXACT,
    cases=("ratio",),
    theory=lambda: 1,
    measure=_grown_weights,
)
NOISE = Claim(
    name="batch-noise",
    chapter=CHAPTER,
    statement="A batch's statistics instead of all data's move BN by about 3/(2B), mean square",
    setting="normal z; theory 2 − 2 √(2/B) Γ(B/2)/Γ((B − 1)/2)",
    source=IOFFE_SZEGEDY,
    kind=Kind.EXPECTATION,
    cases=tuple(f"B = {batch}" for batch in NOISY),
    theory=lambda: [_noise_in_theory(batch) for batch in NOISY],
    measure=_noise,
    draws=10_000,
    full=1_000_000,
    format=".5f",
)
PLACES = Claim(
    name="pre-and-post-norm",
    chapter=CHAPTER,
    statement="Pre-norm leaves half of a gradient's energy behind block 1, post-norm all; a "
    "rectified end grows",
    setting=f"{BLOCKS} blocks of width {STREAM}, LN, energy behind block 1 over that at the output",
    source=XIONG,
    kind=Kind.ASYMPTOTIC,
    cases=("pre-norm", "post-norm", "post-norm, ReLU last"),
    theory=lambda: [1 / 2, 1, (2 / (2 - 1 / math.pi)) ** (BLOCKS - 1)],
    measure=_places,
    tolerance=0.08,  # of order blocks/width: 0.04
    draws=60,
    full=600,
    format=".3f",
)
