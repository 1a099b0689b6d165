"""Claims of the chapter on initialization: from constant weights to orthogonal ones."""

from __future__ import annotations

import math
from functools import cache
from itertools import product

import numpy as np

from gradbook.activations import relu, sigmoid, tanh
from gradbook.backpropagation import backprop, backprop_from
from gradbook.book.claims.keeping import measured_once
from gradbook.book.claims.record import Claim, ClaimKind, Measurement, Rival
from gradbook.book.finite_width import active_probabilities, relu_energy
from gradbook.book.four_classes import CLASSES, DIMENSION
from gradbook.book.initialization import deep_linear, vgg
from gradbook.book.sources import (
    GLOROT_BENGIO,
    HANIN_NICA,
    HE,
    MARCHENKO_PASTUR,
    RUMELHART,
    SAXE,
    SCHOENHOLZ,
)
from gradbook.book.survey import INITIALIZERS, measured_pairs, typical_decades
from gradbook.checks import Array
from gradbook.datasets import gaussian_classes
from gradbook.initializers import (
    Initializer,
    constant,
    he,
    lecun,
    orthogonal,
    scaled,
)
from gradbook.jacobians import layer_jacobians, singular_values
from gradbook.layers import Layer
from gradbook.losses import half_squared_error, softmax_cross_entropy
from gradbook.measure import Recipe, boundary_norms
from gradbook.networks import plain
from gradbook.training import Training, train

CHAPTER = "initialization"

# Constant weights.
UNITS, SYMMETRIC_STEPS, EXAMPLE = 6, 30, (1.0, -2.0, 0.5)

# The survey of defaults.
ACTIVATIONS = (sigmoid, tanh, relu)
RECIPES = tuple(Recipe(f.name, f, i) for f in ACTIVATIONS for i in INITIALIZERS)
DEPTHS, SURVEYED = (10, 50), 50
SURVEY_WIDTH, SURVEY_DRAWS = 100, 80
COMPARED = tuple(r for r in RECIPES if (r.activation, r.initializer) != (relu, he))
"""Without a ReLU of He's weights, of which two claims of its own tell more."""

# He and Xavier.
VGG_SHRINK, XAVIER_DEPTH, XAVIER_WIDTH = 16, 22, 32
ENERGY_WIDTH, ENERGY_DEPTH = 20, 4
LOG_WIDTH, LOG_DEPTH = 32, 19
TRAINED_DEPTH, TRAINED_WIDTH, SEEDS, STEPS, EXAMPLES = 24, 64, 5, 120, 32
RATES = {"He, 2/n": (0.005, 0.007, 0.01), "Xavier, 1/n": (1.0, 3.0, 10.0)}
"""Learning rates for each start: larger ones for the smaller gradient."""

# Singular values.
JACOBIAN_WIDTH, JACOBIAN_DEPTH = 200, 5
MEAN_SQUARES = (0.1, 1.0)
"""Of the inputs: as in Nielsen's images, and one."""
STANDARD = scaled(1 / 3)
"""Glorot and Bengio's standard initialization: n Var(w) = 1/3."""

# Deep linear networks.
LINEAR_DEPTHS, LINEAR_RATE, LINEAR_STEPS = (2, 4, 8, 16, 32, 64), 0.05, 60


def constant_network() -> list[Layer]:
    """Return a network whose weights are all the same."""
    rng = np.random.default_rng(0)
    return plain(rng, (len(EXAMPLE), UNITS, 1), tanh, constant(0.5))


def _unit_spread(layer: Layer) -> float:
    """Return how far the columns of W, one per unit, are apart, relative to the largest weight."""
    W = layer.parameters["W"]
    return float(np.ptp(W, axis=-1).max() / np.abs(W).max())


def _symmetry() -> Measurement:
    trace = backprop(constant_network(), [EXAMPLE], [[1.0]], half_squared_error)
    column = trace.gradients[0]["W"][:, 0]
    rng = np.random.default_rng(1)
    x, target = rng.standard_normal((8, len(EXAMPLE))), rng.standard_normal((8, 1))
    run = train(constant_network(), x, target, half_squared_error, lr=0.1, steps=SYMMETRIC_STEPS)
    spread = _unit_spread(run.layers[0])
    return Measurement.of([*(column[1:] / column[0]), spread])


@cache
@measured_once
def defaults(draws: int) -> dict[str, dict[str, Array]]:
    """Survey the usual initializers, once for the chapter and its claim, a few networks at once."""
    rng = np.random.default_rng(0)
    few = [min(10, draws - done) for done in range(0, draws, 10)]
    parts = [
        measured_pairs(rng, ACTIVATIONS, depths=DEPTHS, width=SURVEY_WIDTH, draws=n) for n in few
    ]
    return {
        f: {name: np.concatenate([part[f][name] for part in parts]) for name in of}
        for f, of in parts[0].items()
    }


def _surveyed(draws: int) -> Measurement:
    found, at = defaults(draws), DEPTHS.index(SURVEYED)
    decades = [found[r.name][r.initializer.name][:, at] for r in COMPARED]
    return Measurement.mean(np.transpose(decades))


def _bounded_decades() -> list[float]:
    """Take the largest slope for what every unit of every layer multiplies by."""
    return [
        SURVEYED / 2 * math.log10(n_times_variance(r) * r.activation.sup_df**2) for r in COMPARED
    ]


def n_times_variance(recipe: Recipe) -> float:
    """Return what the weights of a recipe multiply an energy by in the survey's networks."""
    return SURVEY_WIDTH * recipe.initializer.variance(SURVEY_WIDTH, SURVEY_WIDTH)


def _input_norm(layers: list[Layer], x: Array, da: Array) -> float:
    return float(boundary_norms(layers, x, da)[0])


def _vgg_ratio(rng: np.random.Generator) -> float:
    """Return the gradient at conv2's input as derived over that with the fixed deviation."""
    derived, fixed = vgg.small_vgg(rng, shrink=VGG_SHRINK)
    shape = [layer.parameters["W"].shape for layer in derived]
    x, da = rng.standard_normal((1, shape[0][0])), rng.standard_normal((1, shape[-1][1]))
    return _input_norm(derived, x, da) / _input_norm(fixed, x, da)


def _xavier_loss(rng: np.random.Generator) -> float:
    def network(initializer: Initializer) -> list[Layer]:
        widths = [XAVIER_WIDTH] * (XAVIER_DEPTH + 1)
        same = np.random.default_rng(1)
        return plain(same, widths, relu, initializer, output_activation=relu, bias_variance=None)

    x, da = rng.standard_normal((2, 1, XAVIER_WIDTH))
    return _input_norm(network(lecun), x, da) / _input_norm(network(he), x, da)


def _he_energies(
    rng: np.random.Generator, width: int, depth: int, draws: int
) -> tuple[Array, Array]:
    """Measure the energies in real bias-free ReLU networks with He's weights.

    Returns:
        The signal's energy after each layer, the input's being 1, and the gradient's before each,
        the output's being 1; both of shape (draws, depth).
    """
    forward, backward = [], []
    for start in range(0, draws, 500):  # so that the weights fit a small memory
        members = (min(500, draws - start),)
        layers = plain(
            rng,
            [width] * (depth + 1),
            relu,
            he,
            output_activation=relu,
            bias_variance=None,
            ensemble=members,
        )
        x, da = rng.standard_normal((2, *members, 1, width))
        trace = backprop_from(layers, x, da)
        signal, gradient = (
            np.stack([np.square(a).sum(axis=(-2, -1)) for a in arrays], axis=-1)
            for arrays in (trace.h, trace.dh)
        )
        forward.append(signal[:, 1:] / signal[:, :1])
        backward.append(gradient[:, :-1] / gradient[:, -1:])
    return np.concatenate(forward), np.concatenate(backward)


def _moments(rng: np.random.Generator, draws: int) -> Measurement:
    ahead, back = _he_energies(rng, ENERGY_WIDTH, ENERGY_DEPTH, draws)
    x = np.stack([ahead[:, -1], back[:, 0]], axis=-1)
    law = relu_energy([ENERGY_WIDTH] * ENERGY_DEPTH)
    # The true errors: rare networks carry the moments, and a sample that lacks them has too small
    # a standard deviation.
    first = math.sqrt(law.variance / draws)
    second = math.sqrt((_fourth_moment() - law.second_moment**2) / draws)
    return Measurement.of(
        [*x.mean(axis=0), *np.square(x).mean(axis=0)], [first, first, second, second]
    )


def _fourth_moment() -> float:
    r"""Return $E X^4 = \prod_l (2/n)^4\, E B(B + 2)(B + 4)(B + 6)$ of He's energy."""
    n = ENERGY_WIDTH
    b = np.arange(1, n + 1)
    alive = 1 - 0.5**n
    layer = (2 / n) ** 4 * alive * active_probabilities(n) @ (b * (b + 2) * (b + 4) * (b + 6))
    return float(layer**ENERGY_DEPTH)


@cache
def typical_energies(draws: int) -> Array:
    """Return the energy after each layer of He networks, once for the chapter and its claim."""
    rng = np.random.default_rng(0)
    return _he_energies(rng, LOG_WIDTH, LOG_DEPTH, draws)[0]


def _logs(draws: int) -> Measurement:
    logs = np.log(typical_energies(draws)[:, -1])
    squares = np.square(logs - logs.mean())
    errors = np.array([logs.std(ddof=1), squares.std(ddof=1)]) / math.sqrt(draws)
    return Measurement.of([logs.mean(), squares.mean()], errors)


def _log_theory() -> list[float]:
    law = relu_energy([LOG_WIDTH] * LOG_DEPTH)
    return [law.mean_log, law.variance_log]


@cache
def training_runs() -> dict[str, list[Training]]:
    """Train ReLU networks from He's and from Xavier's weights, the same draws, at each rate."""
    rng = np.random.default_rng(0)
    task = gaussian_classes(rng, classes=CLASSES, dimension=DIMENSION, examples=EXAMPLES)
    widths = [DIMENSION, *[TRAINED_WIDTH] * (TRAINED_DEPTH - 1), CLASSES]
    # In float32, which is precise enough for a curve and takes half the time.
    x, target = task.x.astype(np.float32), task.target.astype(np.float32)
    runs = {}
    for (name, rates), initializer in zip(RATES.items(), (he, lecun), strict=True):
        same = np.random.default_rng(1)
        start = plain(same, widths, relu, initializer, bias_variance=None, ensemble=(SEEDS,))
        light = [
            layer.with_parameters({"W": layer.parameters["W"].astype(np.float32)})
            for layer in start
        ]
        runs[name] = [
            train(light, x, target, softmax_cross_entropy, lr=rate, steps=STEPS) for rate in rates
        ]
    return runs


def learned_shares() -> dict[str, list[float]]:
    """Return at each rate the share of the networks whose loss ends below half of guessing."""
    return {
        name: [float((run.loss[:, -1] < math.log(CLASSES) / 2).mean()) for run in runs]
        for name, runs in training_runs().items()
    }


def _mean_singular_values(rng: np.random.Generator, draws: int) -> Measurement:
    n = JACOBIAN_WIDTH
    values = [
        [singular_values(i.draw(rng, n, n)).mean() for i in (lecun, STANDARD)] for _ in range(draws)
    ]
    return Measurement.mean(np.array(values))


@cache
def mean_layer_singular_values(draws: int) -> Array:
    """Return the mean singular value of each layer's Jacobian in tanh networks.

    Shape (draws, 2, 2, layers): by the mean square of the inputs, and normalized before standard
    initialization.
    """
    rng, n = np.random.default_rng(0), JACOBIAN_WIDTH
    widths, found = [n] * (JACOBIAN_DEPTH + 1), []
    for mean_square, initializer in [*product(MEAN_SQUARES, (lecun, STANDARD))] * draws:
        layers = plain(rng, widths, tanh, initializer, output_activation=tanh, bias_variance=None)
        x = math.sqrt(mean_square) * rng.standard_normal((1, n))
        found.append([float(singular_values(J).mean()) for J in layer_jacobians(layers, x)])
    return np.reshape(found, (draws, 2, 2, JACOBIAN_DEPTH))


def _layer_singular_values(draws: int) -> Measurement:
    small = mean_layer_singular_values(draws)[:, 0]
    return Measurement.mean(small[:, :, [0, -1]].reshape(draws, -1))


def _quarter_circle() -> Array:
    return np.array([8 / (3 * math.pi), 8 / (3 * math.pi) / math.sqrt(3)])


@cache
def linear_curve(depth: int, initializer: Initializer, steps: int = LINEAR_STEPS) -> Array:
    """Return the learning curve of a deep linear network, once for the chapter and its claim."""
    rng = np.random.default_rng(0)
    return deep_linear.learning_curve(rng, initializer, depth, rate=LINEAR_RATE, steps=steps)


def _linear_steps() -> Measurement:
    counts = [deep_linear.counted_updates(linear_curve(d, orthogonal)) for d in LINEAR_DEPTHS]
    return Measurement.of([math.nan if count is None else count for count in counts])


SYMMETRY = Claim(
    name="constant weights",
    chapter=CHAPTER,
    statement="With constant weights one example's gradients of a unit's weights are in the ratio "
    "of its inputs, and the units of a layer stay equal",
    setting=f"{len(EXAMPLE)} inputs, {UNITS} tanh units; units compared after "
    f"{SYMMETRIC_STEPS} steps",
    source=RUMELHART,
    kind=ClaimKind.EXACT,
    cases=("input 2 over input 1", "input 3 over input 1", "distance between units"),
    theory=lambda: [EXAMPLE[1] / EXAMPLE[0], EXAMPLE[2] / EXAMPLE[0], 0.0],
    measure=lambda rng, draws: _symmetry(),
    rival=Rival("All elements of that gradient are equal", lambda: [1.0, 1.0, 0.0]),
)
DEFAULTS = Claim(
    name="defaults",
    chapter=CHAPTER,
    statement="Activation and initializer decide how many decades of a gradient are left in depth",
    setting=f"{SURVEYED} layers of {SURVEY_WIDTH}, no biases, inputs of mean square 1; mean log₁₀ "
    "of the norm at the input; theory with what a finite width takes off",
    source=SCHOENHOLZ,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"{recipe.name}, {recipe.initializer.name}" for recipe in COMPARED),
    theory=lambda: [typical_decades(recipe, SURVEYED, SURVEY_WIDTH) for recipe in COMPARED],
    measure=lambda rng, draws: _surveyed(draws),
    # What is left out is of order 1/width², and what the length of the signal does.
    tolerance=0.01,
    rival=Rival("Each layer multiplies by the largest slope, and by √(n Var(w))", _bounded_decades),
    draws=SURVEY_DRAWS,
    full=200,
    format=".2f",
)
VGG = Claim(
    name="VGG-B",
    chapter=CHAPTER,
    statement="A deviation of 0.01 makes the gradient at conv2 of VGG-B smaller by this factor "
    "than √(2/(9d)) for d filters does",
    setting=f"nine 3 × 3 ReLU convolutions on a 4 × 4 image, {VGG_SHRINK} times fewer filters, no "
    "pooling, no biases, the same draws and the same gradient on the output; He et al. round it "
    f"to {vgg.REMARK.ratio:g}",
    source=HE,
    kind=ClaimKind.EXACT,
    cases=("derived over fixed",),
    theory=vgg.product_of_ratios,
    measure=lambda rng, draws: Measurement.of(_vgg_ratio(rng)),
    rival=Rival("The same with fan-in in place of fan-out", vgg.product_of_forward_ratios),
    format=".2f",
)
XAVIER = Claim(
    name="Xavier on ReLU",
    chapter=CHAPTER,
    statement="On equal ReLU layers Xavier's weights leave 2^(−L/2) of what He's leave",
    setting=f"{XAVIER_DEPTH} layers of {XAVIER_WIDTH}, no biases, the same draws, the gradient on "
    "the output held",
    source=HE,
    kind=ClaimKind.EXACT,
    cases=(f"L = {XAVIER_DEPTH}",),
    theory=lambda: 2 ** (-XAVIER_DEPTH / 2),
    measure=lambda rng, draws: Measurement.of(_xavier_loss(rng)),
    rival=Rival("Half of it is lost in each layer, 2^(−L)", lambda: 2.0**-XAVIER_DEPTH),
)
MOMENTS = Claim(
    name="moments of He's energy",
    chapter=CHAPTER,
    statement="He's weights keep the mean energy of a ReLU network, and its mean square grows as "
    "(1 + 5/n)^L",
    setting=f"{ENERGY_DEPTH} layers of {ENERGY_WIDTH}, no biases; standard errors from theory",
    source=HANIN_NICA,
    kind=ClaimKind.EXPECTATION,
    cases=("mean, signal", "mean, gradient", "mean square, signal", "mean square, gradient"),
    theory=lambda: np.repeat(
        [
            relu_energy([ENERGY_WIDTH] * ENERGY_DEPTH).mean,
            relu_energy([ENERGY_WIDTH] * ENERGY_DEPTH).second_moment,
        ],
        2,
    ),
    measure=_moments,
    rival=Rival("Each network keeps its energy, not only the mean", lambda: np.ones(4)),
    draws=8000,
    full=200_000,
)
TYPICAL = Claim(
    name="the typical He network",
    chapter=CHAPTER,
    statement="He's weights keep the mean energy, yet its logarithm falls with depth and spreads",
    setting=f"{LOG_DEPTH} ReLU layers of {LOG_WIDTH}, no biases; natural logarithm",
    source=HANIN_NICA,
    kind=ClaimKind.EXPECTATION,
    cases=("mean log energy", "its variance"),
    theory=_log_theory,
    measure=lambda rng, draws: _logs(draws),
    rival=Rival("The typical network keeps its energy, too", lambda: [0.0, 0.0]),
    draws=1500,
    full=20_000,
)
TRAINING = Claim(
    name="He against Xavier",
    chapter=CHAPTER,
    statement=f"ReLU networks of {TRAINED_DEPTH} layers of {TRAINED_WIDTH} learn from He's "
    "weights, and in as many steps from Xavier's at none of the rates tried",
    setting=f"{STEPS} steps, {SEEDS} draws, float32; share of them whose "
    "loss ends below half of guessing's",
    source=HE,
    kind=ClaimKind.TRAINING,
    cases=tuple(f"{name}, η = {rate:g}" for name, rates in RATES.items() for rate in rates),
    theory=lambda: [float(name.startswith("He")) for name, rates in RATES.items() for _ in rates],
    measure=lambda rng, draws: Measurement.of([x for v in learned_shares().values() for x in v]),
    # All of the networks, or none.
    tolerance=0.01,
    rival=Rival("A rate of 1, 3 or 10 makes up for the smaller gradient", lambda: 1.0),
)
QUARTER_CIRCLE = Claim(
    name="mean singular value",
    chapter=CHAPTER,
    statement="The mean singular value of a square matrix of variance v/n is 8√v/(3π)",
    setting=f"n = {JACOBIAN_WIDTH}",
    source=MARCHENKO_PASTUR,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("normalized, v = 1", "standard, v = 1/3"),
    theory=_quarter_circle,
    measure=_mean_singular_values,
    # What is left out is of order 1/n.
    tolerance=0.005,
    rival=Rival("It is their root mean square, √v", lambda: [1.0, 1 / math.sqrt(3)]),
    draws=40,
    full=60,
)
JACOBIANS = Claim(
    name="Glorot and Bengio's Jacobians",
    chapter=CHAPTER,
    statement="The mean singular value of a layer's Jacobian is around 0.8 with normalized and "
    "around 0.5 with standard initialization, for small inputs",
    setting=f"{JACOBIAN_DEPTH} tanh layers of {JACOBIAN_WIDTH}, inputs of mean square "
    f"{MEAN_SQUARES[0]:g}",
    source=GLOROT_BENGIO,
    kind=ClaimKind.CHOSEN,
    cases=(
        "normalized, first layer",
        "normalized, last layer",
        "standard, first layer",
        "standard, last layer",
    ),
    theory=lambda: [0.8, 0.8, 0.5, 0.5],
    measure=lambda rng, draws: _layer_singular_values(draws),
    # What "around" may mean; for 0.5 it takes in all that rounds to it.
    tolerance=0.05,
    rival=Rival("Weights alone decide, without slopes", lambda: np.repeat(_quarter_circle(), 2)),
    draws=4,
    full=20,
)
DEEP_LINEAR = Claim(
    name="deep linear networks",
    chapter=CHAPTER,
    statement="From orthogonal weights, towards a multiple near one of their own product and with "
    "η ∝ 1/L, the time to learn hardly depends on depth",
    setting=f"width 16, target {deep_linear.GROWTH:g} times the initial product, "
    f"η = {LINEAR_RATE:g}/L; steps until the loss is 0.001 of what it was",
    source=SAXE,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"L = {depth}" for depth in LINEAR_DEPTHS),
    theory=lambda: [deep_linear.predicted_updates(depth, LINEAR_RATE) for depth in LINEAR_DEPTHS],
    measure=lambda rng, draws: _linear_steps(),
    # Theory is that of infinitely small steps, and a count is a whole number.
    tolerance=0.04,
    rival=Rival(
        "It grows in proportion to the depth",
        lambda: [
            depth / 2 * deep_linear.predicted_updates(2, LINEAR_RATE) for depth in LINEAR_DEPTHS
        ],
    ),
    format=".1f",
)
