"""Exponents of products against eigenvalues, closed forms and draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradbook.book.exploding.exponents import gaussian_exponents, lyapunov_exponents
from gradbook.theory.products import stretches


def test_powers_of_a_matrix_have_the_logarithms_of_its_eigenvalues() -> None:
    # In a random basis: exact in the limit, off by the basis, of order 1/T.
    basis = np.random.default_rng(1).standard_normal((3, 3))
    A = basis @ np.diag([10.0, 3.0, 0.5]) @ np.linalg.inv(basis)
    found = lyapunov_exponents(np.broadcast_to(A, (10_000, 3, 3)))
    np.testing.assert_allclose(found, np.log([10.0, 3.0, 0.5]), rtol=0, atol=1e-3)


def test_there_is_one_row_per_member_and_zero_grows_at_minus_infinity() -> None:
    factors = np.random.default_rng(3).standard_normal((6, 2, 4, 3, 3))
    assert lyapunov_exponents(factors).shape == (2, 4, 3)
    shift = np.array([[0.0, 2.0], [0.0, 0.0]])
    assert lyapunov_exponents([np.eye(2), shift]).tolist()[0] == -np.inf
    with pytest.raises(ValueError, match=r"matrices must have shape .*, got \(2, 2\)"):
        lyapunov_exponents(np.eye(2))


@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_gaussian_factors_have_newmans_exponents(n: int) -> None:
    found = stretches(np.random.default_rng(n).standard_normal((40, 400, n, n))).reshape(-1, n)
    errors = found.std(axis=0) / math.sqrt(len(found))
    np.testing.assert_array_less(np.abs(found.mean(axis=0) - gaussian_exponents(n)), 4 * errors)


def test_the_variance_of_the_entries_shifts_all_exponents() -> None:
    shifted = gaussian_exponents(5, variance=0.2) - gaussian_exponents(5)
    np.testing.assert_allclose(shifted, math.log(0.2) / 2, rtol=1e-13)
    # Known in closed form: n = 2 has ψ(1) = -γ, n = 1 has ψ(1/2) = -γ - 2 ln 2.
    gamma = np.euler_gamma
    expected = [(math.log(2) - gamma) / 2, (-math.log(2) - gamma) / 2]
    np.testing.assert_allclose(gaussian_exponents(2), expected, rtol=1e-13)


def test_in_wide_factors_the_growth_approaches_the_root_of_the_width() -> None:
    for n in (100, 10_000):
        # ½[ln 2 + ψ(n/2)] = ½ ln n - 1/(2n) + ...
        assert gaussian_exponents(n)[0] == pytest.approx(math.log(n) / 2 - 1 / (2 * n), abs=n**-2.0)


def test_a_width_or_a_variance_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="n must be an integer of at least 1, got 0"):
        gaussian_exponents(0)
    with pytest.raises(ValueError, match=r"variance must be positive, got 0\.0"):
        gaussian_exponents(2, 0.0)
