"""The gradient against lag, against powers of the matrix, finite differences and mean field."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from gradbook.activations import identity, tanh
from gradbook.book.time_and_gates.memory import Lags, by_lag, with_radius
from gradbook.checks import Array
from gradbook.theory import meanfield

SMALL = Lags(width=5, lags=4, warm_up=3, seeds=2)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("radius", [0.3, 1.0, 2.5])
def test_matrices_get_the_radius_that_was_asked_for(radius: float) -> None:
    W = with_radius(rng(), radius, 20, (3,))
    assert W.shape == (3, 20, 20)
    for matrix in W:
        # Powers by squaring know nothing of eigenvalues: ‖A^k‖^(1/k) for k = 2^20, by Gelfand.
        power, log = matrix, 0.0
        for doubling in range(20):
            size = float(np.linalg.norm(power))
            power, log = (power / size) @ (power / size), log + math.log(size) / 2**doubling
        # What the norm is off by, ln 100 or so, is divided by 2^20.
        assert math.exp(log) == pytest.approx(radius, rel=2e-5)


def test_a_linear_network_multiplies_by_powers_of_its_matrix() -> None:
    found = by_lag(rng(), identity, 0.9, setting=SMALL)
    again = rng()
    W = with_radius(again, 0.9, 5, (2,))
    _, da = again.standard_normal((2, 2, 1, 5))
    for lag in range(5):
        back = da @ np.linalg.matrix_power(W.mT, lag)
        np.testing.assert_allclose(
            found.norms[:, lag], np.linalg.norm(back, axis=(1, 2)) / np.linalg.norm(da, axis=(1, 2))
        )
        # The exponent follows the first unit vector forward: the first row of the powers of W.
        forward = np.linalg.norm(np.linalg.matrix_power(W, lag)[:, 0], axis=-1)
    np.testing.assert_allclose(found.exponents, np.log(forward) / 4)
    np.testing.assert_allclose(found.sigma_w2, np.square(W).sum(axis=(1, 2)) / 5)


def test_a_tanh_network_has_the_gradient_of_its_finite_differences() -> None:
    found = by_lag(rng(), tanh, 1.5, 0.7, SMALL)
    again = rng()
    W = with_radius(again, 1.5, 5, (2,))
    inputs = 0.7 * np.stack([again.standard_normal((2, 1, 5)) for _ in range(7)])
    start, da = again.standard_normal((2, 2, 1, 5))

    def run(h: Array, first: int, last: int) -> Array:
        for x in inputs[first:last]:
            h = np.tanh(h @ W + x)
        return h

    step, units = 1e-5, np.eye(5)
    for lag in range(5):
        at = run(start, 0, 7 - lag)
        # Differences along each unit, as rows of a batch.
        moved = run(at + step * units, 7 - lag, 7) - run(at - step * units, 7 - lag, 7)
        gradient = moved @ da.mT / (2 * step)
        expected = np.linalg.norm(gradient, axis=(1, 2)) / np.linalg.norm(da, axis=(1, 2))
        # Truncation step², rounding 1e-16/step.
        np.testing.assert_allclose(found.norms[:, lag], expected, rtol=1e-7)


def test_one_unit_has_the_rate_of_its_exponent() -> None:
    found = by_lag(rng(), tanh, 1.5, 0.7, Lags(width=1, lags=6, warm_up=2, seeds=3))
    # One unit has no direction to choose.
    np.testing.assert_allclose(np.log(found.rates()), found.exponents, rtol=1e-9)


def test_rates_can_leave_out_the_first_lags() -> None:
    found = by_lag(rng(), tanh, 1.5, 0.7, SMALL)
    np.testing.assert_allclose(found.rates(2) ** 2, found.norms[:, 4] / found.norms[:, 2])


def test_driven_networks_shrink_the_mean_energy_by_chi_in_each_step() -> None:
    found = by_lag(rng(), tanh, 1.3, 1.0, Lags(width=200, lags=8, warm_up=20, seeds=40))
    point = meanfield.fixed_point(tanh, float(found.sigma_w2.mean()), 1.0)
    assert point is not None
    measured = (np.square(found.norms[:, -1]).mean()) ** (1 / 8)
    # Energies after 8 steps scatter by 0.3, so their mean by 0.05 and its eighth root by 0.006;
    # networks of finite width are off by 1/n per step or so, 0.005.
    assert measured == pytest.approx(point.chi, rel=0.03)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: with_radius(rng(), 0.0, 3), "radius must be positive, got 0.0"),
        (lambda: with_radius(rng(), 1.0, 0), "width must be an integer of at least 1"),
        (lambda: by_lag(rng(), tanh, 1.0, -1.0), "input_deviation must not be negative, got -1.0"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
