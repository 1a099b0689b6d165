"""The checks that come before any gradient say what closed forms and sampled logits say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradbook.book.four_classes import CLASSES
from gradbook.book.what_do_i_try.first_checks import (
    FirstSetting,
    first_loss,
    learned,
    loss_bounds,
)
from gradbook.book.what_do_i_try.plans import RATES


@pytest.mark.parametrize("deviation", [0.0, 0.3, 1.0, 3.0])
def test_the_loss_of_gaussian_logits_lies_between_its_bounds(deviation: float) -> None:
    logits = deviation * np.random.default_rng(0).standard_normal((200_000, CLASSES))
    loss = np.log(np.exp(logits).sum(axis=1)) - logits[:, 0]
    error = loss.std() / len(loss) ** 0.5
    low, high = loss_bounds(deviation)
    assert low == pytest.approx(math.log(CLASSES))
    # Three standard errors, and rounding where the deviation is 0.
    assert low - 3 * error - 1e-12 <= loss.mean() <= high + 3 * error + 1e-12


def test_bounds_are_as_close_as_the_logits_are_small() -> None:
    low, high = loss_bounds(1e-3)
    assert high - low == pytest.approx(0.5e-6)


def test_last_weights_of_zero_guess() -> None:
    loss, size = first_loss(0.0)
    assert size == 0
    np.testing.assert_allclose(loss, math.log(CLASSES), rtol=1e-12)


def test_longer_last_weights_make_logits_longer_in_proportion() -> None:
    # Equal up to the rounding of one product.
    assert first_loss(3.0)[1] == pytest.approx(3 * first_loss(1.0)[1], rel=1e-12)


class TestTraining:
    FEW = FirstSetting(seeds=2, steps=25)

    def best(self, unit: float = 1.0, shuffled: bool = False) -> float:
        rates, loss = learned(unit, shuffled, self.FEW)
        assert rates.shape == (len(RATES),)
        assert loss.shape == (len(RATES), 2)
        return float(np.nanmin(np.median(loss, axis=1)))

    def test_a_large_input_costs_more_the_larger_it_is(self) -> None:
        found = [self.best(unit) for unit in (1.0, 100.0, 1000.0)]
        assert found == sorted(found)
        assert found[0] < 0.1 < found[1]

    def test_labels_in_another_order_are_not_learned(self) -> None:
        # A step or two may be luck: no more than a tenth of chance.
        assert self.best(shuffled=True) > 0.9 * math.log(CLASSES)


@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_what_is_no_size_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="deviation"):
        loss_bounds(value)
    with pytest.raises(ValueError, match="factor"):
        first_loss(value)
