"""A printed bound holds as it is printed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.show.bounds import at_least, at_most

NUMBERS = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6)
POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def number(text: str) -> Decimal:
    """Read a bound back."""
    mantissa, _, power = text.replace("−", "-").partition("·10")
    return Decimal(mantissa).scaleb(int(power.translate(POWERS) or 0))


@given(NUMBERS, st.integers(0, 6), st.booleans())
def test_a_bound_holds_and_is_as_tight_as_its_digits_allow(
    x: float, digits: int, scientific: bool
) -> None:
    exact = Decimal(repr(x))
    below = number(at_least(x, digits, scientific=scientific))
    above = number(at_most(x, digits, scientific=scientific))
    assert below <= exact <= above
    unit = Decimal(1).scaleb(-digits)
    if scientific and x:
        unit = unit.scaleb(exact.adjusted() + 1)
    assert above - below <= unit


@pytest.mark.parametrize("x", [float("nan"), float("inf")])
def test_what_is_no_bound_is_refused(x: float) -> None:
    with pytest.raises(ValueError, match="x must be a finite number"):
        at_most(x, 2)
    with pytest.raises(ValueError, match="digits must be"):
        at_least(1.0, -1)
