"""Claims of the chapter on backpropagation: cost, canceled slopes, steps, Euler's identity."""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from gradbook.activations import Activation, identity, leaky_relu, relu, sigmoid, softplus, tanh
from gradbook.backpropagation import Trace, backprop
from gradbook.book.backpropagation.counting import forward_cost, multiply_adds
from gradbook.book.backpropagation.differences import best_step, error_terms, step_errors
from gradbook.book.backpropagation.modes import (
    difference_mode,
    forward_mode,
    parameter_count,
    reverse_mode,
)
from gradbook.book.claims.record import Claim, ClaimKind, Measurement, Rival
from gradbook.book.sources import BISHOP, DU, GRIEWANK_WALTHER, NUMERICAL_RECIPES
from gradbook.checks import Array
from gradbook.initializers import he, lecun
from gradbook.layers import Dense, Layer
from gradbook.losses import (
    Loss,
    half_squared_error,
    one_hot,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)
from gradbook.networks import plain
from gradbook.show.formats import fixed_text

Format: TypeAlias = type[np.floating[Any]]

CHAPTER = "backpropagation"

SHAPES, BATCH = ((3, 4, 2), (8, 8, 8, 8), (10, 30, 5)), 6
MODES = {"reverse": reverse_mode, "forward": forward_mode, "differences": difference_mode}
LOGITS, SEVERAL = (-3.0, 0.0, 5.0, 30.0), (20.0, 0.0, -5.0)
TRUNCATING = (1e-2, 1e-3, 1e-4)
FORMATS: dict[Format, Array] = {
    np.float32: np.logspace(-6, -3, 13),
    np.float64: np.logspace(-11, -7, 17),
}
WIDTHS, RECTIFIERS = (5, 12, 9, 7, 10, 4), (relu, leaky_relu)


def _network(widths: tuple[int, ...]) -> list[Layer]:
    return plain(np.random.default_rng(0), widths, tanh, lecun)


def _predicted_costs() -> list[int]:
    costs = []
    for layers in map(_network, SHAPES):
        one, parameters = forward_cost(layers, BATCH), parameter_count(layers)
        costs += [3 * one, (1 + parameters) * one, 2 * parameters * one]
    return costs


def _cheaper_costs() -> list[int]:
    costs = []
    for layers in map(_network, SHAPES):
        one, parameters = forward_cost(layers, BATCH), parameter_count(layers)
        costs += [2 * one, parameters * one, (1 + parameters) * one]
    return costs


def _counted_costs(rng: np.random.Generator, _: int) -> Measurement:
    counts = []
    for widths in SHAPES:
        x, y = (rng.standard_normal((BATCH, width)) for width in (widths[0], widths[-1]))
        for mode in MODES.values():
            run = partial(mode, x=x, target=y, loss=half_squared_error)
            counts.append(multiply_adds(run, _network(widths)))
    return Measurement.of(counts)


COST = Claim(
    name="cost of a gradient",
    chapter=CHAPTER,
    statement="A gradient of P parameters costs 3 forward passes in reverse mode, 1 + P in forward "
    "mode, 2P by differences",
    setting=f"multiply-adds counted in the matrix products of dense layers, with the gradient on "
    f"the network's input, batch of {BATCH}",
    source=GRIEWANK_WALTHER,
    kind=ClaimKind.EXACT,
    cases=tuple(f"{'-'.join(map(str, widths))}, {mode}" for widths in SHAPES for mode in MODES),
    theory=_predicted_costs,
    measure=_counted_costs,
    rival=Rival(
        "back costs as much as forward, so 2 in reverse mode; P; 1 + P by one-sided differences",
        _cheaper_costs,
    ),
    format=".0f",
)


def _delta(z: tuple[float, ...], target: int, activation: Activation, loss: Loss) -> Array:
    """Return delta of output units whose pre-activations are their biases."""
    layer = Dense(np.zeros((1, len(z))), np.array(z), activation)
    y = one_hot([target], len(z)) if len(z) > 1 else np.array([[target]])
    delta: Array = np.array(backprop([layer], [[1.0]], y, loss).delta)[0, 0]
    return delta


def _canceled() -> list[float]:
    exponentials = [math.exp(z) for z in SEVERAL]
    shares = [e / math.fsum(exponentials) for e in exponentials]
    return [*(1 / (1 + math.exp(-z)) for z in LOGITS), *shares[:-1], shares[-1] - 1]


def _with_slope() -> list[float]:
    """Return (a − y) σ′(z), where the slope of an output is a (1 − a)."""
    y = [0.0] * (len(LOGITS) + len(SEVERAL) - 1) + [1.0]
    outputs = [delta + target for delta, target in zip(_canceled(), y, strict=True)]
    pairs = zip(_canceled(), outputs, strict=True)
    return [delta * a * (1 - a) for delta, a in pairs]


def _canceled_deltas(_: np.random.Generator, __: int) -> Measurement:
    single = [_delta((z,), 0, identity, sigmoid_cross_entropy)[0] for z in LOGITS]
    last = len(SEVERAL) - 1
    return Measurement.of([*single, *_delta(SEVERAL, last, identity, softmax_cross_entropy)])


CANCELED = Claim(
    name="canceled slope",
    chapter=CHAPTER,
    statement="Sigmoid or softmax with cross-entropy has δ = a − y at the output, "
    "however saturated",
    setting="target 0 for the sigmoid, the last class for the softmax, float64",
    source=BISHOP,
    kind=ClaimKind.EXACT,
    cases=(
        *(f"sigmoid, z = {fixed_text(z, 0)}" for z in LOGITS),
        *(f"softmax, z = {fixed_text(z, 0)}" for z in SEVERAL),
    ),
    theory=_canceled,
    measure=_canceled_deltas,
    rival=Rival("δ = (a − y) σ′(z), as with half the squared error", _with_slope),
)

KEPT = Claim(
    name="slope that stays",
    chapter=CHAPTER,
    statement="With half the squared error a sigmoid output has δ = (a − y) σ′(z)",
    setting="target 0, float64",
    source=BISHOP,
    kind=ClaimKind.EXACT,
    cases=tuple(f"z = {fixed_text(z, 0)}" for z in LOGITS),
    theory=lambda: [1 / (1 + math.exp(-z)) ** 2 / (1 + math.exp(z)) for z in LOGITS],
    measure=lambda _, __: Measurement.of(
        [_delta((z,), 0, sigmoid, half_squared_error)[0] for z in LOGITS]
    ),
    rival=Rival("δ = a − y", lambda: [1 / (1 + math.exp(-z)) for z in LOGITS]),
)


def _third(w: Array) -> Array:
    """Return the third derivative of the softplus."""
    result: Array = sigmoid.df(w) * (1 - 2 * sigmoid.f(w))
    return result


def _points(dtype: Format = np.float64) -> Array:
    return np.random.default_rng(0).standard_normal(4000).astype(dtype)


def _one_sided() -> list[float]:
    size = float(np.sqrt(np.square(sigmoid.df(_points())).mean()))
    return [s * size / 2 for s in TRUNCATING]


def _terms(dtype: Format) -> tuple[float, float]:
    return error_terms(softplus.f, softplus.df, _third, _points(dtype))


def _errors(steps: Array, dtype: Format = np.float64) -> Array:
    return step_errors(softplus.f, softplus.df, _points(dtype), steps)


def _measured_best_step(dtype: Format) -> float:
    """Look for the lowest error: on a coarse grid, then on a smooth curve through a fine one."""
    coarse = np.logspace(-7, -1, 25)
    middle = coarse[np.argmin(_errors(coarse, dtype))]
    near = np.linspace(-1, 1, 61)
    curve = np.polynomial.Polynomial.fit(near, np.log(_errors(middle * np.exp(near), dtype)), 6)
    finer = np.linspace(-1, 1, 2001)
    return float(middle * np.exp(finer[np.argmin(curve(finer))]))


_NAMES = tuple(dtype.__name__ for dtype in FORMATS)
_ERRORS = "root mean square over 4000 points of the error of a central difference of ln(1 + exp w)"

TRUNCATION = Claim(
    name="truncation error",
    chapter=CHAPTER,
    statement="With a large step s, a central difference is off by s² f′′′ / 6",
    setting=f"{_ERRORS}, float64",
    source=NUMERICAL_RECIPES,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(f"s = {s:g}" for s in TRUNCATING),
    theory=lambda: [_terms(np.float64)[0] * s**2 for s in TRUNCATING],
    measure=lambda _, __: Measurement.of(_errors(np.array(TRUNCATING))),
    rival=Rival("s f′′ / 2, as one-sided differences are", _one_sided),
    tolerance=2e-3,  # the next term is s⁴f⁗′/120; rounding adds 1e-12 to 1e-10, in squares
)

ROUNDING = Claim(
    name="rounding error",
    chapter=CHAPTER,
    statement="With a small step its error is proportional to 1/s",
    setting=f"exponent fitted to the {_ERRORS}",
    source=NUMERICAL_RECIPES,
    kind=ClaimKind.ASYMPTOTIC,
    cases=_NAMES,
    theory=lambda: [-1.0] * len(FORMATS),
    measure=lambda _, __: Measurement.of(
        [np.polyfit(np.log(s), np.log(_errors(s, t)), 1)[0] for t, s in FORMATS.items()]
    ),
    rival=Rival("rounding is the same at every step", lambda: [0.0] * len(FORMATS)),
    tolerance=0.05,  # steps of one size for all points share their rounding, which is scatter
    format=".3f",
)

BEST_STEP = Claim(
    name="best step",
    chapter=CHAPTER,
    statement="The best step is ∛(R/(√2 A)), with truncation error A s² and rounding error R/s",
    setting=f"where a smooth curve through the {_ERRORS} is lowest",
    source=NUMERICAL_RECIPES,
    kind=ClaimKind.CHOSEN,
    cases=_NAMES,
    theory=lambda: [best_step(*_terms(dtype)) for dtype in FORMATS],
    measure=lambda _, __: Measurement.of([_measured_best_step(dtype) for dtype in FORMATS]),
    rival=Rival(
        "it is √ε, as for one-sided differences",
        lambda: [math.sqrt(np.finfo(dtype).eps) for dtype in FORMATS],
    ),
    tolerance=0.15,  # theory leaves out the roundings inside the function
)


def _homogeneous(activation: Activation) -> tuple[Trace, Loss, Array]:
    rng = np.random.default_rng(1)
    layers = plain(rng, WIDTHS, activation, he, bias_variance=None)
    x, labels = rng.standard_normal((8, WIDTHS[0])), rng.integers(0, WIDTHS[-1], 8)
    y = one_hot(labels, WIDTHS[-1])
    return backprop(layers, x, y, softmax_cross_entropy), softmax_cross_entropy, y


def _at_outputs() -> list[float]:
    products = []
    for activation in RECTIFIERS:
        trace, loss, y = _homogeneous(activation)
        products += [float((trace.h[-1] * loss.df(trace.h[-1], y)).sum())] * (len(WIDTHS) - 1)
    return products


def _by_size() -> list[float]:
    sizes = np.array([n * m for n, m in itertools.pairwise(WIDTHS)])
    return list(np.array(_at_outputs()) * np.tile(sizes / sizes.mean(), len(RECTIFIERS)))


def _at_weights(_: np.random.Generator, __: int) -> Measurement:
    traces = [_homogeneous(activation)[0] for activation in RECTIFIERS]
    return Measurement.of([(w.value * w.grad).sum() for t in traces for w in t.parameters])


EULER = Claim(
    name="Euler's identity",
    chapter=CHAPTER,
    statement="Without biases, ⟨W, ∂L/∂W⟩ is the same in every layer of ReLU or leaky ReLU units: "
    "the sum of output times ∂L/∂output",
    setting=f"widths {'-'.join(map(str, WIDTHS))}, softmax and cross-entropy, float64",
    source=DU,
    kind=ClaimKind.EXACT,
    cases=tuple(
        f"{activation.name}, layer {layer}"
        for activation in RECTIFIERS
        for layer in range(1, len(WIDTHS))
    ),
    theory=_at_outputs,
    measure=_at_weights,
    rival=Rival("it is in proportion to the layer's number of weights", _by_size),
)
