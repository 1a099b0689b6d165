"""The border between the phases against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from error_function import erf
from gradbook import activations
from gradbook.activations import Activation, gelu, leaky, relu, selu, sigmoid, softplus, tanh
from gradbook.book.one_law.criticality import critical, critical_line, length_slope
from gradbook.theory.meanfield import chi, length_map


@pytest.mark.parametrize("slope", [-0.5, 0.0, 0.25, 1.0])
def test_rectifiers_are_critical_at_every_length_without_biases(slope: float) -> None:
    point = critical(leaky(slope))
    assert point is not None
    assert point.sigma_w2 == pytest.approx(2 / (1 + slope**2), rel=1e-12)
    assert point.slope == pytest.approx(1, abs=1e-9)
    assert critical(leaky(slope), 0.1) is None


@pytest.mark.parametrize("activation", [tanh, erf, gelu, activations.silu, selu, activations.elu])
def test_without_biases_there_is_no_critical_length_where_it_shrinks(
    activation: Activation,
) -> None:
    assert critical(activation) is None
    q = np.logspace(-3, 6, 19)
    w2, _ = critical_line(activation, q)
    assert (length_map(activation, q, w2) < q).all()


def test_softplus_grows_at_every_length_where_it_would_be_critical() -> None:
    assert critical(softplus) is None
    q = np.logspace(-3, 6, 19)
    assert (length_map(softplus, q, critical_line(softplus, q)[0]) > q).all()


@pytest.mark.parametrize(
    ("activation", "b2"),
    [(tanh, 1e-4), (tanh, 0.05), (tanh, 10.0), (erf, 0.05), (sigmoid, 0.0), (sigmoid, 1.0),
     (selu, 0.1), (gelu, 0.01)],
    ids=lambda x: getattr(x, "name", None),
)  # fmt: skip
def test_a_critical_point_solves_both_equations(activation: Activation, b2: float) -> None:
    point = critical(activation, b2)
    assert point is not None
    assert point.sigma_b2 == b2
    assert float(chi(activation, point.q, point.sigma_w2)) == pytest.approx(1, rel=1e-12)
    mapped = float(length_map(activation, point.q, point.sigma_w2, b2))
    assert mapped == pytest.approx(point.q, rel=1e-9)
    step = 1e-4 * point.q
    high, low = length_map(activation, [point.q + step, point.q - step], point.sigma_w2, b2)
    assert point.slope == pytest.approx(float(high - low) / (2 * step), rel=1e-5)


def test_erf_is_critical_where_its_closed_form_says() -> None:
    q = np.array([1e-4, 0.1, 1.0, 100.0])
    w2, b2 = critical_line(erf, q)
    exact = math.pi / 4 * np.sqrt(1 + 4 * q)
    np.testing.assert_allclose(w2, exact, rtol=1e-11)
    np.testing.assert_allclose(
        b2, q - exact * 2 / math.pi * np.arcsin(2 * q / (1 + 2 * q)), atol=1e-11
    )


def test_the_critical_point_of_the_book_comes_out() -> None:
    point = critical(tanh, 0.05)
    assert point is not None
    assert f"{point.sigma_w2:.4f}" == "1.7610"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: critical(tanh, -1.0), "sigma_b2 must not be negative, got -1"),
        (lambda: critical_line(tanh, -1.0), "q must not be negative, got -1"),
    ],
)
def test_wrong_arguments_are_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


@pytest.mark.parametrize("activation", [*activations.ALL, erf, leaky(0.25)], ids=lambda a: a.name)
@pytest.mark.parametrize("q", [1e-6, 0.3, 1.0, 7.0, 1e4])
def test_the_slope_of_the_length_map_is_that_of_its_differences(
    activation: Activation, q: float
) -> None:
    step = 1e-4 * q
    high, low = length_map(activation, [q + step, q - step], 1.7)
    # Rounding of the map over the step, its third derivative times the step squared, and kinks
    # away from 0 that move by h = 0.01 between cells: see `gaussian`.
    rounding = 1e-14 * float(high) / step
    slack = 1e-4 if 0.0 not in activation.kinks and activation.kinks else 1e-6
    found = float(length_slope(activation, q, 1.7))
    assert found == pytest.approx(float(high - low) / (2 * step), rel=slack, abs=rounding)


def test_the_slope_at_a_length_of_zero_is_the_limit() -> None:
    # f(√q z)² = f₀² + (f₀'² + f₀f₀'') q + ..., with softplus: ln 2, 1/2, 1/4.
    assert float(length_slope(tanh, 0.0, 1.0)) == pytest.approx(1, abs=1e-9)
    softplus = 1 / 4 + math.log(2) / 4
    # Rounding of f₀ f₀' E z, over the root of 1e-10.
    assert float(length_slope(activations.softplus, 0.0, 1.0)) == pytest.approx(softplus, abs=1e-9)
    assert float(length_slope(relu, [0.0, 1e8], 2.0)[1]) == pytest.approx(1, abs=1e-9)


def test_a_length_or_a_variance_below_zero_has_no_slope() -> None:
    with pytest.raises(ValueError, match="q must not be negative"):
        length_slope(tanh, -1.0, 1.0)
    with pytest.raises(ValueError, match="sigma_w2 must not be negative"):
        length_slope(tanh, 1.0, -1.0)
