"""The rule for the plane against arcsine and arc-cosine laws, and the map against networks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from error_function import erf
from gradbook import activations
from gradbook.activations import Activation, leaky, relu, softplus, tanh
from gradbook.backpropagation import forward
from gradbook.book.one_law.correlations import (
    correlation_map,
    correlation_slope,
    joint_expectation,
)
from gradbook.initializers import scaled
from gradbook.networks import plain
from gradbook.theory.meanfield import chi, fixed_point, mean_square, mean_square_slope

C = np.array([-1.0, -0.9, -0.3, 0.0, 0.5, 0.9, 0.999, 1 - 1e-9, 1.0])
LENGTHS = (1e-8, 1e-3, 1.0, 100.0, 1e4, 1e8)


def above(z: float) -> float:
    """Return the probability of a standard normal lying above z."""
    return math.erfc(z / math.sqrt(2)) / 2


def stated(q: float) -> float:
    """Return the relative error that the module states."""
    return 1e-11 if q <= 1e4 else 1e-6


@pytest.mark.parametrize("q", LENGTHS)
def test_erf_has_the_arcsine_law_of_williams(q: float) -> None:
    exact = 2 / math.pi * np.arcsin(2 * q * C / (1 + 2 * q))
    found = joint_expectation(lambda u: erf.f(math.sqrt(q) * u), C)
    np.testing.assert_allclose(found, exact, atol=stated(q) * exact[-1])
    slopes = 4 / math.pi / np.sqrt((1 + 2 * q) ** 2 - np.square(2 * q * C))
    np.testing.assert_allclose(correlation_slope(erf, C, q, 1.0), slopes, rtol=stated(q))


@pytest.mark.parametrize("q", LENGTHS)
def test_relu_has_the_arc_cosine_kernels_of_cho_and_saul(q: float) -> None:
    theta = np.arccos(C)
    first = (np.sin(theta) + (math.pi - theta) * C) / (2 * math.pi)
    found = joint_expectation(lambda u: relu.f(math.sqrt(q) * u), C)
    np.testing.assert_allclose(found, q * first, atol=1e-14 * q)
    slopes = (math.pi - theta) / math.pi
    np.testing.assert_allclose(correlation_slope(relu, C, q, 2.0), slopes, atol=1e-14)


@pytest.mark.parametrize("activation", [*activations.ALL, erf, leaky(0.25)], ids=lambda a: a.name)
@pytest.mark.parametrize("q", LENGTHS)
def test_equal_inputs_have_the_averages_of_one(activation: Activation, q: float) -> None:
    # The rule on the line has a kink's error of its own, 1.2e-11 √q times the jump.
    allowed = stated(q) + 2e-10 * math.sqrt(q)
    scale = math.sqrt(q)
    square = joint_expectation(lambda u: activation.f(scale * u), 1.0)
    assert float(square) == pytest.approx(float(mean_square(activation, q)), rel=allowed)
    slope = float(correlation_slope(activation, 1.0, q, 1.3))
    assert slope == pytest.approx(1.3 * float(mean_square_slope(activation, q)), rel=allowed)


@pytest.mark.parametrize("q", [0.3, 1.0, 7.0, 1e4])
def test_what_is_not_smooth_elsewhere_costs_what_is_stated(q: float) -> None:
    edge = 1 / math.sqrt(q)
    inside, density = 1 - 2 * above(edge), math.exp(-1 / q / 2) / math.sqrt(2 * math.pi)
    square = q * (inside - 2 * edge * density) + 2 * above(edge)
    kinked = joint_expectation(lambda u: np.clip(math.sqrt(q) * u, -1, 1), 1.0)
    assert float(kinked) == pytest.approx(square, rel=1e-3)
    jumping = joint_expectation(lambda u: (np.abs(math.sqrt(q) * u) < 1).astype(float), 1.0)
    assert float(jumping) == pytest.approx(inside, rel=2e-2)


def test_two_functions_may_differ() -> None:
    # Isserlis: E u1³ u2 = 3c and E u1² u2² = 1 + 2c².
    np.testing.assert_allclose(joint_expectation(lambda u: u**3, C, lambda u: u), 3 * C, atol=1e-12)
    np.testing.assert_allclose(joint_expectation(np.square, C), 1 + 2 * C**2, rtol=1e-12)


@pytest.mark.parametrize("activation", [tanh, erf, activations.gelu, leaky(0.25), softplus],
                         ids=lambda a: a.name)  # fmt: skip
def test_averages_are_those_of_a_million_draws(activation: Activation) -> None:
    q, c = 0.7, 0.6
    u = np.random.default_rng(5).standard_normal((2, 10**6))
    z1, z2 = math.sqrt(q) * u[0], math.sqrt(q) * (c * u[0] + math.sqrt(1 - c * c) * u[1])
    joint = joint_expectation(lambda v: activation.f(math.sqrt(q) * v), c)
    slope = correlation_slope(activation, c, q, 1.0)
    for found, draws in [
        (joint, activation.f(z1) * activation.f(z2)),
        (slope, activation.df(z1) * activation.df(z2)),
    ]:
        assert abs(float(found) - draws.mean()) < 4 * draws.std() / 1000


@pytest.mark.parametrize("activation", [tanh, erf, activations.gelu, softplus])
def test_the_slope_is_that_of_the_map_at_a_fixed_length(activation: Activation) -> None:
    w2, b2 = 0.9, 0.2
    point = fixed_point(activation, w2, b2)
    assert point is not None
    step = 1e-5
    high, low = correlation_map(activation, [0.4 + step, 0.4 - step], point.q, w2, b2)
    found = float(correlation_slope(activation, 0.4, point.q, w2))
    assert found == pytest.approx(float(high - low) / (2 * step), rel=1e-8)


def test_the_map_takes_arrays_of_variances() -> None:
    values = correlation_map(relu, [0.0, 1.0], 1.0, [[1.0], [2.0]], 0.5)
    first = 1 / (2 * math.pi)
    expected = [[(first + 0.5) / 1.0, 1], [(2 * first + 0.5) / 1.5, 1]]
    np.testing.assert_allclose(values, expected)


@pytest.mark.parametrize(("w2", "b2"), [(1.0, 0.05), (1.7, 0.05), (2.5, 0.05), (4.0, 0.3)])
def test_inputs_stay_apart_where_chi_is_above_1(w2: float, b2: float) -> None:
    point = fixed_point(tanh, w2, b2)
    assert point is not None
    c = 0.0
    for _ in range(400):
        c = float(correlation_map(tanh, c, point.q, w2, b2))
    assert (c < 0.99) == (float(chi(tanh, point.q, w2)) > 1)


def test_real_networks_have_this_correlation() -> None:
    width, depth, draws, w2, b2, c = 300, 4, 30, 2.5, 0.1, 0.2
    point = fixed_point(tanh, w2, b2)
    assert point is not None
    rng, found = np.random.default_rng(12), []
    # Inputs of the mean square that gives z the fixed length, and so correlated that it gives c.
    square = (point.q - b2) / w2
    inner = (point.q * c - b2) / w2 / square
    for _ in range(draws):
        layers = plain(rng, [width] * (depth + 1), tanh, scaled(w2), bias_variance=b2)
        u = rng.standard_normal((2, width))
        x = math.sqrt(square) * np.stack([u[0], inner * u[0] + math.sqrt(1 - inner**2) * u[1]])
        rows = [record.z for record in forward(layers, x) if record.z is not None]
        found.append([(z[0] * z[1]).mean() / np.square(z).mean() for z in rows])
    theory = [c]
    for _ in range(depth - 1):
        theory.append(float(correlation_map(tanh, theory[-1], point.q, w2, b2)))
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / math.sqrt(draws)
    # A few 1/300 for the finite width.
    assert (np.abs(mean - theory) < 4 * error + 0.01).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: joint_expectation(np.sign, 1.1), r"c must lie within \[-1, 1\], got 1.1"),
        (lambda: correlation_map(tanh, -2.0, 1.0, 1.0), r"c must lie within \[-1, 1\], got -2"),
        (lambda: correlation_map(tanh, 0.5, -1.0, 1.0), "q must not be negative"),
        (lambda: correlation_map(tanh, 0.5, 1.0, -1.0), "sigma_w2 must not be negative"),
        (lambda: correlation_map(tanh, 0.5, 1.0, 1.0, -1.0), "sigma_b2 must not be negative"),
        (lambda: correlation_map(tanh, 0.5, 0.0, 1.0), "q must lead to a length above 0, got 0"),
    ],
)
def test_wrong_arguments_are_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
