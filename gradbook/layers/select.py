"""A layer that hands on some of its columns."""

from dataclasses import dataclass

import numpy as np

from gradbook.checks import Array, integer_at_least
from gradbook.layers.base import Backward, Forward
from gradbook.layers.elementwise import Parameterless


@dataclass(frozen=True, eq=False)
class Select(Parameterless):
    """Hand on the columns from `start` up to but without `stop`: `a = x[..., start:stop]`.

    It reads the hidden state out of an LSTM's state `[h, c]`: `Select(0, width)`.

    Args:
        start: The first column, counted from 0.
        stop: The column behind the last.

    Raises:
        TypeError: If an argument is not an integer.
        ValueError: If `start` is negative or `stop` not above it.

    Examples:
        >>> Select(0, 2).forward(np.array([[5.0, 6.0, 7.0]])).a.tolist()
        [[5.0, 6.0]]
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        """Check that the columns are at least one."""
        integer_at_least("stop", self.stop, integer_at_least("start", self.start, 0) + 1)

    def forward(self, x: Array) -> Forward:
        """Take the columns.

        Args:
            x: Inputs, `(..., batch, width)`.

        Returns:
            The record.

        Raises:
            ValueError: If `x` has fewer than `stop` columns.
        """
        if np.ndim(x) < 2 or x.shape[-1] < self.stop:
            expected = f"(..., batch, {self.stop} or more)"
            raise ValueError(f"x must have shape {expected}, got {np.shape(x)}")
        return Forward(x, x[..., self.start : self.stop])

    def backward(self, record: Forward, da: Array) -> Backward:
        r"""Put the gradient where the columns came from: the others moved nothing, their part is 0.

        Args:
            record: What `forward` returned.
            da: Upstream gradient, `(..., batch, stop - start)`.

        Returns:
            `dx`, of the width of `x`.

        Examples:
            >>> layer = Select(0, 2)
            >>> record = layer.forward(np.array([[5.0, 6.0, 7.0]]))
            >>> layer.backward(record, np.array([[1.0, 2.0]])).dx.tolist()
            [[1.0, 2.0, 0.0]]
        """
        dx = np.zeros((*da.shape[:-1], record.x.shape[-1]), da.dtype)
        dx[..., self.start : self.stop] = da
        return Backward(dx, {})
