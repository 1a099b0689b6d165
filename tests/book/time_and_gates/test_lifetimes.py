"""Lifetimes of gates against plain sums, and the direct path against products of gates."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.book.time_and_gates.lifetime import (
    DirectPath,
    Gated,
    bias_for,
    gru_path,
    lifetimes,
    lstm_path,
)

SMALL = Gated(width=3, lags=5, warm_up=2, seeds=2)


@given(st.floats(-5, 5))
def test_the_lifetimes_are_those_of_the_powers_of_the_gate(bias: float) -> None:
    kept = lifetimes(bias)
    assert kept.keep**kept.half_life == pytest.approx(0.5)
    assert kept.keep**kept.e_folding == pytest.approx(math.exp(-1))
    # 149 e-foldings at most: what 5000 steps leave out is below 1e-14.
    assert kept.mean == pytest.approx(sum(kept.keep**k for k in range(5000)), rel=1e-9)


def test_a_bias_of_one_forgets_as_the_results_say() -> None:
    kept = lifetimes(1.0)
    assert f"{kept.keep**100:.2e}" == "2.48e-14"
    assert f"{kept.half_life:.2f} {kept.e_folding:.2f} {kept.mean:.2f}" == "2.21 3.19 3.72"


@given(st.floats(1.01, 1e6))
def test_the_bias_for_a_memory_gives_that_memory(steps: float) -> None:
    assert lifetimes(bias_for(steps)).mean == pytest.approx(steps)


@pytest.mark.parametrize("path", [lstm_path, gru_path])
def test_a_gate_that_nothing_moves_multiplies_by_the_same_number(
    path: Callable[..., DirectPath],
) -> None:
    found = path(np.random.default_rng(0), 1.5, 0.0, 0.0, SMALL)
    for norms in (found.whole, found.direct):
        np.testing.assert_allclose(norms, [lifetimes(1.5).keep ** np.arange(6)] * 2, rtol=1e-12)


@pytest.mark.parametrize("path", [lstm_path, gru_path])
def test_an_open_gate_leaves_nothing_but_the_direct_path(path: Callable[..., DirectPath]) -> None:
    found = path(np.random.default_rng(0), 30.0, setting=SMALL)
    np.testing.assert_allclose(found.direct, 1, rtol=1e-9)
    if path is gru_path:
        np.testing.assert_allclose(found.whole, 1, rtol=1e-9)


@pytest.mark.parametrize("path", [lstm_path, gru_path])
@pytest.mark.parametrize("warm_up", [0, 2])
def test_without_recurrent_weights_there_is_no_way_but_the_direct_one(
    path: Callable[..., DirectPath], warm_up: int
) -> None:
    setting = Gated(width=3, lags=5, warm_up=warm_up, seeds=2)
    found = path(np.random.default_rng(0), 0.5, 0.0, 1.0, setting)
    assert found.whole.shape == (2, 6)
    np.testing.assert_allclose(found.whole, found.direct, rtol=1e-12)
    both = path(np.random.default_rng(0), 0.5, 1.0, 1.0, setting)
    assert np.abs(both.whole / both.direct - 1)[:, -1].min() > 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lifetimes(math.inf), "bias must be a finite number"),
        (lambda: bias_for(1.0), "steps must be above 1, got 1.0"),
        (lambda: lstm_path(np.random.default_rng(0), 0.0, math.inf), "recurrent must be a finite"),
        (lambda: lstm_path(np.random.default_rng(0), math.nan), "bias must be a finite"),
        (
            lambda: gru_path(np.random.default_rng(0), 0.0, 1.0, math.inf),
            "entering must be a finite",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
