r"""Count the multiply-adds of a network's matrix products, in the very code that computes them.

An `(m, k)` by `(k, n)` product takes $m k n$ multiplications, each followed by an addition. In a
wide network these products are nearly all of the work: they grow with the square of the width,
and biases, activations and the loss, which are not counted, with the width.

Examples:
    >>> from gradbook.activations import tanh
    >>> from gradbook.backpropagation import backprop
    >>> from gradbook.losses import half_squared_error
    >>> layers = [Dense(np.ones((3, 2)), np.zeros(2), tanh)]
    >>> example = np.ones((5, 3)), np.ones(2), half_squared_error
    >>> multiply_adds(lambda net: backprop(net, *example), layers)
    90
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradbook.checks import Array, positive_int
from gradbook.layers import Backward, Dense, Forward, Layer


def multiply_adds(run: Callable[[list[Dense]], object], layers: Sequence[Layer]) -> int:
    """Count the multiply-adds of all matrix products in a computation with a network.

    Args:
        run: The computation; it is handed the network, whose arrays count while it runs.
    """
    tally = _Tally()
    run([_CountedDense.of(layer, tally) for layer in dense(layers)])
    return tally.multiply_adds


def forward_cost(layers: Sequence[Layer], batch: int) -> int:
    r"""Predict the multiply-adds of one forward pass, $F = B \sum_l n_{l-1} n_l$.

    Examples:
        >>> from gradbook.activations import identity
        >>> forward_cost([Dense(np.ones((3, 2)), None, identity)], batch=5)
        30
    """
    batch = positive_int("batch", batch)
    return batch * sum(int(layer.W.shape[-2] * layer.W.shape[-1]) for layer in dense(layers))


def dense(layers: Sequence[Layer]) -> list[Dense]:
    """Return the layers if every one of them is dense."""
    found = []
    for number, layer in enumerate(layers, start=1):
        if not isinstance(layer, Dense):
            kind = type(layer).__name__
            raise TypeError(f"layers must be dense, got a {kind} as layer {number}")
        found.append(layer)
    return found


@dataclass
class _Tally:
    multiply_adds: int = 0


class _Counted(np.ndarray[Any, Any]):
    """An array whose matrix products are counted, and whose results are such arrays again."""

    tally: _Tally

    def __array_finalize__(self, source: Any) -> None:
        # Called for every view and copy, such as a transpose: they count for the same tally.
        self.tally = getattr(source, "tally", None) or _Tally()

    def __array_ufunc__(self, ufunc: np.ufunc, method: Any, *inputs: Any, **options: Any) -> Any:
        plain = [_plain(i) for i in inputs]
        if "out" in options:
            options["out"] = tuple(_plain(o) for o in options["out"])
        result = getattr(ufunc, method)(*plain, **options)
        if ufunc is np.matmul:
            self.tally.multiply_adds += result.size * plain[0].shape[-1]
        return _watched(result, self.tally) if isinstance(result, np.ndarray) else result


def _plain(operand: Any) -> Any:
    return operand.view(np.ndarray) if isinstance(operand, _Counted) else operand


def _watched(array: Array, tally: _Tally) -> _Counted:
    watched = array.view(_Counted)
    watched.tally = tally
    return watched


@dataclass(frozen=True, eq=False)
class _CountedDense(Dense):
    tally: _Tally = field(default_factory=_Tally)

    @classmethod
    def of(cls, layer: Dense, tally: _Tally) -> "_CountedDense":
        return cls(_watched(layer.W, tally), layer.b, layer.activation, tally)

    def backward(self, record: Forward, da: Array) -> Backward:
        # Activations return plain arrays, and the product of x and delta has no weight in it.
        return super().backward(record, _watched(da, self.tally))
