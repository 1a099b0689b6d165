"""Input checks shared by the package's public entry points.

Each returns the checked value in the form the caller computes with, or raises an error that names
the argument, its value and what was expected.
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
    """Return `value` as a non-empty floating-point array; infinities and NaN pass.

    Args:
        name: The argument's name, for the message.
        value: Numbers of any shape. A floating dtype is kept, integers become float64.

    Returns:
        The array, same shape.

    Raises:
        TypeError: If `value` is not made of real numbers.
        ValueError: If `value` is empty or ragged.

    Examples:
        >>> float_array("x", [1, 2]).dtype.name
        'float64'
        >>> float_array("x", ["one"])
        Traceback (most recent call last):
        TypeError: x must hold real numbers, got an array of dtype <U3
    """
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
    """Return `value` as a non-empty floating-point array without infinity or NaN.

    Args:
        name: The argument's name, for the message.
        value: Numbers of any shape. A floating dtype is kept, integers become float64.

    Returns:
        The array, same shape.

    Raises:
        TypeError: If `value` is not made of real numbers.
        ValueError: If `value` is empty, ragged, or holds an infinity or NaN.

    Examples:
        >>> finite_array("W", [[1.0, float("nan")]])
        Traceback (most recent call last):
        ValueError: W must be finite, got nan at index (0, 1)
    """
    array = float_array(name, value)
    bad = ~np.isfinite(array)
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"{name} must be finite, got {array[index]} at index {index}")
    return array


def _is_real(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def finite(name: str, value: float) -> float:
    """Return `value` as a finite Python float.

    Args:
        name: The argument's name, for the message.
        value: One real number.

    Returns:
        The number.

    Raises:
        TypeError: If `value` is not a real number.
        ValueError: If `value` is infinite, NaN or beyond the range of a float.

    Examples:
        >>> finite("w", 1)
        1.0
        >>> finite("w", "1")
        Traceback (most recent call last):
        TypeError: w must be a real number, got '1'
    """
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
    """Return `value` as a finite Python float above 0.

    Args:
        name: The argument's name, for the message.
        value: One real number.

    Returns:
        The number.

    Raises:
        TypeError: If `value` is not a real number.
        ValueError: If `value` is not finite or not above 0.

    Examples:
        >>> positive("lr", -0.1)
        Traceback (most recent call last):
        ValueError: lr must be positive, got -0.1
    """
    number = finite(name, value)
    if number <= 0:
        raise ValueError(f"{name} must be positive, got {value}")
    return number


def non_negative(name: str, value: float) -> float:
    """Return `value` as a finite Python float of at least 0.

    Args:
        name: The argument's name, for the message.
        value: One real number.

    Returns:
        The number.

    Raises:
        TypeError: If `value` is not a real number.
        ValueError: If `value` is not finite or is below 0.

    Examples:
        >>> non_negative("variance", -1)
        Traceback (most recent call last):
        ValueError: variance must not be negative, got -1
    """
    number = finite(name, value)
    if number < 0:
        raise ValueError(f"{name} must not be negative, got {value}")
    return number


def integer_at_least(name: str, value: int, least: int) -> int:
    """Return `value` as a Python integer of at least `least`.

    Args:
        name: The argument's name, for the message.
        value: One integer, Python's or NumPy's.
        least: The smallest allowed value.

    Returns:
        The integer.

    Raises:
        TypeError: If `value` is not an integer.
        ValueError: If `value` is below `least`.

    Examples:
        >>> integer_at_least("depth", -1, 0)
        Traceback (most recent call last):
        ValueError: depth must be an integer of at least 0, got -1
    """
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
    """Return `value` as a Python integer of at least 1.

    Args:
        name: The argument's name, for the message.
        value: One integer, Python's or NumPy's.

    Returns:
        The integer.

    Raises:
        TypeError: If `value` is not an integer.
        ValueError: If `value` is below 1.

    Examples:
        >>> positive_int("width", 0)
        Traceback (most recent call last):
        ValueError: width must be an integer of at least 1, got 0
    """
    return integer_at_least(name, value, 1)


def generator(name: str, value: np.random.Generator) -> np.random.Generator:
    """Return `value` if it is a NumPy random generator.

    Args:
        name: The argument's name, for the message.
        value: The generator, made by `numpy.random.default_rng(seed)`.

    Returns:
        The generator.

    Raises:
        TypeError: If `value` is anything else, such as a seed.

    Examples:
        >>> generator("rng", 7)
        Traceback (most recent call last):
        TypeError: rng must be a numpy.random.Generator, got 7
    """
    if not isinstance(value, np.random.Generator):
        raise TypeError(f"{name} must be a numpy.random.Generator, got {value!r}")
    return value
