"""Write numbers the way the book prints them, in Unicode for prose and figures.

Examples:
    >>> scientific_text(0.25**9 / 2, 3)
    '1.91·10⁻⁶'
"""

import html
import math
import re
from decimal import Decimal

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUBSCRIPTS = str.maketrans("-0123456789", "₋₀₁₂₃₄₅₆₇₈₉")
_MATH = re.compile(r"(?<!\\)\$(?=\S)(.+?)(?<=\S)(?<!\\)\$")


def superscript(n: int) -> str:
    """Write an integer as Unicode superscripts: ⁻¹²."""
    return str(n).translate(_SUPERSCRIPTS)


def subscript(n: int) -> str:
    """Write an integer as Unicode subscripts: ₃₂."""
    return str(n).translate(_SUBSCRIPTS)


def true_minus(text: str) -> str:
    """Replace each hyphen by the minus sign U+2212, which is as wide as a plus."""
    return text.replace("-", "\N{MINUS SIGN}")


def fixed(x: float, digits: int) -> str:
    """Write x with a fixed number of decimals, for code and mathematics.

    A negative number that rounds to zero loses its sign; that is a hyphen, which LaTeX sets as a
    minus.

    Examples:
        >>> fixed(-2.4975, 2), fixed(-0.001, 2)
        ('-2.50', '0.00')
    """
    _check(x, digits, least=0)
    if math.isinf(x):
        return r"-\infty" if x < 0 else r"\infty"
    return f"{float(x):z.{digits}f}"


def fixed_text(x: float, digits: int) -> str:
    """Write x with a fixed number of decimals and a true minus sign, for prose."""
    return _plain(fixed(x, digits))


def scientific_text(x: float, digits: int) -> str:
    """Write x = m·10ᵉ with 1 ≤ |m| < 10 and so many significant digits, for prose and figures.

    The power is left out where e = 0.

    Examples:
        >>> scientific_text(-1.9073e-06, 3), scientific_text(0.5e-9, 1)
        ('−1.91·10⁻⁶', '5·10⁻¹⁰')
    """
    mantissa, exponent = _split(x, digits)
    power = "" if exponent == 0 else f"·10{superscript(exponent)}"
    return _plain(mantissa) + power


def plus_minus_text(value: float, error: float) -> str:
    """Write v ± e in Unicode, the error to two significant digits and the value to match.

    A common power of ten is taken out when the larger of the two numbers lies outside
    [10⁻³, 10⁵) or the digits do not reach the decimal point.

    Examples:
        >>> plus_minus_text(-0.25304, 0.00118), plus_minus_text(1.9073e-06, 4.1e-08)
        ('−0.2530 ± 0.0012', '(1.907 ± 0.041)·10⁻⁶')
    """
    v, e, exponent = _align(value, error)
    pair = true_minus(f"{v} ± {e}")
    return pair if exponent == 0 else f"({pair})·10{superscript(exponent)}"


def inline_html(text: str) -> str:
    r"""Escape plain text for HTML and mark its `$...$` for the page's mathematics.

    The mark is the one Python-Markdown's arithmatex writes in generic mode, so that text from
    a cell or a caption is rendered with the formulas of the page. A literal dollar is `\$`.

    Examples:
        >>> inline_html(r"error < $10^{-6}$")
        'error &lt; <span class="arithmatex">\\(10^{-6}\\)</span>'
    """
    parts = _MATH.split(text)
    marked = [
        rf'<span class="arithmatex">\({html.escape(part)}\)</span>'
        if index % 2
        else html.escape(part.replace(r"\$", "$"))
        for index, part in enumerate(parts)
    ]
    return "".join(marked)


def _check(x: float, digits: int, least: int) -> None:
    if digits < least:
        raise ValueError(f"digits must be at least {least}, got {digits!r}")
    if math.isnan(x):
        raise ValueError("x must be a number, got nan: say in words that there is none")


def _plain(number: str) -> str:
    return true_minus(number).replace(r"\infty", "∞")


def _split(x: float, digits: int) -> tuple[str, int]:
    _check(x, digits, least=1)
    if x == 0 or math.isinf(x):
        return fixed(x, 0), 0
    mantissa, exponent = f"{float(x):.{digits - 1}e}".split("e")
    return mantissa, int(exponent)


def _align(value: float, error: float) -> tuple[str, str, int]:
    if not math.isfinite(value):
        raise ValueError(f"value must be finite, got {value!r}")
    if not (math.isfinite(error) and error > 0):
        raise ValueError(f"error must be finite and positive, got {error!r}")
    last = _split(error, 2)[1] - 1
    top = max(_split(value, 2)[1] if value else last, last + 1)
    exponent = 0 if -3 <= top < 5 and last <= 0 else top
    decimals = max(exponent - last, 0)
    # Decimal shifts the point exactly, down to the smallest subnormal, where 10.0**exponent is 0.
    v, e = (f"{Decimal(float(x)).scaleb(-exponent):z.{decimals}f}" for x in (value, error))
    return v, e, exponent
