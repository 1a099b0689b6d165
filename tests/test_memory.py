"""The gradient against lag, against powers of the matrix, finite differences and mean field."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from gradbook import meanfield
from gradbook.activations import identity, tanh
from gradbook.memory import Lags, by_lag, with_radius

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
    J = found.factors[0]
    np.testing.assert_allclose(found.factors, np.broadcast_to(J, found.factors.shape))
    np.testing.assert_allclose(np.abs(np.linalg.eigvals(J)).max(axis=-1), 0.9)
    assert found.norms.shape == (2, 5)
    np.testing.assert_allclose(found.norms[:, 0], 1)


def test_the_norms_lie_within_the_singular_values_of_the_product_of_the_jacobians() -> None:
    found = by_lag(rng(), tanh, 1.5, 0.7, SMALL)
    product = np.broadcast_to(np.eye(5), (2, 5, 5))
    for lag, factor in enumerate(found.factors[::-1], start=1):
        product = product @ factor
        s = np.linalg.svd(product, compute_uv=False)
        assert (found.norms[:, lag] <= s[:, 0] * (1 + 1e-12)).all()
        assert (found.norms[:, lag] >= s[:, -1] * (1 - 1e-12)).all()


def test_one_unit_has_the_gradient_of_its_jacobians_multiplied() -> None:
    found = by_lag(rng(), tanh, 1.5, 0.7, Lags(width=1, lags=6, warm_up=2, seeds=3))
    factors = np.abs(found.factors[::-1, :, 0, 0])
    np.testing.assert_allclose(found.norms[:, 1:].T, np.cumprod(factors, axis=0), rtol=1e-12)
    # One unit has no direction to choose: the rate is the exponent.
    np.testing.assert_allclose(np.log(found.rates()), found.exponents(), rtol=1e-9)


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
