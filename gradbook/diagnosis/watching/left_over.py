"""See whether gradients are cleared between steps, and whether they are to be summed up."""

import weakref
from collections import deque
from collections.abc import Iterable
from itertools import pairwise, takewhile
from typing import Any

from gradbook.diagnosis.watching.modules import harmless
from gradbook.diagnosis.watching.record import version_of

SOME = 16
"""About how many weights are looked at: one call clears all of an optimizer's."""

MOST, ROW = 64, 16
"""How many passes are looked back at, and how many numbers of a weight."""

FEW = 4096
"""About how many numbers of a gradient are looked at."""


def _some(weights: Iterable[Any]) -> list[Any]:
    trained = [w for w in weights if w.requires_grad]
    return trained[:: len(trained) // SOME + 1]


class Summed:
    """Count the backward passes between which no step is taken, though some are: they are summed.

    A step writes to weights, which PyTorch counts; but for a fused one, after which numbers differ.

    Attributes:
        meant: Over how many somebody has told that they are summed, so that no step has to be seen.
    """

    def __init__(self, weights: Iterable[Any]) -> None:
        """Look at some of the weights that are trained."""
        self._weights = [weakref.ref(w) for w in _some(weights)]
        self._age, self.meant = -1, 1
        self._seen: deque[list[tuple[int, Any]]] = deque(maxlen=MOST)

    def come(self, age: int) -> None:
        """See that something has come back of the passes of an age, which count as one."""
        if age != self._age:
            weights = (w for one in self._weights if (w := one()) is not None)
            self._seen.append([(version_of(w), _first(w)) for w in weights])
            self._age = age

    @property
    def passes(self) -> int:
        """The passes that have come back since the last step; 1 if none is seen."""
        same = [_alike(before, after) for before, after in pairwise(self._seen)]
        count = 1 + len([*takewhile(bool, reversed(same))])
        if self.meant > 1:
            return min(count, self.meant)
        return 1 if all(same) else count


def _first(weight: Any) -> Any:
    """Return the first numbers of a weight, a copy; None of one that lies in pieces."""
    x = weight.detach()
    plain = type(x).__name__ == "Tensor" and str(x.layout) == "torch.strided" and x.numel()
    while plain and x.ndim > 1:
        x = x[0]
    return x.reshape(-1)[:ROW].clone() if plain else None


def _alike(before: list[tuple[int, Any]], after: list[tuple[int, Any]]) -> bool:
    return all(
        m == n and (a is None or bool((a == b).all()))
        for (m, a), (n, b) in zip(before, after, strict=False)
    )


class LeftOver:
    """Count steps at which new gradients were added to those of the step before.

    A gradient that was cleared is another one, was written to, which PyTorch counts, or is 0. That
    is asked where the gradient lies, and told when somebody wants to know.

    Attributes:
        steps: The steps behind which gradients came.
    """

    def __init__(self, weights: Iterable[Any]) -> None:
        """Look at some of the weights that are trained, until `remove`."""
        trained = _some(weights)
        self.steps = self._kept = 0
        self._cleared: bool | None = None  # since the last step; None as long as nothing came
        self._held: dict[int, tuple[int, int]] = {}  # which gradient, and how often written to
        self._alive: dict[int, Any] = {}
        self._weights = [weakref.ref(w) for w in trained]
        self._hooks = [w.register_hook(_Look(self, w)) for w in trained]

    @property
    def kept(self) -> int:
        """The steps behind which the old gradients were there each time; none if all were 0."""
        return self._kept if any(map(bool, self._alive.values())) else 0

    def step(self) -> None:
        """Begin anew: a step is taken with what the weights hold now."""
        if self._cleared is not None:
            self.steps, self._kept = self.steps + 1, self._kept + (not self._cleared)
        weights = (weight() for weight in self._weights)
        held = ((id(w), w.grad) for w in weights if w is not None)
        self._held = {at: (g._cdata, version_of(g)) for at, g in held if g is not None}
        self._cleared = None

    def came(self, weight: Any) -> None:
        """Look at what a weight holds while more is on its way to it, which counts as one."""
        at, grad = id(weight), weight.grad
        if at not in self._held:
            return
        which, count = self._held[at]
        same = grad is not None and (grad._cdata, version_of(grad)) == (which, count)
        self._cleared = bool(self._cleared) or not same
        self._held[at] = which, count + 1
        if same and not grad.is_sparse:
            some = grad.detach().flatten()[:: grad.numel() // FEW + 1].any()
            self._alive[at] = some & self._alive[at] if at in self._alive else some

    def remove(self) -> None:
        """Take all hooks off."""
        for hook in self._hooks:
            hook.remove()


class _Look:
    """A hook that keeps neither its weight nor who counts alive, and is gone in a copy."""

    __torch_unserializable__ = True  # as PyTorch asks of a hook that is gone in another process

    def __init__(self, left: LeftOver, weight: Any) -> None:
        self._left, self._weight = weakref.ref(left), weakref.ref(weight)

    def __call__(self, _: Any) -> None:
        left, weight = self._left(), self._weight()
        if left is not None and weight is not None:
            harmless(left.came)(weight)
