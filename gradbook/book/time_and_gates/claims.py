"""Claims of the chapter on time and gates: radius, drive, the latch, forget gates, truncation."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise

import numpy as np

from gradbook.activations import Activation, identity, tanh
from gradbook.backpropagation import backprop_from, forward
from gradbook.bisection import last_true
from gradbook.book.claims.record import Claim, ClaimKind, Measurement, Rival
from gradbook.book.sources import (
    BENGIO,
    CHEN,
    GELFAND,
    GERS,
    GINIBRE,
    TALLEC_OLLIVIER,
    THIS_BOOK,
)
from gradbook.book.time_and_gates.latch import hold, latch_margin, latch_state
from gradbook.book.time_and_gates.lifetime import Gated, bias_for, gru_path, lifetimes, lstm_path
from gradbook.book.time_and_gates.memory import Lags, orthogonal_by_lag
from gradbook.book.time_and_gates.sequences import ADDING_BASELINE, adding_problem
from gradbook.book.time_and_gates.truncated import Cuts, measure_truncation, truncation_error
from gradbook.checks import Array
from gradbook.initializers import normal, scaled
from gradbook.jacobians import largest_singular_value, spectral_radius
from gradbook.layers import Recurrent
from gradbook.measure import boundary_norms
from gradbook.networks import unrolled
from gradbook.theory.meanfield import fixed_point
from gradbook.theory.products import power_norms

CHAPTER = "time-and-gates"

WIDTH, GAIN = 200, 0.9
DOUBLINGS = 20
JORDAN, POWERS = np.array([[0.9, 10.0], [0.0, 0.9]]), 60
RADII, DRIVE, LAGS, WARM_UP = (0.9, 1.3, 2.0), 1.0, 8, 15
WEIGHTS, PUSHES, NOISES = (1.5, 2.0, 3.0), 5000, (0.25, 0.5)
FORGET, FAR = 1.0, 100
MEMORIES = (5, 20)
DEVIATIONS = (0.1, 1.0)
RHO, CUTS = 0.9, Cuts(lengths=(1, 5, 10, 20))


def _matrices(rng: np.random.Generator, draws: int) -> Array:
    return scaled(GAIN**2).draw(rng, WIDTH, WIDTH, (draws,))


@cache
def _one_matrix() -> Array:
    return np.asarray(_matrices(np.random.default_rng(1), 1)[0])


def _growth_of_powers() -> float:
    """Return the norm of the power k to the 1/k, k = 2^DOUBLINGS, by squaring and rescaling."""
    power, log = _one_matrix(), 0.0
    for doubling in range(DOUBLINGS):
        size = float(np.linalg.norm(power))
        power, log = (power / size) @ (power / size), log + math.log(size) / 2**doubling
    return math.exp(log + math.log(float(np.linalg.norm(power))) / 2**DOUBLINGS)


def _peak() -> list[float]:
    """Return the largest norm of the powers of [[a, b], [0, a]], and where, in closed form."""
    (a, b), _ = JORDAN
    norms = [
        (k * b * a ** (k - 1) + math.hypot(k * b * a ** (k - 1), 2 * a**k)) / 2
        for k in range(1, POWERS)
    ]
    return [max(norms), norms.index(max(norms)) + 1]


def _measured_peak() -> list[float]:
    norms = power_norms(JORDAN, POWERS)
    return [float(norms.max()), int(norms.argmax())]


def _driven_energy(rng: np.random.Generator, radius: float, draws: int) -> Array:
    state = (draws, 1, WIDTH)
    net = unrolled(
        rng,
        WIDTH,
        WARM_UP + LAGS,
        tanh,
        scaled(radius**2),
        inputs=rng.standard_normal((WARM_UP + LAGS, *state)),
        input_initializer=normal(DRIVE**2 / WIDTH),
        bias_variance=None,
        ensemble=(draws,),
    )
    warm = forward(net[:WARM_UP], np.zeros(state))[-1].a
    norms = boundary_norms(net[WARM_UP:], warm, rng.standard_normal(state))
    return np.asarray(np.square(norms[:, 0] / norms[:, -1]))


def _driven(rng: np.random.Generator, draws: int) -> Measurement:
    energies = np.stack([_driven_energy(rng, radius, draws) for radius in RADII], axis=-1)
    mean = Measurement.mean(energies)
    root = mean.values ** (1 / LAGS)
    return Measurement.of(root, root * mean.errors / mean.values / LAGS)


def _chi(radius: float) -> float:
    point = fixed_point(tanh, radius**2, DRIVE**2)
    assert point is not None
    return point.chi


def _settled(w: float) -> tuple[float, float]:
    """Return where a latch ends that starts at 1/2, and by what its last step multiplies."""
    step = Recurrent(np.array([[w]]), None, None, tanh)
    trace = backprop_from([step] * 200, [[0.5]], [[1.0]])
    return trace.h[-1].item(), trace.dh[-2].item() / trace.dh[-1].item()


def _factor(w: float) -> float:
    """Return 2u/sinh 2u, where u = w tanh u."""
    u = last_true(lambda u: w * math.tanh(u) > u, 1e-3, 2 * w)
    return 2 * u / math.sinh(2 * u)


def _holds_against(w: float, push: float) -> bool:
    a = latch_state(w)
    for _ in range(PUSHES):
        a = math.tanh(w * a - push)
    return a > 0


def _forgetting() -> list[float]:
    setting = Gated(width=1, lags=FAR, warm_up=0, seeds=1)
    found = []
    for path in (lstm_path, gru_path):
        norms = path(np.random.default_rng(0), FORGET, 0.0, 0.0, setting).whole[0]
        found.append(norms[-1])
    slopes = [math.log(low / high) for high, low in pairwise(norms)]
    rate = -sum(slopes) / len(slopes)
    return [*found, math.log(2) / rate, 1 / rate, norms.sum()]


def _forgetting_theory() -> list[float]:
    kept = lifetimes(FORGET)
    far = (1 / (1 + math.exp(-FORGET))) ** FAR
    return [far, far, kept.half_life, kept.e_folding, kept.mean]


def _lifetime(steps: int) -> float:
    # 40 lifetimes: what is left out is a share of e^-40.
    setting = Gated(width=1, lags=40 * steps, warm_up=0, seeds=1)
    path = lstm_path(np.random.default_rng(0), bias_for(steps), 0.0, 0.0, setting)
    return float(path.whole.sum())


def _cell(rng: np.random.Generator, _: int) -> Measurement:
    path = lstm_path(rng, FORGET, 0.0, 1.0, Gated(width=8, seeds=4))
    return Measurement.of((path.whole / path.direct)[:, -1])


def _turned(rng: np.random.Generator, f: Activation) -> list[float]:
    return [float(np.median(orthogonal_by_lag(rng, f, s)[:, -1])) for s in DEVIATIONS]


def _always_one(rng: np.random.Generator, draws: int) -> Measurement:
    answers = adding_problem(rng, steps=10, batch=draws).target
    return Measurement.mean(np.square(answers - 1))


def _truncated(rng: np.random.Generator, draws: int) -> Measurement:
    cuts = Cuts(CUTS.lengths, CUTS.steps, CUTS.width, draws)
    mean = Measurement.mean(np.square(measure_truncation(rng, identity, RHO, cuts).errors))
    root = np.sqrt(mean.values)
    return Measurement.of(root, mean.errors / (2 * root))


EDGE = Claim(
    name="ginibre-edge",
    chapter=CHAPTER,
    statement="Random recurrent weights with n Var(w) = g² have s_max → 2g and ρ → g",
    setting=f"g = {GAIN:g}, width {WIDTH}, Gaussian; exact for infinite width; of s_max it is "
    "Geman (1980)",
    source=GINIBRE,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("largest singular value", "spectral radius"),
    theory=lambda: (2 * GAIN, GAIN),
    measure=lambda rng, draws: Measurement.mean(
        np.stack(
            [
                measure(_matrices(rng, draws))
                for measure in (largest_singular_value, spectral_radius)
            ],
            axis=-1,
        )
    ),
    # At width n the edges are soft: off by some n^(-2/3) and by n^(-1/2), 2 and 4 percent here.
    tolerance=0.04,
    draws=4,
    full=50,
    rival=Rival("Both tend to g", lambda: (GAIN, GAIN)),
)
RADIUS = Claim(
    name="radius-is-the-rate",
    chapter=CHAPTER,
    statement="The powers of a matrix grow at its spectral radius, whatever its singular values",
    setting=f"one matrix as above, ‖Aᵏ‖^(1/k) at k = 2^{DOUBLINGS} by squaring, no eigenvalues",
    source=GELFAND,
    kind=ClaimKind.EXACT,
    cases=("rate",),
    theory=lambda: spectral_radius(_one_matrix()),
    measure=lambda _, __: Measurement.of(_growth_of_powers()),
    # The norm is off by a factor of 100 or so, whose logarithm is divided by 2^20.
    tolerance=1e-5,
    format=".6f",
    rival=Rival(
        "They grow at its largest singular value", lambda: largest_singular_value(_one_matrix())
    ),
)
PEAK = Claim(
    name="transient-peak",
    chapter=CHAPTER,
    statement="A matrix of spectral radius below one can first multiply a gradient "
    f"by {_peak()[0]:.1f}",
    setting=f"powers of {JORDAN.tolist()}, closed form beside matrix products",
    source=THIS_BOOK,
    kind=ClaimKind.EXACT,
    cases=("largest norm", "at the power"),
    theory=_peak,
    measure=lambda _, __: Measurement.of(_measured_peak()),
    format=".5g",
    rival=Rival(
        "With a radius below one the first power is the largest",
        lambda: (float(largest_singular_value(JORDAN)), 1.0),
    ),
)
DRIVEN = Claim(
    name="driven-chi",
    chapter=CHAPTER,
    statement="With input, a step back multiplies the energy by χ at the driven fixed point",
    setting=f"tanh, inputs N(0, 1) in every unit, width {WIDTH}, mean energy after {LAGS} steps",
    source=CHEN,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"g = {radius:g}" for radius in RADII),
    theory=lambda: [_chi(radius) for radius in RADII],
    measure=_driven,
    # Corrections of order 1/n per step, and what little the fixed point is off at finite width.
    tolerance=0.015,
    draws=20,
    full=200,
    format=".4f",
    rival=Rival("The spectral radius alone decides", lambda: [radius**2 for radius in RADII]),
)
LATCH = Claim(
    name="latch",
    chapter=CHAPTER,
    statement="At its state a latch a = tanh(wa), w > 1, multiplies a gradient by "
    "λ = w(1 − a²) < 1 in every step",
    setting="200 steps from 1/2 and backpropagation; theory: λ = 2u/sinh 2u with u = w tanh u",
    source=BENGIO,
    kind=ClaimKind.EXACT,
    cases=("a, w = 2", *(f"λ, w = {w:g}" for w in WEIGHTS)),
    theory=lambda: (latch_state(2.0), *map(_factor, WEIGHTS)),
    measure=lambda _, __: Measurement.of([_settled(2.0)[0], *(_settled(w)[1] for w in WEIGHTS)]),
    format=".6f",
    rival=Rival("The weight multiplies it", lambda: (latch_state(2.0), *WEIGHTS)),
)
MARGIN = Claim(
    name="latch-margin",
    chapter=CHAPTER,
    statement="From its state on, no inputs of size below m = wa − artanh a, a² = 1 − 1/w, "
    "flip a latch",
    setting=f"bisection on a constant push that {PUSHES} steps do not flip",
    source=BENGIO,
    kind=ClaimKind.EXACT,
    cases=("w = 2",),
    theory=lambda: latch_margin(2.0),
    measure=lambda _, __: Measurement.of(
        last_true(lambda push: _holds_against(2.0, push), 0.4, 0.7)
    ),
    # Beyond the fold the state lingers: N steps cannot tell a push that is off by 10/N².
    tolerance=2e-6,
    format=".6f",
    rival=Rival("It stands any push that is smaller than its state", lambda: latch_state(2.0)),
)
NOISE = Claim(
    name="latch-holds",
    chapter=CHAPTER,
    statement="Latches keep every bit against noise within the margin",
    setting="w = 2, 1000 latches, inputs U(−m, m), 100 steps; margin 0.533",
    source=BENGIO,
    kind=ClaimKind.EXACT,
    cases=tuple(f"m = {noise:g}" for noise in NOISES),
    theory=lambda: np.ones(len(NOISES)),
    measure=lambda rng, _: Measurement.of(
        [hold(rng, 2.0, noise, 100, 1000).kept.mean() for noise in NOISES]
    ),
    rival=Rival(
        "Noise of any size flips half of them within 100 steps", lambda: [0.5] * len(NOISES)
    ),
)
FORGETTING = Claim(
    name="forget-bias",
    chapter=CHAPTER,
    statement="A gate of bias b forgets as σ(b)ᵏ: mean lifetime 1 + eᵇ, e-folding −1/ln σ(b)",
    setting=f"b = {FORGET:g}, backpropagation through {FAR} steps, nothing else moves the gates",
    source=GERS,
    kind=ClaimKind.EXACT,
    cases=(
        f"LSTM, {FAR} steps",
        f"GRU, {FAR} steps",
        "half-life",
        "e-folding time",
        "mean lifetime",
    ),
    theory=_forgetting_theory,
    measure=lambda _, __: Measurement.of(_forgetting()),
    format=".4g",
    rival=Rival(
        "Each step loses a half, whatever the bias",
        lambda: (2.0**-FAR, 2.0**-FAR, 1.0, 1 / math.log(2), 2.0),
    ),
)
CHRONO = Claim(
    name="chrono-bias",
    chapter=CHAPTER,
    statement="A forget gate of bias ln(T − 1) has the mean lifetime T",
    setting="gradients on the cell of an LSTM, summed over 40 T lags",
    source=TALLEC_OLLIVIER,
    kind=ClaimKind.EXACT,
    cases=tuple(f"T = {steps}" for steps in MEMORIES),
    theory=lambda: MEMORIES,
    measure=lambda _, __: Measurement.of([_lifetime(steps) for steps in MEMORIES]),
    rival=Rival("ln T gives the lifetime T", lambda: [steps - 1 for steps in MEMORIES]),
)
DIRECT = Claim(
    name="direct-path",
    chapter=CHAPTER,
    statement="Where the gates hear the input alone, ∂c_T/∂c_t is the product of forget gates",
    setting="random LSTMs of width 8 without recurrent weights, norm over product after 60 steps",
    source=GERS,
    kind=ClaimKind.EXACT,
    cases=tuple(f"network {number}" for number in range(1, 5)),
    theory=lambda: np.ones(4),
    measure=_cell,
    rival=Rival("The output gates multiply it, too, about a half", lambda: [0.5] * 4),
)
BASELINE = Claim(
    name="adding-baseline",
    chapter=CHAPTER,
    statement="Who looks at no number of the adding problem is wrong by at least 1/6 in the mean "
    "square",
    setting="sequences of 10 steps, the answer 1 to each",
    source=THIS_BOOK,
    kind=ClaimKind.EXPECTATION,
    cases=("mean squared error",),
    theory=lambda: ADDING_BASELINE,
    measure=_always_one,
    draws=20_000,
    full=1_000_000,
    rival=Rival("It is wrong by the variance of one number", lambda: ADDING_BASELINE / 2),
)
TURNED = Claim(
    name="orthogonal-recurrence",
    chapter=CHAPTER,
    statement="A linear recurrence with orthogonal weights leaves a gradient's length as it is, "
    "whatever comes in",
    setting=f"inputs N(0, s²), median network, {Lags().lags} steps back",
    source=THIS_BOOK,
    kind=ClaimKind.EXACT,
    cases=tuple(f"s = {deviation:g}" for deviation in DEVIATIONS),
    theory=lambda: np.ones(len(DEVIATIONS)),
    measure=lambda rng, _: Measurement.of(_turned(rng, identity)),
    rival=Rival("So it does with tanh", lambda: _turned(np.random.default_rng(0), tanh)),
)
TRUNCATED = Claim(
    name="truncation",
    chapter=CHAPTER,
    statement="A gradient truncated after K steps is off by ρᴷ, if the state multiplies by ρ",
    setting=f"ρ = {RHO:g}, orthogonal, linear, {CUTS.steps} steps, width {CUTS.width}, "
    "input weights; root mean square of relative errors",
    source=THIS_BOOK,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"K = {length}" for length in CUTS.lengths),
    theory=lambda: truncation_error(RHO, CUTS.lengths, CUTS.steps),
    measure=_truncated,
    # The mean of a ratio lies off the ratio of the means by some 1/(width · few steps).
    tolerance=0.02,
    draws=60,
    full=1000,
    format=".4f",
    rival=Rival(
        "It is off by the share of steps that are left out",
        lambda: [1 - length / CUTS.steps for length in CUTS.lengths],
    ),
)
