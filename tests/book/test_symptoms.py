"""The definitions of symptoms are about the gradient, and about units that put out nothing."""

from __future__ import annotations

import numpy as np
import pytest

from gradbook import relu, sigmoid
from gradbook.book.symptoms import DECADES, HEALTHY_DECADES, OFF, decades, off_share


def test_decades_are_those_of_the_root_mean_square() -> None:
    """So that a layer that is wider by four, with the same numbers, loses nothing."""
    small, large = np.full((2, 3), 1e-4), np.full((2, 12), 1e-2)
    assert decades(small, large) == pytest.approx(-2)
    assert decades(np.zeros((2, 3)), large) == -np.inf


def test_a_unit_is_off_that_puts_out_zero_and_not_one_that_is_saturated() -> None:
    z = np.array([[-50.0, -1.0, 50.0], [-50.0, 1.0, 50.0]])
    off, full = relu.f(z), sigmoid.f(z)
    assert off_share([off]) == pytest.approx(1 / 3)
    assert off_share([full]) == 0
    assert off_share([off, full]) == pytest.approx(1 / 6)


def test_between_healthy_and_ill_there_is_room() -> None:
    assert 0 < HEALTHY_DECADES < DECADES
    assert 0.5 < OFF < 1
