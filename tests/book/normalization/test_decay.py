"""What weight decay leaves behind a normalization."""

import numpy as np
import pytest

from gradbook.book.normalization.decay import settled_turn, turns


def test_without_decay_each_step_turns_less_and_with_it_the_turn_settles() -> None:
    free = turns(np.random.default_rng(0), lr=0.3, decay=0.0, steps=600)
    held = turns(np.random.default_rng(0), lr=0.3, decay=0.1, steps=600)
    assert free[-100:].mean() < free[200:300].mean() < free[:20].mean()
    assert held[-100:].mean() == pytest.approx(held[-300:-200].mean(), rel=0.1)


def test_the_length_settles_where_growth_and_decay_are_equal() -> None:
    # The exact fixed point of ‖w‖² → (1 − ηλ)²‖w‖² + η²G²/‖w‖², reached by iteration.
    lr, decay, square = 0.1, 0.02, 3.0
    for _ in range(20_000):
        square = (1 - lr * decay) ** 2 * square + lr**2 / square
    assert lr / square == pytest.approx(settled_turn(lr, decay), rel=2 * lr * decay)
