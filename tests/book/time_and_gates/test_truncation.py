"""Truncated gradients against sums by hand, cut states and the geometric tail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gradbook.activations import identity, tanh
from gradbook.backpropagation import backprop_from, forward
from gradbook.book.time_and_gates.truncated import (
    Cuts,
    measure_truncation,
    truncated_gradients,
    truncation_error,
)
from gradbook.layers import Recurrent


def steps_of(seed: int, count: int) -> tuple[list[Recurrent], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    W, U, b = rng.standard_normal((3, 3)), rng.standard_normal((2, 3)), rng.standard_normal(3)
    steps = [Recurrent(W, U, b, tanh, rng.standard_normal((1, 2))) for _ in range(count)]
    return steps, np.zeros((1, 3)), rng.standard_normal((1, 3))


@pytest.mark.parametrize("name", ["W", "U", "b"])
def test_the_truncated_gradient_is_the_sum_of_the_last_places(name: str) -> None:
    steps, h, da = steps_of(0, 6)
    lengths = (1, 3, 6)
    places = [grads[name] for grads in backprop_from(steps, h, da).gradients]
    for length, found in zip(
        lengths, truncated_gradients(steps, h, da, lengths, name), strict=True
    ):
        np.testing.assert_allclose(found, sum(places[-length:]), rtol=1e-12)


def test_the_states_are_those_of_the_whole_sequence() -> None:
    steps, h, da = steps_of(1, 5)
    (found,) = truncated_gradients(steps, h, da, [1], "W")
    before_last = forward(steps, h)[-1].x
    np.testing.assert_allclose(found, backprop_from(steps[-1:], before_last, da).parameters[0].grad)


@pytest.mark.parametrize("rho", [0.5, 0.9, 1.1])
def test_the_prediction_is_the_tail_over_the_whole_of_a_plain_sum(rho: float) -> None:
    shares = rho ** (2 * np.arange(30))
    for length in (1, 4, 29):
        expected = np.sqrt(shares[length:].sum() / shares.sum())
        assert truncation_error(rho, length, 30) == pytest.approx(expected, rel=1e-9)
    assert truncation_error(rho, 30, 30) == 0


def test_linear_networks_miss_what_is_predicted() -> None:
    cuts = Cuts(lengths=(1, 4, 8, 30), steps=30, seeds=100)
    found = measure_truncation(np.random.default_rng(0), identity, 0.9, cuts)
    theory = truncation_error(0.9, cuts.lengths, cuts.steps)
    # Ratios of means, as the theory has them, from 100 draws that scatter by a tenth.
    np.testing.assert_allclose(np.sqrt(np.square(found.errors).mean(axis=0)), theory, rtol=0.04)
    # The mean of ratios: at K = 1 a squared cosine scatters by a half from draw to draw.
    np.testing.assert_allclose(
        np.square(found.cosines).mean(axis=0), 1 - np.square(theory), rtol=0.15
    )
    np.testing.assert_allclose(found.errors[:, -1], 0, atol=1e-12)
    np.testing.assert_allclose(found.cosines[:, -1], 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: truncation_error(1.0, 2, 5), "rho must not be 1"),
        (lambda: truncation_error(-1.0, 2, 5), "rho must be positive"),
        (lambda: truncated_gradients(*steps_of(0, 3), [4], "U"), "lengths must be at most 3"),
        (lambda: truncated_gradients(*steps_of(0, 3), [0], "U"), "lengths must be an integer"),
        (lambda: truncated_gradients(*steps_of(0, 3), [1], "V"), "parameter of the steps, got 'V'"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
