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

QUICK = (1e-20, 1e30)
"""Between which sums of squares float32 has lost nothing that matters."""

WORTH_A_LOOK = 0.25
"""From which share of zeros on the lines of a matrix are looked at one by one."""


@dataclass(frozen=True)
class Statistics:
    r"""How large the numbers of a tensor are; all but the last field describe the finite ones."""

    count: int
    """How many there are, the non-finite ones included."""
    norm: float
    r"""$\sqrt{\sum_i g_i^2}$."""
    largest: float
    r"""$\max_i |g_i|$; 0 if none is finite."""
    zeros: int
    """How many are exactly 0."""
    nonfinite: int
    """How many are NaN or infinite."""

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
    found = list(parts)
    return Statistics(
        sum(part.count for part in found),
        math.hypot(*(part.norm for part in found)),
        max((part.largest for part in found), default=0.0),
        sum(part.zeros for part in found),
        sum(part.nonfinite for part in found),
    )


def of_chunk(x: Array) -> Statistics:
    """Measure some numbers: one to `CHUNK`, flat, as float32 or float64."""
    least, most = float(x.min()), float(x.max())
    largest = max(most, -least)
    if not math.isfinite(largest):
        kept = x[np.isfinite(x)]
        lost = Statistics(x.size - kept.size, 0.0, 0.0, 0, x.size - kept.size)
        return combine([of_chunk(kept), lost]) if kept.size else lost
    zeros = int(np.count_nonzero(x == 0)) if least <= 0 <= most else 0
    return Statistics(x.size, _norm(x, largest), largest, zeros, 0)


def _norm(x: Array, largest: float) -> float:
    low, high = SAFE[x.dtype]
    if low < largest < high:
        return math.sqrt(np.dot(x, x))
    scaled = x.astype(np.float64) / (largest or 1.0)
    return largest * math.sqrt(np.dot(scaled, scaled))


def statistics(tensor: Tensor, most: int | None = None) -> Statistics:
    """Measure a tensor, at the speed of its memory.

    Args:
        most: How many numbers are enough to tell the share of zeros: a much larger tensor takes one
            product, and the zeros of every k-th number alone are counted.

    Examples:
        >>> from gradbook.diagnosis.reading.arrays import as_tensor
        >>> g = as_tensor("g", np.array([3.0, -4.0, 0.0, np.nan], np.float32))
        >>> statistics(g)
        Statistics(count=4, norm=5.0, largest=4.0, zeros=1, nonfinite=1)
    """
    raw = tensor.raw
    if most is not None and raw.size > 4 * most and raw.dtype in SAFE and raw.flags.c_contiguous:
        flat = raw.reshape(-1)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            square = float(np.dot(flat, flat))
        if QUICK[0] < square < QUICK[1]:
            sample = flat[:: flat.size // most | 1]
            zeros = round(np.count_nonzero(sample == 0) / sample.size * flat.size)
            return Statistics(flat.size, math.sqrt(square), math.sqrt(square), zeros, 0)
    return combine(of_chunk(x) for (x,) in chunks(tensor))


@dataclass(frozen=True)
class Measured:
    """What was found under one name, and the earlier one that it shares its memory with."""

    name: str
    shape: tuple[int, ...] | None
    format: str | None
    statistics: Statistics | None
    tied_to: str | None

    @property
    def zero_share(self) -> float | None:
        """The share of its numbers that are exactly 0."""
        found = self.statistics
        return None if found is None else found.zeros / found.count


def measure(tensors: Tensors, most: int | None = None) -> Iterator[Measured]:
    """Measure tensors one after the other, so that only one lies in memory.

    Examples:
        >>> from gradbook.diagnosis.reading.arrays import hand_over
        >>> for found in measure(hand_over({"W": np.full((3, 3), 2.0), "b": None})):
        ...     print(found.name, found.shape, found.statistics and found.statistics.norm)
        W (3, 3) 6.0
        b None None
    """
    for name in tensors:
        tensor, tied_to = tensors[name], tensors.tied.get(name)
        found = Measured(name, None, None, None, tied_to)
        if tensor is not None:
            numbers = statistics(tensor, most)
            found = Measured(name, tensor.shape, tensor.storage.name, numbers, tied_to)
        del tensor  # before the next one is read
        yield found


def silent_share(
    tensor: Tensor | None, weight: Measured | None, bias: Measured | None
) -> float | None:
    """Return the share of a layer's units whose gradient is exactly 0, if something tells it.

    A unit that is off for every example has a gradient of 0 on its bias and on every weight that
    enters it; without biases the zeros of its line among the weights are all there is to see.
    """
    of_weight, of_bias = (None if one is None else one.zero_share for one in (weight, bias))
    if of_bias is not None and of_weight is not None:
        # A bias in front of a normalization may have a gradient of 0 while its unit is alive.
        return min(of_bias, of_weight)
    if of_weight is None or of_weight < WORTH_A_LOOK:
        return of_weight
    return None if tensor is None or len(tensor.shape) != 2 else zero_lines(tensor)


def zero_lines(tensor: Tensor) -> float:
    """Return the share of rows and columns that hold nothing but zeros, the mean of both.

    Which of the two axes counts the units differs between frameworks; in a stack of layers the
    silent units of one are the silent inputs of the next, so that both tell the same.
    """
    alive = [np.zeros(length, bool) for length in tensor.shape]
    for start in range(0, tensor.shape[0], 256):
        block = tensor.storage.widen(tensor.raw[start : start + 256]) != 0
        alive[0][start : start + 256] = block.any(axis=1)
        alive[1] |= block.any(axis=0)
    return 1 - float(alive[0].mean() + alive[1].mean()) / 2


def off_share(tensor: Tensor) -> float:
    """Return the share of a layer's units whose output is 0 for every example.

    The last axis counts units, the others examples; with four axes the second counts channels, as
    in PyTorch's convolutions.
    """
    values = tensor.values()
    if values.ndim == 4:
        values = np.moveaxis(values, 1, -1)
    return float((values == 0).all(axis=tuple(range(values.ndim - 1))).mean())
