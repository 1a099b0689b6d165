r"""Train weights that are stored in a small number format: an optimizer that rounds.

The gradient of the scaled loss is rounded to the format and unscaled, the step is made of it, and a
`Store` of the chapter on clipping subtracts it. An entry that is not finite is left out of a step,
as those who scale a loss leave out the whole step: runs that are lost stay lost and stop no others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from gradbook.book.clipping.mixed_precision import Store
from gradbook.checks import Array, positive
from gradbook.optimizers import State
from gradbook.precision import Format, round_to


class _FormatStore(Store, Protocol):
    """Store weights in a number format."""

    @property
    def fmt(self) -> Format:
        """The format that the network sees."""


@dataclass(frozen=True)
class InFormat:
    r"""Step by $-\eta g$ on weights in a store, with gradients rounded to the store's format.

    Args:
        scale: What the loss is multiplied by before its gradient is rounded.

    Examples:
        >>> from gradbook.book.clipping.mixed_precision import Kahan, Plain
        >>> from gradbook.precision import float16
        >>> for store in (Plain(float16), Kahan(float16)):
        ...     optimizer, w = InFormat(2**-12, store), [np.array([1.0])]
        ...     state = optimizer.start(w)
        ...     for _ in range(4):
        ...         w, state = optimizer.step(w, [np.array([1.0])], state)
        ...     print(w[0].item())
        1.0
        0.9990234375
    """

    lr: float
    store: _FormatStore
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a learning rate that descends nowhere and a scale that does not scale."""
        positive("lr", self.lr)
        positive("scale", self.scale)

    def start(self, values: Sequence[Array]) -> State:
        """Return the state that holds what the store keeps."""
        return State(averages=tuple(tuple(self.store.start(value)) for value in values))

    def step(
        self, values: Sequence[Array], grads: Sequence[Array], state: State
    ) -> tuple[list[Array], State]:
        """Return the weights as the network sees them after one step, and what is stored."""
        rounded, state = self.direction(grads, state)
        return self.subtract([self.lr * g for g in rounded], state)

    def direction(self, grads: Sequence[Array], state: State) -> tuple[list[Array], State]:
        """Return the gradients of the scaled loss, rounded and unscaled, and the state."""
        known = [np.where(np.isnan(g), np.inf, g) for g in grads]
        rounded = [np.asarray(round_to(self.store.fmt, self.scale * g) / self.scale) for g in known]
        return rounded, replace(state, steps=state.steps + 1)

    def subtract(self, steps: Sequence[Array], state: State) -> tuple[list[Array], State]:
        """Subtract steps from what is stored; return the weights that the network sees, and it."""
        pairs = zip(state.averages, steps, strict=True)
        kept = tuple(self._stepped(stored, step) for stored, step in pairs)
        return [stored[0] for stored in kept], replace(state, averages=kept)

    def _stepped(self, stored: tuple[Array, ...], step: Array) -> tuple[Array, ...]:
        inside = [np.abs(array) <= self.store.fmt.largest for array in (*stored, step)]
        if np.all(inside):
            return tuple(self.store.step(stored, step))
        moves = np.logical_and.reduce(inside)
        new = self.store.step(
            tuple(np.where(moves, a, 0) for a in stored), np.where(moves, step, 0)
        )
        return tuple(np.where(moves, a, old) for a, old in zip(new, stored, strict=True))
