"""Rules for spikes, and Adam's averages: what is exact about them."""

from __future__ import annotations

import numpy as np
import pytest

from gradbook.book.clipping import spikes
from gradbook.book.clipping.averages import (
    average_of_squares,
    decayed,
    step_after_a_spike,
    steps_around_a_spike,
)
from gradbook.book.clipping.thresholds import Adders
from gradbook.optimizers import Adam, GradientDescent
from gradbook.precision import bfloat16, float32

SMALL = spikes.Spiky(Adders(steps=3, gain=1.0, seeds=2, updates=25), every=12)


def test_a_skipped_batch_leaves_no_trace_however_large_it_was() -> None:
    one, other = [
        spikes.final_losses(
            spikes.Spiky(SMALL.adders, every=12, size=size), Adam(1.0), (0.01,), (spikes.skipping,)
        )
        for size in (1e3, 1e5)
    ]
    np.testing.assert_array_equal(one, other)


def test_a_limit_bounds_what_a_batch_can_do() -> None:
    rules = (spikes.unclipped, spikes.fixed_limit)
    huge = spikes.Spiky(SMALL.adders, every=12, size=1e4)
    free, held = spikes.final_losses(huge, GradientDescent(1.0), (0.01,), rules)
    assert (free > 1e3 * held).all()


def test_rules_that_never_act_change_nothing() -> None:
    clean = spikes.Spiky(SMALL.adders, every=0)
    rules = (spikes.unclipped, lambda norms: np.minimum(1.0, 1e9 / norms[-1]))
    one, other = spikes.final_losses(clean, Adam(1.0), (0.01, 0.03), rules)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("beta2", [0.999, 0.95])
def test_a_spike_is_remembered_as_long_as_the_formula_says(beta2: float) -> None:
    adam = Adam(1.0, beta2=beta2)
    steps = steps_around_a_spike(adam, 100.0, 200, 300)
    for after in (0, 10, 50, 300):
        foreseen = step_after_a_spike(adam, 100.0, 200, after)
        assert steps[200 + after] == pytest.approx(foreseen, rel=1e-7)


def test_an_average_that_rounds_its_share_to_one_never_forgets() -> None:
    gradients = np.concatenate([np.ones(1000), np.zeros(1000)])
    stuck, fine = (average_of_squares(fmt, 0.999, gradients) for fmt in (bfloat16, float32))
    assert stuck[999] == stuck[-1] == 0.5
    assert fine[-1] < 0.4 * fine[999]


def test_a_penalty_is_divided_by_the_size_of_the_gradient_and_decay_is_not() -> None:
    adam, decay, steps = Adam(0.01), 0.1, 1000
    left = [decayed(adam, size, decay, steps, decoupled=False) for size in (1.0, 10.0)]
    # A gradient that alternates leaves a ripple of about (1 - beta1)/(1 + beta1) of one step, and
    # the averages need some hundred steps of a thousand until they are what they will be.
    np.testing.assert_allclose(np.log(left), [-1.0, -0.1], rtol=0.2)
    free = [decayed(adam, size, decay, steps, decoupled=True) for size in (1.0, 10.0)]
    np.testing.assert_allclose(free, (1 - 0.001) ** 1000, rtol=0.03)
