"""Claims of the chapter on the one law: its table, its phases, its slowest case, the spectrum."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradbook.activations import identity, relu, sigmoid, tanh
from gradbook.book.claims.record import Claim, ClaimKind, Measurement, Rival
from gradbook.book.one_law.criticality import critical
from gradbook.book.one_law.diagrams import phases
from gradbook.book.one_law.spectra import linear_second_moment, spectral_moments
from gradbook.book.one_law.sweeps import LayerKind, sweep
from gradbook.book.sources import PENNINGTON, SCHOENHOLZ
from gradbook.checks import Array
from gradbook.initializers import Initializer, he, lecun, orthogonal_with
from gradbook.theory.meanfield import mean_slope, propagate

CHAPTER = "one-law"

WIDTH, DEPTH = 256, 50
TABLE = tuple(LayerKind(f, w2) for f in (sigmoid, tanh, relu) for w2 in (1 / 3, 1.0, 2.0, 4.0))
SCALES = ("1/(3n)", "1/n", "2/n", "4/n")

SHALLOWER, SETTLED = 30, 10
POINTS = ((1.0, 0.05), (4.0, 0.05), (6.25, 0.09))
BIAS_VARIANCE = 0.05

SLOWER, START, SLOW = 128, 12, 48
LINEAR_DEPTHS = (1, 2, 4)
NARROWER, SPREAD_DEPTH = 200, 4
SPREAD = (he, orthogonal_with(math.sqrt(2)))


def _decades(energies: Sequence[float]) -> Array:
    return np.log10(energies) / 2


def _table_theory() -> Array:
    return _decades(
        [float(propagate(s.activation, DEPTH, s.sigma_w2).boundary_energy[0]) for s in TABLE]
    )


def _largest_slopes() -> Array:
    """Multiply the largest slope of an activation, in place of the slopes that occur."""
    return DEPTH * _decades([s.sigma_w2 * s.activation.sup_df**2 for s in TABLE])


def _table(rng: np.random.Generator, draws: int) -> Measurement:
    r"""Estimate the logarithm of the mean energy, $m + s^2/2$ of logarithms that are normal.

    Energies are so unequal that their mean would hang on a few networks. The error is that of $m$
    and of $s^2/2$, which are independent.
    """
    nats = math.log(10) * 2 * sweep(rng, TABLE, depth=DEPTH, width=WIDTH, draws=draws).decades
    variance = nats.var(axis=0, ddof=1)
    error = np.sqrt(variance / draws + np.square(variance) / (2 * (draws - 1)))
    per_decade = 2 * math.log(10)
    return Measurement.of((nats.mean(axis=0) + variance / 2) / per_decade, error / per_decade)


def _edge() -> float:
    point = critical(tanh, BIAS_VARIANCE)
    return math.nan if point is None else point.sigma_w2


def _gains(rng: np.random.Generator, draws: int) -> Measurement:
    """Measure the gain in energy per layer, once the length has settled."""
    settings = [LayerKind(tanh, *point) for point in _plane()]
    energy = sweep(rng, settings, depth=SHALLOWER, width=WIDTH, draws=draws, gradients=4).energy
    return Measurement.mean((energy[..., SETTLED:-1] / energy[..., SETTLED + 1 :]).mean(axis=-1))


def _powers(first: Array, last: Array) -> Array:
    return np.asarray(np.log(first / last) / math.log(SLOW / START))


def _slow(rng: np.random.Generator, draws: int) -> Measurement:
    """Measure both powers in one network: its last layers are a network of their own."""
    found = sweep(rng, [LayerKind(tanh, 1.0)], depth=SLOW, width=SLOWER, draws=draws, gradients=4)
    q, energy = found.q[:, 0], found.energy[:, 0]
    # What the first layers leave of a gradient that enters behind them, and all layers.
    lengths = _powers(q[:, START - 1], q[:, -1])
    energies = _powers(energy[:, 0] / energy[:, START], energy[:, 0] / energy[:, -1])
    return Measurement.mean(np.stack([lengths, energies], axis=-1))


def _slow_theory() -> list[float]:
    net = propagate(tanh, SLOW, 1.0)
    kept = np.cumprod(net.chi)
    return [float(_powers(values[START - 1], values[-1])) for values in (net.q, kept)]


def _plane() -> tuple[tuple[float, float], ...]:
    return (*POINTS, (_edge(), BIAS_VARIANCE))


def _squared_mean_slopes() -> Array:
    """Square the mean slope, where the squares of the slopes are to be averaged."""
    w2, b2 = np.transpose(_plane())
    return np.asarray(w2 * np.square(mean_slope(tanh, phases(tanh, w2, b2).q)))


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
    statement="The product of χ over the layers is what is left of a gradient's mean energy",
    setting=f"{DEPTH} layers of width {WIDTH}, no biases; log₁₀ of the root mean square norm, from "
    "mean and variance of logarithms that are taken for normal",
    source=SCHOENHOLZ,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"{s.activation.name}, {SCALES[k % 4]}" for k, s in enumerate(TABLE)),
    theory=_table_theory,
    measure=_table,
    # What is left out is of order 1/width per layer.
    tolerance=0.005,
    rival=Rival("The largest slope instead of the root mean square of the slopes", _largest_slopes),
    draws=24,
    full=200,
)
PHASES = Claim(
    name="phases of tanh",
    chapter=CHAPTER,
    statement="χ at the fixed point is what a layer multiplies a gradient's energy by",
    setting=f"tanh, width {WIDTH}, layers {SETTLED + 1} to {SHALLOWER}",
    source=SCHOENHOLZ,
    kind=ClaimKind.ASYMPTOTIC,
    cases=(
        *(f"σ_w² = {w2:g}, σ_b² = {b2:g}" for w2, b2 in POINTS),
        f"σ_b² = {BIAS_VARIANCE:g}, critical σ_w² = {_edge():.4f}",
    ),
    theory=lambda: phases(tanh, *zip(*_plane(), strict=True)).chi,
    measure=_gains,
    # What is left out is of order 1/width.
    tolerance=0.01,
    rival=Rival("σ_w² times the square of the mean slope", _squared_mean_slopes),
    draws=24,
    full=200,
)
CORNER = Claim(
    name="tanh at its corner",
    chapter=CHAPTER,
    statement="At σ_w = 1 without biases tanh loses mean square and energy about as 1/depth",
    setting=f"width {SLOWER}; minus the power between {START} and {SLOW} layers, mean over draws",
    source=SCHOENHOLZ,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("mean square of z in the last layer", "energy at the input"),
    theory=_slow_theory,
    measure=_slow,
    # What is left out is of order depth/width.
    tolerance=0.1,
    rival=Rival("Both fall as one over the root of the depth", lambda: [0.5, 0.5]),
    draws=200,
    full=1000,
)
LINEAR = Claim(
    name="spectrum of linear networks",
    chapter=CHAPTER,
    statement="The mean of λ² is L + 1 in wide layers where the mean of λ = s² is one; at a finite "
    "width there is an exact formula",
    setting=f"linear layers of width {WIDTH}, weights N(0, 1/n)",
    source=PENNINGTON,
    kind=ClaimKind.EXPECTATION,
    cases=tuple(f"L = {depth}" for depth in LINEAR_DEPTHS),
    theory=lambda: [linear_second_moment(depth, WIDTH) for depth in LINEAR_DEPTHS],
    measure=_linear,
    rival=Rival("Each layer doubles it: 2^L", lambda: [2.0**depth for depth in LINEAR_DEPTHS]),
    draws=12,
    full=100,
)
UNEVEN = Claim(
    name="spectrum of ReLU networks",
    chapter=CHAPTER,
    statement="The relative variance of λ is 2L for ReLU with normal weights, L with orthogonal",
    setting=f"{SPREAD_DEPTH} layers of width {NARROWER}, σ_w² = 2",
    source=PENNINGTON,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("normal", "orthogonal"),
    theory=lambda: [2.0 * SPREAD_DEPTH, 1.0 * SPREAD_DEPTH],
    measure=_spread,
    # L²/2n is left out.
    tolerance=0.05,
    rival=Rival(
        "Second moments multiply: 3^L - 1 and 2^L - 1",
        lambda: [3.0**SPREAD_DEPTH - 1, 2.0**SPREAD_DEPTH - 1],
    ),
    draws=24,
    full=100,
)
