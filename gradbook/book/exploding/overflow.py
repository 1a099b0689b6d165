"""After how many layers a factor above 1 has made a product infinite, format by format.

Examples:
    >>> from gradbook.precision import ALL
    >>> {fmt.name: overflow_depth(fmt, 2.0) for fmt in ALL}
    {'float16': 16, 'bfloat16': 128, 'float32': 128, 'float64': 1024}
"""

import math

from gradbook.precision import Format, round_to, stored_factor

_LONGEST_LOOP = 1_000_000
"""The most layers that `overflow_depth` multiplies up."""


def overflow_depth(fmt: Format, factor: float) -> int:
    r"""Find the first $L$ at which $\text{factor}^L$, multiplied up in the format, is infinite.

    A factor so close to 1 that more than a million layers are needed is refused.
    """
    predicted = predicted_overflow_depth(fmt, factor)
    if predicted > _LONGEST_LOOP:
        raise ValueError(
            f"factor must overflow within {_LONGEST_LOOP} layers, got {factor}, which takes "
            f"{predicted} in {fmt.name}"
        )
    stored, power, depth = stored_factor(fmt, factor, 1.0, math.inf), 1.0, 0
    while math.isfinite(power):
        power, depth = float(round_to(fmt, power * stored)), depth + 1
    return depth


def predicted_overflow_depth(fmt: Format, factor: float) -> int:
    r"""Predict the first $L$ at which the exact $\text{factor}^L$ rounds to infinity.

    That is where it reaches the largest number plus half its gap:
    $L = \lceil \log(\text{largest} + \text{gap}/2) / \log(\text{factor}) \rceil$. The roundings of
    `overflow_depth` change the product by at most $L$ half units in the last place, which shifts
    $L$ by one layer or two unless the factor is close to 1.
    """
    stored = stored_factor(fmt, factor, 1.0, math.inf)
    # largest + gap/2 = 2^(e+1) (1 - 2^-(p+1)), whose logarithm float64 has no room for otherwise
    edge = fmt.max_exponent + 1 + math.log2(1 - 2.0 ** -(fmt.significand_bits + 1))
    return math.ceil(edge / math.log2(stored))
