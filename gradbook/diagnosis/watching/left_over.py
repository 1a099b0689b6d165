"""See whether gradients are cleared between the steps of a training."""

import weakref
from collections.abc import Iterable
from typing import Any

SOME = 4
"""How many weights are looked at: one call clears all of an optimizer's."""


class LeftOver:
    """Count steps at which new gradients were added to those of the step before.

    A gradient that was cleared is gone, or was written to: PyTorch counts that. No number is read.

    Attributes:
        steps: The steps behind which gradients came.
        kept: Those of them behind which the old ones were still there each time.
    """

    def __init__(self, weights: Iterable[Any]) -> None:
        """Look at the first few weights that are trained, until `remove`."""
        trained = [w for w in weights if w.requires_grad][:SOME]
        self.steps = self.kept = 0
        self._cleared: bool | None = None  # since the last step; None as long as nothing came
        self._counts: dict[int, int] = {}
        self._weights = [weakref.ref(w) for w in trained]
        self._hooks = [w.register_hook(_Look(self, w)) for w in trained]

    def step(self) -> None:
        """Begin anew: a step is taken with what the weights hold now."""
        if self._counts and self._cleared is not None:
            self.steps, self.kept = self.steps + 1, self.kept + (not self._cleared)
        weights = (weight() for weight in self._weights)
        held = ((w, w.grad) for w in weights if w is not None)
        self._counts = {id(w): grad._version for w, grad in held if grad is not None}
        self._cleared = None

    def came(self, weight: Any) -> None:
        """Look at what a weight holds while more is on its way to it, which counts as one."""
        if id(weight) in self._counts:
            now = getattr(weight.grad, "_version", None)
            self._cleared = bool(self._cleared) or now != self._counts[id(weight)]
            self._counts[id(weight)] += 1

    def remove(self) -> None:
        """Take all hooks off."""
        for hook in self._hooks:
            hook.remove()


class _Look:
    """A hook that keeps neither its weight nor who counts alive, and is gone in a copy."""

    def __init__(self, left: LeftOver, weight: Any) -> None:
        self._left, self._weight = weakref.ref(left), weakref.ref(weight)

    def __call__(self, _: Any) -> None:
        left, weight = self._left(), self._weight()
        if left is not None and weight is not None:
            left.came(weight)
