"""Dead ReLU networks are as frequent as enumerating all signs of small networks says."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from gradbook.book.activations import dying


def dead_by_enumeration(width: int, depth: int) -> Fraction:
    """Count the patterns of units that are on: each unit is a fair coin above a living layer."""
    dead = Fraction(0)
    alive = Fraction(1)
    for _ in range(depth):
        patterns = list(product((0, 1), repeat=width))
        died = alive * sum(not any(pattern) for pattern in patterns) / len(patterns)
        dead, alive = dead + died, alive - died
    return dead


@pytest.mark.parametrize(("width", "depth"), [(1, 1), (1, 5), (2, 3), (4, 7), (6, 2)])
def test_the_probability_is_that_of_all_patterns(width: int, depth: int) -> None:
    expected = float(dead_by_enumeration(width, depth))
    assert dying.dead_probability(width, depth) == pytest.approx(expected, rel=1e-12)


def test_tiny_probabilities_keep_their_digits() -> None:
    # 1 - (1 - 2^-60)^3 would be 0 if computed as it is written.
    assert dying.dead_probability(60, 3) == pytest.approx(3 * 2.0**-60, rel=1e-12)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_both_signs_die_as_often_as_all_patterns_of_signs_say(width: int) -> None:
    # First weights: a sign per unit. Second layer: a coin per unit for each input that still lives.
    total = Fraction(0)
    for signs in product((0, 1), repeat=width):
        lives = any(signs), not all(signs)
        dies = [Fraction(1, 2**width) if alive else Fraction(1) for alive in lives]
        total += Fraction(1, 2**width) * dies[0] * dies[1]
    assert dying.dead_for_both_probability(width) == pytest.approx(float(total), rel=1e-12)


def test_a_network_is_dead_where_a_gradient_would_not_come_back() -> None:
    x = np.array([[1.0, 0.5], [-2.0, 1.0], [3.0, 3.0]])
    dead = dying.draw_dead(np.random.default_rng(0), x, width=2, depth=3, draws=500)
    rng = np.random.default_rng(0)
    # He's weights for each layer in turn, as the network draws them.
    first = rng.standard_normal((500, 2, 2))
    second, third = rng.standard_normal((2, 500, 2, 2))
    h = x[None]
    for weights in (first, second, third):
        h = np.clip(h @ weights, 0, None)
    np.testing.assert_array_equal(dead, (h == 0).all(axis=-1))


def test_scaling_an_input_does_not_revive_a_network() -> None:
    x = np.array([[1.0], [1e-3], [1e3]])
    dead = dying.draw_dead(np.random.default_rng(0), x, width=2, depth=5, draws=200)
    assert (dead == dead[:, :1]).all()
    assert 0 < dead.mean() < 1


@pytest.mark.parametrize("x", [[1.0, 2.0], [[[1.0]]], [[np.nan]]])
def test_inputs_of_another_shape_are_refused(x: list[object]) -> None:
    with pytest.raises(ValueError, match="x must"):
        dying.draw_dead(np.random.default_rng(0), x, width=2, depth=2, draws=2)
