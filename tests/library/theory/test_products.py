"""Long products against plain products, exact integers, closed forms and NumPy's norms."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.checks import Array
from gradbook.theory.products import (
    log_norms,
    power_norms,
    stretches,
)


def matrices(seed: int, count: int, n: int, *ensemble: int) -> Array:
    return np.random.default_rng(seed).standard_normal((count, *ensemble, n, n))


CASES = st.builds(matrices, st.integers(0, 300), st.integers(1, 12), st.integers(1, 5))


def plain_products(factors: Array) -> list[Array]:
    product, found = np.eye(factors.shape[-1]), []
    for factor in factors:
        product = factor @ product
        found.append(product)
    return found


@given(CASES)
def test_short_products_have_numpys_norms(factors: Array) -> None:
    norms = [np.linalg.norm(product, 2) for product in plain_products(factors)]
    np.testing.assert_allclose(np.exp(log_norms(factors)), norms, rtol=1e-11)


@given(CASES)
def test_the_first_stretches_add_up_to_the_growth_of_the_first_unit_vector(factors: Array) -> None:
    lengths = [np.linalg.norm(product[:, 0]) for product in plain_products(factors)]
    summed = np.cumsum(stretches(factors)[:, 0])
    np.testing.assert_allclose(summed, np.log(lengths), rtol=0, atol=1e-10)


@given(CASES)
def test_all_stretches_add_up_to_the_determinants(factors: Array) -> None:
    determinants = np.linalg.slogdet(factors)[1]
    np.testing.assert_allclose(stretches(factors).sum(axis=-1), determinants, rtol=0, atol=1e-9)


def test_ten_thousand_factors_neither_overflow_nor_lose_the_exponent() -> None:
    # Powers of one matrix with eigenvalues 10, 3, 1/2 in a random basis: exact in the limit, off
    # by the basis, of order 1/T.
    basis = matrices(1, 1, 3)[0]
    A = basis @ np.diag([10.0, 3.0, 0.5]) @ np.linalg.inv(basis)
    factors = np.broadcast_to(A, (10_000, 3, 3))
    exponents = stretches(factors).mean(axis=0)
    np.testing.assert_allclose(exponents, np.log([10.0, 3.0, 0.5]), rtol=0, atol=1e-3)
    assert log_norms(factors)[-1] / 10_000 == pytest.approx(math.log(10), abs=1e-3)


def test_huge_and_tiny_factors_are_as_good_as_others() -> None:
    for scale in (1e150, 1e-150):
        factors = matrices(2, 40, 3)
        shift = math.log(scale) * np.arange(1, 41)
        np.testing.assert_allclose(log_norms(scale * factors), log_norms(factors) + shift)
        np.testing.assert_allclose(stretches(scale * factors), stretches(factors) + math.log(scale))


def test_a_product_that_becomes_zero_has_a_logarithm_of_minus_infinity_from_there_on() -> None:
    shift = np.array([[0.0, 2.0], [0.0, 0.0]])
    logs = log_norms([shift, shift, np.eye(2)])
    assert logs[0] == pytest.approx(math.log(2))
    assert logs[1:].tolist() == [-np.inf, -np.inf]
    assert stretches([np.eye(2), shift])[1, 0] == -np.inf


def test_members_of_an_ensemble_do_not_touch_each_other() -> None:
    factors = matrices(3, 6, 3, 2, 4)
    factors[:, 0, 0] = 0
    for function, axes in ((log_norms, (2, 4)), (stretches, (2, 4, 3))):
        found = function(factors)
        assert found.shape == (6, *axes)
        np.testing.assert_allclose(found[:, 1, 3], function(factors[:, 1, 3]), rtol=1e-12)


@given(st.floats(0.1, 2), st.floats(-20, 20), st.integers(1, 30))
def test_powers_of_a_jordan_block_have_the_norms_of_the_closed_form(
    a: float, b: float, k: int
) -> None:
    # [[a, b], [0, a]]^k = [[p, q], [0, p]] with p = a^k, q = k b a^(k-1): s₁s₂ = p², s₁ - s₂ = |q|.
    p, q = a**k, abs(k * b * a ** (k - 1))
    expected = (q + math.hypot(q, 2 * p)) / 2
    assert power_norms([[a, b], [0.0, a]], k)[-1] == pytest.approx(expected, rel=1e-11)


def test_powers_are_those_of_exact_integers() -> None:
    A = np.array([[2, 1], [1, 1]], dtype=object)
    product, exact = np.array([[1, 0], [0, 1]], dtype=object), []
    for _ in range(30):
        product = product @ A
        # Symmetric with determinant 1: the norm is the larger root of x² - tr x + 1.
        trace = int(product[0, 0] + product[1, 1])
        exact.append((trace + math.sqrt(trace**2 - 4)) / 2)
    found = power_norms(A.astype(float), 30)
    assert found[0] == 1
    np.testing.assert_allclose(found[1:], exact, rtol=1e-12)


def test_powers_beyond_float64_are_infinite_and_no_power_is_one() -> None:
    assert power_norms(np.diag([10.0, 1.0]), 400)[-1] == np.inf
    assert power_norms(np.ones((5, 2, 2)), 0).tolist() == [[1.0] * 5]


def test_roots_of_the_norms_of_powers_come_down_to_the_spectral_radius() -> None:
    for seed in range(5):
        A = matrices(seed, 1, 5)[0]
        radius = np.abs(np.linalg.eigvals(A)).max()
        roots = power_norms(A, 2000)[1:] ** (1 / np.arange(1, 2001)) if radius < 1.4 else None
        if roots is None:
            roots = np.exp(log_norms([A / radius] * 2000) / np.arange(1, 2001)) * radius
        assert (roots >= radius * (1 - 1e-9)).all()
        # The basis of eigenvectors costs a constant factor, whose 2000th root is near 1.
        assert roots[-1] == pytest.approx(radius, rel=0.01)


def test_factors_with_norms_of_at_most_c_shrink_at_least_as_fast_as_powers_of_c() -> None:
    factors = matrices(4, 100, 6)
    c = 0.9
    factors = c * factors / np.linalg.norm(factors, 2, axis=(-2, -1))[:, None, None]
    bound = np.arange(1, 101) * math.log(c)
    assert (log_norms(factors) <= bound + 1e-12).all()


@pytest.mark.parametrize("function", [log_norms, stretches])
@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], r"matrices must have shape \(T, ..., n, n\), got \(2, 2\)"),
        (np.ones((3, 2, 4)), r"matrices must have shape \(T, ..., n, n\), got \(3, 2, 4\)"),
        (np.ones((0, 2, 2)), "matrices must not be empty"),
        ([[[np.nan]]], "matrices must be finite, got nan"),
    ],
)
def test_what_is_no_sequence_of_square_matrices_is_refused(
    function: Callable[..., object], factors: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        function(factors)


def test_powers_that_make_no_sense_are_refused() -> None:
    for call, message in (
        (lambda: power_norms([[1.0, 2.0]], 3), r"matrix must have shape .*, got \(1, 2\)"),
        (lambda: power_norms([1.0], 3), r"matrix must have shape \(..., n, n\), got \(1,\)"),
        (lambda: power_norms(np.eye(2), -1), "powers must be an integer of at least 0, got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
