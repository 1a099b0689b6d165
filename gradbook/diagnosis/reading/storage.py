r"""A tensor as it is stored, and its numbers chunk by chunk, widened exactly.

NumPy has no bfloat16 and no float8; their bits come as integers and are widened to float32, which
holds every number of theirs. Only a chunk is ever widened at a time, so that a tensor of any format
takes no more memory than it did when it came.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gradbook.checks import Array

CHUNK = 2**17
"""How many numbers are looked at together: few enough to stay in the processor's cache."""


def as_type(dtype: DTypeLike) -> Callable[[NDArray[Any]], Array]:
    """Return what widens numbers that NumPy knows by itself."""
    return partial(np.asarray, dtype=dtype)


def _upper_half(wide: type[np.floating[Any]], raw: NDArray[Any]) -> Array:
    """Return the numbers of bits that are the upper half of a format twice as wide."""
    shifted: NDArray[Any] = np.left_shift(raw, 8 * raw.itemsize, dtype=f"u{2 * raw.itemsize}")
    numbers: Array = shifted.view(wide).astype(np.float32, copy=False)
    return numbers


def _float8_e4m3fn(raw: NDArray[Any]) -> Array:
    """Return the numbers of bits with 4 for the exponent, which know NaN but no infinity.

    Source: Micikevicius et al. 2022, FP8 formats for deep learning.
    """
    exponent, mantissa = (raw >> 3) & 15, (raw & 7).astype(np.float32)
    normal = np.ldexp(8 + mantissa, exponent.astype(np.int32) - 10)
    size = np.where(exponent == 0, np.ldexp(mantissa, -9), normal)
    return np.where((raw & 127) == 127, np.nan, np.where(raw >> 7, -size, size)).astype(np.float32)


@dataclass(frozen=True)
class Storage:
    """A number format as tensors are stored in it."""

    name: str
    code: str
    """What `.safetensors` files call it; empty if they do not know it."""
    raw: str
    """The NumPy type of the stored bits."""
    widen: Callable[[NDArray[Any]], Array]
    """Returns them as float32 or float64, exactly but for wider formats and integers above 2^53."""


BFLOAT16 = Storage("bfloat16", "BF16", "u2", partial(_upper_half, np.float32))
"""The record of bfloat16, for what comes as bits without a name."""

ALL = (
    Storage("float64", "F64", "f8", as_type(np.float64)),
    Storage("float32", "F32", "f4", as_type(np.float32)),
    Storage("float16", "F16", "f2", as_type(np.float32)),
    BFLOAT16,
    Storage("float8_e4m3fn", "F8_E4M3", "u1", _float8_e4m3fn),
    Storage("float8_e5m2", "F8_E5M2", "u1", partial(_upper_half, np.float16)),
    *(
        Storage(f"{sign}int{8 * size}", f"{code}{8 * size}", f"{raw}{size}", as_type(np.float64))
        for sign, code, raw in (("", "I", "i"), ("u", "U", "u"))
        for size in (1, 2, 4, 8)
    ),
)
"""Every format that is read, counters among the weights too. To add one, add a record."""


@lru_cache(maxsize=64)
def storage_of(dtype: np.dtype[Any]) -> Storage | None:
    """Find how arrays of a NumPy type are widened; None for what is no real number."""
    for storage in ALL:
        if storage.name == dtype.name:
            return storage
    if dtype.kind == "f":  # wider than float64
        return Storage(dtype.name, "", dtype.str, as_type(np.float64))
    if dtype.kind == "V" and dtype.names is None and np.can_cast(dtype, np.float32):
        return Storage(dtype.name, "", dtype.name, as_type(np.float32))
    return None


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a network: its name and its numbers as they are stored."""

    name: str
    raw: NDArray[Any]
    storage: Storage

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of its axes."""
        return self.raw.shape

    def values(self) -> Array:
        """Return all its numbers, widened: for small tensors."""
        return self.storage.widen(self.raw)


def chunks(*tensors: Tensor, size: int = CHUNK) -> Iterator[tuple[Array, ...]]:
    """Yield the numbers of tensors of one shape, a chunk of each at a time.

    They come flat, as float32 or float64, not to be changed, in the order of the first one's memory
    for all of them, so that numbers keep their partners.

    Examples:
        >>> w = Tensor("w", np.array([[1, 2], [3, 4]], np.float32), storage_of(np.dtype("f4")))
        >>> [part.tolist() for part, in chunks(w, size=3)]
        [[1.0, 2.0, 3.0], [4.0]]
    """
    first = tensors[0].raw
    axes = sorted(range(first.ndim), key=lambda axis: -abs(first.strides[axis]))
    turned = [tensor.raw.transpose(axes) for tensor in tensors]
    parts: list[Any] = [x.reshape(-1) if x.flags.c_contiguous else x.flat for x in turned]
    widen = [tensor.storage.widen for tensor in tensors]
    for at in range(0, first.size, size):
        yield tuple(w(part[at : at + size]) for w, part in zip(widen, parts, strict=True))


def is_zero(tensor: Tensor) -> bool:
    """Tell whether all numbers are 0; nearly always the first one tells.

    Examples:
        >>> bits = np.array([0x8000, 0], np.uint16)  # -0.0 and 0.0
        >>> is_zero(Tensor("w", bits, BFLOAT16))
        True
    """
    first = tensor.storage.widen(tensor.raw.flat[:1])
    return not first.any() and not any(part.any() for (part,) in chunks(tensor))
