"""A forward pass of a watched network, and what came back of it."""

import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from gradbook.diagnosis.watching.graph import differentiating
from gradbook.diagnosis.watching.seen import Seen


class Pass:
    """One forward pass.

    Args:
        era: Passes whose gradients come back together are of one.
        names: The names of the weights by their `id`.
        inner: The `id` of those that a recurrent layer looks at step by step.
        told: Who is told that something came back; it is not kept alive.

    Attributes:
        within: Whether the forward pass of the whole network goes on.
        data: By `id` what that was called with, as long as it goes on.
        given: The modules that read it as it is.
        strangers: By `id` the shapes of weights in its graph that are not the network's.
    """

    def __init__(
        self, era: int, names: Mapping[int, str], inner: set[int], told: Callable[..., None]
    ) -> None:
        """Begin with nothing."""
        self.era, self.names, self.inner = era, names, inner
        self._told = weakref.WeakMethod(told)
        self.places: dict[str, Seen] = {}
        self.calls: Counter[str] = Counter()
        self.again: Counter[str] = Counter()
        self.tensors: dict[int, tuple[Any, int, str]] = {}
        self.nodes: dict[Any, str] = {}
        self.loops: dict[str, dict[str, Any]] = {}
        self.bad_input: list[str] = []
        self.data: frozenset[int] = frozenset()
        self.given: set[str] = set()
        self.strangers: dict[int, tuple[int, ...]] = {}
        self.within = False
        self.heard = False
        self.differentiated = False

    def known(self, tensor: Any) -> Seen | None:
        """Return the place of a tensor, if it has one."""
        found = self.tensors.get(id(tensor))
        if found is None or found[0]() is not tensor or found[1] != version_of(tensor):
            return None
        return self.places[found[2]]

    def take(self, place: Seen, delta: Any) -> None:
        """Keep the numbers of a gradient that has come back, as long as somebody watches."""
        if delta is not None and self._told() is not None:
            place.take(delta.detach())
            place.inner = differentiating()
            self.hear()

    def outer(self) -> None:
        """Forget what came back only to be differentiated: now the gradient of the loss comes."""
        for place in self.places.values():
            if place.inner:
                place.delta = place.total = None

    def hear(self) -> None:
        """Tell who watches that something came back."""
        told = self._told()
        if told is not None:
            told(self, again=differentiating())

    def forget(self) -> None:
        """Let go of the graph, which holds the activations, once it has been read."""
        self.nodes.clear()

    def drop(self) -> None:
        """Let go of what is kept until something comes back, which for this pass never will."""
        self.forget()
        for found in self.loops.values():
            found.pop("tensors", None)


def version_of(tensor: Any) -> int:
    """Return what changes when a tensor is written to."""
    try:
        return int(tensor._version)
    except RuntimeError:  # tensors of inference mode have none
        return 0
