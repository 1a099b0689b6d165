"""Claims of the chapter on clipping and steps."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np

from gradbook.book.claims.record import Claim, ClaimKind, Measurement, Rival
from gradbook.book.clipping.averages import step_after_a_spike, steps_around_a_spike
from gradbook.book.clipping.mixed_precision import (
    Kahan,
    accumulate,
    round_stochastically,
    scaled_underflow_depth,
)
from gradbook.book.sources import GUPTA, KAHAN, KINGMA_BA, MICIKEVICIUS, POLYAK, THIS_BOOK
from gradbook.checks import Array
from gradbook.clipping import angle, clip_norm, clip_value
from gradbook.optimizers import Adam, Momentum
from gradbook.precision import Format, bfloat16, float16

CHAPTER = "clipping"

LIMITS = (0.1, 1.0, 2.0)
NORM_LIMITS = (0.25, 1.0, 3.0)
LONG, SHORT = 5.0, 0.5
ENTRIES = 20_000
SIZES, EPSILON = (1e-6, 1e-8, 1e-10), 1e-8
PRODUCT = 0.04
CRITICAL = (1 - math.sqrt(PRODUCT)) ** 2
BETAS = (0.3, CRITICAL, 0.9)
SMALL_STEP, SMALL_STEPS = 1e-4, 500
SCALES = (0, 8, 15)
TIE = 2.0**-14
USUAL, AFTER = Adam(lr=1.0), (50, 100, 1000)
_WITHOUT = replace(USUAL, epsilon=1e-30)  # the closed form leaves it out


def _per_array(rng: np.random.Generator, _: int) -> Measurement:
    parts = rng.standard_normal(30), rng.standard_normal((4, 5))
    grads = [
        np.asarray(size * part / np.linalg.norm(part))
        for size, part in zip((LONG, SHORT), parts, strict=True)
    ]
    return Measurement.of([angle(grads, clip_norm(grads, limit).grads) for limit in NORM_LIMITS])


def _per_array_theory() -> list[float]:
    full = math.atan(SHORT / LONG)
    return [math.atan(min(SHORT, c) / min(LONG, c)) - full for c in NORM_LIMITS]


def _cut_cosine(limit: float) -> float:
    r"""Return the cosine between a normal vector and itself cut off at $\pm c$, in high dimension.

    $E[g \operatorname{clip}(g)] = P(|g| < c)$, integrating by parts, and
    $E[\operatorname{clip}(g)^2] = P(|g| < c) - 2c\,\varphi(c) + c^2 P(|g| > c)$.

    Args:
        limit: The limit $c$, in standard deviations of an entry.
    """
    inside = math.erf(limit / math.sqrt(2))
    density = math.exp(-limit * limit / 2) / math.sqrt(2 * math.pi)
    return inside / math.sqrt(inside - 2 * limit * density + limit**2 * (1 - inside))


def _cut_angles(rng: np.random.Generator, draws: int) -> Measurement:
    grads = [rng.standard_normal((draws, ENTRIES))]
    turned = [angle(grads, clip_value(grads, c, members=1).grads, members=1) for c in LIMITS]
    return Measurement.mean(np.degrees(np.stack(turned, axis=-1)))


def _nth_steps(n: int) -> list[float]:
    adam, g = Adam(lr=1.0, epsilon=EPSILON), [np.array(SIZES)]
    w: list[Array] = [np.zeros(len(SIZES))]
    state = adam.start(w)
    for _ in range(n):
        before = w
        w, state = adam.step(w, g, state)
    return [float(x) for x in before[0] - w[0]]


def _adam_theory() -> list[float]:
    return [g / (g + EPSILON) for g in SIZES]


def _multiplier(beta: float) -> float:
    """Fit w'' = p w' - q w to four positions of a run, and return its larger root."""
    ball, w = Momentum(PRODUCT, beta), [np.array([1.0])]
    state, path = ball.start(w), [1.0]
    for _ in range(3):
        w, state = ball.step(w, w, state)
        path.append(float(w[0][0]))
    system = np.array([[path[1], -path[0]], [path[2], -path[1]]])
    p, q = np.linalg.solve(system, np.array(path[2:4]))
    return float(np.abs(np.roots([1.0, -p, q])).max())


def _damped() -> list[float]:
    trace = 1 + BETAS[0] - PRODUCT
    slow = (trace + math.sqrt(trace**2 - 4 * BETAS[0])) / 2
    return [slow, 1 - math.sqrt(PRODUCT), math.sqrt(BETAS[2])]


def _exact_end(fmt: Format) -> float:
    step = Fraction(float(np.float16(SMALL_STEP))) if fmt is float16 else _brain(SMALL_STEP)
    return float(1 - SMALL_STEPS * step)


def _brain(x: float) -> Fraction:
    """Round to 8 significant bits in integers."""
    unit = Fraction(2) ** (math.frexp(x)[1] - 8)
    return round(Fraction(x) / unit) * unit


def _kahan_ends() -> list[float]:
    return [
        float(accumulate(Kahan(fmt), 1.0, SMALL_STEP, SMALL_STEPS)) for fmt in (float16, bfloat16)
    ]


def _scaled_depths() -> list[int]:
    smallest = math.log2(float16.smallest)
    return [math.ceil((k - smallest + 1) / 2) for k in SCALES]


def _random_walk(rng: np.random.Generator, draws: int) -> Measurement:
    w: Array = np.ones((draws, 1))
    for _ in range(200):
        w = round_stochastically(float16, w - TIE, rng)
    return Measurement.mean(w)


PER_ARRAY = Claim(
    name="per-array-angle",
    chapter=CHAPTER,
    statement="Clipping each of two arrays, of norms a > b, turns the gradient by "
    "atan(min(b, c)/min(a, c)) − atan(b/a)",
    setting=f"two random arrays of norms {LONG:g} and {SHORT:g}, radians",
    source=THIS_BOOK,
    kind=ClaimKind.EXACT,
    cases=("c = 0.25", "c = 1", "c = 3"),
    theory=_per_array_theory,
    measure=_per_array,
    format=".5f",
    rival=Rival(
        "It keeps the direction, as the global clip does", lambda: [0.0] * len(NORM_LIMITS)
    ),
)
BY_VALUE = Claim(
    name="by-value-angle",
    chapter=CHAPTER,
    statement="Clipping by value turns even a gradient of equal, normal layers, by up to "
    f"{math.degrees(math.acos(math.sqrt(2 / math.pi))):.1f} degrees",
    setting=f"{ENTRIES:,} entries N(0, 1) cut off at ±c, degrees; exact for infinitely many",
    source=THIS_BOOK,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"c = {c:g}" for c in LIMITS),
    theory=lambda: [math.degrees(math.acos(_cut_cosine(c))) for c in LIMITS],
    measure=_cut_angles,
    tolerance=0.002,
    draws=8,
    full=200,
    format=".3f",
    rival=Rival(
        "Only the signs are left, whatever the limit",
        lambda: [math.degrees(math.acos(math.sqrt(2 / math.pi)))] * len(LIMITS),
    ),
)
ADAM_FIRST = Claim(
    name="adam-first-step",
    chapter=CHAPTER,
    statement="Adam's first step is η g/(|g| + ε): about as long as η while |g| is far above ε",
    setting="ε = 1e-8, in units of η, float64",
    source=KINGMA_BA,
    kind=ClaimKind.EXACT,
    cases=tuple(f"g = {g:g}" for g in SIZES),
    theory=_adam_theory,
    measure=lambda _, __: Measurement.of(_nth_steps(1)),
    format=".6f",
    rival=Rival("Adam's first step is η for every g", lambda: [1.0] * len(SIZES)),
)
ADAM_TENTH = Claim(
    name="adam-bias-correction",
    chapter=CHAPTER,
    statement="Corrected for their start at 0, Adam's averages of a constant gradient are exact",
    setting="length of the tenth step, ε = 1e-8, in units of η, float64",
    source=KINGMA_BA,
    kind=ClaimKind.EXACT,
    cases=tuple(f"g = {g:g}" for g in SIZES),
    theory=_adam_theory,
    measure=lambda _, __: Measurement.of(_nth_steps(10)),
    format=".6f",
    rival=Rival(
        "Uncorrected, the averages of ten steps",
        lambda: [(1 - 0.9**10) * g / (math.sqrt(1 - 0.999**10) * g + EPSILON) for g in SIZES],
    ),
)
DAMPING = Claim(
    name="critical-damping",
    chapter=CHAPTER,
    statement="At a given ηλ below one momentum converges fastest for β = (1 − √(ηλ))²: 1 − √(ηλ) "
    "of the distance is left per step in the end",
    setting=f"a quadratic with ηλ = {PRODUCT:g}; multiplier from four positions of a run",
    source=POLYAK,
    kind=ClaimKind.EXACT,
    cases=tuple(f"β = {beta:g}" for beta in BETAS),
    theory=_damped,
    measure=lambda _, __: Measurement.of([_multiplier(beta) for beta in BETAS]),
    tolerance=1e-5,  # at the double root a rounding moves both roots by its square root
    format=".6f",
    rival=Rival("Momentum does not change the rate, 1 − ηλ", lambda: [1 - PRODUCT] * len(BETAS)),
)
COMPENSATED = Claim(
    name="compensated-steps",
    chapter=CHAPTER,
    statement="With a carry, steps that are lost one by one add up to their exact sum",
    setting=f"{SMALL_STEPS} steps of {SMALL_STEP:g} from 1, each lost if taken alone",
    source=KAHAN,
    kind=ClaimKind.EXACT,
    cases=("float16", "bfloat16"),
    theory=lambda: [_exact_end(fmt) for fmt in (float16, bfloat16)],
    measure=lambda _, __: Measurement.of(_kahan_ends()),
    tolerance=2.0**-8,  # what is shown is a number of the format: half a gap of bfloat16
    format=".5f",
    rival=Rival("What is lost step by step stays lost: the weight stays 1", lambda: [1.0, 1.0]),
)
SCALING = Claim(
    name="loss-scale-depth",
    chapter=CHAPTER,
    statement="A loss scale of 2ᵏ puts underflow off by k/log₂(1/factor) layers, up to rounding",
    setting="float16, a factor of 1/4 per layer: the first layer at which the gradient is 0",
    source=MICIKEVICIUS,
    kind=ClaimKind.EXACT,
    cases=tuple(f"scale 2^{k}" for k in SCALES),
    theory=_scaled_depths,
    measure=lambda _, __: Measurement.of(
        [scaled_underflow_depth(float16, 0.25, 2.0**k) for k in SCALES]
    ),
    format=".0f",
    rival=Rival(
        "Each layer takes one power of two of the scale",
        lambda: [_scaled_depths()[0] + k for k in SCALES],
    ),
)
STOCHASTIC = Claim(
    name="stochastic-rounding",
    chapter=CHAPTER,
    statement="Rounded at random, steps that would all be lost are taken on average",
    setting="float16, 200 steps of 2^-14 from 1, mean over draws",
    source=GUPTA,
    kind=ClaimKind.EXPECTATION,
    cases=("weight",),
    theory=lambda: 1 - 200 * TIE,
    measure=_random_walk,
    draws=400,
    full=10_000,
    format=".5f",
    rival=Rival("Rounded to nearest, no step is taken", lambda: 1.0),
)
MEMORY = Claim(
    name="adam-remembers-a-spike",
    chapter=CHAPTER,
    statement="A spike among equal gradients shortens Adam's steps long after the mean forgot it",
    setting="a gradient of 100 behind 200 ones and before more of them; step over learning rate, "
    "so many steps later",
    source=KINGMA_BA,
    kind=ClaimKind.EXACT,
    cases=tuple(f"after {after} steps" for after in AFTER),
    theory=lambda: [step_after_a_spike(USUAL, 100.0, 200, after) for after in AFTER],
    measure=lambda _, __: Measurement.of(
        [float(steps_around_a_spike(_WITHOUT, 100.0, 200, after)[-1]) for after in AFTER]
    ),
    format=".5f",
    rival=Rival("It is forgotten with the mean, after some ten steps", lambda: [1.0] * len(AFTER)),
)
