"""The border between the phases against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from error_function import erf
from gradbook import activations
from gradbook.activations import Activation, gelu, leaky, selu, sigmoid, softplus, tanh
from gradbook.book.one_law.criticality import critical, critical_line
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
