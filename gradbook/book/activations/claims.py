"""Claims of the chapter on activations: decay for every one of them, death, slow growth, none."""

from __future__ import annotations

import math

import numpy as np

from gradbook import activations
from gradbook.activations import Activation, elu, relu, selu, selu_constants
from gradbook.book.activations.dying import dead_for_both_probability, dead_probability, draw_dead
from gradbook.book.activations.health import (
    layer_ratio,
    measure_health,
    networks_to_share,
    predicted_ratio,
)
from gradbook.book.activations.mirrored import looks_linear
from gradbook.book.claims.record import Claim, ClaimKind, Measurement, Rival
from gradbook.book.sources import BALDUZZI, KLAMBAUER, LU, SCHOENHOLZ
from gradbook.checks import Array
from gradbook.initializers import gain, orthogonal, orthogonal_with
from gradbook.jacobians import jacobian, singular_values
from gradbook.networks import plain
from gradbook.theory.gaussian import expectation
from gradbook.theory.meanfield import mean_square_slope

CHAPTER = "activations"

DEPTH, WIDTH = 20, 256
SIZES = ((5, 10), (2, 4), (3, 20))
BOTH_SIGNS = ((1.0,), (-1.0,))
PAIRS = (1, 2, 3)
DEPTHS = (1, 10, 100)
UNITS = 16


def _scale(activation: Activation, *, own: bool) -> float:
    return gain(activation) if own else 1.0


def _ratios(own: bool) -> list[float]:
    return [
        predicted_ratio(activation, DEPTH, _scale(activation, own=own) ** 2)
        for activation in activations.ALL
    ]


def _ratios_at_length_one() -> list[float]:
    """Take the length of the signal for one in every layer."""
    return [math.sqrt(float(mean_square_slope(f, 1.0))) for f in activations.ALL]


def _survey(rng: np.random.Generator, draws: int, own: bool) -> Measurement:
    # One network after the other: a hundred at once would not fit a small memory.
    norms: list[list[Array]] = [[] for _ in activations.ALL]
    for _ in range(draws):
        layers = networks_to_share(rng, depth=DEPTH, width=WIDTH, draws=1)
        for kept, activation in zip(norms, activations.ALL, strict=True):
            kept.append(measure_health(rng, layers, activation, _scale(activation, own=own)).norms)
    return Measurement.of(*np.transpose([layer_ratio(np.concatenate(kept)) for kept in norms]))


def _selu_gain() -> float:
    alpha, scale = selu_constants()
    left = alpha**2 * math.exp(2) * math.erfc(math.sqrt(2)) / 2
    return scale**2 * (0.5 + left)


def _scaled_elu() -> list[float]:
    """Return the constants of an ELU(1) that is scaled until E f(z)² = 1."""
    return [1.0, 1 / math.sqrt(float(expectation(lambda z: np.square(elu.f(z)))))]


def _selu_energies(rng: np.random.Generator, draws: int) -> Measurement:
    layers = networks_to_share(rng, depth=DEPTH, width=WIDTH, draws=draws)
    value, error = layer_ratio(measure_health(rng, layers, selu).norms)
    return Measurement.of(value**2, 2 * value * error)


def _share(dead: np.ndarray) -> tuple[float, float]:
    share = float(dead.mean())
    return share, math.sqrt(share * (1 - share) / len(dead))


def _dead_for_one(rng: np.random.Generator, draws: int) -> Measurement:
    shares = [
        _share(draw_dead(rng, rng.standard_normal((1, 4)), width=n, depth=depth, draws=draws))
        for n, depth in SIZES
    ]
    return Measurement.of(*np.transpose(shares))


def _dead_for_both(rng: np.random.Generator, width: int, depth: int, draws: int) -> np.ndarray:
    dead = draw_dead(rng, BOTH_SIGNS, width=width, depth=depth, draws=draws)
    return np.asarray(dead.all(axis=-1))


def _dead_pairs(rng: np.random.Generator, draws: int) -> Measurement:
    shares = [_share(_dead_for_both(rng, width, 2, draws)) for width in PAIRS]
    return Measurement.of(*np.transpose(shares))


def _extremes(rng: np.random.Generator, depth: int) -> list[float]:
    layers = looks_linear(rng, [UNITS] * (depth + 1), relu, orthogonal)
    values = singular_values(jacobian(layers, rng.standard_normal((1, UNITS))))
    return [float(values.max()), float(values.min())]


def _plain_extremes() -> list[float]:
    """Return the same of plain layers, whose orthogonal weights have the gain of the ReLU."""
    rng, found = np.random.default_rng(0), list[float]()
    for depth in DEPTHS:
        root = orthogonal_with(gain(relu))
        layers = plain(rng, [UNITS] * (depth + 1), relu, root, output_activation=relu)
        values = singular_values(jacobian(layers, rng.standard_normal((1, UNITS))))
        found += [float(values.max()), float(values.min())]
    return found


DECAY = Claim(
    name="every activation, the same weights",
    chapter=CHAPTER,
    statement="At Var(w) = 1/n a layer multiplies a gradient's norm by √χ, geometric mean",
    setting=f"width {WIDTH}, {DEPTH} layers, no biases, the same weights for all",
    source=SCHOENHOLZ,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(activation.name for activation in activations.ALL),
    theory=lambda: _ratios(own=False),
    measure=lambda rng, draws: _survey(rng, draws, own=False),
    # What is left out is of order 1/width.
    tolerance=0.01,
    rival=Rival("The slopes at length one decide, in every layer", _ratios_at_length_one),
    draws=6,
    full=60,
    format=".4f",
)
OWN = Claim(
    name="every activation, its own gain",
    chapter=CHAPTER,
    statement="With weights of variance gain²/n a layer's ratio follows the length of the signal",
    setting=f"width {WIDTH}, {DEPTH} layers, no biases, gain at length 1",
    source=SCHOENHOLZ,
    kind=ClaimKind.ASYMPTOTIC,
    cases=DECAY.cases,
    theory=lambda: _ratios(own=True),
    measure=lambda rng, draws: _survey(rng, draws, own=True),
    # Of order 1/width; lengths that run away from a fixed point, as GELU's do, enlarge it.
    tolerance=0.015,
    rival=Rival("The gain makes every activation's ratio one", lambda: 1.0),
    draws=6,
    full=60,
    format=".4f",
)
CONSTANTS = Claim(
    name="SELU's constants",
    chapter=CHAPTER,
    statement="α and λ follow from E f(z) = 0 and E f(z)² = 1",
    setting="the constants as published, to four decimals",
    source=KLAMBAUER,
    kind=ClaimKind.CHOSEN,
    cases=("α", "λ"),
    theory=lambda: [1.6733, 1.0507],
    measure=lambda rng, draws: Measurement.of(selu_constants()),
    # Half a unit of the last printed decimal.
    tolerance=5e-5,
    rival=Rival("It is the ELU with α = 1, scaled until E f(z)² = 1", _scaled_elu),
    format=".4f",
)
GROWTH = Claim(
    name="SELU's slow explosion",
    chapter=CHAPTER,
    statement="A SELU layer multiplies a gradient's energy by χ = λ²(1/2 + α² e² Φ(−2)) > 1",
    setting=f"Var(w) = 1/n, width {WIDTH}, {DEPTH} layers, no biases",
    source=KLAMBAUER,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("energy",),
    theory=_selu_gain,
    measure=_selu_energies,
    # What is left out is of order 1/width.
    tolerance=0.01,
    rival=Rival("What keeps the signal keeps the gradient, too", lambda: 1.0),
    draws=20,
    full=100,
    format=".4f",
)
DEAD = Claim(
    name="dead for one input",
    chapter=CHAPTER,
    statement="A ReLU network without biases is dead for a given input with P = 1 − (1 − 2⁻ⁿ)ᴸ",
    setting="L layers of n units, four inputs, Gaussian weights",
    source=LU,
    kind=ClaimKind.EXPECTATION,
    cases=tuple(f"n = {width}, L = {depth}" for width, depth in SIZES),
    theory=lambda: [dead_probability(width, depth) for width, depth in SIZES],
    measure=_dead_for_one,
    rival=Rival(
        "Each layer adds 2⁻ⁿ, L/2ⁿ in all, at most 1",
        lambda: [min(1, depth / 2**width) for width, depth in SIZES],
    ),
    draws=10_000,
    full=200_000,
    format=".4f",
)
DEAD_FOR_BOTH = Claim(
    name="dead for every number",
    chapter=CHAPTER,
    statement="Two ReLU layers above one input unit are dead for every input with 4⁻ⁿ(3 − 2·2⁻ⁿ)",
    setting="n units in each layer, no biases, Gaussian weights",
    source=LU,
    kind=ClaimKind.EXPECTATION,
    cases=tuple(f"n = {width}" for width in PAIRS),
    theory=lambda: [dead_for_both_probability(width) for width in PAIRS],
    measure=_dead_pairs,
    rival=Rival(
        "Dead for one number is dead for all", lambda: [dead_probability(n, 2) for n in PAIRS]
    ),
    draws=40_000,
    full=400_000,
    format=".4f",
)
MIRROR = Claim(
    name="looks-linear initialization",
    chapter=CHAPTER,
    statement="Mirrored orthogonal weights give a Jacobian with all singular values 1",
    setting=f"ReLU, {UNITS} pairs of units",
    source=BALDUZZI,
    kind=ClaimKind.EXACT,
    cases=tuple(f"{end}, L = {depth}" for depth in DEPTHS for end in ("largest", "smallest")),
    theory=lambda: [1.0] * (2 * len(DEPTHS)),
    measure=lambda rng, draws: Measurement.of(
        [value for depth in DEPTHS for value in _extremes(rng, depth)]
    ),
    tolerance=1e-12,
    rival=Rival("So do plain orthogonal weights with the ReLU's gain", _plain_extremes),
)
