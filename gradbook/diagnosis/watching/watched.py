"""What is known of a network that is watched."""

import sys
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from gradbook.diagnosis.watching.graph import backwards
from gradbook.diagnosis.watching.modules import floats_in
from gradbook.diagnosis.watching.passes import Pass
from gradbook.diagnosis.watching.record import Record
from gradbook.diagnosis.watching.together import record_of


class Watched(Mapping[str, Any]):
    """The size of δ by the names of places, in the order of the last forward pass.

    Filled on the way back. Values are arrays of one number, the norm of the gradient for an
    example, which resolution does not change; None where none has come back. Each forward pass of
    the network begins anew, and several whose gradients come back together count together. Once
    nobody holds this any longer, its hooks leave the network.

    Attributes:
        age: How many passes have come back, those that were one step together counted once.
        versions: By name what changes when a weight is written to, as it was when this began.
    """

    def __init__(self, names: Mapping[int, str], inner: set[int]) -> None:
        """Begin with nothing."""
        self._names, self._inner = names, inner
        self.versions: dict[str, int] = {}
        self.age = 0
        self._open: Pass | None = None
        self._passes: list[Pass] = []
        self._hooks: list[Any] = []
        self._read: Record | None = None
        self._data: frozenset[int] | None = None
        weakref.finalize(self, _take_off, self._hooks).atexit = False

    def __getitem__(self, name: str) -> Any:
        """Return the size at one place; None if nothing has come back."""
        return self._sizes()[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names in the order of the forward pass."""
        return iter(self._sizes())

    def __len__(self) -> int:
        """Count them."""
        return len(self._sizes())

    def remove(self) -> None:
        """Take the hooks off the network; what was found stays."""
        _take_off(self._hooks)

    @property
    def record(self) -> Record:
        """What is known of the last step."""
        if self._read is None:
            self._read = record_of(self._passes)
        return self._read

    def _sizes(self) -> dict[str, Any]:
        torch = sys.modules["torch"]
        places = self.record.places
        inner = {name for place in places for name in place.before}
        return {
            p.name: None if p.norm is None else torch.tensor([p.norm], dtype=torch.float64)
            for p in places
            if p.asks and (p.state or p.name not in inner)
        }

    def _begin(self, _: Any, *given: Any) -> None:
        # An evaluation without gradients keeps what is; where a checkpoint computes something once
        # more on the way back, it is still the same pass.
        if sys.modules["torch"].is_grad_enabled() and not backwards():
            self._open, self._data = None, frozenset(map(id, floats_in(given)))

    def _current(self) -> Pass:
        made = self._open
        if made is None or (made.heard and not backwards()):
            if any(p.heard and p.era == self.age for p in self._passes):
                self.age += 1
            told = weakref.WeakMethod(self._heard)
            made = self._open = Pass(self.age, self._names, self._inner, told)
            for one in self._passes:
                one.drop() if one.era < self.age else one.nodes.clear()
            self._passes = [p for p in self._passes if p.heard or p.era == self.age] + [made]
        made.data = self._data
        return made

    def _heard(self, made: Pass, again: bool) -> None:
        made.differentiated |= again
        if not again and not made.heard:
            made.heard = True
            for place in made.places.values():  # what came back only to be differentiated
                if place.inner:
                    place.delta = place.total = None
            made.nodes.clear()
            self._passes = [p for p in self._passes if p.era == made.era]
        self._read = None

    def _ended(self, *_: Any) -> None:
        if self._open is not None and not backwards():
            self._open.nodes.clear()
            self._data = self._open.data = None


def _take_off(hooks: list[Any]) -> None:
    for hook in hooks:
        hook.remove()
    hooks.clear()
