"""The recurrent networks of the chapter on clipping: what is exact about clipped runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradbook import Adam, GradientDescent
from gradbook.book.clipping.thresholds import Adders, ClippedRun, scan

SMALL = Adders(steps=6, seeds=3, updates=8)


def test_a_network_is_to_add_numbers_whose_sum_has_variance_one() -> None:
    many = replace(SMALL, examples=4000)
    layers, start, target = many.draw(np.random.default_rng(0))
    shown = sum(layer.x for layer in layers[:-1])  # type: ignore[attr-defined]
    np.testing.assert_allclose(shown, target, rtol=1e-13)
    assert not start.any()
    # The fourth moment of a sum of uniform numbers is below 3: a standard error of 0.022.
    assert abs(target.var() - 1) < 4 * 0.022


def test_if_every_step_is_clipped_only_rate_times_limit_counts() -> None:
    def end(lr: float, limit: float) -> ClippedRun:
        (run,) = scan(replace(SMALL, limits=(limit,)), GradientDescent(lr))
        assert run.clipped.all()
        return run

    one, other = end(0.1, 1e-3), end(0.05, 2e-3)
    np.testing.assert_allclose(one.loss, other.loss, rtol=1e-12)


def test_if_every_step_is_clipped_to_one_length_adam_does_not_see_the_limit() -> None:
    limits = (1e-3, 1e-2)
    one, other = scan(replace(SMALL, limits=limits), Adam(0.01, epsilon=1e-60))
    assert one.clipped.all()
    assert other.clipped.all()
    np.testing.assert_allclose(one.loss, other.loss, rtol=1e-9)


def test_every_limit_starts_from_the_same_networks() -> None:
    runs = scan(replace(SMALL, limits=(0.01, 1, 1e6)), GradientDescent(0.1))
    for run in runs[1:]:
        np.testing.assert_array_equal(run.loss[0], runs[0].loss[0])
        np.testing.assert_array_equal(run.norm[0], runs[0].norm[0])
    assert not runs[-1].clipped.any()
