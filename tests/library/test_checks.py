"""The shared input checks accept what they promise and name what they refuse."""

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gradbook import checks

NAN, INF = float("nan"), float("inf")


def refuses(check: Any, error: type[Exception], value: Any, *words: str) -> None:
    """Assert that the message names the argument, then holds each of the words."""
    with pytest.raises(error, match=r"^eta must ") as caught:
        check("eta", value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_an_array_keeps_its_floating_dtype_and_its_values(dtype: type[np.floating[Any]]) -> None:
    array = np.array([[1.5, -2.0]], dtype)
    for check in (checks.float_array, checks.finite_array):
        kept = check("eta", array)
        assert kept.dtype == dtype
        assert np.array_equal(kept, array)


@pytest.mark.parametrize("value", [3, [1, 2], np.array([1, 2], np.uint8), [True, False]])
def test_integers_and_booleans_become_float64(value: Any) -> None:
    array = checks.finite_array("eta", value)
    assert array.dtype == np.float64
    assert np.array_equal(array, np.asarray(value))


@pytest.mark.parametrize("check", [checks.float_array, checks.finite_array])
def test_an_array_that_is_not_numbers_is_refused(check: Any) -> None:
    refuses(check, TypeError, "abc", "real numbers", "<U3")
    refuses(check, TypeError, [1j], "complex128")
    refuses(check, TypeError, None, "object")
    refuses(check, ValueError, [], "empty", "(0,)")
    refuses(check, ValueError, np.ones((3, 0)), "(3, 0)")
    refuses(check, ValueError, [[1.0], [1.0, 2.0]], "rectangular", "[[1.0], [1.0, 2.0]]")


def test_only_the_finite_check_refuses_infinity_and_nan() -> None:
    for value, shown in [(NAN, "nan"), (INF, "inf"), (-INF, "-inf")]:
        array = np.array([[0.0, 1.0], [value, 2.0]])
        assert checks.float_array("eta", array) is array
        refuses(checks.finite_array, ValueError, array, f"{shown} at index (1, 0)")
    refuses(checks.finite_array, ValueError, NAN, "nan at index ()")


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int8(2), Fraction(2)])
def test_a_number_becomes_a_python_float(value: Any) -> None:
    for check in (checks.finite, checks.positive, checks.non_negative):
        number = check("eta", value)
        assert type(number) is float
        assert number == 2.0


@pytest.mark.parametrize("check", [checks.finite, checks.positive, checks.non_negative])
def test_what_is_not_one_finite_number_is_refused(check: Any) -> None:
    for value in ("1", None, True, np.True_, 1j, [1.0], np.array(1.0)):
        refuses(check, TypeError, value, "real number", repr(value))
    for value in (NAN, INF, -INF, 10**400):
        refuses(check, ValueError, value, "finite", str(value))


def test_signs_are_checked_at_zero() -> None:
    assert checks.finite("eta", -3.5) == -3.5
    assert checks.non_negative("eta", 0) == 0.0
    refuses(checks.non_negative, ValueError, -1e-300, "-1e-300")
    assert checks.non_negative_array("q", [0, 1]).tolist() == [0.0, 1.0]
    refuses(checks.non_negative_array, ValueError, [0.0, -1e-300], "-1e-300")
    refuses(checks.positive, ValueError, 0, "positive, got 0")
    refuses(checks.positive, ValueError, -2.5, "-2.5")
    assert checks.positive("eta", 1e-300) == 1e-300


@pytest.mark.parametrize("value", [4, np.int64(4), np.uint8(4)])
def test_an_integer_becomes_a_python_integer(value: Any) -> None:
    number = checks.positive_int("eta", value)
    assert type(number) is int
    assert number == 4
    assert checks.integer_at_least("eta", value, 4) == 4


def test_what_is_not_an_integer_or_too_small_is_refused() -> None:
    for value in (1.0, "1", None, True, np.array(1), np.float64(2)):
        refuses(checks.positive_int, TypeError, value, "integer of at least 1", repr(value))
    refuses(checks.positive_int, ValueError, 0, "integer of at least 1, got 0")
    with pytest.raises(ValueError, match=re.escape("at least 3, got 2")):
        checks.integer_at_least("eta", 2, 3)


def test_a_generator_passes_and_a_seed_does_not() -> None:
    rng = np.random.default_rng(0)
    assert checks.generator("eta", rng) is rng
    refuses(checks.generator, TypeError, 7, "numpy.random.Generator, got 7")
    refuses(checks.generator, TypeError, np.random.RandomState(0), "RandomState")
