"""Claims of the chapter on exploding gradients: growth, products, overflow, the cliff, the wall."""

from __future__ import annotations

import math

import numpy as np

from gradbook import precision
from gradbook.activations import identity, relu, sigmoid
from gradbook.backpropagation import backprop_from
from gradbook.bisection import last_true
from gradbook.book.claims.record import Claim, ClaimKind, Measurement, Rival
from gradbook.book.exploding import recurrence
from gradbook.book.exploding.adding import adding_slope
from gradbook.book.exploding.exponents import gaussian_exponents
from gradbook.book.exploding.overflow import overflow_depth, predicted_overflow_depth
from gradbook.book.sources import (
    DOYA,
    GEMAN,
    HE,
    IEEE_754,
    NESTEROV,
    NEWMAN,
    PASCANU,
    WERBOS,
)
from gradbook.checks import Array
from gradbook.clipping import clip_global_norm
from gradbook.initializers import scaled
from gradbook.jacobians import largest_singular_value, layer_jacobians
from gradbook.layers import Recurrent
from gradbook.measure import Recipe, gradient_norms
from gradbook.networks import plain
from gradbook.show.formats import scientific_text
from gradbook.theory.products import stretches

CHAPTER = "exploding"

DEPTHS, WIDTH = (2, 4, 6), 64
SHARED_WEIGHT, LENGTHS = 1.5, (2, 5, 20)
SHEAR, POWERS = np.array([[0.5, 10.0], [0.0, 0.5]]), (1, 2, 5, 20)
LAYER_WIDTH, SCALES = 100, (1, 2, 4)
FACTORS, CHAIN = 101, 200
GROWTHS = (1.5, 2.0, 3.0)
WEIGHT, START, STEPS = 5.0, 0.5, 50
MANY = 5000
TERMS, DESCENT = (3, 5, 10), 5


def _energies(rng: np.random.Generator, draws: int) -> Measurement:
    recipe = Recipe("ReLU", relu, scaled(4.0))
    norms = gradient_norms(rng, recipe, depth=max(DEPTHS), width=WIDTH, draws=draws)
    return Measurement.mean(np.square(norms[:, [-1 - depth for depth in DEPTHS]]))


def _shared_gradient(length: int) -> float:
    step = Recurrent(np.array([[SHARED_WEIGHT]]), None, None, identity)
    trace = backprop_from([step] * length, [[1.0]], [[1.0]])
    return float(trace.parameters[0].grad.item())


def _shear_norm(k: int) -> float:
    """Return the norm of [[a, b], [0, a]] to the power k from its closed form."""
    (a, b), _ = SHEAR
    diagonal, beside = a**k, k * b * a ** (k - 1)
    return float((beside + math.hypot(beside, 2 * diagonal)) / 2)


def _layer_norms(rng: np.random.Generator, draws: int) -> Array:
    def norm(c: float) -> float:
        initializer, widths = scaled(c), (LAYER_WIDTH, LAYER_WIDTH)
        net = plain(rng, widths, relu, initializer, output_activation=relu, bias_variance=None)
        (J,) = layer_jacobians(net, rng.standard_normal((1, LAYER_WIDTH)))
        return float(largest_singular_value(J).item())

    return np.array([[norm(c) for c in SCALES] for _ in range(draws)])


def _expected_decades() -> float:
    return float(FACTORS * gaussian_exponents(4)[0] / math.log(10))


def _decades(rng: np.random.Generator, draws: int) -> Measurement:
    logs = stretches(rng.standard_normal((FACTORS, draws, 4, 4)))[..., 0].sum(axis=0)
    return Measurement.mean(logs[:, None] / math.log(10))


def _spectrum(rng: np.random.Generator, draws: int) -> Measurement:
    logs = stretches(rng.standard_normal((CHAIN, draws, 4, 4)))
    return Measurement.mean(logs.reshape(-1, 4))


def _overflow_cases() -> list[tuple[precision.Format, float]]:
    return [(fmt, growth) for growth in GROWTHS for fmt in precision.ALL]


def _of_the_same_size(fmt: precision.Format) -> precision.Format:
    return precision.float16 if fmt is precision.bfloat16 else fmt


def _after(b: float, x: float, steps: int) -> float:
    for _ in range(steps):
        x = WEIGHT / (1 + math.exp(-x)) + b
    return x


def _vanishing_fixed_points() -> list[float]:
    """Find by iterating where the lower fixed point is lost, and where the upper one is."""
    upper = last_true(lambda b: _after(b, -5.0, MANY) < 0, -3.0, -2.0)
    lower = -last_true(lambda b: _after(-b, 5.0, MANY) > 0, 2.0, 3.0)
    return [upper, lower]


def _watershed() -> float:
    return last_true(lambda b: _after(b, START, STEPS) < START, -2.65, -2.35)


def _grown(factor: float) -> tuple[float, float]:
    """Return the derivatives by start and bias where every step multiplies by one factor."""
    return factor**STEPS, (factor**STEPS - 1) / (factor - 1)


def _at_the_cliff() -> tuple[float, float]:
    return _grown(WEIGHT * float(sigmoid.df(START)))


def _through_time() -> list[float]:
    way = recurrence.passage(
        sigmoid, WEIGHT, recurrence.cliff_bias(sigmoid, WEIGHT, START), START, STEPS
    )
    return [float(way.by_start), float(way.by_bias)]


def _largest_stable_rate(terms: int) -> float:
    start = 1 + 1e-6

    def comes_nearer(lr: float) -> bool:
        w = start
        for _ in range(DESCENT):
            w -= lr * adding_slope(w, terms)
        return abs(w - 1) < start - 1

    return last_true(comes_nearer, 1e-6, 1.0)


def _clipped(rng: np.random.Generator, _: int) -> Measurement:
    grads = [100 * rng.standard_normal((8, 8)), rng.standard_normal(8)]
    before, after = (
        np.concatenate([g.ravel() for g in arrays])
        for arrays in (grads, clip_global_norm(grads, 2.5).grads)
    )
    length = float(np.linalg.norm(after))
    return Measurement.of([length, before @ after / np.linalg.norm(before) / length])


GROWTH = Claim(
    name="relu-growth",
    chapter=CHAPTER,
    statement="ReLU layers with Var(w) = 4/n double the mean energy of a gradient, layer by layer",
    setting=f"width {WIDTH}, no biases, a random gradient of length 1 on the output, float64",
    source=HE,
    kind=ClaimKind.EXPECTATION,
    cases=tuple(f"{depth} layers" for depth in DEPTHS),
    theory=lambda: [2.0**depth for depth in DEPTHS],
    measure=_energies,
    draws=300,
    full=10_000,
    rival=Rival(
        "A layer multiplies the mean energy by n Var(w), whatever the slopes are",
        lambda: [4.0**depth for depth in DEPTHS],
    ),
)
SHARED = Claim(
    name="shared-weight",
    chapter=CHAPTER,
    statement="A weight that T steps share has the gradient T w^(T − 1): products, summed",
    setting=f"h = w h from h = 1, w = {SHARED_WEIGHT:g}, backpropagation through time, float64",
    source=WERBOS,
    kind=ClaimKind.EXACT,
    cases=tuple(f"T = {length}" for length in LENGTHS),
    theory=lambda: [length * SHARED_WEIGHT ** (length - 1) for length in LENGTHS],
    measure=lambda _, __: Measurement.of([_shared_gradient(length) for length in LENGTHS]),
    rival=Rival(
        "The gradient is the product along time, w^(T − 1), without a sum over places",
        lambda: [SHARED_WEIGHT ** (length - 1) for length in LENGTHS],
    ),
)
TRANSIENT = Claim(
    name="transient-growth",
    chapter=CHAPTER,
    statement="A largest singular value above 1 does not guarantee growth in the end: "
    f"{_shear_norm(1):.1f} at first, {scientific_text(_shear_norm(20), 1)} at the power 20",
    setting=f"norms of the powers of {SHEAR.tolist()}, closed form beside matrix products",
    source=PASCANU,
    kind=ClaimKind.EXACT,
    cases=tuple(f"power {k}" for k in POWERS),
    theory=lambda: [_shear_norm(k) for k in POWERS],
    measure=lambda _, __: Measurement.of(
        [np.linalg.norm(np.linalg.matrix_power(SHEAR, k), 2) for k in POWERS]
    ),
    rival=Rival(
        "Powers grow like those of the largest singular value",
        lambda: [_shear_norm(1) ** k for k in POWERS],
    ),
)
LAYER_NORM = Claim(
    name="layer-norm",
    chapter=CHAPTER,
    statement="A ReLU layer with Var(w) = c/n has the largest singular value √c (1 + √½)",
    setting=f"width {LAYER_WIDTH}, Jacobian at a random input; exact for infinite width",
    source=GEMAN,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"c = {c}" for c in SCALES),
    theory=lambda: [math.sqrt(c) * (1 + math.sqrt(0.5)) for c in SCALES],
    measure=lambda rng, draws: Measurement.mean(_layer_norms(rng, draws)),
    # The edge of a random matrix lies low by some n^(-2/3), here 0.05, times a number near 1/2.
    tolerance=0.03,
    draws=6,
    full=100,
    rival=Rival(
        "A layer lengthens as its matrix does, by √c (1 + 1), whatever the slopes are",
        lambda: [2 * math.sqrt(c) for c in SCALES],
    ),
)
DEMONSTRATION = Claim(
    name="random-product",
    chapter=CHAPTER,
    statement=f"A product of {FACTORS} random 4 by 4 matrices lengthens a vector by "
    f"{_expected_decades():.1f} decades",
    setting="entries N(0, 1), mean of the decimal logarithm over products, QR without overflow",
    source=NEWMAN,
    kind=ClaimKind.EXPECTATION,
    cases=("decades",),
    theory=_expected_decades,
    measure=_decades,
    draws=200,
    full=5000,
    format=".2f",
    rival=Rival(
        "A factor lengthens by the root mean square, √4",
        lambda: FACTORS * math.log10(4) / 2,
    ),
)
SPECTRUM = Claim(
    name="gaussian-exponents",
    chapter=CHAPTER,
    statement="Products of random n by n matrices have the exponents [ln 2 + ψ((n − i + 1)/2)]/2",
    setting=f"n = 4, entries N(0, 1), chains of {CHAIN} factors, QR without overflow",
    source=NEWMAN,
    kind=ClaimKind.EXPECTATION,
    cases=tuple(f"i = {i}" for i in range(1, 5)),
    theory=lambda: gaussian_exponents(4),
    measure=_spectrum,
    draws=250,
    full=2500,
    format=".4f",
    rival=Rival("Every direction grows by √n per factor", lambda: [math.log(4) / 2] * 4),
)
OVERFLOW = Claim(
    name="overflow-depth",
    chapter=CHAPTER,
    statement="A growth of g per layer overflows where the exact gᵏ passes the largest number "
    "by half a gap",
    setting="first k at which g, multiplied up with rounding at every layer, is infinite",
    source=IEEE_754,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"{fmt.name}, g = {growth:g}" for fmt, growth in _overflow_cases()),
    theory=lambda: [predicted_overflow_depth(*case) for case in _overflow_cases()],
    measure=lambda _, __: Measurement.of([overflow_depth(*case) for case in _overflow_cases()]),
    tolerance=0.005,  # one of the 220 layers of bfloat16, whose roundings add up
    format=".0f",
    rival=Rival(
        "What a format takes in memory decides: bfloat16 overflows where float16 does",
        lambda: [
            predicted_overflow_depth(_of_the_same_size(fmt), growth)
            for fmt, growth in _overflow_cases()
        ],
    ),
)
FOLDS = Claim(
    name="folds",
    chapter=CHAPTER,
    statement="The fixed points of x = w σ(x) + b meet and vanish where w σ′(x) = 1",
    setting=f"w = {WEIGHT:g}; measured as the bias at which {MANY} iterations no longer stay",
    source=DOYA,
    kind=ClaimKind.EXACT,
    cases=("upper fold", "lower fold"),
    theory=lambda: [fold.b for fold in recurrence.folds(sigmoid, WEIGHT)],
    measure=lambda _, __: Measurement.of(_vanishing_fixed_points()),
    # Beyond a fold the iteration lingers: N steps cannot tell a bias that is off by 40/N².
    tolerance=2e-6,
    format=".6f",
    rival=Rival(
        "Fixed points are lost where the sigmoid is steepest, at x = 0",
        lambda: [-WEIGHT / 2, -WEIGHT / 2],
    ),
)
CLIFF = Claim(
    name="cliff",
    chapter=CHAPTER,
    statement="The end of x ← w σ(x) + b jumps where b makes the start an unstable fixed point",
    setting=f"w = {WEIGHT:g}, start {START:g}, bisection on the end of {STEPS} steps, float64",
    source=PASCANU,
    kind=ClaimKind.EXACT,
    cases=("bias",),
    theory=lambda: recurrence.cliff_bias(sigmoid, WEIGHT, START),
    measure=lambda _, __: Measurement.of(_watershed()),
    format=".6f",
    rival=Rival(
        "The end jumps at a fold, where a fixed point vanishes",
        lambda: recurrence.folds(sigmoid, WEIGHT)[1].b,
    ),
)
TOWER = Claim(
    name="gradient-at-the-cliff",
    chapter=CHAPTER,
    statement="At the cliff a gradient is multiplied by w σ′(x₀) in every step",
    setting=f"w = {WEIGHT:g}, x₀ = {START:g}, {STEPS} steps, backpropagation through time",
    source=PASCANU,
    kind=ClaimKind.EXACT,
    cases=("by the start", "by the bias"),
    theory=_at_the_cliff,
    measure=lambda _, __: Measurement.of(_through_time()),
    format=".2f",
    rival=Rival(
        "A step multiplies by w/4, as the sigmoid's largest slope is 1/4",
        lambda: _grown(WEIGHT * sigmoid.sup_df),
    ),
)
WALL = Claim(
    name="adding-curvature",
    chapter=CHAPTER,
    statement="A unit that adds T numbers is stable at its minimum for η < 2/λ, λ = Σ k² (k < T)",
    setting=f"the largest η with which {DESCENT} steps from 1 + 10⁻⁶ end nearer to 1, by bisection",
    source=NESTEROV,
    kind=ClaimKind.CHOSEN,
    cases=tuple(f"η for T = {terms}" for terms in TERMS),
    theory=lambda: [12 / ((terms - 1) * terms * (2 * terms - 1)) for terms in TERMS],
    measure=lambda _, __: Measurement.of([_largest_stable_rate(terms) for terms in TERMS]),
    tolerance=1e-5,  # the loss is no parabola: a deviation of 1e-6 bends by 1e-6 T or so
    format=".5g",
    rival=Rival(
        "The gradient is a sum over T places, so that the limit falls like 2/T",
        lambda: [2 / terms for terms in TERMS],
    ),
)
CLIPPED = Claim(
    name="clipped-gradient",
    chapter=CHAPTER,
    statement="A gradient longer than the limit, clipped by its global norm, has the limit for its "
    "norm, and its old direction",
    setting="two random arrays of quite different size, limit 2.5",
    source=PASCANU,
    kind=ClaimKind.EXACT,
    cases=("norm", "cosine with the gradient before"),
    theory=lambda: (2.5, 1.0),
    measure=_clipped,
    rival=Rival(
        "Each array is held to the limit by itself, and the direction turns",
        lambda: (2.5 * math.sqrt(2), math.sqrt(0.5)),
    ),
)
