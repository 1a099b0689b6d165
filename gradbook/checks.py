"""Input checks shared by the package's public entry points.

Each returns the checked value in the form the caller computes with, or raises an error that names
the argument, its value and what was expected: TypeError for what is no number of that kind,
ValueError for a number or a shape that is out of range. Arrays must not be empty or ragged; they
keep a floating dtype, and integers become float64.

Examples:
    >>> positive("lr", -0.1)
    Traceback (most recent call last):
    ValueError: lr must be positive, got -0.1
    >>> finite_array("W", [[1.0, float("nan")]])
    Traceback (most recent call last):
    ValueError: W must be finite, got nan at index (0, 1)
"""

import math
import operator
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
"""A floating-point array of any shape."""


def float_array(name: str, value: ArrayLike) -> Array:
    """Return `value` as a floating-point array; infinities and NaN pass."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be a rectangular array, got {value!r}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got an array of dtype {array.dtype}")
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got an array of shape {array.shape}")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def finite_array(name: str, value: ArrayLike) -> Array:
    """Return `value` as a floating-point array without infinity or NaN."""
    array = float_array(name, value)
    bad = ~np.isfinite(array)
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"{name} must be finite, got {array[index]} at index {index}")
    return array


def non_negative_array(name: str, value: ArrayLike) -> Array:
    """Return `value` as a finite floating-point array whose entries are at least 0."""
    array = finite_array(name, value)
    if (array < 0).any():
        raise ValueError(f"{name} must not be negative, got {array.min()}")
    return array


def _is_real(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def finite(name: str, value: float) -> float:
    """Return `value` as a finite Python float."""
    if not _is_real(value):
        raise TypeError(f"{name} must be a real number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number, got {value}")
    return number


def positive(name: str, value: float) -> float:
    """Return `value` as a finite Python float above 0."""
    number = finite(name, value)
    if number <= 0:
        raise ValueError(f"{name} must be positive, got {value}")
    return number


def non_negative(name: str, value: float) -> float:
    """Return `value` as a finite Python float of at least 0."""
    number = finite(name, value)
    if number < 0:
        raise ValueError(f"{name} must not be negative, got {value}")
    return number


def integer_at_least(name: str, value: int, least: int) -> int:
    """Return `value`, Python's or NumPy's, as a Python integer of at least `least`."""
    message = f"{name} must be an integer of at least {least}, got {value!r}"
    if isinstance(value, (bool, np.ndarray)):
        raise TypeError(message)
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(message) from None
    if number < least:
        raise ValueError(message)
    return number


def positive_int(name: str, value: int) -> int:
    """Return `value` as a Python integer of at least 1."""
    return integer_at_least(name, value, 1)


def generator(name: str, value: np.random.Generator) -> np.random.Generator:
    """Return `value` if it is a NumPy random generator, which a seed is not."""
    if not isinstance(value, np.random.Generator):
        raise TypeError(f"{name} must be a numpy.random.Generator, got {value!r}")
    return value
