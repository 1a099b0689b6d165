"""Rounding and freezing against NumPy's own types, bit patterns, exact fractions and IEEE 754."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gradbook import precision
from gradbook.book.update_rule.freezing import freeze_depth
from gradbook.book.vanishing.underflow import underflow_depth
from gradbook.precision import (
    ALL,
    Format,
    bfloat16,
    float16,
    float32,
    float64,
    frozen_fraction,
    gap_above,
    gap_below,
    largest_lost_step,
    predicted_freeze_depth,
    round_to,
    step_is_lost,
    stored_factor,
)
from number_formats import CASES, E3M4, NUMPY, each, each_numpy, nearest

doubles = st.floats(allow_nan=False, width=64)
finite_doubles = st.floats(allow_nan=False, allow_infinity=False, width=64)
# Numbers of a size that every format can hold, subnormal ones of float16 included.
moderate = st.floats(-60_000, 60_000, width=64)
factors = st.floats(0.01, 0.5)


def cast(x: Any, dtype: type[np.floating[Any]]) -> np.ndarray:
    """Round with NumPy, whose overflow to infinity is right but noisy."""
    with np.errstate(over="ignore"):
        return np.asarray(x, np.float64).astype(dtype)


def every_number(dtype: type[np.floating[Any]] | None) -> np.ndarray:
    """List all finite numbers of float16, or of bfloat16 for None, in order, as float64."""
    bits = np.arange(2**16, dtype=np.uint16)
    upper = bits.astype(np.uint32) << 16  # a bfloat16 is the upper half of a float32
    numbers = bits.view(dtype) if dtype else upper.view(np.float32)
    with np.errstate(invalid="ignore"):  # signaling NaNs, dropped on the next line
        wide = numbers.astype(np.float64)
    return np.unique(wide[np.isfinite(wide)])


HALVES, BRAINS = every_number(np.float16), every_number(None)
exhaustive = pytest.mark.parametrize(
    ("fmt", "numbers"), [(float16, HALVES), (bfloat16, BRAINS)], ids=["float16", "bfloat16"]
)


# Formats


@each_numpy
def test_the_limits_are_those_of_numpy(fmt: Format, dtype: type[np.floating[Any]]) -> None:
    info = np.finfo(dtype)
    assert fmt.name == np.dtype(dtype).name
    assert fmt.largest == float(info.max)
    assert fmt.smallest == float(info.smallest_subnormal)
    assert fmt.epsilon == float(info.eps)
    assert fmt.min_exponent == info.minexp
    assert fmt.significand_bits == info.nmant + 1


@exhaustive
def test_the_limits_are_those_of_the_bit_patterns(fmt: Format, numbers: np.ndarray) -> None:
    assert fmt.largest == numbers.max()
    assert fmt.smallest == numbers[numbers > 0].min()
    assert 1 + fmt.epsilon == numbers[numbers > 1].min()


def test_formats_that_float64_cannot_stand_in_for_are_refused() -> None:
    for bits, exponent in [(26, 127), (24, 256), (53, 127), (54, 1023), (24, 1023)]:
        with pytest.raises(ValueError, match=f"got {bits} and {exponent}$"):
            Format("odd", bits, exponent)
    with pytest.raises(ValueError, match="significand_bits must be an integer of at least 2"):
        Format("odd", 1, 15)
    with pytest.raises(ValueError, match="max_exponent must be an integer of at least 1, got 0"):
        Format("odd", 8, 0)
    with pytest.raises(TypeError, match=r"significand_bits must be an integer .* got 8\.0"):
        Format("odd", 8.0, 15)  # type: ignore[arg-type]
    assert Format("widest", 25, 255).largest < math.inf


def test_all_gathers_every_record_once() -> None:
    for name in ("float16", "bfloat16", "float32", "float64"):
        assert ALL.count(getattr(precision, name)) == 1
        assert getattr(precision, name).name == name
    assert len({f.name for f in ALL}) == len(ALL)


# Rounding


@each_numpy
@given(x=doubles)
def test_rounding_is_numpys_cast(fmt: Format, dtype: type[np.floating[Any]], x: float) -> None:
    expected = float(cast(x, dtype))
    rounded = float(round_to(fmt, x))
    assert rounded == expected
    assert math.copysign(1, rounded) == math.copysign(1, expected)


@each_numpy
def test_rounding_is_numpys_cast_on_a_million_bit_patterns(
    fmt: Format, dtype: type[np.floating[Any]]
) -> None:
    rng = np.random.default_rng(8)
    ranges = 10.0 ** rng.uniform(-50, 45, 500_000) * rng.standard_normal(500_000)
    bits = rng.integers(0, 2**64, 500_000, dtype=np.uint64, endpoint=False).view(np.float64)
    for x in (ranges, bits[~np.isnan(bits)]):
        assert np.array_equal(round_to(fmt, x), cast(x, dtype).astype(np.float64))


@given(bits=st.integers(0, 2**32 - 1))
@example(bits=0x7F7FFFFF)  # the largest float32 overflows in bfloat16
@example(bits=0x3F808000)  # a tie below an even neighbor
@example(bits=0x3F818000)  # a tie above an odd one
@example(bits=0x00008000)  # half the smallest bfloat16
def test_rounding_float32_to_bfloat16_is_what_hardware_does_to_the_bits(bits: int) -> None:
    single = np.array(bits, np.uint32).view(np.float32)
    if np.isnan(single):
        return
    upper = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16  # round half to even, then truncate
    expected = float(np.array(upper, np.uint32).view(np.float32))
    assert float(round_to(bfloat16, np.float32(single))) == expected


@each
@given(x=finite_doubles)
def test_rounding_is_exact_rational_rounding(fmt: Format, x: float) -> None:
    assert float(round_to(fmt, x)) == nearest(fmt, Fraction(x))


def test_rounding_goes_straight_from_float64() -> None:
    # Through float32 the last term is lost first and the tie then goes the other way.
    assert round_to(bfloat16, 1 + 2**-8 + 2**-40) == 1 + 2**-7
    assert round_to(float16, 1 + 2**-11 + 2**-40) == 1 + 2**-10


@exhaustive
def test_numbers_of_a_format_stay_and_midpoints_go_to_even(
    fmt: Format, numbers: np.ndarray
) -> None:
    assert np.array_equal(round_to(fmt, numbers), numbers)
    low, high = numbers[:-1], numbers[1:]
    # Counted from zero, neighbors alternate between an even and an odd last bit.
    low_is_even = (np.arange(len(low)) - np.searchsorted(numbers, 0)) % 2 == 0
    expected = np.where(low_is_even, low, high)
    assert np.array_equal(round_to(fmt, (low + high) / 2), expected)


@each
def test_infinities_and_shapes_survive_rounding(fmt: Format) -> None:
    assert round_to(fmt, [math.inf, -math.inf]).tolist() == [math.inf, -math.inf]
    assert round_to(fmt, np.ones((2, 3), np.float32)).shape == (2, 3)
    assert round_to(fmt, 1).dtype == np.float64
    assert round_to(fmt, 1).shape == ()


@each
def test_rounding_overflows_from_half_a_gap_beyond_the_largest_number(fmt: Format) -> None:
    half = float(gap_below(fmt, fmt.largest)) / 2
    if fmt is float64:
        return  # half a gap beyond its largest number is no float64
    assert round_to(fmt, fmt.largest + half) == math.inf
    assert round_to(fmt, -np.nextafter(fmt.largest + half, 0)) == -fmt.largest


# Gaps


@exhaustive
def test_gaps_are_the_distances_between_neighbors(fmt: Format, numbers: np.ndarray) -> None:
    distance = np.diff(numbers)
    assert np.array_equal(gap_above(fmt, numbers[:-1]), distance)
    assert np.array_equal(gap_below(fmt, numbers[1:]), distance)


@each_numpy
@given(x=finite_doubles)
@example(x=1.0)
@example(x=-1.0)
@example(x=0.0)
@example(x=2.0**-126)
@example(x=2.0**-1022)
@example(x=2.0**-1021)
def test_gaps_are_those_of_nextafter(fmt: Format, dtype: type[np.floating[Any]], x: float) -> None:
    w = cast(x, dtype)[()]
    if not abs(w) < fmt.largest:
        return
    up, down = np.nextafter(w, dtype(np.inf)), np.nextafter(w, dtype(-np.inf))
    assert float(gap_above(fmt, w)) == float(up) - float(w)
    assert float(gap_below(fmt, w)) == float(w) - float(down)


@each_numpy
def test_the_gap_beyond_the_largest_number_is_the_one_before_it(
    fmt: Format, dtype: type[np.floating[Any]]
) -> None:
    largest = np.finfo(dtype).max
    spacing = float(largest) - float(np.nextafter(largest, dtype(0)))
    assert gap_above(fmt, largest) == spacing == gap_below(fmt, -largest)


@each
def test_the_gap_below_a_power_of_two_is_half_the_gap_above(fmt: Format) -> None:
    for exponent in (0, 1, fmt.min_exponent + 1, fmt.max_exponent):
        w = math.ldexp(1.0, exponent)
        assert gap_above(fmt, w) == 2 * gap_below(fmt, w)
        assert gap_above(fmt, -w) == gap_below(fmt, w)
    lowest = math.ldexp(1.0, fmt.min_exponent)  # below it the subnormal numbers are as dense
    assert gap_above(fmt, lowest) == gap_below(fmt, lowest) == fmt.smallest


# Lost steps


@each_numpy
@given(w=moderate, u=moderate, scale=st.integers(-40, 0))
def test_a_step_is_lost_iff_numpys_subtraction_loses_it(
    fmt: Format, dtype: type[np.floating[Any]], w: float, u: float, scale: int
) -> None:
    weight, step = cast(w, dtype)[()], cast(math.ldexp(u, scale), dtype)[()]
    with np.errstate(over="ignore"):
        expected = bool(weight - step == weight)
    assert bool(step_is_lost(fmt, w, math.ldexp(u, scale))) == expected


@each
@given(w=moderate, u=moderate, scale=st.integers(-40, 0))
def test_a_step_is_lost_iff_the_exact_difference_rounds_back(
    fmt: Format, w: float, u: float, scale: int
) -> None:
    largest = fmt.largest
    weight = nearest(fmt, Fraction(min(max(w, -largest), largest)))
    step = nearest(fmt, Fraction(min(max(math.ldexp(u, scale), -largest), largest)))
    expected = nearest(fmt, Fraction(weight) - Fraction(step)) == weight
    assert bool(step_is_lost(fmt, weight, step)) == expected


@exhaustive
def test_the_largest_lost_step_is_lost_and_the_next_is_not(
    fmt: Format, numbers: np.ndarray
) -> None:
    u = largest_lost_step(fmt, numbers)
    assert step_is_lost(fmt, numbers, u).all()
    assert not step_is_lost(fmt, numbers, u + gap_above(fmt, u)).any()


@each_numpy
@given(x=finite_doubles)
@example(x=1.0)
@example(x=1 + 2.0**-10)
@example(x=1 + 2.0**-52)
@example(x=2.0**-1022)
@example(x=2.0**-1020)
@example(x=3 * 2.0**-1021)
def test_the_prediction_of_lost_steps_is_numpys_arithmetic(
    fmt: Format, dtype: type[np.floating[Any]], x: float
) -> None:
    w = cast(x, dtype)[()]
    if not np.isfinite(w):
        return
    u = dtype(largest_lost_step(fmt, w))
    with np.errstate(over="ignore"):
        assert w - u == w
        assert w - np.nextafter(u, dtype(np.inf)) != w


def test_half_the_gap_is_lost_from_even_and_moves_odd() -> None:
    for fmt in ALL:
        gap = fmt.epsilon
        even, odd = 1 + 2 * gap, 1 + gap
        assert largest_lost_step(fmt, even) == gap / 2
        assert largest_lost_step(fmt, odd) == gap / 2 * (1 - gap / 2)
        assert step_is_lost(fmt, [even, odd], gap / 2).tolist() == [True, False]


@each_numpy
def test_one_loses_steps_up_to_a_quarter_of_epsilon(
    fmt: Format, dtype: type[np.floating[Any]]
) -> None:
    exponent = {float16: -12, float32: -25, float64: -54}[fmt]
    u = 2.0**exponent
    assert largest_lost_step(fmt, 1.0) == u
    assert dtype(1) - dtype(u) == dtype(1)
    assert dtype(1) - np.nextafter(dtype(u), dtype(1)) != dtype(1)


def test_steps_upwards_are_lost_up_to_half_the_gap_above() -> None:
    for fmt in ALL:
        assert largest_lost_step(fmt, -1.0) == fmt.epsilon / 2
        assert step_is_lost(fmt, 1.0, -fmt.epsilon / 2)
        assert not step_is_lost(fmt, 1.0, -fmt.epsilon)


def test_zero_and_subnormal_weights_lose_no_step() -> None:
    for fmt in CASES:
        for w in (0.0, fmt.smallest, 3 * fmt.smallest):
            assert largest_lost_step(fmt, w) == 0
            assert not step_is_lost(fmt, w, fmt.smallest)


def test_overflow_is_no_loss() -> None:
    for fmt in ALL:
        assert not step_is_lost(fmt, -fmt.largest, fmt.largest)
    assert not step_is_lost(float16, 1.0, 1e6)  # a step beyond the format


@each_numpy
def test_the_frozen_fraction_is_numpys(fmt: Format, dtype: type[np.floating[Any]]) -> None:
    rng = np.random.default_rng(4)
    weights = rng.standard_normal((50, 40)).astype(dtype)
    steps = (rng.standard_normal((50, 40)) * fmt.epsilon / 4).astype(dtype)
    expected = float(np.mean(weights - steps == weights))
    assert 0.1 < expected < 0.9
    assert frozen_fraction(fmt, weights, steps) == expected
    assert frozen_fraction(fmt, weights, steps[0, 0]) == float(
        np.mean(weights - steps[0, 0] == weights)
    )
    assert frozen_fraction(fmt, weights, 0) == 1


# Depths


def numpy_freeze(
    dtype: type[np.floating[Any]], w: float, gradient: float, factor: float, lr: float
) -> int:
    """Multiply and subtract in NumPy's own type until nothing moves."""
    g, depth = cast(gradient, dtype)[()], 0
    weight, rate, f = (cast(x, dtype)[()] for x in (w, lr, factor))
    with np.errstate(over="ignore"):
        while weight - rate * g != weight:
            g, depth = g * f, depth + 1
    return depth


@pytest.mark.parametrize(
    ("w", "gradient", "lr", "depths"),
    [(1.0, 1.0, 0.01, (3, 10, 24)), (2.5, 0.2, 1.0, (4, 11, 25))],
)
def test_the_weight_freezes_where_the_results_say(
    w: float, gradient: float, lr: float, depths: tuple[int, int, int]
) -> None:
    for (fmt, _), depth in zip(NUMPY, depths, strict=True):
        assert freeze_depth(fmt, w, gradient, 0.25, lr) == depth
        assert predicted_freeze_depth(fmt, w, gradient, 0.25, lr) == depth


@each_numpy
@given(
    w=st.floats(-8, 8),
    gradient=st.floats(-8, 8),
    factor=factors,
    lr=st.floats(0.001, 8),
)
@example(w=1.0, gradient=-1.0, factor=0.25, lr=1.0)
@example(w=-1.0, gradient=1.0, factor=0.25, lr=1.0)
@example(w=0.0, gradient=1.0, factor=0.25, lr=1.0)
def test_freeze_depth_is_numpys(
    *,
    fmt: Format,
    dtype: type[np.floating[Any]],
    w: float,
    gradient: float,
    factor: float,
    lr: float,
) -> None:
    measured = freeze_depth(fmt, w, gradient, factor, lr)
    assert measured == numpy_freeze(dtype, w, gradient, factor, lr)


@each
@given(
    w=st.floats(0.25, 4),
    gradient=st.floats(0.25, 4),
    sign=st.sampled_from([-1.0, 1.0]),
    factor=factors,
    lr=st.floats(0.01, 1),
)
def test_the_predicted_freeze_is_within_one_layer(
    *, fmt: Format, w: float, gradient: float, sign: float, factor: float, lr: float
) -> None:
    if fmt is E3M4 and (lr < 0.125 or factor < 0.125):
        return  # its normal numbers end at 1/4, and subnormal products keep no digits
    measured = freeze_depth(fmt, w, sign * gradient, factor, lr)
    assert measured is not None
    # The product's relative error, a few times depth × epsilon, is less than one factor of 2.
    assert abs(measured - predicted_freeze_depth(fmt, w, sign * gradient, factor, lr)) <= 1


def test_the_predicted_freeze_takes_the_gap_on_the_side_moved_to() -> None:
    for fmt in ALL:
        # The gap above 1 is twice the gap below: one halving less.
        p = fmt.significand_bits
        assert predicted_freeze_depth(fmt, 1.0, 1.0, 0.5, 1.0) == p + 1
        assert predicted_freeze_depth(fmt, 1.0, -1.0, 0.5, 1.0) == p
        assert freeze_depth(fmt, 1.0, 1.0, 0.5, 1.0) == p + 1
        assert freeze_depth(fmt, 1.0, -1.0, 0.5, 1.0) == p


def test_a_weight_of_zero_freezes_only_when_the_step_is_zero() -> None:
    for fmt in CASES:
        assert freeze_depth(fmt, 0.0, 1.0, 0.25, 1.0) == underflow_depth(fmt, 0.25)
        assert predicted_freeze_depth(fmt, 0.0, 1.0, 0.25, 1.0) == underflow_depth(fmt, 0.25)


def test_a_gradient_that_sticks_above_zero_may_never_freeze_a_weight() -> None:
    assert freeze_depth(float16, 0.0, 1.0, 0.9, 1.0) is None
    g = np.float16(1)
    for _ in range(1000):
        g = g * np.float16(0.9)
    assert g > 0
    assert freeze_depth(float16, 1.0, 1.0, 0.9, 1.0) is not None


def test_without_a_gradient_nothing_moves_at_any_depth() -> None:
    for fmt in CASES:
        assert freeze_depth(fmt, 1.0, 0.0, 0.5, 1.0) == 0
        assert predicted_freeze_depth(fmt, 1.0, 0.0, 0.5, 1.0) == 0
        assert predicted_freeze_depth(fmt, 2.0, fmt.smallest, 0.5, 1.0) == 0


def test_a_step_that_overflows_at_first_freezes_later() -> None:
    assert freeze_depth(float16, 1.0, 6e4, 0.25, 1e3) == numpy_freeze(
        np.float16, 1.0, 6e4, 0.25, 1e3
    )


# Errors


def test_what_is_not_a_number_of_the_format_is_refused() -> None:
    with pytest.raises(ValueError, match="x must not hold NaN, got nan"):
        round_to(float16, math.nan)
    with pytest.raises(TypeError, match="x must hold real numbers"):
        round_to(float16, "one")  # type: ignore[arg-type]
    for call in (gap_above, gap_below, largest_lost_step):
        with pytest.raises(ValueError, match=r"w must lie within .* float16, 65504, got 70000\.0"):
            call(float16, 7e4)
        with pytest.raises(ValueError, match="w must be finite, got inf"):
            call(float16, math.inf)
    with pytest.raises(ValueError, match="u must be finite, got nan"):
        step_is_lost(float16, 1.0, math.nan)
    with pytest.raises(ValueError, match=r"broadcasts with w's \(3,\), got \(2,\)"):
        step_is_lost(float16, [1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"weights must be finite, got nan at index \(1,\)"):
        frozen_fraction(float32, [1.0, math.nan], 0.1)
    with pytest.raises(ValueError, match="steps must be finite, got inf"):
        frozen_fraction(float32, [1.0], math.inf)


def test_factors_outside_zero_to_one_are_refused() -> None:
    with pytest.raises(ValueError, match="factor must be positive, got 0"):
        stored_factor(float16, 0)
    with pytest.raises(ValueError, match=r"between 0 and 1 in float16, got 1\.5"):
        stored_factor(float16, 1.5)
    with pytest.raises(ValueError, match=r"got 0\.9999999, stored as 1\.0"):
        stored_factor(float16, 0.9999999)
    with pytest.raises(ValueError, match=r"got 1e-09, stored as 0\.0"):
        stored_factor(float16, 1e-9)
    assert stored_factor(bfloat16, 0.1) == round_to(bfloat16, 0.1)


def test_the_arguments_of_a_freeze_are_refused_by_name() -> None:
    good = {"w": 1.0, "gradient": 1.0, "factor": 0.25, "lr": 0.1}
    bad = {"w": 1e6, "gradient": math.nan, "factor": 1.0, "lr": 0.0}
    for call in (freeze_depth, predicted_freeze_depth):
        for name, value in bad.items():
            with pytest.raises(ValueError, match=f"^{name} must "):
                call(float16, **{**good, name: value})
            with pytest.raises(TypeError, match=f"^{name} must be a real number, got 'x'"):
                call(float16, **{**good, name: "x"})  # type: ignore[arg-type]
