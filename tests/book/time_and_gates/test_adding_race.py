"""The race on the adding problem: what is equal, what is recorded, and who wins a short one."""

from dataclasses import replace

import numpy as np
import pytest

from gradbook.book.time_and_gates.adding_race import (
    RACE,
    Race,
    RaceRun,
    gru_contender,
    lstm_contender,
    plain_contender,
    train_contender,
)
from gradbook.book.time_and_gates.sequences import ADDING_BASELINE
from gradbook.layers import GRU, LSTM, Recurrent
from gradbook.parameters import distinct_parameters

SMALL = Race(steps=4, updates=3, batch=5, width=6, seeds=2)


@pytest.mark.parametrize(
    ("contender", "kind", "shapes"),
    [
        (plain_contender, Recurrent, [(2, 6, 6), (2, 2, 6), (2, 6), (2, 6, 1), (2, 1)]),
        (lstm_contender, LSTM, [(2, 6, 24), (2, 2, 24), (2, 24), (2, 6, 1), (2, 1)]),
        (gru_contender, GRU, [(2, 6, 18), (2, 2, 18), (2, 18), (2, 6), (2, 6, 1), (2, 1)]),
    ],
    ids=["plain", "LSTM", "GRU"],
)
def test_a_run_has_a_number_per_seed_and_update_and_the_networks_it_says(  # type: ignore[no-untyped-def]
    contender, kind, shapes
) -> None:
    run = train_contender(np.random.default_rng(0), contender, SMALL)
    assert run.name == contender.name
    assert run.mse.shape == run.norm.shape == (2, 3)
    assert [isinstance(layer, kind) for layer in run.layers[:4]] == [True] * 4
    assert [v.shape for v in distinct_parameters(run.layers)] == shapes
    assert all(v.dtype == np.float32 for v in distinct_parameters(run.layers))
    again = train_contender(np.random.default_rng(0), contender, SMALL)
    np.testing.assert_array_equal(run.mse, again.mse)


def test_a_window_over_all_steps_changes_nothing_and_a_shorter_one_the_updates() -> None:
    whole, all_steps, one = (
        train_contender(np.random.default_rng(2), gru_contender, replace(SMALL, window=window))
        for window in (None, 4, 1)
    )
    np.testing.assert_array_equal(whole.mse, all_steps.mse)
    np.testing.assert_array_equal(whole.mse[:, 0], one.mse[:, 0])
    assert (whole.mse[:, 1:] != one.mse[:, 1:]).all()


def test_averages_are_those_of_windows_and_of_the_last_updates() -> None:
    mse = np.array([[1.0, 3.0, 5.0, 9.0, 100.0], [0.0, 0.0, 2.0, 2.0, 4.0]])
    run = RaceRun("any", mse, mse, [])
    assert run.smoothed(2).tolist() == [[2.0, 7.0], [0.0, 2.0]]
    assert run.final(2).tolist() == [54.5, 3.0]
    assert run.final(5).tolist() == [23.6, 1.6]
    for window in (0, 6):
        with pytest.raises(ValueError, match=f"window must be .*, got {window}"):
            run.smoothed(window)


def test_the_race_of_the_book_is_won_by_gates_in_a_shorter_form() -> None:
    # 30 batches of 16 at the baseline have a standard error of 0.009: the square of the sum less 1
    # has standard deviation 0.197. So 20 % below it are four, and a quarter of it is far away.
    race = replace(RACE, steps=30, updates=200, batch=16, width=16, seeds=2)
    errors = {
        c: train_contender(np.random.default_rng(1), c, race).final(30)
        for c in (plain_contender, gru_contender)
    }
    assert (errors[gru_contender] < ADDING_BASELINE / 4).all()
    assert (errors[plain_contender] > ADDING_BASELINE * 0.8).all()
