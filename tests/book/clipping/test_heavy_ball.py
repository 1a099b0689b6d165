"""The heavy ball against the eigenvalues of its recursion, and against the path it takes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradbook.book.clipping.heavy_ball import momentum_multiplier
from gradbook.update import minimize


@pytest.mark.parametrize("product", [0.01, 0.3, 1.5])
@pytest.mark.parametrize("beta", [0.0, 0.4, 0.9])
def test_momentum_on_a_quadratic_has_these_eigenvalues(product: float, beta: float) -> None:
    step = np.array([[1 + beta - product, -beta], [1.0, 0.0]])
    expected = np.abs(np.linalg.eigvals(step)).max()
    assert momentum_multiplier(product, beta) == pytest.approx(expected, rel=1e-12)
    path = minimize(lambda w: w, 1.0, lr=product, steps=40)
    assert momentum_multiplier(product, 0.0) == pytest.approx(abs(path[1]), rel=1e-12)


def test_critical_damping_is_the_fastest() -> None:
    product = 0.04
    best = (1 - math.sqrt(product)) ** 2
    fastest = momentum_multiplier(product, best)
    # At a double root the discriminant is a rounding, whose root is 1e-8.
    assert fastest == pytest.approx(1 - math.sqrt(product), abs=1e-7)
    for beta in (best - 0.01, best + 0.01):
        assert momentum_multiplier(product, beta) > fastest + 1e-3


@pytest.mark.parametrize(
    ("product", "beta", "message"),
    [
        (0, 0.5, "product must be positive, got 0"),
        (0.1, 1.0, "beta must be at least 0 and below 1"),
    ],
)
def test_what_is_no_heavy_ball_is_refused(product: float, beta: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        momentum_multiplier(product, beta)
