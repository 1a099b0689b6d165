"""Remedies for small formats against exact rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from gradbook.book.clipping.mixed_precision import (
    STORES,
    Kahan,
    Master,
    Plain,
    accumulate,
    round_stochastically,
    scaled_underflow_depth,
)
from gradbook.book.vanishing.underflow import underflow_depth
from gradbook.precision import (
    ALL,
    Format,
    bfloat16,
    float16,
    float32,
    gap_below,
    round_to,
)

SMALL = (float16, bfloat16, float32)


def exact_end(fmt: Format, w: float, u: float, steps: int) -> float:
    """Subtract the stored step in rational numbers and round once."""
    start, step = (Fraction(float(round_to(fmt, value))) for value in (w, u))
    return float(start - steps * step)


@pytest.mark.parametrize("fmt", [float16, bfloat16])
@pytest.mark.parametrize("steps", [1, 7, 300])
def test_a_plain_weight_stays_where_the_others_move(fmt: Format, steps: int) -> None:
    u = float(gap_below(fmt, 1.0)) / 3  # lost: less than half a gap
    expected = exact_end(fmt, 1.0, u, steps)
    assert accumulate(Plain(fmt), 1.0, u, steps) == 1.0
    for store in (Master(fmt), Kahan(fmt)):
        # The weight shown is within one gap of the exact one.
        gap = float(gap_below(fmt, 1.0))
        assert accumulate(store, 1.0, u, steps) == pytest.approx(expected, abs=gap)


@pytest.mark.parametrize("fmt", SMALL)
def test_a_compensated_step_loses_nothing_but_its_first_rounding(fmt: Format) -> None:
    rng = np.random.default_rng(0)
    kahan, w = Kahan(fmt), 1.0 + rng.random(200)
    stored = kahan.start(w)
    for _ in range(5):
        u = rng.standard_normal(200) * float(gap_below(fmt, 1.0)) * 10
        before, step = stored, round_to(fmt, u)
        y = round_to(fmt, step + before[1])
        stored = kahan.step(before, u)
        for was, sub, now, carry in zip(before[0], y, *stored, strict=True):
            assert Fraction(float(was)) - Fraction(float(sub)) == Fraction(float(now)) - Fraction(
                float(carry)
            )


@pytest.mark.parametrize("fmt", SMALL)
def test_a_master_weight_is_the_wide_sum_rounded(fmt: Format) -> None:
    u, wide = 2.0**-16, 1.0
    for _ in range(40):
        wide = float(np.float32(wide) - np.float32(u))
    assert accumulate(Master(fmt), 1.0, u, 40) == round_to(fmt, wide)


def test_every_store_shows_numbers_of_its_format() -> None:
    for store in STORES:
        seen = accumulate(store(bfloat16), [1.0, -0.3], 1e-3, 9)
        np.testing.assert_array_equal(seen, round_to(bfloat16, seen))
        assert accumulate(store(float16), 0.1, 1.0, 0) == np.float16(0.1)


@pytest.mark.parametrize("fmt", SMALL)
@pytest.mark.parametrize("scale", [1.0, 2.0**7, 2.0**12])
def test_a_scale_moves_underflow_by_its_logarithm(fmt: Format, scale: float) -> None:
    # S 2^(-kL) rounds to 0 from half the smallest number on: ties go to even.
    bits = math.log2(scale) - math.log2(fmt.smallest) + 1
    for k in (1, 2, 3):
        assert scaled_underflow_depth(fmt, 2.0**-k, scale) == math.ceil(bits / k)


def test_without_a_scale_it_is_the_depth_of_chapter_one() -> None:
    for fmt in ALL:
        assert scaled_underflow_depth(fmt, 0.25) == underflow_depth(fmt, 0.25)


@pytest.mark.parametrize("fmt", [float16, bfloat16])
def test_stochastic_rounding_is_right_on_average(fmt: Format) -> None:
    rng, draws = np.random.default_rng(3), 20_000
    for x in (1.0 + 0.3 * fmt.epsilon, -0.7, 1 - 0.1 * fmt.epsilon, 0.0, 2.0):
        rounded = round_stochastically(fmt, np.full(draws, x), rng)
        np.testing.assert_array_equal(rounded, round_to(fmt, rounded))
        assert np.abs(rounded - x).max() < fmt.epsilon
        # Four standard errors, or exactly where x is a number of the format.
        assert abs(rounded.mean() - x) <= 4 * rounded.std() / math.sqrt(draws)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: scaled_underflow_depth(float16, 0.75), "factor must lie between 0 and 1/2 in flo"),
        (lambda: scaled_underflow_depth(float16, 0.5, 1e6), "scale must lie within the range of"),
        (lambda: accumulate(Plain(float16), 1, 1, -1), "steps must be an integer of at least 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
