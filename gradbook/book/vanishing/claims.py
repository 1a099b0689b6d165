"""Claims of the chapter on vanishing gradients: its rate, Nielsen's table, and exact zeros."""

from __future__ import annotations

import math

import numpy as np

from gradbook import precision
from gradbook.activations import relu, sigmoid
from gradbook.bisection import last_true
from gradbook.book.claims.record import Claim, ClaimKind, Measurement, Rival
from gradbook.book.sources import HE, IEEE_754, NIELSEN, SCHOENHOLZ
from gradbook.book.vanishing import nielsen
from gradbook.book.vanishing.naive_slope import naive_sigmoid_derivative
from gradbook.book.vanishing.underflow import predicted_underflow_depth, underflow_depth
from gradbook.checks import Array
from gradbook.initializers import scaled
from gradbook.measure import Recipe, gradient_norms, root_mean_square
from gradbook.theory.meanfield import fixed_point, propagate

CHAPTER = "vanishing"

HIDDEN = (2, 3, 4)
WIDTH, DEPTH, SETTLED = 256, 12, 4
NARROW, SHALLOW = 128, 6
ENERGIES = (1.0, 2.0)
FORMATS = (precision.float32, precision.float64)


def _seeds(rng: np.random.Generator, draws: int) -> Measurement:
    # In batches, because the arrays of thousands of networks at once would not fit a small memory.
    parts = [min(200, draws - done) for done in range(0, draws, 200)]
    norms = [
        np.concatenate([nielsen.measured_norms(rng, hidden, draws=part) for part in parts])
        for hidden in HIDDEN
    ]
    pairs = [root_mean_square(array) for array in norms]
    return Measurement.of(*(np.concatenate(column) for column in zip(*pairs, strict=True)))


def _sigmoid_gains(rng: np.random.Generator, draws: int) -> Measurement:
    """Measure the gain in energy per layer, once the length of z has settled."""
    recipe = Recipe("sigmoid", sigmoid, scaled(1.0))
    norms = gradient_norms(rng, recipe, depth=DEPTH, width=WIDTH, draws=draws)[:, SETTLED:]
    return Measurement.mean(np.square(norms[:, :-1] / norms[:, 1:]).mean(axis=-1, keepdims=True))


def _sigmoid_theory() -> float:
    point = fixed_point(sigmoid, 1.0)
    return math.inf if point is None else point.chi


def _quarters() -> Array:
    """Take the bound of the slope for its root mean square: 1/4 per layer from the last one on."""
    last = nielsen.predicted_norms(1)[-1]
    return np.concatenate(
        [last * sigmoid.sup_df ** np.arange(hidden - 1, -1, -1.0) for hidden in HIDDEN]
    )


def _abrupt_underflow() -> list[int]:
    """Count as far as the smallest number of full precision, as if there were none below."""
    return [1 + (fmt.max_exponent - 1) // 2 for fmt in precision.ALL]


def _relu_energies(rng: np.random.Generator, draws: int) -> Measurement:
    energies = [
        np.square(
            gradient_norms(
                rng, Recipe("ReLU", relu, scaled(w2)), depth=SHALLOW, width=NARROW, draws=draws
            )[:, 0]
        )
        for w2 in ENERGIES
    ]
    return Measurement.mean(np.stack(energies, axis=-1))


def _active_energies() -> list[float]:
    return [w2**SHALLOW for w2 in ENERGIES]


def _last_alive(fmt: precision.Format, dtype: np.dtype[np.floating]) -> float:
    """Return the largest z at which s(1 - s), computed in the format, is not 0."""

    def alive(z: float) -> bool:
        return bool(naive_sigmoid_derivative(np.array(z, dtype)) > 0)

    return last_true(alive, 1.0, 2.0 * fmt.significand_bits)


RATE = Claim(
    name="rate of a sigmoid network",
    chapter=CHAPTER,
    statement="At Var(w) = 1/n a sigmoid layer multiplies a gradient's energy by χ = E σ′(√q z)²",
    setting=f"width {WIDTH}, no biases, layers {SETTLED + 1} to {DEPTH}",
    source=SCHOENHOLZ,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("energy",),
    theory=_sigmoid_theory,
    measure=_sigmoid_gains,
    # What is left out is of order 1/width.
    tolerance=0.01,
    rival=Rival(
        "Each layer multiplies by the square of the largest slope", lambda: sigmoid.sup_df**2
    ),
    draws=30,
    full=200,
)
SEEDS = Claim(
    name="Nielsen's networks",
    chapter=CHAPTER,
    statement="Networks like Nielsen's have initial gradients of the predicted norms",
    setting=(
        f"{nielsen.INPUTS} inputs of mean square {nielsen.MEAN_SQUARE:g}, hidden layers of "
        f"{nielsen.WIDTH}; root mean square over seeds"
    ),
    source=NIELSEN,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(
        f"{hidden} hidden layers, layer {layer}"
        for hidden in HIDDEN
        for layer in range(1, hidden + 1)
    ),
    theory=lambda: np.concatenate([nielsen.predicted_norms(hidden) for hidden in HIDDEN]),
    measure=_seeds,
    # What is left out is of order 1/30; a run of 3000 seeds is off by 0.015 at most.
    tolerance=0.02,
    rival=Rival("From the last layer on, each multiplies by the largest slope, 1/4", _quarters),
    draws=200,
    full=2000,
)
UNDERFLOW = Claim(
    name="underflow of a quarter per layer",
    chapter=CHAPTER,
    statement="The product of L quarters is exactly 0 from this depth on",
    setting="multiplied up in each format, with gradual underflow, ties to even",
    source=IEEE_754,
    kind=ClaimKind.EXACT,
    cases=tuple(fmt.name for fmt in precision.ALL),
    theory=lambda: [predicted_underflow_depth(fmt, 0.25) for fmt in precision.ALL],
    measure=lambda rng, draws: Measurement.of(
        [underflow_depth(fmt, 0.25) or math.nan for fmt in precision.ALL]
    ),
    rival=Rival("It is 0 below the smallest number of full precision", _abrupt_underflow),
)
DEAD_SLOPE = Claim(
    name="where s(1 − s) dies",
    chapter=CHAPTER,
    statement="Computed as s(1 − s), the slope is exactly 0 from z = p ln 2 on",
    setting="s = 1/(1 + e⁻ᶻ), p significand bits; bisection for the last z at which it is not 0",
    source=IEEE_754,
    kind=ClaimKind.EXACT,
    cases=tuple(fmt.name for fmt in FORMATS),
    theory=lambda: [fmt.significand_bits * math.log(2) for fmt in FORMATS],
    measure=lambda rng, draws: Measurement.of(
        [_last_alive(fmt, np.dtype(fmt.name)) for fmt in FORMATS]
    ),
    # Neighboring numbers of float32 are 2e-6 apart there, a relative 1e-7.
    tolerance=1e-6,
    rival=Rival(
        "The slope is 0 from where s itself is nearest to 1, z = (p + 1) ln 2",
        lambda: [(fmt.significand_bits + 1) * math.log(2) for fmt in FORMATS],
    ),
    format=".5f",
)
RELU_ENERGY = Claim(
    name="energy through a ReLU network",
    chapter=CHAPTER,
    statement="A ReLU layer multiplies the mean energy of a gradient by half of n·Var(w)",
    setting=f"width {NARROW}, {SHALLOW} layers, no biases; energy at the input",
    source=HE,
    kind=ClaimKind.EXPECTATION,
    cases=tuple(f"Var(w) = {w2:g}/n" for w2 in ENERGIES),
    theory=lambda: [float(propagate(relu, SHALLOW, w2).boundary_energy[0]) for w2 in ENERGIES],
    measure=_relu_energies,
    rival=Rival("The slope of an active ReLU is 1, so that n·Var(w) is all", _active_energies),
    draws=200,
    full=3000,
)
