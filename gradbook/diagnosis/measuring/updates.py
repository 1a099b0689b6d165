r"""What a step of gradient descent does to stored weights: its size, and how many stand still.

In a number format the update $w - \eta g$ is a product and a difference, each rounded. In float32
and float64 NumPy computes it as it stands; for float16 and bfloat16 it is computed in a wider
format and rounded from there, which gives what their own arithmetic gives (`gradbook.precision`).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradbook.checks import Array, positive
from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.measuring.rounding import to_bfloat16, to_float16
from gradbook.diagnosis.measuring.sizes import Statistics, combine, of_chunk
from gradbook.diagnosis.reading.arrays import Tensors
from gradbook.diagnosis.reading.storage import Tensor, chunks
from gradbook.precision import ALL, Format, bfloat16, float16, float32, round_to

FORMATS = (float32, bfloat16, float16)
"""The formats in which every update is judged, besides the one that the weights are stored in."""


SMALLEST = bfloat16.smallest
"""The product of two numbers of bfloat16 fits float32 exactly if it is no smaller than this."""


def _product(rate: float, g: Array) -> Array:
    """Multiply numbers of bfloat16 exactly: in float32, where that is wide enough."""
    near: Array = np.float32(rate) * g
    lost = (np.abs(near) < SMALLEST) & (g != 0)
    return rate * g.astype(np.float64) if rate and lost.any() else near


def _stands_still(fmt: Format, w: Array, g: Array, lr: float) -> NDArray[np.bool_]:
    if fmt is bfloat16:
        stored = to_bfloat16(w)
        step = to_bfloat16(_product(lr, to_bfloat16(g)))
        moved: Array = to_bfloat16(stored - step)
    elif fmt is float16:
        stored = to_float16(w)
        step = to_float16(np.float32(lr) * to_float16(g))  # the product is exact
        moved = to_float16(stored - step)
    else:
        dtype = np.dtype(fmt.name)
        stored = w.astype(dtype, copy=False)
        moved = stored - dtype.type(lr) * g.astype(dtype, copy=False)
    return np.equal(moved, stored)


def frozen_count(fmt: Format, w: Array, g: Array, lr: float) -> int:
    r"""Count the weights with $\mathrm{fl}(w - \mathrm{fl}(\eta g)) = w$, bit for bit.

    Args:
        fmt: One of the formats of `gradbook.precision`, to which all three are rounded first.

    Returns:
        The number of weights that stay as they are: those whose step is exactly 0 among them, those
        with NaN in weight or step not.

    Examples:
        >>> w = np.array([0.25, 0.5, 1.0, 2.0])
        >>> [frozen_count(fmt, w, np.full(4, 2.0**-12), lr=1.0) for fmt in FORMATS]
        [0, 4, 2]
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return int(np.count_nonzero(_stands_still(fmt, w, g, _rate(fmt, lr))))


@lru_cache(maxsize=64)
def _rate(fmt: Format, lr: float) -> float:
    # The same for every tensor of a network.
    return float(round_to(fmt, lr))


@dataclass(frozen=True)
class Frozen:
    """How many weights one update leaves as they are, bit for bit.

    Attributes:
        format: The number format of weights, gradients and learning rate.
        total: Of how many that a step is meant for: whose gradient is not exactly 0.
    """

    format: Format
    count: int
    total: int

    @property
    def fraction(self) -> float:
        """The share, from 0 to 1; 0 of none."""
        return self.count / self.total if self.total else 0.0


@dataclass(frozen=True)
class Update:
    r"""What one step does to one tensor of weights.

    Attributes:
        frozen: The weights that stand still, in each of `FORMATS`, and in float64 if they are
            stored in it.
    """

    name: str
    lr: float
    weight: Statistics
    gradient: Statistics
    stored_in: str
    frozen: tuple[Frozen, ...]

    @property
    def ratio(self) -> float:
        r"""The size of the update over that of the weights, $\eta \, \text{rms}(g)/\text{rms}(w)$.

        It is infinite for weights that are all 0, and NaN if the gradients are as well.
        """
        if self.weight.rms == 0:
            return math.inf if self.gradient.rms > 0 else math.nan
        return self.lr * (self.gradient.rms / self.weight.rms)

    @property
    def own(self) -> Frozen | None:
        """The weights that stand still in the format they are stored in; None for others."""
        return next((found for found in self.frozen if found.format.name == self.stored_in), None)


def _formats(stored_in: str, own: bool) -> Sequence[Format]:
    mine = tuple(f for f in ALL if f.name == stored_in)
    return mine if own else FORMATS + tuple(f for f in mine if f not in FORMATS)


def update(
    weight: Tensor, gradient: Tensor, lr: float, most: int | None = None, *, own: bool = False
) -> Update:
    r"""Compare a tensor of weights with its gradient, in one pass over both.

    Args:
        most: How many numbers are enough; of a larger tensor every k-th is looked at.
        own: Whether to count in the format that the weights are stored in alone.

    Examples:
        >>> from gradbook.diagnosis.reading.arrays import as_tensor
        >>> w, g = (as_tensor("w", np.full(8, x, np.float32)) for x in (1.0, 2e-3))
        >>> step = update(w, g, lr=1.0)
        >>> f"{step.ratio:.3f}", {f.format.name: f.fraction for f in step.frozen}
        ('0.002', {'float32': 0.0, 'bfloat16': 0.0, 'float16': 0.0})
        >>> {f.format.name: f.fraction for f in update(w, g, lr=0.1).frozen}
        {'float32': 0.0, 'bfloat16': 1.0, 'float16': 1.0}
    """
    lr = positive("lr", lr)
    if weight.shape != gradient.shape:
        raise BadInput(
            f"weights[{weight.name!r}] must have the shape of its gradient, {gradient.shape}, "
            f"got {weight.shape}"
        )
    if most is not None and weight.raw.size > most:
        weight, gradient = _thinned(most, weight, gradient)
    formats = _formats(weight.storage.name, own)
    counts, total = [0] * len(formats), 0
    of_weight, of_gradient = [], []
    for w, g in chunks(weight, gradient):
        of_weight.append(of_chunk(w))
        of_gradient.append(of_chunk(g))
        meant = g != 0  # rows of an embedding that are not in the batch are not to move
        wanted, step = (w, g) if meant.all() else (w[meant], g[meant])
        total += wanted.size
        counts = [
            n + frozen_count(f, wanted, step, lr) for f, n in zip(formats, counts, strict=True)
        ]
    frozen = tuple(Frozen(f, n, total) for f, n in zip(formats, counts, strict=True))
    sizes = combine(of_weight), combine(of_gradient)
    return Update(gradient.name, lr, *sizes, weight.storage.name, frozen)


def _thinned(most: int, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Return tensors of every k-th number, about so many of each, if that copies nothing."""
    if not all(tensor.raw.flags.c_contiguous for tensor in tensors):
        return tensors
    every = tensors[0].raw.size // most | 1  # odd, so that no column is met again and again
    return tuple(Tensor(t.name, t.raw.reshape(-1)[::every], t.storage) for t in tensors)


def measure_updates(
    gradients: Tensors, weights: Tensors, lr: float, most: int | None = None
) -> Iterator[Update]:
    r"""Compare all weights that have a gradient with it, one after the other.

    Args:
        weights: The weights, under the same names in any order; others are passed over.

    Examples:
        >>> from gradbook.diagnosis.reading.arrays import hand_over
        >>> weights = hand_over({"W": np.full((2, 2), 4.0), "b": np.zeros(2)}, "weights")
        >>> gradients = hand_over({"W": np.ones((2, 2)), "b": None})
        >>> [(step.name, step.ratio) for step in measure_updates(gradients, weights, lr=0.5)]
        [('W', 0.125)]
    """
    for name in gradients:
        found = _update_of(name, gradients, weights, lr, most)
        if found is not None:
            yield found


def _update_of(
    name: str, gradients: Tensors, weights: Tensors, lr: float, most: int | None
) -> Update | None:
    gradient = gradients[name]
    if gradient is None:
        return None
    weight = weights.get(name)
    if weight is None:
        raise BadInput(f"weights must hold {name!r}, which has a gradient, got none")
    return update(weight, gradient, lr, most)
