"""The time to learn: an integral against closed forms, and counted steps against it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradbook.book.initialization.deep_linear import (
    counted_updates,
    learning_curve,
    predicted_updates,
)
from gradbook.initializers import lecun, orthogonal


def test_one_layer_learns_at_a_constant_rate() -> None:
    # da/dk = c (s - a): the distance falls as exp(-c k), whatever the target.
    for growth in (0.3, 1.1, 3.0):
        found = predicted_updates(1, 0.1, growth, remaining=1e-4)
        assert found == pytest.approx(math.log(1e2) / 0.1, rel=1e-9)


@pytest.mark.parametrize("s", [2.5, 0.5])
def test_two_layers_follow_the_logistic_curve(s: float) -> None:
    # 1/(a (s - a)) = (1/a + 1/(s - a))/s, integrated from 1 to a.
    remaining = 1e-3
    end = s - math.sqrt(remaining) * (s - 1)
    exact = (math.log(end) + math.log((s - 1) / (s - end))) / (s * 0.02)
    assert predicted_updates(2, 0.02, s, remaining) == pytest.approx(exact, rel=1e-8)


def test_infinitely_many_layers_take_the_integral_of_partial_fractions() -> None:
    # 1/(a² (s - a)) = (1/s)/a² + (1/s²)(1/a + 1/(s - a)).
    s, remaining = 1.5, 1e-3
    end = s - math.sqrt(remaining) * (s - 1)
    logs = math.log(end) + math.log((s - 1) / (s - end))
    exact = ((1 - 1 / end) / s + logs / s**2) / 0.05
    assert predicted_updates(math.inf, 0.05, s, remaining) == pytest.approx(exact, rel=1e-8)


@pytest.mark.parametrize("depth", [2, 5, 12])
def test_small_steps_take_as_many_as_predicted(depth: int) -> None:
    curve = learning_curve(
        np.random.default_rng(depth), orthogonal, depth, rate=0.005, steps=600, width=4
    )
    count = counted_updates(curve)
    assert count is not None
    # Steps of 0.005 differ from the flow by a share of that order; a count is rounded up.
    assert count == pytest.approx(predicted_updates(depth, 0.005), rel=0.006)


def test_the_curve_is_half_the_squared_distance_of_the_product() -> None:
    # From orthogonal weights all singular values are 1: one step on u, by hand.
    depth, rate, s = 3, 0.05, 1.5
    curve = learning_curve(np.random.default_rng(0), orthogonal, depth, rate=rate, steps=1)
    u = 1 + rate / depth * (s - 1)
    assert curve == pytest.approx([1.0, ((s - u**depth) / (s - 1)) ** 2], rel=1e-10)


def test_gaussian_weights_learn_later_the_deeper_they_are() -> None:
    counts = [
        counted_updates(
            learning_curve(np.random.default_rng(0), lecun, depth, rate=0.05, steps=200)
        )
        for depth in (2, 4, 8)
    ]
    assert counts == sorted(counts)
    assert counts[-1] > 2 * counts[0]


def test_towards_a_smaller_product_deep_networks_take_longer() -> None:
    told = [predicted_updates(depth, 0.01, 0.5) for depth in (2, 8)]
    counted = [
        counted_updates(
            learning_curve(
                np.random.default_rng(0), orthogonal, depth, rate=0.01, steps=900, growth=0.5
            )
        )
        for depth in (2, 8)
    ]
    assert told[1] > 1.4 * told[0]
    assert counted == pytest.approx(told, rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"depth": 0.5}, "depth"),
        ({"rate": 0.0}, "rate"),
        ({"growth": 1.0}, "growth"),
        ({"remaining": 1.0}, "remaining"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(arguments: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        predicted_updates(**({"depth": 2.0, "rate": 0.05} | arguments))


def test_a_curve_that_does_not_get_there_has_no_count() -> None:
    assert counted_updates(np.array([1.0, 0.9])) is None
