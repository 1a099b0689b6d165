"""Numbers as printed: read back by `decimal`, which knows nothing of our code."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.show import formats

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
# A double carries 15 digits: an error below 1e-12 of the value is not an error bar.
PAIRS = st.tuples(st.floats(-1e290, 1e290), st.floats(1e-12, 1e12)).map(
    lambda pair: (pair[0], max(abs(pair[0]) * pair[1], 1e-300))
)
SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def read_text(text: str) -> Decimal:
    """The number that a reader takes from m·10ᵉ."""
    mantissa, _, power = text.replace("−", "-").partition("·10")
    return Decimal(mantissa).scaleb(int(power.translate(SUPERSCRIPTS) or 0))


@given(x=NUMBERS, digits=st.integers(1, 15))
def test_scientific_differs_from_the_number_by_at_most_half_a_unit_of_its_last_digit(x, digits):
    written = read_text(formats.scientific_text(x, digits))
    unit = Decimal(10) ** (written.adjusted() - digits + 1)
    assert abs(written - Decimal(x)) <= unit / 2 if x else written == 0


@given(x=st.floats(-1e9, 1e9), digits=st.integers(0, 9))
def test_fixed_rounds_to_the_asked_decimals_and_never_writes_minus_zero(x, digits):
    written = formats.fixed(x, digits)
    assert written == f"{round(Decimal(x), digits) + 0:.{digits}f}"
    assert not re.fullmatch(r"-0\.?0*", written)


@given(pair=PAIRS)
def test_plus_minus_keeps_two_digits_of_the_error_and_the_same_decimals_of_the_value(pair):
    value, error = pair
    numbers, _, power = formats.plus_minus_text(value, error).replace("(", "").partition(")")
    v, e = numbers.split(" ± ")
    scale = int(power.removeprefix("·10").translate(SUPERSCRIPTS) or 0)
    assert len(v.partition(".")[2]) == len(e.partition(".")[2])
    kept = Decimal(e).scaleb(scale)
    # Two significant digits are never off by more than half of the second: 5 % at 1.0.
    assert abs(kept / Decimal(error) - 1) <= Decimal("0.05")
    # Half a unit of that digit is at most a twentieth of the error (and a hair: 28 digits).
    assert abs(Decimal(v.replace("−", "-")).scaleb(scale) - Decimal(value)) <= kept / 19


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (250, 18, "250 ± 18"),
        (0, 0.01, "0.000 ± 0.010"),
        (12345, 120, "(1.234 ± 0.012)·10⁴"),
        (1e-6, 3e-3, "0.0000 ± 0.0030"),
        (5e-324, 5e-324, "(4.9 ± 4.9)·10⁻³²⁴"),
        (-0.00099996, 1e-7, "−0.00099996 ± 0.00000010"),
    ],
)
def test_plus_minus_as_a_reader_would_write_it(value, error, text):
    assert formats.plus_minus_text(value, error) == text


def test_rounding_up_to_ten_moves_the_exponent():
    assert formats.scientific_text(9.96e-7, 2) == "1.0·10⁻⁶"


def test_zero_and_infinity_have_no_mantissa():
    assert formats.scientific_text(0.0, 3) == formats.scientific_text(-0.0, 3) == "0"
    assert formats.fixed(float("inf"), 3) == r"\infty"
    assert formats.scientific_text(float("-inf"), 3) == "−∞"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: formats.fixed(1.0, -1), "digits must be at least 0, got -1"),
        (lambda: formats.scientific_text(1.0, 0), "digits must be at least 1, got 0"),
        (lambda: formats.scientific_text(float("nan"), 2), "x must be a number, got nan"),
        (lambda: formats.plus_minus_text(float("inf"), 1.0), "value must be finite, got inf"),
        (lambda: formats.plus_minus_text(1.0, 0.0), "error must be finite and positive, got 0.0"),
        (lambda: formats.plus_minus_text(1.0, float("nan")), "error must be finite and positive"),
    ],
)
def test_errors_name_the_argument_its_value_and_what_was_expected(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a < b & c", "a &lt; b &amp; c"),
        ("$x$", r'<span class="arithmatex">\(x\)</span>'),
        (
            "$a<b$ or $c$",
            r'<span class="arithmatex">\(a&lt;b\)</span> or <span class="arithmatex">\(c\)</span>',
        ),
        (r"costs \$5, not \$6", "costs $5, not $6"),
        ("costs $5 and $6", "costs $5 and $6"),
        ("", ""),
    ],
)
def test_text_is_escaped_and_only_formulas_are_marked(text, expected):
    assert formats.inline_html(text) == expected
