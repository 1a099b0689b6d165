"""Find where a condition stops holding, down to the last bit."""

from collections.abc import Callable

from gradbook.checks import finite


def last_true(holds: Callable[[float], bool], low: float, high: float) -> float:
    r"""Return the largest float $x$ in $[\text{low}, \text{high})$ for which a condition holds.

    The condition must hold at `low`, up to some point, and fail from there on, as at `high`.
    Bisection halves the interval until no float is left inside it, so the answer has no error of
    its own.

    Examples:
        >>> f"{last_true(lambda x: x * x <= 2, 0.0, 2.0):.12f}"
        '1.414213562373'
    """
    low, high = finite("low", low), finite("high", high)
    width = finite("high - low", high - low)
    if width <= 0:
        raise ValueError(f"high must be above low, {low}, got {high}")
    if not holds(low):
        raise ValueError(f"low must be a point where the condition holds, got {low}")
    if holds(high):
        raise ValueError(f"high must be a point where the condition fails, got {high}")
    while low < (middle := low + (high - low) / 2) < high:
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
