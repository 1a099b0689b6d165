"""Bounds for prose: rounded outward, so that they hold as they are printed."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from gradbook.checks import finite, integer_at_least
from gradbook.show.formats import superscript, true_minus


def at_most(x: float, digits: int, *, scientific: bool = False) -> str:
    """Round an upper bound up: what is at most 0.3125 is at most 0.32.

    Args:
        digits: How many to print behind the point.
        scientific: Whether to print a power of ten.

    Examples:
        >>> at_most(0.3125, 2), at_most(0.3, 1), at_most(4.12e-6, 1, scientific=True)
        ('0.32', '0.3', '4.2·10⁻⁶')
    """
    return _rounded(x, digits, ROUND_CEILING, scientific)


def at_least(x: float, digits: int, *, scientific: bool = False) -> str:
    """Round a lower bound down: what is at least 2.89 is at least 2.8.

    Examples:
        >>> at_least(2.89, 1), at_least(-0.31, 1)
        ('2.8', '−0.4')
    """
    return _rounded(x, digits, ROUND_FLOOR, scientific)


def _rounded(x: float, digits: int, direction: str, scientific: bool) -> str:
    integer_at_least("digits", digits, 0)
    # The shortest decimal that is x, so that a bound of 0.3 stays 0.3.
    bound = Decimal(repr(float(finite("x", x))))
    step = Decimal(1).scaleb(-digits)
    if not (scientific and bound):
        return true_minus(str(bound.quantize(step, direction)))
    exponent = bound.adjusted()
    mantissa = bound.scaleb(-exponent).quantize(step, direction)
    if mantissa.adjusted():  # 9.99 was rounded to 10
        exponent += 1
        mantissa = bound.scaleb(-exponent).quantize(step, direction)
    return f"{true_minus(str(mantissa))}·10{superscript(exponent)}"
