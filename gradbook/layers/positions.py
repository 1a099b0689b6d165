"""A layer that tells rows where in their sequence they stand."""

from dataclasses import dataclass

import numpy as np

from gradbook.checks import Array
from gradbook.layers.base import Backward, Forward, Parameterized
from gradbook.layers.shared import check_ensemble, floating, sum_to


@dataclass(frozen=True, eq=False)
class Positions(Parameterized):
    r"""Add to each row a vector for its place in the sequence: `a = x + P[row % time]`.

    The rows of a batch are sequences of `time` rows, one after the other. The embedding itself is
    `Dense(E, None, identity)` on rows that are one-hot: such a row picks one row of `E`.

    Args:
        P: One vector for each place, `(..., time, width)`.

    Examples:
        >>> layer = Positions(np.array([[10.0], [20.0]]))
        >>> layer.forward(np.array([[1.0], [2.0], [3.0], [4.0]])).a.ravel().tolist()
        [11.0, 22.0, 13.0, 24.0]

    Source: Vaswani et al. 2017, section 3.5, learned as they describe it there.
    """

    _names = ("P",)

    P: Array

    def _check_shapes(self) -> None:
        if floating("P", self.P).ndim < 2:
            raise ValueError(f"P must have shape (..., time, width), got {self.P.shape}")

    def forward(self, x: Array) -> Forward:
        """Add the vectors."""
        time, width = self.P.shape[-2:]
        found = np.shape(x)
        if len(found) < 2 or 0 in found or found[-2] % time or found[-1] != width:
            expected = f"(..., a multiple of {time} rows, {width})"
            raise ValueError(f"x must have shape {expected} to fit P, got {found}")
        check_ensemble("x", found[:-2], "P", self.P.shape[:-2])
        rows = self._sequences(x) + self.P[..., None, :, :]
        return Forward(x, rows.reshape(*rows.shape[:-3], *found[-2:]))

    def backward(self, record: Forward, da: Array) -> Backward:
        """Hand `da` on as it is; a place's vector gets the sum over the sequences."""
        total = self._sequences(da).sum(axis=-3)
        return Backward(da, {"P": sum_to(total, self.P.shape)})

    def _sequences(self, x: Array) -> Array:
        return x.reshape(*x.shape[:-2], -1, *self.P.shape[-2:])
