"""The regimes of descent on a parabola, by the product that tells them apart."""

from __future__ import annotations

import numpy as np
import pytest

from gradbook.book.update_rule.regimes import quadratic_regime


@pytest.mark.parametrize(
    ("product", "name"),
    [
        (1e-9, "creeps"),
        (0.999, "creeps"),
        (1.0, "converges in one step"),
        (1.001, "oscillates"),
        (1.999, "oscillates"),
        (2.0, "cycles"),
        (2.001, "diverges"),
        (1e9, "diverges"),
    ],
)
def test_the_regime_follows_from_learning_rate_times_curvature(product: float, name: str) -> None:
    for curvature in (1e-3, 1.0, 7.0, 1e3):
        regime = quadratic_regime(curvature, product / curvature)
        assert regime.name == name
        assert regime.multiplier == pytest.approx(1 - product, rel=1e-12, abs=1e-15)


def test_the_edges_are_found_at_any_curvature_though_their_rates_are_rounded() -> None:
    for curvature in np.random.default_rng(5).uniform(0.01, 100, 1000):
        assert quadratic_regime(curvature, 1 / curvature).name == "converges in one step"
        assert quadratic_regime(curvature, 2 / curvature).name == "cycles"


def test_a_quadratic_without_a_minimum_or_a_rate_of_zero_has_no_regime() -> None:
    with pytest.raises(ValueError, match="curvature must be positive, got -1"):
        quadratic_regime(-1, 0.1)
    with pytest.raises(ValueError, match="lr must be positive, got 0"):
        quadratic_regime(1, 0)
