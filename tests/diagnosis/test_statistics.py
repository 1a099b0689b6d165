"""Norms against exact fractions and NumPy in long double, updates against ml_dtypes."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradbook import precision
from gradbook.book.diagnose import bench
from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.measuring.sizes import SAFE, Statistics, combine, measure, statistics
from gradbook.diagnosis.measuring.updates import (
    FORMATS,
    frozen_count,
    measure_updates,
    to_bfloat16,
    to_float16,
    update,
)
from gradbook.diagnosis.reading.arrays import as_tensor, hand_over
from gradbook.diagnosis.reading.storage import CHUNK, Tensor

NUMPY = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32}
reproducible = settings(max_examples=60)


def tensor(values: Any, name: str = "w") -> Tensor:
    found = as_tensor(name, values)
    assert found is not None
    return found


def exact_norm(values: Any) -> float:
    """Return the norm of a few numbers by fractions, correct to a few units of float64."""
    square = sum((Fraction(float(x)) ** 2 for x in np.ravel(values)), Fraction(0))
    if not square:
        return 0.0
    # Scaled by a power of four, so that the root of an integer has 60 bits.
    shift = max(0, 120 - (square.numerator.bit_length() - square.denominator.bit_length())) // 2
    root = math.isqrt(int(square * 4**shift))
    return float(Fraction(root, 2**shift))


SIZES = [1e-45, 1e-30, 1e-25, 1e-13, 1e-12, 1.0, 1e10, 1e16, 1e17, 1e30, 3e38]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, ml_dtypes.bfloat16])
def test_norms_neither_underflow_nor_overflow(size: float, dtype: Any) -> None:
    spread = np.random.default_rng(1).uniform(0.3, 1.0, 200)
    x = (spread * size).astype(dtype)
    found = statistics(tensor(x))
    # Sums of float32 squares lose at most n eps = 2e-5 relative, half of it in the root.
    assert found.norm == pytest.approx(exact_norm(x.astype(float)), rel=1e-5, abs=0)
    assert found.rms == pytest.approx(found.norm / math.sqrt(200), rel=1e-15)
    assert found.largest == float(np.max(np.abs(x.astype(float))))


@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e-155, 1e155, 1e300])
def test_norms_of_float64_use_its_whole_range(size: float) -> None:
    x = np.array([3.0, -4.0, 0.0]) * size
    assert statistics(tensor(x)).norm == pytest.approx(exact_norm(x), rel=1e-15, abs=0)


@reproducible
@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_any_float32_numbers_are_measured_as_fractions_say(numbers: list[float]) -> None:
    finite = [x for x in numbers if math.isfinite(x)]
    found = statistics(tensor(np.array(numbers, np.float32)))
    assert found.count == len(numbers)
    assert found.nonfinite == len(numbers) - len(finite)
    assert found.zeros == finite.count(0.0)
    assert found.largest == max(map(abs, finite), default=0.0)
    assert found.norm == pytest.approx(exact_norm(finite), rel=3e-6, abs=0)
    assert math.isnan(found.rms) == (not finite)


def test_the_bounds_of_safe_sums_lie_where_squares_fit() -> None:
    for dtype, (low, high) in SAFE.items():
        info = np.finfo(dtype)
        assert CHUNK * float(info.tiny) <= low**2 * float(info.epsneg) * 1.0000001
        assert CHUNK * high**2 <= float(info.max)


def test_tensors_of_many_chunks_and_any_layout_are_measured_whole() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((700, 801)).astype(np.float32)
    x[3, :5], x[100, 7], x[650, 9] = 0.0, np.nan, -np.inf
    kept = x[np.isfinite(x)].astype(np.longdouble)
    for layout in (x, np.asfortranarray(x), x[::-1], x.astype(">f4")):
        found = statistics(tensor(layout))
        assert (found.count, found.zeros, found.nonfinite) == (x.size, 5, 2)
        assert found.largest == float(np.abs(kept).max())
        # Float32 sums of 131,072 squares in several lanes: measured 1e-7, bound n eps = 8e-3.
        assert found.norm == pytest.approx(float(np.sqrt((kept**2).sum())), rel=1e-5)


def test_parts_combine_to_the_statistics_of_the_whole() -> None:
    x = np.arange(-5.0, 5.0)
    parts = combine(statistics(tensor(x[i : i + 3])) for i in range(0, 10, 3))
    whole = statistics(tensor(x))
    assert (parts.count, parts.zeros, parts.largest) == (whole.count, whole.zeros, whole.largest)
    assert parts.norm == pytest.approx(whole.norm, rel=1e-15)
    assert combine([]) == Statistics(0, 0.0, 0.0, 0, 0)


def test_every_name_is_measured_once_with_its_format_and_ties() -> None:
    w = np.ones((2, 2), np.float32)
    found = list(measure(hand_over({"a": w, "b": None, "c": w})))
    assert [(m.name, m.shape, m.format, m.tied_to) for m in found] == [
        ("a", (2, 2), "float32", None),
        ("b", None, None, None),
        ("c", (2, 2), "float32", "a"),
    ]
    assert found[1].statistics is None


def oracle(dtype: Any, w: Any, g: Any, lr: float) -> Any:
    """Subtract in the format itself, by NumPy or ml_dtypes."""
    with np.errstate(all="ignore"):
        stored, step = w.astype(dtype), np.asarray(lr, dtype) * g.astype(dtype)
        return (stored - step) == stored


def exact_bits(size: int, seed: int, dtype: Any) -> Any:
    """Draw from all bit patterns, so that every exponent, NaN and infinity comes up."""
    bits = np.dtype(f"u{np.dtype(dtype).itemsize}")
    info = np.iinfo(bits)
    rng = np.random.default_rng(seed)
    return rng.integers(0, info.max, size, bits, endpoint=True).view(dtype)


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f.name)
@pytest.mark.parametrize("lr", [1.0, 1e-3, 0.3, 1e-9, 3e-38])
def test_frozen_weights_are_those_of_arithmetic_in_the_format(fmt: Any, lr: float) -> None:
    dtype = NUMPY[fmt.name]
    rng = np.random.default_rng(3)
    w = rng.standard_normal(20_000)
    sizes = 2.0 ** rng.integers(-30, 10, w.size)
    cases = [(w, w[::-1] * sizes), (w.astype(np.float32), (w * sizes).astype(np.float32))]
    for width in (np.float32, np.float64):
        cases.append((exact_bits(20_000, 4, width), exact_bits(20_000, 5, width)))
    small = exact_bits(20_000, 6, dtype).astype(np.float32)
    cases.append((small, np.roll(small, 1)))
    for weights, g in cases:
        # From float64, ml_dtypes rounds to float32 on its way to bfloat16; from exact it does not.
        direct = dtype is ml_dtypes.bfloat16 and weights.dtype == np.float64
        a, b = (to_bfloat16(weights), to_bfloat16(g)) if direct else (weights, g)
        assert frozen_count(fmt, weights, g, lr) == np.count_nonzero(oracle(dtype, a, b, lr))


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f.name)
def test_frozen_weights_are_those_of_exact_arithmetic(fmt: Any) -> None:
    rng = np.random.default_rng(8)
    w = rng.standard_normal(5000) * 2.0 ** rng.integers(-14, 10, 5000)
    g = rng.standard_normal(5000) * 2.0 ** rng.integers(-30, 5, 5000)
    step = precision.round_to(fmt, 0.37)
    step = precision.round_to(fmt, step * precision.round_to(fmt, g))
    lost = precision.step_is_lost(fmt, w, step)
    assert frozen_count(fmt, w, g, 0.37) == np.count_nonzero(lost)
    assert 0 < np.count_nonzero(lost) < 5000


@reproducible
@given(st.lists(st.floats(allow_nan=False, width=64), min_size=1, max_size=30))
def test_rounding_to_bfloat16_is_that_of_the_book(numbers: list[float]) -> None:
    x = np.array(numbers)
    np.testing.assert_array_equal(to_bfloat16(x), precision.round_to(precision.bfloat16, x))


@reproducible
@given(st.lists(st.floats(width=64), min_size=1, max_size=30))
def test_rounding_to_float16_is_that_of_numpy(numbers: list[float]) -> None:
    x = np.array(numbers)
    for wide in (x, x / 1e9, exact_bits(1000, len(x), np.float16)):
        with np.errstate(all="ignore"):
            expected = wide.astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(to_float16(wide.astype(np.float64)), expected)


def test_ties_of_float16_are_rounded_to_even_at_every_size() -> None:
    every = np.arange(2**15 - 2**10, dtype=np.uint16).view(np.float16).astype(float)
    middle = (every[:-1] + every[1:]) / 2
    ties = np.concatenate([middle, np.nextafter(middle, 0), np.nextafter(middle, 1e9), [65520.0]])
    ties = np.concatenate([ties, -ties])
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(to_float16(ties), ties.astype(np.float16))


def test_rounding_twice_would_lose_what_rounding_to_odd_keeps() -> None:
    x = np.array([1 + 2**-8 + 2**-40, 1 + 3 * 2**-8 - 2**-40, 2.0**-134 * (1 + 2**-30), 1e300])
    expected = precision.round_to(precision.bfloat16, x)
    np.testing.assert_array_equal(to_bfloat16(x), expected)
    with np.errstate(over="ignore"):
        twice = x.astype(np.float32).astype(ml_dtypes.bfloat16).astype(float)
    assert (twice != expected).any()
    assert np.isnan(to_bfloat16(np.array([np.nan, -np.nan]))).all()


def test_an_update_tells_sizes_and_the_share_that_stands_still() -> None:
    w = tensor(np.array([1.0, 1.0, 0.0, 4.0], ml_dtypes.bfloat16))
    step = update(w, tensor(np.array([1e-3, 1.0, 0.0, 0.1], np.float32), "g"), lr=0.5)
    assert step.stored_in == "bfloat16"
    # The gap below 1 is 2^-8, below 4 2^-6; a weight whose gradient is 0 is not to move.
    assert (step.still["bfloat16"], step.meant) == (1, 3)
    rms = math.sqrt((1e-6 + 1 + 0.01) / 18)
    assert step.ratio == pytest.approx(0.5 * rms, rel=1e-6)  # float32 numbers
    assert step.name == "g"


def test_float64_weights_are_judged_in_their_own_format_too() -> None:
    step = update(tensor(np.array([1.0])), tensor(np.array([1e-12])), lr=1.0)
    assert step.meant == 1
    assert step.still == {"float32": 1, "bfloat16": 1, "float16": 1, "float64": 0}
    integers = update(tensor(np.array([1])), tensor(np.array([1.0])), lr=1.0)
    assert integers.stored_in not in integers.still


def test_ratios_to_weights_of_zero_are_infinite_or_unknown() -> None:
    zero, one = tensor(np.zeros(2)), tensor(np.ones(2))
    assert update(zero, one, lr=1.0).ratio == math.inf
    assert math.isnan(update(zero, zero, lr=1.0).ratio)


def test_weights_that_do_not_fit_are_named() -> None:
    gradients = hand_over({"a": np.ones((2, 3)), "unused": None})
    with pytest.raises(BadInput, match=r"weights must hold 'a'"):
        list(measure_updates(gradients, hand_over({"b": np.ones((2, 3))}), 0.1))
    with pytest.raises(BadInput, match=r"weights must hold 'a'"):
        list(measure_updates(gradients, hand_over({"a": None}), 0.1))
    with pytest.raises(BadInput, match=r"weights\['a'\] must have .* \(2, 3\), got \(3, 2\)"):
        list(measure_updates(gradients, hand_over({"a": np.ones((3, 2))}), 0.1))
    with pytest.raises(ValueError, match="lr must be positive"):
        list(measure_updates(gradients, hand_over({"a": np.ones((2, 3))}), 0.0))


def test_memory_stays_at_a_tensor_and_a_few_chunks() -> None:
    found = bench.cost(layers=3, width=2000, rng=np.random.default_rng(0), times=1)
    # A chunk of float32 has half a megabyte; reading a file takes pieces of a megabyte.
    assert found.peak < 4e6
    assert found.peak_file < found.largest + 4e6
    assert "12,000,000 float32 gradients" in str(found)
    assert found.ratio > 0


def test_the_bench_fails_beyond_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    good = bench.Cost(100, 1.0, 2.9, 400, 10, 410)
    assert good.holds
    for worse in (
        bench.Cost(100, 1.0, 3.1, 400, 10, 410),
        bench.Cost(100, 1.0, 2.9, 400, 10**9, 410),
        bench.Cost(100, 1.0, 2.9, 400, 10, 10**9),
    ):
        assert not worse.holds
        monkeypatch.setattr(bench, "cost", lambda **_,: worse)  # noqa: B023
        assert bench.main() == 1
    monkeypatch.setattr(bench, "cost", lambda **_: good)
    assert bench.main() == 0
