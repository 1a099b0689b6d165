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
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        """Check that the columns are at least one."""
        integer_at_least("stop", self.stop, integer_at_least("start", self.start, 0) + 1)

    def forward(self, x: Array) -> Forward:
        """Take the columns."""
        if np.ndim(x) < 2 or x.shape[-1] < self.stop:
            expected = f"(..., batch, {self.stop} or more)"
            raise ValueError(f"x must have shape {expected}, got {np.shape(x)}")
        return Forward(x, x[..., self.start : self.stop])

    def backward(self, record: Forward, da: Array) -> Backward:
        """Put the gradient where the columns came from: the others moved nothing, theirs is 0."""
        dx = np.zeros((*da.shape[:-1], record.x.shape[-1]), da.dtype)
        dx[..., self.start : self.stop] = da
        return Backward(dx, {})
