"""Mini-batch means against the enumeration of every mini-batch, and Python's own statistics."""

from __future__ import annotations

import statistics
from collections import Counter
from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.book.update_rule.batches import all_batch_means, batch_means, batch_standard_error

# Whole numbers, so that the oracle can count in fractions.
EXAMPLES = st.lists(st.integers(-50, 50), min_size=2, max_size=7)


@given(EXAMPLES, st.data())
def test_the_mean_over_all_batches_is_the_mean_over_all_examples(
    values: list[int], data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, len(values)))
    means = all_batch_means(values, size)
    assert len(means) == comb(len(values), size)
    # Sums of at most 35 numbers below 50: rounding stays below 1e-12.
    assert means.mean() == pytest.approx(float(Fraction(sum(values), len(values))), abs=1e-12)


@given(EXAMPLES, st.data())
def test_the_standard_error_is_that_of_all_batches_counted_in_fractions(
    values: list[int], data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, len(values)))
    batches = [Fraction(sum(batch), size) for batch in combinations(values, size)]
    exact = float(statistics.pvariance(batches))
    assert float(batch_standard_error(values, size)) ** 2 == pytest.approx(exact, abs=1e-11)


def test_each_example_has_the_same_chance_to_be_in_a_batch() -> None:
    # Powers of two, so that the sum of a batch tells its members.
    sums = batch_means(np.random.default_rng(0), [1, 2, 4, 8], size=2, draws=6000) * 2
    counts = Counter(sums.tolist())
    assert sorted(counts) == sorted(a + b for a, b in combinations([1, 2, 4, 8], 2))
    # Each of the 6 batches 1000 times, standard deviation sqrt(6000 * 1/6 * 5/6) = 29: 5 of them.
    assert all(abs(count - 1000) < 145 for count in counts.values())


def test_rows_of_any_shape_are_averaged_as_they_are() -> None:
    rows = np.arange(24.0).reshape(4, 3, 2)
    for means in (batch_means(np.random.default_rng(0), rows, 4, 5), all_batch_means(rows, 4)):
        assert means.shape[1:] == (3, 2)
        np.testing.assert_allclose(means, np.broadcast_to(rows.mean(axis=0), means.shape))
    assert batch_standard_error(rows, 2).shape == (3, 2)


def test_a_batch_of_all_examples_leaves_nothing_to_chance() -> None:
    assert batch_standard_error([3.0, 1.0, 4.0, 1.0], 4) == 0


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: batch_means(RNG, [1.0, 2.0], 3, 1), "size must be at most .*, 2, got 3"),
        (lambda: batch_means(RNG, [1.0, 2.0], 0, 1), "size must be an integer of at least 1"),
        (lambda: batch_means(RNG, [1.0, 2.0], 1, 0), "draws must be an integer of at least 1"),
        (lambda: all_batch_means(1.0, 1), "values must have one row per example, .* 1.0"),
        (lambda: all_batch_means([1.0, np.nan], 1), "values must be finite, got nan"),
        (lambda: batch_standard_error([1.0], 1), "values must hold at least two examples"),
    ],
)
def test_what_cannot_be_batched_is_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        call()  # type: ignore[operator]


def test_a_seed_is_no_generator() -> None:
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator"):
        batch_means(7, [1.0, 2.0], 1, 1)  # type: ignore[arg-type]
