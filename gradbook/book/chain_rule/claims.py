"""Claims of the chapter on the chain rule: what a factor is made of, and how many routes there are.

What is measured knows nothing of the chain rule, or counts in a way of its own.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from gradbook.activations import identity
from gradbook.backpropagation import backprop, backprop_from, forward, gradient_check
from gradbook.book.chain_rule.differences import factors
from gradbook.book.claims.record import Claim, ClaimKind, Measurement, Rival
from gradbook.book.lecture_note import Example, deeper_example, example
from gradbook.book.routing import Route, route_count, routes
from gradbook.book.sources import GRIEWANK_WALTHER, NUMERICAL_RECIPES, RUMELHART
from gradbook.layers import Dense
from gradbook.losses import half_squared_error

CHAPTER = "chain-rule"
_SETTING = "the 3-2-1 sigmoid network of gradbook.book.lecture_note.example, float64"


def _routes(net: Example) -> tuple[Route, ...]:
    """Return the routes of the weight from the first input to the first hidden unit."""
    return routes(net.layers, net.x, net.target, half_squared_error, layer=1, i=0, j=0)


def _with_product(found: tuple[float, ...]) -> list[float]:
    return [*found, math.prod(found)]


def _parts() -> list[float]:
    """Return output minus target, slope times weight, slope times input, and their product."""
    net = example()
    hidden, output = forward(net.layers, net.x)
    at_output, at_hidden = ((a * (1 - a)).flat[0] for a in (output.a, hidden.a))
    error = (output.a - net.target).item()
    return _with_product((error, at_output * net.layers[1].W[0, 0], at_hidden * net.x[0, 0]))


def _slopes_alone() -> list[float]:
    hidden, output = (a * (1 - a) for a in (r.a for r in forward(example().layers, example().x)))
    return _with_product((output.item(), output.item(), float(hidden[0, 0])))


FACTORS = Claim(
    name="what-factors-are",
    chapter=CHAPTER,
    statement="The factors along a route are the loss's derivative, slope × weight, slope × input",
    setting=f"{_SETTING}; central differences, step the cube root of the gap above one",
    source=RUMELHART,
    kind=ClaimKind.ASYMPTOTIC,
    cases=("∂L/∂o₁", "∂o₁/∂a₁₁", "∂a₁₁/∂w′₁₁", "product"),
    theory=_parts,
    measure=lambda _, __: Measurement.of(_with_product(factors(example()))),
    # A step of 6e-6 leaves out about 1e-11 and rounds off 1e-15 / 6e-6, against factors from 0.02.
    tolerance=1e-7,
    rival=Rival("each factor is the slope of a sigmoid, without a weight", _slopes_alone),
)


def _checks() -> list[tuple[float, float]]:
    net = example()
    found = gradient_check(net.layers, net.x, net.target, half_squared_error)
    return [(check.analytic, check.numeric) for check in found]


def _without_weights() -> list[float]:
    """Return the derivatives by all parameters as they would be if all weights behind were one."""
    net = example()
    hidden, output = forward(net.layers, net.x)
    at_output = (output.a - net.target) * output.a * (1 - output.a)
    at_hidden = at_output * hidden.a * (1 - hidden.a)
    parts = (net.x.T @ at_hidden, at_hidden, hidden.a.T @ at_output, at_output)
    return [float(number) for part in parts for number in part.flat]


DIFFERENCES = Claim(
    name="note-differences",
    chapter=CHAPTER,
    statement="Each of the eleven derivatives equals its central difference",
    setting=f"{_SETTING}, step the cube root of the gap above one",
    source=NUMERICAL_RECIPES,
    kind=ClaimKind.ASYMPTOTIC,
    cases=tuple(
        check.name
        for net in [example()]
        for check in gradient_check(net.layers, net.x, net.target, half_squared_error)
    ),
    theory=lambda: [analytic for analytic, _ in _checks()],
    measure=lambda _, __: Measurement.of([numeric for _, numeric in _checks()]),
    # With step 6e-6 the truncation is about 1e-11 and the rounding 1e-12, against entries of 1e-3.
    tolerance=1e-6,
    rival=Rival("the weights behind a unit do not matter", _without_weights),
    format=".8f",
)


def _deeper_gradient() -> float:
    net = deeper_example()
    trace = backprop(net.layers, net.x, net.target, half_squared_error)
    return float(trace.gradients[0]["W"][0, 0])


SUM_OVER_ROUTES = Claim(
    name="sum-over-routes",
    chapter=CHAPTER,
    statement="A gradient is the sum over routes of the products along them",
    setting="the 3-2-2-1 network of lecture_note.deeper_example, weight w′₁₁, float64",
    source=GRIEWANK_WALTHER,
    kind=ClaimKind.EXACT,
    cases=("backpropagation beside the sum",),
    theory=lambda: sum(route.product for route in _routes(deeper_example())),
    measure=lambda _, __: Measurement.of(_deeper_gradient()),
    rival=Rival(
        "one route is enough, the strongest",
        lambda: max(route.product for route in _routes(deeper_example())),
    ),
    format=".6g",
)

_LATER_WIDTHS = ((1,), (2, 1), (5, 2), (30, 30, 10))


def _counted(later: tuple[int, ...]) -> float:
    """Return the gradient of a weight where every number is one: each route adds one to it."""
    widths = (1, 1, *later)
    layers = [Dense(np.ones(shape), None, identity) for shape in pairwise(widths)]
    trace = backprop_from(layers, np.ones((1, 1)), np.ones((1, later[-1])))
    return float(trace.gradients[0]["W"].item())


COUNT_OF_ROUTES = Claim(
    name="count-of-routes",
    chapter=CHAPTER,
    statement="In fully connected layers, the later widths multiply to a weight's number of routes",
    setting="linear networks whose weights and input are all one, with ∂L/∂o = 1: the gradient "
    "of a first weight is its number of routes",
    source=GRIEWANK_WALTHER,
    kind=ClaimKind.EXACT,
    cases=tuple("later widths " + ", ".join(map(str, later)) for later in _LATER_WIDTHS),
    theory=lambda: [route_count(later) for later in _LATER_WIDTHS],
    measure=lambda _, __: Measurement.of([_counted(later) for later in _LATER_WIDTHS]),
    rival=Rival("as many routes as later units", lambda: [sum(w) for w in _LATER_WIDTHS]),
    format=".0f",
)
