"""The claims of the chapter on the update rule."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gradbook import precision
from gradbook.backpropagation import backprop
from gradbook.bisection import last_true
from gradbook.book.claims.record import Claim, ClaimKind, Measurement, Rival
from gradbook.book.lecture_note import NOTE, example
from gradbook.book.sources import COCHRAN, IEEE_754, LECTURE_NOTE, NESTEROV
from gradbook.book.update_rule.batches import all_batch_means, batch_means, batch_standard_error
from gradbook.book.update_rule.bowls import best_learning_rate
from gradbook.book.update_rule.freezing import freeze_depth
from gradbook.book.update_rule.regimes import quadratic_regime
from gradbook.checks import Array
from gradbook.losses import half_squared_error
from gradbook.update import descend, minimize

CHAPTER = "update-rule"

STEPS = 20
CURVATURE, RATES = 4.0, (0.02, 0.25, 0.45, 0.5, 0.55)
CURVATURES = (0.5, 1.0, 4.0, 25.0)
CONDITIONS = (2, 10, 100)
FEW, SMALL_SIZES = 8, (1, 3, 5, 7)
MANY, SIZES = 200, (4, 20, 100)


def _stepped_weight() -> float:
    net = example()
    trace = backprop(net.layers, net.x, net.target, half_squared_error)
    [first, *_] = descend(net.layers, trace, NOTE.lr)
    return float(first.parameters["W"][0, 0])


def _run(curvature: float, lr: float) -> float:
    return float(minimize(lambda w: curvature * w, 1.0, lr, STEPS)[-1])


def _largest_stable_rate(curvature: float) -> float:
    def stays(lr: float) -> bool:
        return abs(_run(curvature, lr)) <= 1

    return last_true(stays, 0.1 / curvature, 10 / curvature)


def _last_shrinking(kappa: float) -> float:
    hessian = np.diag([1.0, kappa])
    path = minimize(lambda w: hessian @ w, np.ones(2), best_learning_rate(hessian), STEPS)
    before, after = np.linalg.norm(path[-2:], axis=-1)
    return float(after / before)


def _gradients(count: int) -> Array:
    """Return the gradients at w = 0 of examples y = 2x + noise under the loss (wx - y)²/2."""
    rng = np.random.default_rng(1)  # not the seed of the claims' own draws
    x = rng.standard_normal(count)
    return -x * (2 * x + rng.standard_normal(count))


def _over_all_batches(statistic: Callable[[Array], float]) -> Measurement:
    batches = (all_batch_means(_gradients(FEW), size) for size in SMALL_SIZES)
    return Measurement.of([statistic(means) for means in batches])


def _sampled(rng: np.random.Generator, draws: int) -> Array:
    means = [batch_means(rng, _gradients(MANY), size, draws) for size in SIZES]
    return np.stack(means, axis=-1)


def _with_replacement(count: int, sizes: tuple[int, ...]) -> list[float]:
    spread = float(_gradients(count).std(ddof=1))
    return [spread / math.sqrt(size) for size in sizes]


def _lost_step(fmt: precision.Format, w: float) -> float:
    found = last_true(lambda u: bool(precision.step_is_lost(fmt, w, u)), 0.0, w)
    return float(precision.round_to(fmt, found))


def _weights_per_format() -> list[tuple[precision.Format, float]]:
    """Return 1, whose last bit is even, and its upper neighbor, whose last bit is odd."""
    even = [(fmt, 1.0) for fmt in precision.ALL]
    return even + [(fmt, 1.0 + fmt.epsilon) for fmt in precision.ALL]


def _depths(depth: Callable[..., int | None]) -> list[float]:
    settings = [(NOTE.weight, NOTE.factors[0], NOTE.lr), (1.0, 1.0, 0.01)]
    found = [depth(fmt, w, g, 0.25, lr) for w, g, lr in settings for fmt in precision.ALL]
    return [np.nan if layers is None else layers for layers in found]


def _depth_of_zero(
    fmt: precision.Format, w: float, gradient: float, factor: float, lr: float
) -> int | None:
    # A weight of 0 has no gap that could swallow a step before the step itself is 0.
    return freeze_depth(fmt, 0.0, gradient, factor, lr)


def _per_format(*settings: str) -> tuple[str, ...]:
    return tuple(f"{fmt.name}, {setting}" for setting in settings for fmt in precision.ALL)


NOTE_STEP = Claim(
    name="note-step",
    chapter=CHAPTER,
    statement="One step subtracts from a weight the learning rate times its route's factors",
    setting=f"the example's network, w = {NOTE.weight}, η = {NOTE.lr:g}, float64",
    source=LECTURE_NOTE,
    kind=ClaimKind.EXACT,
    cases=("new weight",),
    theory=lambda: NOTE.weight - NOTE.lr * math.prod(NOTE.factors),
    measure=lambda _, __: Measurement.of(_stepped_weight()),
    rival=Rival("it ends where the lecture note says", lambda: NOTE.updated),
)
MULTIPLIER = Claim(
    name="multiplier",
    chapter=CHAPTER,
    statement=f"On λw²/2, k = {STEPS} steps multiply the weight by (1 − ηλ)ᵏ",
    setting=f"λ = {CURVATURE:g}, from w = 1, float64",
    source=NESTEROV,
    kind=ClaimKind.EXACT,
    cases=tuple(f"η = {lr:g}, {quadratic_regime(CURVATURE, lr).name}" for lr in RATES),
    theory=lambda: [(1 - lr * CURVATURE) ** STEPS for lr in RATES],
    measure=lambda _, __: Measurement.of([_run(CURVATURE, lr) for lr in RATES]),
    rival=Rival(
        "by exp(−ηλk), as if steps were short",
        lambda: [math.exp(-lr * CURVATURE * STEPS) for lr in RATES],
    ),
)
THRESHOLD = Claim(
    name="largest-learning-rate",
    chapter=CHAPTER,
    statement="The largest learning rate that does not diverge is 2/λ",
    setting=f"bisection on runs of {STEPS} steps, float64",
    source=NESTEROV,
    kind=ClaimKind.EXACT,
    cases=tuple(f"λ = {curvature:g}" for curvature in CURVATURES),
    theory=lambda: [2 / curvature for curvature in CURVATURES],
    measure=lambda _, __: Measurement.of([_largest_stable_rate(c) for c in CURVATURES]),
    rival=Rival(
        "it is 1/λ, beyond which a step overshoots",
        lambda: [1 / curvature for curvature in CURVATURES],
    ),
)
CONDITION = Claim(
    name="rate-in-a-bowl",
    chapter=CHAPTER,
    statement="At η = 2/(λ₁ + λ₂) a step multiplies the distance by (κ − 1)/(κ + 1)",
    setting=f"step {STEPS} from (1, 1), curvatures λ₁ = 1 and λ₂ = κ, float64",
    source=NESTEROV,
    kind=ClaimKind.EXACT,
    cases=tuple(f"κ = {kappa}" for kappa in CONDITIONS),
    theory=lambda: [(kappa - 1) / (kappa + 1) for kappa in CONDITIONS],
    measure=lambda _, __: Measurement.of([_last_shrinking(kappa) for kappa in CONDITIONS]),
    rival=Rival("by 1 − 1/κ, as at η = 1/λ₂", lambda: [1 - 1 / kappa for kappa in CONDITIONS]),
)
EVERY_BATCH_MEAN = Claim(
    name="mean-over-all-batches",
    chapter=CHAPTER,
    statement="The mean of the gradients of all mini-batches of one size is the full gradient",
    setting=f"all batches of {FEW} examples",
    source=COCHRAN,
    kind=ClaimKind.EXACT,
    cases=tuple(f"B = {size}" for size in SMALL_SIZES),
    theory=lambda: [_gradients(FEW).mean()] * len(SMALL_SIZES),
    measure=lambda _, __: _over_all_batches(lambda means: float(means.mean())),
    rival=Rival(
        "of a batch of B examples in N it is B/N of it",
        lambda: [_gradients(FEW).mean() * size / FEW for size in SMALL_SIZES],
    ),
)
EVERY_BATCH_ERROR = Claim(
    name="spread-over-all-batches",
    chapter=CHAPTER,
    statement="Over all mini-batches of size B the standard deviation is √(S²/B · (1 − B/N))",
    setting=f"all batches of N = {FEW} examples",
    source=COCHRAN,
    kind=ClaimKind.EXACT,
    cases=tuple(f"B = {size}" for size in SMALL_SIZES),
    theory=lambda: [float(batch_standard_error(_gradients(FEW), size)) for size in SMALL_SIZES],
    measure=lambda _, __: _over_all_batches(lambda means: float(means.std())),
    rival=Rival("S/√B, as with replacement", lambda: _with_replacement(FEW, SMALL_SIZES)),
)
SAMPLED_ERROR = Claim(
    name="error-of-batches",
    chapter=CHAPTER,
    statement="The squared error of a mini-batch gradient has the expectation S²/B · (1 − B/N)",
    setting=f"batches drawn from N = {MANY} examples without replacement",
    source=COCHRAN,
    kind=ClaimKind.EXPECTATION,
    cases=tuple(f"B = {size}" for size in SIZES),
    theory=lambda: [float(batch_standard_error(_gradients(MANY), size)) ** 2 for size in SIZES],
    measure=lambda rng, draws: Measurement.mean(
        np.square(_sampled(rng, draws) - _gradients(MANY).mean())
    ),
    rival=Rival(
        "S²/B, as with replacement",
        lambda: [error**2 for error in _with_replacement(MANY, SIZES)],
    ),
    draws=4000,
    full=40_000,
)
LOST_STEP = Claim(
    name="largest-lost-step",
    chapter=CHAPTER,
    statement="The largest u with fl(w − u) = w is half the gap below w, or the number before "
    "that if the last significand bit of w is 1",
    setting="bisection with rounded subtraction",
    source=IEEE_754,
    kind=ClaimKind.EXACT,
    cases=_per_format("w = 1", "the next number above 1"),
    theory=lambda: [float(precision.largest_lost_step(*w)) for w in _weights_per_format()],
    measure=lambda _, __: Measurement.of([_lost_step(*pair) for pair in _weights_per_format()]),
    rival=Rival(
        "half the gap above w",
        lambda: [float(precision.gap_above(*w)) / 2 for w in _weights_per_format()],
    ),
    format=".9g",
)
FREEZE = Claim(
    name="freeze-depth",
    chapter=CHAPTER,
    statement="If each layer quarters the gradient, a weight freezes at this many layers",
    setting="first depth L at which w − η g / 4ᴸ, rounded at every operation, is w",
    source=IEEE_754,
    kind=ClaimKind.EXACT,
    cases=_per_format(f"the note's w = {NOTE.weight}", "w = 1, η = 0.01"),
    theory=lambda: _depths(precision.predicted_freeze_depth),
    measure=lambda _, __: Measurement.of(_depths(freeze_depth)),
    rival=Rival("only where the step itself is zero", lambda: _depths(_depth_of_zero)),
)
