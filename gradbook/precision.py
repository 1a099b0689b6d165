"""Number formats: rounding, the gaps between neighbors, and when a step no longer moves a weight.

A binary floating-point number is an integer of at most $p$ significand bits times a power of two.
Near $w$ the format has gaps, and the update $w - u$ rounds back to $w$ once the step $u$ is too
small for the gap on the side it moves to: the weight is frozen, bit for bit. All functions compute
in float64 and give what arithmetic inside the format gives, with gradual underflow and rounding to
nearest, ties to even (IEEE 754). Arguments, of any shapes that broadcast, are first stored in the
format, and must lie within its range. To add a format, add a record; `ALL` gathers the records of
this module.

Examples:
    >>> {f.name: f"{gap_below(f, 1.0):.2g}" for f in ALL}
    {'float16': '0.00049', 'bfloat16': '0.0039', 'float32': '6e-08', 'float64': '1.1e-16'}
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradbook.checks import (
    Array,
    finite,
    finite_array,
    float_array,
    integer_at_least,
    positive,
)


@dataclass(frozen=True)
class Format:
    r"""Describe the binary format of numbers $\pm m \cdot 2^{e - p + 1}$ with integer $m < 2^p$.

    Args:
        name: What tables and figures print.
        significand_bits: $p$, the leading bit included whether or not it is stored.
        max_exponent: The largest exponent $e$; the smallest is $1 - e$.

    Other formats than float64 must be narrow enough to be computed in float64 exactly: at most 25
    bits and a largest exponent of at most 255.

    Examples:
        >>> tensor_float = Format("TF32", significand_bits=11, max_exponent=127)
        >>> f"{tensor_float.epsilon:.3g} {tensor_float.largest:.3g} {tensor_float.smallest:.3g}"
        '0.000977 3.4e+38 1.15e-41'
    """

    name: str
    significand_bits: int
    max_exponent: int

    def __post_init__(self) -> None:
        """Refuse formats whose arithmetic float64 cannot stand in for."""
        bits = integer_at_least("significand_bits", self.significand_bits, 2)
        exponent = integer_at_least("max_exponent", self.max_exponent, 1)
        # Rounding a sum, product or quotient of p-bit numbers to 53 bits and again to p is harmless
        # if 53 >= 2p + 2: Figueroa 1995. (Sums below the normal range are exact.)
        if (bits, exponent) != (53, 1023) and not (bits <= 25 and exponent <= 255):
            raise ValueError(
                "significand_bits and max_exponent must be at most 25 and 255, or 53 and 1023, "
                f"got {bits} and {exponent}"
            )

    @property
    def min_exponent(self) -> int:
        """The exponent of the smallest normal number."""
        return 1 - self.max_exponent

    @property
    def epsilon(self) -> float:
        """The gap above 1."""
        return math.ldexp(1.0, 1 - self.significand_bits)

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return math.ldexp(2.0 - self.epsilon, self.max_exponent)

    @property
    def smallest(self) -> float:
        """The smallest positive number, which is subnormal."""
        return math.ldexp(self.epsilon, self.min_exponent)


float16 = Format("float16", significand_bits=11, max_exponent=15)
"""IEEE 754 half precision."""

bfloat16 = Format("bfloat16", significand_bits=8, max_exponent=127)
"""The range of float32 with the upper 8 bits of its significand."""

float32 = Format("float32", significand_bits=24, max_exponent=127)
"""IEEE 754 single precision."""

float64 = Format("float64", significand_bits=53, max_exponent=1023)
"""IEEE 754 double precision, Python's own."""

ALL: tuple[Format, ...] = tuple(r for r in globals().values() if isinstance(r, Format))
"""Every record of this module, in the order above."""


def _exponent(fmt: Format, x: Array) -> NDArray[np.signedinteger[Any]]:
    """Return the exponent e of x in the format; subnormal numbers share the smallest one."""
    e = np.frexp(x)[1] - 1
    return np.maximum(np.where(x == 0, fmt.min_exponent, e), fmt.min_exponent)


def _unit(fmt: Format, x: Array) -> NDArray[np.signedinteger[Any]]:
    """Return the exponent of the last significand bit of x."""
    return _exponent(fmt, x) - (fmt.significand_bits - 1)


def round_to(fmt: Format, x: ArrayLike) -> Array:
    """Round $x$ to the nearest number of the format, ties to even; to infinity where it overflows.

    Examples:
        >>> [f"{round_to(fmt, 0.1):.20f}" for fmt in (bfloat16, float32)]
        ['0.10009765625000000000', '0.10000000149011611938']
        >>> round_to(float16, [2**-25, 1.01 * 2**-25, 65519, 65520]).tolist()
        [0.0, 5.960464477539063e-08, 65504.0, inf]
    """
    wide = float_array("x", x).astype(np.float64)
    if np.isnan(wide).any():
        raise ValueError(f"x must not hold NaN, got {x!r}")
    unit = _unit(fmt, wide)
    with np.errstate(over="ignore"):  # overflow to infinity is the right answer
        rounded = np.ldexp(np.rint(np.ldexp(wide, -unit)), unit)  # both scalings are exact
    beyond = np.abs(rounded) > fmt.largest
    result: Array = np.where(beyond, np.copysign(np.inf, wide), rounded)
    return result


def _stored(fmt: Format, name: str, value: ArrayLike) -> Array:
    stored = round_to(fmt, finite_array(name, value))
    if np.isinf(stored).any():
        raise ValueError(
            f"{name} must lie within the range of {fmt.name}, {fmt.largest:g}, got {value!r}"
        )
    return stored


def gap_below(fmt: Format, w: ArrayLike) -> Array:
    """Measure the distance from $w$ to the next smaller number of the format.

    For $w > 0$ of exponent $e$ it is $2^{e-p+1}$, but half of that if $w$ is a power of two, where
    the numbers below are denser. Subnormal numbers are all one `smallest` apart. Beyond the largest
    number it is the gap that rounding uses, as if there were a larger exponent.

    Examples:
        >>> [f"2^{math.log2(gap_below(float32, w)):.0f}" for w in (1.5, 1.0, 0.75, 0.0, -1.0)]
        ['2^-23', '2^-24', '2^-24', '2^-149', '2^-23']
    """
    x = _stored(fmt, "w", w)
    power_of_two = (np.frexp(x)[0] == 0.5) & (_exponent(fmt, x) > fmt.min_exponent)
    gap: Array = np.ldexp(1.0, _unit(fmt, x) - power_of_two)
    return gap


def gap_above(fmt: Format, w: ArrayLike) -> Array:
    """Measure the distance from $w$ to the next larger number: `gap_below` of $-w$."""
    return gap_below(fmt, -_stored(fmt, "w", w))


def step_is_lost(fmt: Format, w: ArrayLike, u: ArrayLike) -> NDArray[np.bool_]:
    r"""Test $\mathrm{fl}(w - u) = w$, bit for bit, by subtracting in the format."""
    weight, step = _stored(fmt, "w", w), round_to(fmt, finite_array("u", u))
    try:
        return _lost(fmt, weight, step)
    except ValueError:
        raise ValueError(
            f"u must have a shape that broadcasts with w's {weight.shape}, got {step.shape}"
        ) from None


def _lost(fmt: Format, w: Array, u: Array) -> NDArray[np.bool_]:
    with np.errstate(over="ignore"):
        lost: NDArray[np.bool_] = round_to(fmt, w - u) == w
    return lost


def largest_lost_step(fmt: Format, w: ArrayLike) -> Array:
    r"""Predict the largest step $u \ge 0$ of the format with $\mathrm{fl}(w - u) = w$.

    The difference rounds back to $w$ iff $u$ is less than half the gap below $w$, or equal to it
    and the last significand bit of $w$ is even. It is 0 where half the gap is no number of the
    format. For steps upwards, take $-w$.

    Examples:
        >>> [f"2^{math.log2(largest_lost_step(f, 1.0)):g}" for f in (float16, float32, float64)]
        ['2^-12', '2^-25', '2^-54']
        >>> odd = 1 + 2**-23  # half the gap is a tie, which rounds away from an odd last bit
        >>> f"{largest_lost_step(float32, odd) / 2**-24:.8f}"
        '0.99999994'

    Source: IEEE 754.
    """
    x = _stored(fmt, "w", w)
    half = round_to(fmt, gap_below(fmt, x) / 2)
    odd = np.ldexp(x, -_unit(fmt, x)) % 2 == 1
    return np.maximum(np.where(odd, half - gap_below(fmt, half), half), 0)


def frozen_fraction(fmt: Format, weights: ArrayLike, steps: ArrayLike) -> float:
    r"""Count the share of weights for which $\mathrm{fl}(w - u) = w$; a step of 0 counts."""
    w, u = finite_array("weights", weights), finite_array("steps", steps)
    return float(step_is_lost(fmt, w, u).mean())


def stored_factor(fmt: Format, factor: float, low: float = 0.0, high: float = 1.0) -> float:
    """Round a factor between two bounds to the format, where it must lie between them, too."""
    stored = float(round_to(fmt, positive("factor", factor)))
    if not low < stored < high:
        bounds = f"between {low:g} and {high:g} in {fmt.name}"
        raise ValueError(f"factor must lie {bounds}, got {factor}, stored as {stored}")
    return stored


def predicted_freeze_depth(fmt: Format, w: float, gradient: float, factor: float, lr: float) -> int:
    r"""Predict the first $L$ at which the exact $\eta |g| \cdot \text{factor}^L$ is a lost step.

    $L = \lceil \log(u / (\eta |g|)) / \log(\text{factor}) \rceil$, at least 0, where $u$ is the
    `largest_lost_step` on the side moved to; where that is 0, half the smallest number, below which
    the step itself rounds to 0.
    """
    g = float(_stored(fmt, "gradient", finite("gradient", gradient)))
    lr, factor = float(_stored(fmt, "lr", positive("lr", lr))), stored_factor(fmt, factor)
    weight = _stored(fmt, "w", finite("w", w))
    if lr * g == 0:
        return 0
    u = float(largest_lost_step(fmt, math.copysign(1.0, g) * weight))
    threshold = math.log2(u) if u > 0 else math.log2(fmt.smallest) - 1
    layers = (threshold - math.log2(lr) - math.log2(abs(g))) / math.log2(factor)
    return max(0, math.ceil(layers))
