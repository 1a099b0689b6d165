r"""What a step of gradient descent does to stored weights: its size, and how many stand still.

In a number format the update $w - \eta g$ is a product and a difference, each rounded. In float32
and float64 NumPy computes it as it stands; for float16 and bfloat16 it is computed in a wider
format and rounded from there, which gives what their own arithmetic gives (`gradbook.precision`).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradbook.checks import Array, positive
from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.measuring.sizes import Statistics, combine, of_chunk
from gradbook.diagnosis.reading.arrays import Tensors
from gradbook.diagnosis.reading.storage import Tensor, chunks
from gradbook.precision import ALL, Format, bfloat16, float16, float32, round_to

FORMATS = (float32, bfloat16, float16)
"""The formats in which every update is judged, besides the one that the weights are stored in."""

ENOUGH = 2**12
"""How many numbers of a network's tensor are enough to tell what a step does to it."""


def to_bfloat16(x: Array) -> Array:
    """Round float32 or float64 to bfloat16, ties to even, as float32.

    On the way from float64 the last bit of float32 says that there was more, where there was:
    rounding that gives what rounding x itself gives (Boldo and Melquiond 2008), where rounding to
    nearest twice may go wrong.

    Examples:
        >>> to_bfloat16(np.array([1 + 2**-8, 1 + 2**-8 + 2**-40, -1e39])).tolist()
        [1.0, 1.0078125, -inf]
    """
    with np.errstate(over="ignore", invalid="ignore"):
        near = x.astype(np.float32)
        bits: NDArray[Any] = near.view(np.uint32)
        if x.dtype != np.float32:
            back = near.astype(x.dtype)
            bits = ((bits - (np.abs(back) > np.abs(x))) | (back != x)).astype(np.uint32)
        bits = (bits + (0x7FFF + ((bits >> 16) & 1))) & 0xFFFF0000
    rounded: Array = bits.view(np.float32)
    rounded[np.isnan(near)] = np.nan  # whose bits may have been carried over
    return rounded


def to_float16(x: Array) -> Array:
    """Round float32 or float64 to float16, ties to even, as they come.

    NumPy takes ten times as long for subnormal numbers, which are multiples of 2^-24.

    Examples:
        >>> to_float16(np.array([1 + 2**-11, 1 + 2**-11 + 2**-40, 2**-25, 65520])).tolist()
        [1.0, 1.0009765625, 0.0, inf]
    """
    small = np.abs(x) < 2.0**-14
    with np.errstate(over="ignore", invalid="ignore"):
        large = np.where(small, 0, x).astype(np.float16)
        return np.where(small, np.rint(x * 2.0**24) / 2.0**24, large)


def _rounded(fmt: Format, x: Array) -> Array:
    if fmt is bfloat16:
        return to_bfloat16(x)
    return to_float16(x) if fmt is float16 else x.astype(fmt.name, copy=False)


@lru_cache(maxsize=64)
def _rate(fmt: Format, lr: float) -> float:
    # The same for every tensor of a network.
    return float(round_to(fmt, lr))


def frozen_count(fmt: Format, w: Array, g: Array, lr: float) -> int:
    r"""Count the weights with $\mathrm{fl}(w - \mathrm{fl}(\eta g)) = w$, bit for bit.

    All three are rounded to the format first. Weights whose step is exactly 0 count, those with NaN
    in weight or step do not.

    Examples:
        >>> w = np.array([0.25, 0.5, 1.0, 2.0])
        >>> [frozen_count(fmt, w, np.full(4, 2.0**-12), lr=1.0) for fmt in FORMATS]
        [0, 4, 2]
    """
    with np.errstate(over="ignore", invalid="ignore"):
        stored = _rounded(fmt, w)
        # Float64 holds the product of two numbers of any smaller format.
        step = _rounded(fmt, _rate(fmt, lr) * _rounded(fmt, g).astype(np.float64, copy=False))
        return int(np.count_nonzero(_rounded(fmt, stored - step) == stored))


@dataclass(frozen=True)
class Update:
    """What one step does to one tensor of weights, and how many stand still in which format."""

    name: str
    lr: float
    weight: Statistics
    gradient: Statistics
    stored_in: str
    meant: int
    """How many weights have a gradient that is not exactly 0."""
    still: Mapping[str, int]
    """By format, how many of these the update leaves as they are."""

    @property
    def ratio(self) -> float:
        r"""The size of the update over that of the weights, $\eta \, \text{rms}(g)/\text{rms}(w)$.

        It is infinite for weights that are all 0, and NaN if the gradients are as well.
        """
        if self.weight.rms == 0:
            return math.inf if self.gradient.rms > 0 else math.nan
        return self.lr * (self.gradient.rms / self.weight.rms)


def require_one_shape(weight: Tensor, gradient: Tensor) -> None:
    """Raise unless a weight and its gradient have one shape."""
    if weight.shape != gradient.shape:
        text = f"weights[{weight.name!r}] must have the shape of its gradient, {gradient.shape}"
        raise BadInput(f"{text}, got {weight.shape}")


def update(weight: Tensor, gradient: Tensor, lr: float, most: int | None = None) -> Update:
    r"""Compare a tensor of weights with its gradient, in one pass over both.

    Args:
        most: How many numbers are enough; of a larger tensor every k-th is looked at.

    Examples:
        >>> from gradbook.diagnosis.reading.arrays import as_tensor
        >>> w, g = (as_tensor("w", np.full(8, x, np.float32)) for x in (1.0, 2e-3))
        >>> update(w, g, lr=0.1).still
        {'float32': 0, 'bfloat16': 8, 'float16': 8}
    """
    lr = positive("lr", lr)
    require_one_shape(weight, gradient)
    # Odd, so that no column is met again and again.
    if most is not None and (every := weight.raw.size // most | 1) > 1:
        thin = (Tensor(t.name, t.raw.flat[::every], t.storage) for t in (weight, gradient))
        weight, gradient = thin
    mine = tuple(fmt for fmt in ALL if fmt.name == weight.storage.name)
    still, total = dict.fromkeys(FORMATS + mine, 0), 0
    of_weight, of_gradient = [], []
    for w, g in chunks(weight, gradient):
        of_weight.append(of_chunk(w))
        of_gradient.append(of_chunk(g))
        meant = g != 0  # rows of an embedding that are not in the batch are not to move
        wanted, step = (w, g) if meant.all() else (w[meant], g[meant])
        total += wanted.size
        still = {fmt: n + frozen_count(fmt, wanted, step, lr) for fmt, n in still.items()}
    sizes = combine(of_weight), combine(of_gradient)
    counts = {fmt.name: count for fmt, count in still.items()}
    return Update(gradient.name, lr, *sizes, weight.storage.name, total, counts)


def measure_updates(
    gradients: Tensors, weights: Tensors, lr: float, most: int | None = None
) -> Iterator[Update]:
    r"""Compare all weights that have a gradient with it, one after the other.

    Args:
        weights: The weights, under the same names in any order; others are passed over.

    Examples:
        >>> from gradbook.diagnosis.reading.arrays import hand_over
        >>> weights, gradients = hand_over({"W": np.full(2, 4.0)}), hand_over({"W": np.ones(2)})
        >>> [(step.name, step.ratio) for step in measure_updates(gradients, weights, lr=0.5)]
        [('W', 0.125)]
    """
    for name in gradients:
        gradient, weight = gradients[name], weights.get(name)
        if gradient is not None and weight is None:
            raise BadInput(f"weights must hold {name!r}, which has a gradient, got none")
        if gradient is not None and weight is not None:
            found = update(weight, gradient, lr, most)
            del gradient, weight  # before the next ones are read
            yield found
