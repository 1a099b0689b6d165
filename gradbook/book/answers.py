"""Fields in which a reader types the number that an exercise asks for, checked on the page."""

import html
import json
from collections.abc import Mapping

from gradbook.checks import finite, positive_int


def ask(
    value: float, slips: Mapping[str, float] | None = None, *, what: str = "", digits: int = 2
) -> str:
    r"""Return a field that says whether a number is right, and of a known slip which one it is.

    A wrong sign, the reciprocal, the square and the root are known of every number. Whole numbers
    must be met; others to so many significant digits. What was typed stays in the reader's browser.

    Args:
        value: The answer.
        slips: Numbers that a known mistake leads to, each by what to say of it.
        what: What is asked for, where the exercise asks for several things.
        digits: The significant digits that a reader must get right.

    Raises:
        ValueError: A slip gives a number that counts as right.

    Examples:
        >>> ask(1 / 4, {"a slope is missing": 1})[:59]
        '<gb-answer data-answer=\'{"what":"","is":0.25,"within":0.05,'
    """
    whole = float(finite("value", value)).is_integer()
    within = 0.0 if whole else 0.5 * 10.0 ** (1 - positive_int("digits", digits))
    known = [(slip, float(finite("slips", number))) for slip, number in (slips or {}).items()]
    for slip, number in known:
        if abs(number - value) <= within * abs(value):
            raise ValueError(f"slips: {slip!r} gives {number!r}, which counts as {value!r}")
    data = {"what": what, "is": float(value), "within": within, "slips": known}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    quoted = html.escape(text, quote=False).replace("'", "&#39;")
    return f"<gb-answer data-answer='{quoted}'></gb-answer>"
