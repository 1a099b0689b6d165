"""A row of attention, against its Jacobian and against sums."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradbook.book.transformers import attending

RNG = np.random.default_rng(0)


def test_what_comes_through_is_the_norm_of_the_jacobian() -> None:
    for p in attending.rows(RNG, 2.0, 7, 5):
        step = 1e-6
        jacobian = np.empty((7, 7))
        for j in range(7):
            moved = np.exp(np.log(p)[:, None] + step * np.outer(np.eye(7)[j], [1, -1]))
            moved /= moved.sum(axis=0)
            jacobian[:, j] = (moved[:, 0] - moved[:, 1]) / (2 * step)
        equal = math.sqrt(6) / 7
        assert attending.passed(p) == pytest.approx(np.linalg.norm(jacobian) / equal, rel=1e-7)


def test_entropy_is_a_sum_and_zero_for_one_key() -> None:
    p = attending.rows(RNG, 1.0, 5, 1)[0]
    assert attending.entropy(p) == pytest.approx(-sum(v * math.log(v) for v in p), rel=1e-12)
    assert attending.entropy(np.array([0.0, 1.0, 0.0])) == 0


def test_scores_of_size_zero_are_equal_weights() -> None:
    assert attending.expected_entropy(0.0, 9) == pytest.approx(math.log(9))
    assert attending.expected_passed(0.0, 9) == pytest.approx(1)


def test_small_scores_are_as_the_many_keys_say() -> None:
    p = attending.rows(RNG, 0.5, 4096, 20)
    # Of the order 1/T beside theory, and twenty rows scatter by less.
    assert attending.entropy(p).mean() == pytest.approx(
        attending.expected_entropy(0.5, 4096), rel=2e-3
    )
    assert attending.passed(p).mean() == pytest.approx(
        attending.expected_passed(0.5, 4096), rel=2e-2
    )
