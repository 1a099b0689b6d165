r"""Measure tensors in one pass, with norms that neither underflow nor overflow.

A float32 gradient of $10^{-25}$ has a square of $10^{-50}$, which float32 rounds to 0. Where the
squares of a chunk do not fit its format, they are summed once more in float64, divided by the
largest.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from gradbook.checks import Array
from gradbook.diagnosis.reading.arrays import Tensors
from gradbook.diagnosis.reading.storage import CHUNK, Tensor, chunks

SAFE = {
    # n squares of which the largest is m^2 lose at most n times the smallest normal number, which
    # is no more than 2^-24 of m^2, or 2^-53; and they sum to at most n m^2, which is finite.
    np.dtype(np.float32): (math.sqrt(CHUNK * 2.0 ** (24 - 126)), 2.0**63.5 / math.sqrt(CHUNK)),
    np.dtype(np.float64): (math.sqrt(CHUNK * 2.0 ** (53 - 1022)), 2.0**511.5 / math.sqrt(CHUNK)),
}
"""Between which sizes of the largest number the squares of a chunk may be summed as they are."""


@dataclass(frozen=True)
class Statistics:
    r"""How large the numbers of a tensor are; all but the last field describe the finite ones.

    Attributes:
        count: How many there are, the non-finite ones included.
        norm: $\sqrt{\sum_i g_i^2}$.
        largest: $\max_i |g_i|$; 0 if none is finite.
        zeros: How many are exactly 0.
        nonfinite: How many are NaN or infinite.
    """

    count: int
    norm: float
    largest: float
    zeros: int
    nonfinite: int

    @property
    def rms(self) -> float:
        """The root of the mean square of the finite numbers; NaN if there is none."""
        finite = self.count - self.nonfinite
        return self.norm / math.sqrt(finite) if finite else math.nan


def combine(parts: Iterable[Statistics]) -> Statistics:
    """Return the statistics of all numbers of several parts: of a weight and its bias, say.

    Examples:
        >>> both = combine([Statistics(1, 3.0, 3.0, 0, 0), Statistics(2, 4.0, 4.0, 1, 0)])
        >>> both.norm, both.count, both.zeros
        (5.0, 3, 1)
    """
    count, norm, largest, zeros, nonfinite = 0, 0.0, 0.0, 0, 0
    for part in parts:
        count, zeros = count + part.count, zeros + part.zeros
        nonfinite = nonfinite + part.nonfinite
        norm, largest = math.hypot(norm, part.norm), max(largest, part.largest)
    return Statistics(count, norm, largest, zeros, nonfinite)


def _norm(x: Array, largest: float) -> float:
    low, high = SAFE[x.dtype]
    if low < largest < high:
        return math.sqrt(np.dot(x, x))
    if largest == 0:
        return 0.0
    scaled = x.astype(np.float64) / largest
    return largest * math.sqrt(np.dot(scaled, scaled))


def of_chunk(x: Array) -> Statistics:
    """Measure some numbers.

    Args:
        x: One to `CHUNK` numbers, flat, as float32 or float64.

    Examples:
        >>> tiny = of_chunk(np.full(4, 1e-25, np.float32))
        >>> f"{tiny.norm:.1e} {tiny.rms:.1e}"
        '2.0e-25 1.0e-25'
    """
    least, most = float(x.min()), float(x.max())
    largest = max(most, -least)
    if not math.isfinite(largest):
        kept = x[np.isfinite(x)]
        lost = Statistics(x.size - kept.size, 0.0, 0.0, 0, x.size - kept.size)
        return combine([of_chunk(kept), lost]) if kept.size else lost
    zeros = int(np.count_nonzero(x == 0)) if least <= 0 <= most else 0
    return Statistics(x.size, _norm(x, largest), largest, zeros, 0)


def statistics(tensor: Tensor) -> Statistics:
    """Measure a tensor, at the speed of its memory.

    Examples:
        >>> from gradbook.diagnosis.reading.arrays import as_tensor
        >>> g = as_tensor("g", np.array([3.0, -4.0, 0.0, np.nan], np.float32))
        >>> statistics(g)
        Statistics(count=4, norm=5.0, largest=4.0, zeros=1, nonfinite=1)
    """
    return combine(of_chunk(x) for (x,) in chunks(tensor))


def _quickly(tensor: Tensor, most: int) -> Statistics:
    """Measure a large tensor with one product, and count the zeros of every k-th number alone."""
    flat = tensor.raw.reshape(-1)
    if flat.dtype not in SAFE or not flat.flags.c_contiguous:
        return statistics(tensor)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        square = float(np.dot(flat, flat))
    if not QUICK[0] < square < QUICK[1]:
        return statistics(tensor)
    sample = flat[:: flat.size // most | 1]
    zeros = round(np.count_nonzero(sample == 0) / sample.size * flat.size)
    norm = math.sqrt(square)
    return Statistics(flat.size, norm, norm, zeros, 0)


QUICK = (1e-20, 1e30)
"""Between which sums of squares float32 has lost nothing that matters."""


@dataclass(frozen=True)
class Measured:
    """What was found under one name.

    Attributes:
        tied_to: The name of the earlier tensor that it shares its memory with, if there is one.
    """

    name: str
    shape: tuple[int, ...] | None
    format: str | None
    statistics: Statistics | None
    tied_to: str | None


def measure(tensors: Tensors, most: int | None = None) -> Iterator[Measured]:
    """Measure tensors one after the other, so that only one lies in memory.

    Args:
        most: How many numbers of a tensor are enough to tell the share of zeros.

    Examples:
        >>> from gradbook.diagnosis.reading.arrays import hand_over
        >>> for found in measure(hand_over({"W": np.full((3, 3), 2.0), "b": None})):
        ...     print(found.name, found.shape, found.statistics and found.statistics.norm)
        W (3, 3) 6.0
        b None None
    """
    for name in tensors:
        yield _measured(
            name, tensors, most
        )  # which lets go of its tensor before the next one is read


def _measured(name: str, tensors: Tensors, most: int | None) -> Measured:
    tensor, tied_to = tensors[name], tensors.tied.get(name)
    if tensor is None:
        return Measured(name, None, None, None, tied_to)
    large = most is not None and tensor.raw.size > 4 * most
    numbers = _quickly(tensor, most) if large and most is not None else statistics(tensor)
    return Measured(name, tensor.shape, tensor.storage.name, numbers, tied_to)
