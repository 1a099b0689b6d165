"""Claims of the chapter on normalization: what it does to gradients, weights, depth and batches."""

from __future__ import annotations

import math

import numpy as np

from gradbook.activations import identity, relu, sigmoid, tanh
from gradbook.backpropagation import backprop_from
from gradbook.book.claims.record import Claim, ClaimKind, Measurement, Rival
from gradbook.book.normalization.decay import settled_turn, turns
from gradbook.book.normalization.norm_gains import (
    Stack,
    batch_gain,
    energy_gains,
    layer_gain,
    relu_batch_gain,
    tuned_batch_gain,
)
from gradbook.book.sources import IOFFE_SZEGEDY, KOSSON, SALIMANS_KINGMA, THIS_BOOK, YANG
from gradbook.checks import Array
from gradbook.layers import BatchNorm, Dense, Layer, LayerNorm, RMSNorm
from gradbook.update import descend

CHAPTER = "normalization"

WIDTH, BATCHES = 1000, (16, 64, 128)
HUGE = 10**6
EXAMPLES, UNITS, EPSILON = 12, 6, 0.1
LARGER, LR = 8.0, 0.3
NOISY = (4, 16, 64)
TUNED = ((tanh, 0.2, 0.0), (relu, 1.0, 2.0))
SIZES, DECAY_LR, DECAY = (1.0, 4.0), 0.1, 0.1


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
    return Measurement.of((np.square(moved).sum() - np.square(W).sum()) / step**2)


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


def _tuned(rng: np.random.Generator, draws: int) -> Measurement:
    stack = Stack(width=400, batch=128, draws=draws)
    gains = [
        energy_gains(rng, f, BatchNorm(np.full(400, gamma), np.full(400, beta)), stack)
        for f, gamma, beta in TUNED
    ]
    return Measurement.mean(np.stack(gains, axis=-1))


def _turns(rng: np.random.Generator, draws: int) -> Measurement:
    columns = [
        [
            turns(rng, lr=DECAY_LR, decay=DECAY, steps=600, gradient=size)[-300:].mean()
            for _ in range(draws)
        ]
        for size in SIZES
    ]
    return Measurement.mean(np.array(columns).T)


EXPLOSION = Claim(
    name="batch-norm-explosion",
    chapter=CHAPTER,
    statement="relu(BN(hW)) multiplies a gradient's energy by "
    f"{relu_batch_gain(BATCHES[0]):.3f} to {relu_batch_gain(BATCHES[-1]):.3f} per layer, in "
    f"batches of {BATCHES[0]} to {BATCHES[-1]}",
    setting=f"width {WIDTH}, layers 2 to 5 of 6, independent inputs, γ = 1, β = 0, float32",
    source=YANG,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"B = {batch}" for batch in BATCHES),
    theory=lambda: [relu_batch_gain(batch) for batch in BATCHES],
    measure=_explosion,
    # The sample covariance of B examples over n units is off by (B/n)^½ per entry; what is left
    # in the mean is of its square's order, and 0.8 % at width 500 and B = 64.
    tolerance=0.01,
    rival=Rival("The limit for large batches, whatever the batch", lambda: batch_gain(relu)),
    draws=4,
    full=40,
    format=".4f",
)
LIMIT = Claim(
    name="batch-norm-limit",
    chapter=CHAPTER,
    statement="In large batches the factor of relu(BN(hW)) is π/(π − 1)",
    setting=f"E f′² / Var f by quadrature; the factor for a finite batch at B = {HUGE:,}",
    source=YANG,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("quadrature", "large batch"),
    theory=lambda: [math.pi / (math.pi - 1)] * 2,
    measure=lambda _, __: Measurement.of([batch_gain(relu), relu_batch_gain(HUGE)]),
    tolerance=3e-6,  # corrections are 1.6/B
    rival=Rival("What layer normalization has: E f′²/E f²", lambda: layer_gain(relu)),
    format=".5f",
)
GAINS = Claim(
    name="layer-norm-gains",
    chapter=CHAPTER,
    statement="f(LN(hW)) multiplies a gradient's energy by E f′²/E f², LN(f(hW)) by E f′²/Var f",
    setting="width 400, 16 examples, layers 2 to 5 of 6, float32; RMSNorm with the ReLU",
    source=THIS_BOOK,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("ReLU", "tanh", "sigmoid", "ReLU, normalized behind"),
    theory=lambda: [1.0, layer_gain(tanh), layer_gain(sigmoid), batch_gain(relu)],
    measure=_gains,
    tolerance=0.02,
    rival=Rival(
        "The other way around, as batches have it in front, too",
        lambda: [batch_gain(relu), batch_gain(tanh), batch_gain(sigmoid), 1.0],
    ),
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
    kind=ClaimKind.EXACT,
    cases=("BN, sum", "BN, x̂ / theory", "LN, sum", "LN, x̂ / theory"),
    theory=lambda: [0, 1, 0, 1],
    measure=_orthogonality,
    rival=Rival("Both parts are taken out exactly, whatever ε", lambda: 0.0),
)
PAIR = Claim(
    name="batch-of-two",
    chapter=CHAPTER,
    statement="With two examples nothing gets back through BN but what ε lets pass",
    setting="two examples, ε = 0 and ε = 0.1; largest entry, and over ε|g₁ − g₂|/(2s³)",
    source=IOFFE_SZEGEDY,
    kind=ClaimKind.EXACT,
    cases=("ε = 0", "ε = 0.1"),
    theory=lambda: [0, 1],
    measure=_pair_of_examples,
    rival=Rival("Nothing gets back, whatever ε", lambda: 0.0),
)
SCALE = Claim(
    name="weight-scale",
    chapter=CHAPTER,
    statement="BN(x cW) = BN(x W) for c > 0, ∂L/∂(cW) = (∂L/∂W)/c, and w · ∂L/∂w = 0 for each unit",
    setting=f"c = {LARGER:g}, ε = 0, float64",
    source=IOFFE_SZEGEDY,
    kind=ClaimKind.EXACT,
    cases=("output", "gradient", "w · ∂L/∂w"),
    theory=lambda: [1, 1 / LARGER, 0],
    measure=_scaled_weights,
    rival=Rival("Longer weights get the same gradient", lambda: [1, 1, 0]),
)
GROWTH = Claim(
    name="weights-grow",
    chapter=CHAPTER,
    statement="A step makes normalized weights longer: ‖W′‖² = ‖W‖² + η²‖∂L/∂W‖²",
    setting=f"one step, η = {LR:g}, ε = 0; (‖W′‖² − ‖W‖²)/(η²‖∂L/∂W‖²)",
    source=SALIMANS_KINGMA,
    kind=ClaimKind.EXACT,
    cases=("ratio",),
    theory=lambda: 1,
    measure=_grown_weights,
    rival=Rival("Steps leave the length as it is", lambda: 0.0),
)
NOISE = Claim(
    name="batch-noise",
    chapter=CHAPTER,
    statement="A batch's statistics instead of all data's move BN by about 3/(2B), mean square",
    setting="normal z; theory 2 − 2 √(2/B) Γ(B/2)/Γ((B − 1)/2)",
    source=THIS_BOOK,
    kind=ClaimKind.EXPECTATION,
    cases=tuple(f"B = {batch}" for batch in NOISY),
    theory=lambda: [_noise_in_theory(batch) for batch in NOISY],
    measure=_noise,
    rival=Rival("Only the mean is off: 1/B", lambda: [1 / batch for batch in NOISY]),
    draws=10_000,
    full=1_000_000,
    format=".5f",
)
TUNING = Claim(
    name="batch-norm-tuned",
    chapter=CHAPTER,
    statement="γ and β bring batch normalization's factor down where f is nearly linear",
    setting="E(γf′(γz + β))²/Var f(γz + β), width 400, 128 examples, layers 2 to 5 of 6, float32",
    source=YANG,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"{f.name}, γ = {gamma:g}, β = {beta:g}" for f, gamma, beta in TUNED),
    theory=lambda: [tuned_batch_gain(*case) for case in TUNED],
    measure=_tuned,
    tolerance=0.02,  # 126/125 for the batch, and what width leaves out
    rival=Rival("A property of the activation alone", lambda: [batch_gain(f) for f, _, _ in TUNED]),
    draws=4,
    full=40,
    format=".4f",
)
TURNS = Claim(
    name="decay-turns",
    chapter=CHAPTER,
    statement="Behind a normalization weight decay sets the angle by which random gradients turn "
    "weights, √(2ηλ)",
    setting=f"one unit, random gradients of two sizes, η = {DECAY_LR:g}, λ = {DECAY:g}, decoupled; "
    "mean tangent over 300 steps after 300",
    source=KOSSON,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"gradient × {size:g}" for size in SIZES),
    theory=lambda: [settled_turn(DECAY_LR, DECAY)] * len(SIZES),
    measure=_turns,
    # The mean of a gradient's norm lies below the root of its mean square.
    tolerance=0.05,
    rival=Rival(
        "In proportion to the gradient",
        lambda: [size / SIZES[0] * settled_turn(DECAY_LR, DECAY) for size in SIZES],
    ),
    draws=5,
    full=50,
    format=".4f",
)
