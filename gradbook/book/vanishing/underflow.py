"""After how many layers a factor below 1 has made a product exactly 0, format by format.

Examples:
    >>> from gradbook.precision import ALL
    >>> {fmt.name: underflow_depth(fmt, 0.25) for fmt in ALL}
    {'float16': 13, 'bfloat16': 67, 'float32': 75, 'float64': 538}
"""

import math

from gradbook.precision import Format, round_to, stored_factor


def underflow_depth(fmt: Format, factor: float) -> int | None:
    r"""Find the first $L$ at which $\text{factor}^L$, multiplied up in the format, is exactly 0.

    It is None for a factor above 1/2: the smallest number times that factor rounds back to itself,
    so the product stays above 0 for good.
    """
    factor = stored_factor(fmt, factor)
    if factor > 0.5:
        return None
    power, depth = 1.0, 0
    while power > 0:
        power, depth = float(round_to(fmt, power * factor)), depth + 1
    return depth


def predicted_underflow_depth(fmt: Format, factor: float) -> int:
    r"""Predict the first $L$ at which the exact $\text{factor}^L$ rounds to 0.

    That is where it reaches half the smallest number, a tie that rounds to even:
    $L = \lceil \log(\text{smallest}/2) / \log(\text{factor}) \rceil$. For factors of at most 1/2
    the roundings of `underflow_depth` shift it by one layer at most, for powers of two not at all.
    """
    factor = stored_factor(fmt, factor)
    return math.ceil((math.log2(fmt.smallest) - 1) / math.log2(factor))
