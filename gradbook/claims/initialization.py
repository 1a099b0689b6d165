"""Claims of the chapter on initialization: from constant weights to orthogonal ones."""

from __future__ import annotations

import math
from functools import cache
from itertools import product

import numpy as np

from gradbook import deep_linear, vgg
from gradbook.activations import relu, sigmoid, tanh
from gradbook.backprop import backprop, backprop_from
from gradbook.checks import Array
from gradbook.claims.record import Claim, Kind, Measurement
from gradbook.datasets import gaussian_classes
from gradbook.finite_width import active_probabilities, relu_energy
from gradbook.initializers import (
    Initializer,
    constant,
    he,
    lecun,
    orthogonal,
    scaled,
    torch_linear,
)
from gradbook.jacobian import layer_jacobians, singular_values
from gradbook.layers import Layer
from gradbook.losses import half_squared_error, softmax_cross_entropy
from gradbook.measure import Recipe, boundary_norms
from gradbook.networks import plain
from gradbook.sources import GLOROT_BENGIO, HANIN_NICA, HE, RUMELHART, SAXE, SCHOENHOLZ
from gradbook.survey import Finding, predicted_decades, survey
from gradbook.training import Training, train

CHAPTER = "initialization"

# Constant weights.
UNITS, SYMMETRIC_STEPS, EXAMPLE = 6, 30, (1.0, -2.0, 0.5)

# The survey of defaults.
ACTIVATIONS = (sigmoid, tanh, relu)
INITIALIZERS = (torch_linear, lecun, orthogonal, he)
RECIPES = tuple(Recipe(f.name, f, i) for f, i in product(ACTIVATIONS, INITIALIZERS))
DEPTHS, SURVEYED = (10, 50, 100), 50
SURVEY_WIDTH, SURVEY_DRAWS = 100, 6

# He and Xavier.
VGG_SHRINK, XAVIER_DEPTH, XAVIER_WIDTH = 16, 22, 32
ENERGY_WIDTH, ENERGY_DEPTH = 20, 4
LOG_WIDTH, LOG_DEPTH = 32, 19
TRAINED_DEPTH, TRAINED_WIDTH, SEEDS, STEPS, RATE = 30, 128, 4, 70, 0.005
CLASSES, DIMENSION, EXAMPLES = 4, 16, 32

# Singular values.
JACOBIAN_WIDTH, JACOBIAN_DEPTH = 200, 5
STANDARD = scaled(1 / 3)
"""Glorot and Bengio's standard initialization: n Var(w) = 1/3."""

# Deep linear networks.
LINEAR_DEPTHS, LINEAR_RATE, LINEAR_STEPS = (2, 4, 8, 16, 32, 64), 0.05, 60


def constant_network() -> list[Layer]:
    """Return a network whose weights are all the same."""
    rng = np.random.default_rng(0)
    return plain(rng, (len(EXAMPLE), UNITS, 1), tanh, constant(0.5))


def unit_spread(layer: Layer) -> float:
    """Return how far the columns of W, one per unit, are apart, relative to the largest weight."""
    W = layer.parameters["W"]
    return float(np.ptp(W, axis=-1).max() / np.abs(W).max())


def _symmetry() -> Measurement:
    trace = backprop(constant_network(), [EXAMPLE], [[1.0]], half_squared_error)
    column = trace.gradients[0]["W"][:, 0]
    rng = np.random.default_rng(1)
    x, target = rng.standard_normal((8, len(EXAMPLE))), rng.standard_normal((8, 1))
    run = train(constant_network(), x, target, half_squared_error, lr=0.1, steps=SYMMETRIC_STEPS)
    spread = unit_spread(run.layers[0])
    return Measurement.of([*(column[1:] / column[0]), spread])


@cache
def defaults(draws: int) -> tuple[Finding, ...]:
    """Survey the usual initializers, once for the chapter and its claim."""
    rng = np.random.default_rng(0)
    return tuple(survey(rng, RECIPES, DEPTHS, width=SURVEY_WIDTH, draws=draws))


def _per_layer(draws: int) -> Measurement:
    found = [finding for finding in defaults(draws) if finding.depth == SURVEYED]
    factors = np.array([10 ** (f.measured / f.depth) for f in found])
    relative = np.array([f.error * math.log(10) / f.depth for f in found])
    return Measurement.of(factors, factors * relative)


def _input_norm(layers: list[Layer], x: Array, da: Array) -> float:
    return float(boundary_norms(layers, x, da)[0])


def vgg_ratio(rng: np.random.Generator) -> float:
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


def he_energies(
    rng: np.random.Generator, width: int, depth: int, draws: int
) -> tuple[Array, Array]:
    """Measure the energies in real bias-free ReLU networks with He's weights.

    Args:
        rng: The random generator.
        width: Units in each layer.
        depth: Number of layers.
        draws: Number of networks.

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
    ahead, back = he_energies(rng, ENERGY_WIDTH, ENERGY_DEPTH, draws)
    x = np.stack([ahead[:, -1], back[:, 0]], axis=-1)
    law = relu_energy([ENERGY_WIDTH] * ENERGY_DEPTH)
    # The true errors: rare networks carry the moments, and a sample that lacks them has too small
    # a standard deviation.
    first = math.sqrt(law.variance / draws)
    second = math.sqrt((fourth_moment() - law.second_moment**2) / draws)
    return Measurement.of(
        [*x.mean(axis=0), *np.square(x).mean(axis=0)], [first, first, second, second]
    )


def fourth_moment() -> float:
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
    return he_energies(rng, LOG_WIDTH, LOG_DEPTH, draws)[0]


def _logs(draws: int) -> Measurement:
    logs = np.log(typical_energies(draws)[:, -1])
    squares = np.square(logs - logs.mean())
    errors = np.array([logs.std(ddof=1), squares.std(ddof=1)]) / math.sqrt(draws)
    return Measurement.of([logs.mean(), squares.mean()], errors)


def _log_theory() -> list[float]:
    law = relu_energy([LOG_WIDTH] * LOG_DEPTH)
    return [law.mean_log, law.variance_log]


@cache
def training_runs() -> dict[str, Training]:
    """Train deep ReLU networks from He's and from Xavier's weights, the same draws."""
    rng = np.random.default_rng(0)
    task = gaussian_classes(rng, classes=CLASSES, dimension=DIMENSION, examples=EXAMPLES)
    widths = [DIMENSION, *[TRAINED_WIDTH] * (TRAINED_DEPTH - 1), CLASSES]
    runs = {}
    for name, initializer in (("He, 2/n", he), ("Xavier, 1/n", lecun)):
        same = np.random.default_rng(1)
        start = plain(same, widths, relu, initializer, bias_variance=None, ensemble=(SEEDS,))
        # In float32, which is precise enough for a curve and takes half the time.
        light = [
            layer.with_parameters({"W": layer.parameters["W"].astype(np.float32)})
            for layer in start
        ]
        x, target = task.x.astype(np.float32), task.target.astype(np.float32)
        runs[name] = train(light, x, target, softmax_cross_entropy, lr=RATE, steps=STEPS)
    return runs


def _learned() -> Measurement:
    fitted, stalled = (run.loss for run in training_runs().values())
    halved = float((fitted[:, -1] < fitted[:, 0] / 2).mean())
    return Measurement.of([halved, float(stalled[:, -1].mean())])


def _mean_singular_values(rng: np.random.Generator, draws: int) -> Measurement:
    n = JACOBIAN_WIDTH
    values = [
        [singular_values(i.draw(rng, n, n)).mean() for i in (lecun, STANDARD)] for _ in range(draws)
    ]
    return Measurement.mean(np.array(values))


@cache
def mean_layer_singular_values(draws: int) -> Array:
    """Return the mean singular value of each layer's Jacobian in tanh networks.

    Shape (draws, 2, layers): normalized before standard initialization.
    """
    rng = np.random.default_rng(0)
    found = []
    for initializer in (lecun, STANDARD) * draws:
        widths = [JACOBIAN_WIDTH] * (JACOBIAN_DEPTH + 1)
        layers = plain(rng, widths, tanh, initializer, output_activation=tanh, bias_variance=None)
        x = rng.standard_normal((1, JACOBIAN_WIDTH))
        found.append([float(singular_values(J).mean()) for J in layer_jacobians(layers, x)])
    return np.reshape(found, (draws, 2, JACOBIAN_DEPTH))


def _layer_singular_values(draws: int) -> Measurement:
    return Measurement.mean(mean_layer_singular_values(draws)[:, :, [0, -1]].reshape(draws, -1))


@cache
def linear_curve(depth: int, initializer: Initializer, steps: int = LINEAR_STEPS) -> Array:
    """Return the learning curve of a deep linear network, once for the chapter and its claim."""
    rng = np.random.default_rng(0)
    return deep_linear.learning_curve(rng, initializer, depth, rate=LINEAR_RATE, steps=steps)


def _linear_steps() -> Measurement:
    counts = [deep_linear.counted_steps(linear_curve(d, orthogonal)) for d in LINEAR_DEPTHS]
    return Measurement.of([math.nan if count is None else count for count in counts])


SYMMETRY = Claim(
    name="constant weights",
    chapter=CHAPTER,
    statement="With constant weights the gradients of a unit's weights are in the ratio of its "
    "inputs, and the units of a layer stay equal",
    setting=f"{len(EXAMPLE)} inputs, {UNITS} tanh units; units compared after "
    f"{SYMMETRIC_STEPS} steps",
    source=RUMELHART,
    kind=Kind.EXACT,
    cases=("input 2 over input 1", "input 3 over input 1", "distance between units"),
    theory=lambda: [EXAMPLE[1] / EXAMPLE[0], EXAMPLE[2] / EXAMPLE[0], 0.0],
    measure=lambda rng, draws: _symmetry(),
)
DEFAULTS = Claim(
    name="defaults",
    chapter=CHAPTER,
    statement="Activation and initializer decide by what a layer multiplies a gradient",
    setting=f"{SURVEYED} layers of {SURVEY_WIDTH}, no biases; geometric mean over the layers",
    source=SCHOENHOLZ,
    kind=Kind.ASYMPTOTIC,
    cases=tuple(f"{recipe.name}, {recipe.initializer.name}" for recipe in RECIPES),
    theory=lambda: [
        10 ** (predicted_decades(recipe, SURVEYED, SURVEY_WIDTH) / SURVEYED) for recipe in RECIPES
    ],
    measure=lambda rng, draws: _per_layer(draws),
    # Theory is that of the mean energy; a log lies lower, for a ReLU by 5/(4n) in a layer.
    tolerance=0.015,
    draws=SURVEY_DRAWS,
    full=40,
)
VGG = Claim(
    name="VGG-B",
    chapter=CHAPTER,
    statement="A deviation of 0.01 makes the gradient at conv2 of VGG-B smaller by this factor",
    setting=f"nine 3 × 3 ReLU convolutions on a 4 × 4 image, {VGG_SHRINK} times fewer filters, no "
    f"biases, the gradient on the output held; He et al. round it to {vgg.PUBLISHED.ratio:g}",
    source=HE,
    kind=Kind.EXACT,
    cases=("derived over fixed",),
    theory=vgg.predicted_ratio,
    measure=lambda rng, draws: Measurement.of(vgg_ratio(rng)),
    format=".2f",
)
XAVIER = Claim(
    name="Xavier on ReLU",
    chapter=CHAPTER,
    statement="On ReLU layers Xavier's weights lose 2^(−L/2) of the gradient that He's keep",
    setting=f"{XAVIER_DEPTH} layers of {XAVIER_WIDTH}, the same draws, the gradient on the output "
    "held",
    source=HE,
    kind=Kind.EXACT,
    cases=(f"L = {XAVIER_DEPTH}",),
    theory=lambda: 2 ** (-XAVIER_DEPTH / 2),
    measure=lambda rng, draws: Measurement.of(_xavier_loss(rng)),
)
MOMENTS = Claim(
    name="moments of He's energy",
    chapter=CHAPTER,
    statement="He's weights keep the mean energy of a ReLU network, and its mean square grows as "
    "(1 + 5/n)^L",
    setting=f"{ENERGY_DEPTH} layers of {ENERGY_WIDTH}, no biases; standard errors from theory",
    source=HANIN_NICA,
    kind=Kind.EXPECTATION,
    cases=("mean, signal", "mean, gradient", "mean square, signal", "mean square, gradient"),
    theory=lambda: np.repeat(
        [
            relu_energy([ENERGY_WIDTH] * ENERGY_DEPTH).mean,
            relu_energy([ENERGY_WIDTH] * ENERGY_DEPTH).second_moment,
        ],
        2,
    ),
    measure=_moments,
    draws=8000,
    full=200_000,
)
TYPICAL = Claim(
    name="the typical He network",
    chapter=CHAPTER,
    statement="He's weights keep the mean energy, yet its logarithm falls with depth and spreads",
    setting=f"{LOG_DEPTH} ReLU layers of {LOG_WIDTH}, no biases; natural logarithm",
    source=HANIN_NICA,
    kind=Kind.EXPECTATION,
    cases=("mean log energy", "its variance"),
    theory=_log_theory,
    measure=lambda rng, draws: _logs(draws),
    draws=1500,
    full=20_000,
)
TRAINING = Claim(
    name="He against Xavier",
    chapter=CHAPTER,
    statement=f"A ReLU network of {TRAINED_DEPTH} layers learns from He's weights, and from "
    "Xavier's it stays at the loss of guessing, ln 4",
    setting=f"width {TRAINED_WIDTH}, {STEPS} steps at η = {RATE:g}, {SEEDS} seeds, float32",
    source=HE,
    kind=Kind.EXACT,
    cases=("He, share of seeds whose loss halved", "Xavier, mean loss at the end"),
    theory=lambda: [1.0, math.log(CLASSES)],
    measure=lambda rng, draws: _learned(),
    # A loss that is learned at all is off by far more.
    tolerance=0.005,
)
QUARTER_CIRCLE = Claim(
    name="mean singular value",
    chapter=CHAPTER,
    statement="The mean singular value of a square matrix of variance v/n is 8√v/3π",
    setting=f"n = {JACOBIAN_WIDTH}",
    source=GLOROT_BENGIO,
    kind=Kind.ASYMPTOTIC,
    cases=("normalized, v = 1", "standard, v = 1/3"),
    theory=lambda: [8 / (3 * math.pi), 8 / (3 * math.pi) / math.sqrt(3)],
    measure=_mean_singular_values,
    # What is left out is of order 1/n.
    tolerance=0.005,
    draws=6,
    full=60,
)
JACOBIANS = Claim(
    name="Glorot and Bengio's Jacobians",
    chapter=CHAPTER,
    statement="The mean singular value of a layer's Jacobian is around 0.8 with normalized and "
    "around 0.5 with standard initialization",
    setting=f"{JACOBIAN_DEPTH} tanh layers of {JACOBIAN_WIDTH}, inputs of mean square 1",
    source=GLOROT_BENGIO,
    kind=Kind.ASYMPTOTIC,
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
    draws=4,
    full=20,
    holds=False,
)
DEEP_LINEAR = Claim(
    name="deep linear networks",
    chapter=CHAPTER,
    statement="From orthogonal weights and with η ∝ 1/L, the time to learn hardly depends on depth",
    setting=f"width 16, target 1.5 times the initial product, η = {LINEAR_RATE:g}/L; steps until "
    "the loss is 0.001 of what it was",
    source=SAXE,
    kind=Kind.ASYMPTOTIC,
    cases=tuple(f"L = {depth}" for depth in LINEAR_DEPTHS),
    theory=lambda: [deep_linear.predicted_steps(depth, LINEAR_RATE) for depth in LINEAR_DEPTHS],
    measure=lambda rng, draws: _linear_steps(),
    # Theory is that of infinitely small steps, and a count is a whole number.
    tolerance=0.04,
    format=".1f",
)
