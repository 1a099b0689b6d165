"""Claims of the chapter on the chain rule: the note's network, its factors, its routes."""

from __future__ import annotations

import math

import numpy as np

from gradbook.backprop import backprop, gradient_check
from gradbook.claims.record import Claim, Kind, Measurement
from gradbook.losses import half_squared_error
from gradbook.note import NOTE, Example, deeper_example, example
from gradbook.routes import Route, route_count, routes
from gradbook.sources import GRIEWANK_WALTHER, LECTURE_NOTE, NUMERICAL_RECIPES, RUMELHART
from gradbook.update import gradient_step

CHAPTER = "chain-rule"
_SETTING = "the 3-2-1 sigmoid network of gradbook.note.example, float64"


def _routes(net: Example) -> tuple[Route, ...]:
    """Return the routes of the weight from the first input to the first hidden unit."""
    return routes(net.layers, net.x, net.target, half_squared_error, layer=1, i=0, j=0)


def _factors(_: np.random.Generator, __: int) -> Measurement:
    (route,) = _routes(example())
    return Measurement.of([*(factor.value for factor in route.factors), route.product])


def _updated(_: np.random.Generator, __: int) -> Measurement:
    net = example()
    trace = backprop(net.layers, net.x, net.target, half_squared_error)
    weights = trace.parameters[0]
    (after,) = gradient_step([weights.value], [weights.grad], NOTE.lr)
    return Measurement.of(after[0, 0])


FACTORS = Claim(
    name="note-factors",
    chapter=CHAPTER,
    statement="The note's three factors and their product occur in a real network",
    setting=_SETTING,
    source=LECTURE_NOTE,
    kind=Kind.EXACT,
    cases=("∂L/∂o₁", "∂o₁/∂f₁₁", "∂f₁₁/∂w′₁₁", "product"),
    theory=lambda: (*NOTE.factors, math.prod(NOTE.factors)),
    measure=_factors,
)

UPDATED = Claim(
    name="note-update",
    chapter=CHAPTER,
    statement="One step takes the note's weight to w − η∂L/∂w",
    setting=_SETTING,
    source=LECTURE_NOTE,
    kind=Kind.EXACT,
    cases=("w′₁₁ after the step",),
    theory=lambda: NOTE.weight - NOTE.lr * math.prod(NOTE.factors),
    measure=_updated,
)


def _checks() -> list[tuple[float, float]]:
    net = example()
    found = gradient_check(net.layers, net.x, net.target, half_squared_error)
    return [(check.analytic, check.numeric) for check in found]


DIFFERENCES = Claim(
    name="note-differences",
    chapter=CHAPTER,
    statement="Every derivative of the network equals its central difference",
    setting=f"{_SETTING}, step the cube root of the rounding unit",
    source=NUMERICAL_RECIPES,
    kind=Kind.EXACT,
    cases=tuple(
        check.name
        for net in [example()]
        for check in gradient_check(net.layers, net.x, net.target, half_squared_error)
    ),
    theory=lambda: [numeric for _, numeric in _checks()],
    measure=lambda _, __: Measurement.of([analytic for analytic, _ in _checks()]),
    # With step 6e-6 the truncation is about 1e-11 and the rounding 1e-12, against entries of 1e-3.
    tolerance=1e-6,
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
    setting="the 3-2-2-1 network of gradbook.note.deeper_example, weight w′₁₁, float64",
    source=GRIEWANK_WALTHER,
    kind=Kind.EXACT,
    cases=("backpropagation beside the sum",),
    theory=lambda: sum(route.product for route in _routes(deeper_example())),
    measure=lambda _, __: Measurement.of(_deeper_gradient()),
    format=".6g",
)

COUNT_OF_ROUTES = Claim(
    name="count-of-routes",
    chapter=CHAPTER,
    statement="A weight has as many routes as the product of the later widths",
    setting="w′₁₁ in the 3-2-1 and the 3-2-2-1 network, the routes listed one by one",
    source=RUMELHART,
    kind=Kind.EXACT,
    cases=("3-2-1", "3-2-2-1"),
    theory=lambda: (route_count((1,)), route_count((2, 1))),
    measure=lambda _, __: Measurement.of(
        [len(_routes(net)) for net in (example(), deeper_example())]
    ),
    format=".0f",
)
