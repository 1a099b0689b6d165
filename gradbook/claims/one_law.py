"""Claims of the chapter on the one law: its table, its phases, its slowest case, the spectrum."""

from __future__ import annotations

import math

import numpy as np

from gradbook.activations import identity, relu, sigmoid, tanh
from gradbook.checks import Array
from gradbook.claims.record import Claim, Kind, Measurement
from gradbook.initializers import Initializer, he, lecun, orthogonal_with
from gradbook.meanfield import propagate
from gradbook.phases import critical, phases
from gradbook.sources import PENNINGTON, POOLE, SCHOENHOLZ
from gradbook.spectra import linear_second_moment, spectral_moments
from gradbook.sweeps import Setting, sweep

CHAPTER = "one-law"

WIDTH, DEPTH = 256, 50
TABLE = tuple(Setting(f, w2) for f in (sigmoid, tanh, relu) for w2 in (1 / 3, 1.0, 2.0, 4.0))
SCALES = ("1/(3n)", "1/n", "2/n", "4/n")

SHALLOWER, SETTLED = 30, 10
POINTS = ((1.0, 0.05), (4.0, 0.05), (6.25, 0.09))
BIAS_VARIANCE = 0.05

SLOW = 64
LINEAR_DEPTHS = (1, 2, 4)
NARROWER, SPREAD_DEPTH = 200, 4
SPREAD = (he, orthogonal_with(math.sqrt(2)))


def _table_theory() -> list[float]:
    energies = [float(propagate(s.activation, DEPTH, s.sigma_w2).boundary_energy[0]) for s in TABLE]
    return [energy ** (1 / (2 * DEPTH)) for energy in energies]


def _table(rng: np.random.Generator, draws: int) -> Measurement:
    decades = sweep(rng, TABLE, depth=DEPTH, width=WIDTH, draws=draws).decades
    logs = Measurement.mean(math.log(10) / DEPTH * decades)
    gains = np.exp(logs.values)
    return Measurement.of(gains, gains * logs.errors)


def _edge() -> float:
    point = critical(tanh, BIAS_VARIANCE)
    return math.nan if point is None else point.sigma_w2


def _gains(rng: np.random.Generator, draws: int) -> Measurement:
    """Measure the gain in energy per layer, once the length has settled."""
    settings = [Setting(tanh, *point) for point in (*POINTS, (_edge(), BIAS_VARIANCE))]
    energy = sweep(rng, settings, depth=SHALLOWER, width=WIDTH, draws=draws, gradients=4).energy
    return Measurement.mean((energy[..., SETTLED:-1] / energy[..., SETTLED + 1 :]).mean(axis=-1))


def _slow(rng: np.random.Generator, draws: int) -> Measurement:
    found = sweep(rng, [Setting(tanh, 1.0)], depth=SLOW, width=WIDTH, draws=draws, gradients=4)
    return Measurement.mean(np.log10([found.q[:, 0, -1], found.energy[:, 0, 0]]).T)


def _slow_theory() -> Array:
    net = propagate(tanh, SLOW, 1.0)
    return np.log10([net.q[-1], net.boundary_energy[0]])


def _linear(rng: np.random.Generator, draws: int) -> Measurement:
    moments = [
        spectral_moments(rng, identity, lecun, depth=depth, width=WIDTH, draws=draws)[:, 1]
        for depth in LINEAR_DEPTHS
    ]
    return Measurement.mean(np.stack(moments, axis=-1))


def _spread(rng: np.random.Generator, draws: int) -> Measurement:
    def spread(initializer: Initializer) -> Array:
        moments = spectral_moments(
            rng, relu, initializer, depth=SPREAD_DEPTH, width=NARROWER, draws=draws
        )
        return np.asarray(moments[:, 1] / np.square(moments[:, 0]) - 1)

    return Measurement.mean(np.stack([spread(initializer) for initializer in SPREAD], axis=-1))


DECAY = Claim(
    name="decay of four by three networks",
    chapter=CHAPTER,
    statement="A product of χ over the layers predicts what is left of a gradient's norm",
    setting=f"{DEPTH} layers of width {WIDTH}, no biases; geometric mean of the norm per layer",
    source=SCHOENHOLZ,
    kind=Kind.ASYMPTOTIC,
    cases=tuple(f"{s.activation.name}, {SCALES[k % 4]}" for k, s in enumerate(TABLE)),
    theory=_table_theory,
    measure=_table,
    # A tenth of a decade over all layers: the mean of a log lies below the log of a mean.
    tolerance=0.005,
    draws=24,
    full=200,
)
PHASES = Claim(
    name="phases of tanh",
    chapter=CHAPTER,
    statement="χ at the fixed point is what a layer multiplies a gradient's energy by",
    setting=f"tanh, width {WIDTH}, layers {SETTLED + 1} to {SHALLOWER}",
    source=POOLE,
    kind=Kind.ASYMPTOTIC,
    cases=(
        *(f"σ_w² = {w2:g}, σ_b² = {b2:g}" for w2, b2 in POINTS),
        f"σ_b² = {BIAS_VARIANCE:g}, critical σ_w² = {_edge():.4f}",
    ),
    theory=lambda: phases(tanh, *zip(*POINTS, (_edge(), BIAS_VARIANCE), strict=True)).chi,
    measure=_gains,
    # What is left out is of order 1/width.
    tolerance=0.01,
    draws=24,
    full=200,
)
CORNER = Claim(
    name="tanh at its corner",
    chapter=CHAPTER,
    statement="At σ_w = 1 without biases tanh loses length and energy only as one over the depth",
    setting=f"{SLOW} layers of width {WIDTH}; mean of log₁₀ over draws",
    source=SCHOENHOLZ,
    kind=Kind.ASYMPTOTIC,
    cases=("length of z in the last layer", "energy at the input"),
    theory=_slow_theory,
    measure=_slow,
    # Half the variance of a natural logarithm, which is about 64 times 2/256 here.
    tolerance=0.05,
    draws=24,
    full=200,
)
LINEAR = Claim(
    name="spectrum of linear networks",
    chapter=CHAPTER,
    statement="The mean of λ² grows as L + 1 where the mean of λ = s² is one, up to 1/n exactly",
    setting=f"linear layers of width {WIDTH}, weights N(0, 1/n)",
    source=PENNINGTON,
    kind=Kind.EXPECTATION,
    cases=tuple(f"L = {depth}" for depth in LINEAR_DEPTHS),
    theory=lambda: [linear_second_moment(depth, WIDTH) for depth in LINEAR_DEPTHS],
    measure=_linear,
    draws=12,
    full=100,
)
UNEVEN = Claim(
    name="spectrum of ReLU networks",
    chapter=CHAPTER,
    statement="The relative variance of λ is 2L for ReLU with normal weights, L with orthogonal",
    setting=f"{SPREAD_DEPTH} layers of width {NARROWER}, σ_w² = 2",
    source=PENNINGTON,
    kind=Kind.ASYMPTOTIC,
    cases=("normal", "orthogonal"),
    theory=lambda: [2.0 * SPREAD_DEPTH, 1.0 * SPREAD_DEPTH],
    measure=_spread,
    # L²/2n is left out.
    tolerance=0.05,
    draws=24,
    full=100,
)
