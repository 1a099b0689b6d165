"""The check in a random direction against planted faults and a derivative known by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from gradbook.activations import identity, tanh
from gradbook.book.exploding.directions import direction_check
from gradbook.checks import Array
from gradbook.initializers import lecun
from gradbook.layers import Backward, Dense, Forward
from gradbook.losses import half_squared_error
from gradbook.networks import plain
from gradbook.parameters import named_parameters, with_parameters

LINE = [Dense(np.array([[3.0]]), None, identity)], [[2.0]], [[1.0]], half_squared_error


@dataclass(frozen=True, eq=False)
class Faulty(Dense):
    """Return a gradient on W that is wrong by a millionth."""

    def backward(self, record: Forward, da: Array) -> Backward:
        back = super().backward(record, da)
        return Backward(back.dx, {"W": back.grads["W"] * (1 + 1e-6)}, back.delta)


def test_a_gradient_wrong_by_a_millionth_is_found() -> None:
    rng = np.random.default_rng(7)
    W = rng.standard_normal((3, 2))
    example = rng.standard_normal((4, 3)), np.zeros(2), half_squared_error
    assert not direction_check(rng, [Faulty(W, None, tanh)], *example).agrees
    assert direction_check(rng, [Dense(W, None, tanh)], *example).agrees


def test_a_random_direction_has_length_one() -> None:
    # With a single weight the direction is +1 or -1.
    for seed in range(5):
        check = direction_check(np.random.default_rng(seed), *LINE)
        assert abs(check.analytic) == pytest.approx(10, rel=1e-14)
        assert check.agrees


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_it_agrees_in_a_narrow_format_and_changes_no_array(dtype: type) -> None:
    rng = np.random.default_rng(10)
    wide = plain(rng, (3, 4, 2), tanh, lecun, bias_variance=0.1)
    layers = with_parameters(wide, [a.astype(dtype) for a in named_parameters(wide).values()])
    before = [a.copy() for a in named_parameters(layers).values()]
    x, target = rng.standard_normal((4, 3)).astype(dtype), np.zeros(2, dtype)
    assert direction_check(rng, layers, x, target, half_squared_error).agrees
    for old, new in zip(before, named_parameters(layers).values(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_step_or_generator_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"step must be positive, got -0\.1"):
        direction_check(np.random.default_rng(0), *LINE, step=-0.1)
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got 0"):
        direction_check(0, *LINE)  # type: ignore[arg-type]
