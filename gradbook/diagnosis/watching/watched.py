"""What is known of a network that is watched: what came back of its last passes, put together."""

import math
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from typing import Any

from gradbook.diagnosis.places import Place, enters
from gradbook.diagnosis.watching.left_over import Summed
from gradbook.diagnosis.watching.modules import backwards, differentiating, floats_in, weights_of
from gradbook.diagnosis.watching.record import Pass, Record, Seen

MORE = 1.2
"""How many times its weights what a normalization returns is at most, in root mean squares."""

WHOLE = ("given", "spoiled", "added", "empty", "raw")
"""What a record has of all passes together, under the names that it has in each."""

SAME = (
    *("module", "summed", "beside", "product", "joined"),
    *("grown", "normed", "layer", "bend", "half"),
)
"""What a place has of the last time that it was seen, under the names that it had there."""


class Watched(Mapping[str, Any]):
    """The size of δ by the names of places, in the order of the last forward pass.

    Filled on the way back. Values are arrays of one number, the norm of the gradient for an
    example, which resolution does not change; None where none has come back. Each forward pass of
    the network begins anew, and several whose gradients come back together count together. Once
    nobody holds this any longer, its hooks leave the network.

    Attributes:
        age: How many passes have come back, those that were one step together counted once.
        returns: How many have come back.
        removed: Whether its hooks were taken off, so that nothing more is seen.
        left: The gradients that the network had then, weakly; None if nothing is known of it.
        net: Returns the network, as long as somebody else holds it.
        versions: By name what changes when a weight is written to, as it was when this began.
        came: At how many of the looks so far a weight had a gradient.
        asked: What had come back at the last look, and how large the gradients were then.
        begun: The names of matrices that were all 0 then.
        summed: Counts the passes between which no step is taken.
        elsewhere: The `id` of weights that another optimizer holds, as far as it was looked for.
    """

    def __init__(self, weights: Mapping[str, Any], inner: set[int]) -> None:
        """Begin with nothing."""
        self._names, self._inner = {id(p): name for name, p in weights.items()}, inner
        self.versions: dict[str, int] = {}
        self.begun = frozenset[str]()
        self.came = Counter[str]()
        self.asked = (0, "")
        self.elsewhere = frozenset[int]()
        self.age, self.returns, self.removed = 0, 0, False
        self.left: list[weakref.ref[Any]] | None = None
        self.net: Callable[[], Any] = lambda: None
        self._open: Pass | None = None
        self._passes: list[Pass] = []
        self._ran = set[str]()  # modules, in passes before the last
        self.summed = Summed(weights.values())
        self._hooks, self._leaves = ExitStack(), ExitStack()
        self._hooks.callback(self._leaves.close)
        self._data: Mapping[int, Any] | None = None
        weakref.finalize(self, self._hooks.close).atexit = False

    def __getitem__(self, name: str) -> Any:
        """Return the size at one place; None if nothing has come back."""
        norm = self._told()[name].norm
        torch = sys.modules["torch"]
        return None if norm is None else torch.tensor([norm], dtype=torch.float64)

    def __iter__(self) -> Iterator[str]:
        """Yield the names in the order of the forward pass."""
        return iter(self._told())

    def __len__(self) -> int:
        """Count them."""
        return len(self._told())

    def remove(self) -> None:
        """Take the hooks off the network; what was found stays."""
        self._hooks.close()
        if not self.removed and (net := self.net()) is not None:
            grads = (weight.grad for weight in weights_of(net).values())
            self.left = [weakref.ref(grad) for grad in grads if grad is not None]
        self.removed = True

    def left_none_of(self, grads: Iterable[Any]) -> bool:
        """Tell whether all these gradients are others than those of when it was removed.

        What is clipped, or unscaled, stays the same array; what is cleared and comes anew does not.
        """
        if self.left is None:
            return False
        known = {id(grad) for one in self.left if (grad := one()) is not None}
        return not any(id(grad) in known for grad in grads)

    def has_any(self, weights: Iterable[Any]) -> bool:
        """Tell whether some of these weights are those that were watched; a wrapper has them."""
        return any(id(weight) in self._names for weight in weights)

    @property
    def waits(self) -> bool:
        """Whether a pass has gone forward, and not come back."""
        return self._open is not None and not self._open.heard

    @cached_property
    def record(self) -> Record:
        """What is known of the last passes that something came back of, or of the last one."""
        made = [p for p in self._passes if p.heard] or self._passes[-1:]
        if not made:
            return Record()
        together: dict[str, list[Seen]] = {}
        for key, place in (pair for one in made for pair in one.places.items()):
            together.setdefault(key, []).append(place)
        last = {key: found[-1] for key, found in together.items()}
        _share_layouts(last)
        shown = _shown_names(last)
        seen = [place for found in together.values() for place in found]
        whole = {n: frozenset(x for one in made for x in getattr(one, n)) for n in WHOLE}
        return Record(
            places=tuple(_in_order({shown[k]: _place(p, shown) for k, p in together.items()})),
            steps=tuple(steps for one in made for steps in one.loops.values() if steps.sizes),
            called=frozenset(place.module for place in seen),
            earlier=frozenset(self._ran),
            unready=tuple(
                dict.fromkeys(n for one in made for n, b in one.averaged.items() if not b)
            ),
            bad_input=tuple(dict.fromkeys(name for one in made for name in one.bad_input)),
            owned={shown[k]: tuple(sorted(p[-1].owned)) for k, p in together.items()},
            twice=next((place.twice for place in seen if place.twice), ""),
            functions=tuple(sorted(frozenset().union(*(place.functions for place in seen)))),
            strangers={k: shape for one in made for k, shape in one.strangers.items()},
            differentiated=all(one.differentiated for one in made),
            flat=any(_is_flat(one) for one in made),
            loss=next((float(p.value) for p in reversed(seen) if p.value is not None), None),
            passes=self.summed.passes,
            normalized=any(place.normed or place.past_norm for place in seen),
            **whole,
        )

    def _told(self) -> dict[str, Place]:
        places = self.record.places
        inner = {name for place in places for name in place.before}
        return {p.name: p for p in places if p.asks and (p.state or p.name not in inner)}

    def _begin(self, _: Any, *given: Any) -> None:
        # An evaluation without gradients keeps what is; where a checkpoint computes something once
        # more on the way back, it is still the same pass.
        if sys.modules["torch"].is_grad_enabled() and not backwards():
            self._open, self._data = None, {id(x): weakref.ref(x) for x in floats_in(given)}

    def _current(self) -> Pass:
        made = self._open
        if made is None or (made.heard and not backwards()):
            if any(p.heard and p.era == self.age for p in self._passes):
                self.age += 1
                self._leaves.close()
            self._ran.update(s.module for p in self._passes for s in p.places.values())
            told = weakref.WeakMethod(self._heard)
            made = self._open = Pass(self.age, self._names, self._inner, told, self._leaves)
            for one in self._passes:
                one.nodes.clear()  # a graph that is not read any more holds activations
                if one.era < self.age:
                    one.kept.clear()
            self._passes = [p for p in self._passes if p.heard or p.era == self.age] + [made]
        made.data = self._data
        return made

    def _heard(self, made: Pass) -> None:
        made.differentiated |= (again := differentiating())
        # A pass of before, as with an attack in between, comes back together with this one; and so
        # may one that came back for a derivative with respect to an input, before this one began.
        once_more = made.heard and made.era < self.age
        if not again and (once_more or not made.heard):
            made.heard, made.era = True, self.age
            self.summed.come(self.age)
            self.returns += 1
            for place in made.places.values():  # what came back then is none of this loss
                if once_more or place.inner:
                    place.delta = None
                    place.numbers.pop("total", None)
            made.nodes.clear()
            passes = self._passes if made in self._passes else [made, *self._passes]
            self._passes = [p for p in passes if p.era == made.era]
        self.__dict__.pop("record", None)

    def _ended(self, *_: Any) -> None:
        if self._open is not None and not backwards():
            self._open.nodes.clear()
            self._data = self._open.data = None


def _is_flat(made: Pass) -> bool:
    """Tell whether a second derivative of a pass is exactly 0, as of one with ReLU."""
    seen = [p.second for p in made.places.values() if p.layer and p.second is not None]
    return bool(seen) and not any(map(float, seen))


def _shown_names(last: Mapping[str, Seen]) -> dict[str, str]:
    """Call what enters a module by the layer that it comes from, if it comes from one alone."""
    shown = {key: key for key in last}
    for key, place in last.items():
        if not enters(key, place.module) or len(place.before) != 1:
            continue
        [before] = place.before
        source = last.get(before)
        alone = source is not None and source.layer and not source.state
        if alone and shown[before] == before:  # nothing else has taken its name
            shown[before], shown[key] = f"{before} (z)", before
    return shown


def _share_layouts(last: Mapping[str, Seen]) -> None:
    """Tell places along which axis their features lie by those of the same shape beside them."""
    pairs = [(last[b], s) for s in last.values() for b in s.before if b in last]
    alike = [(a, b) for a, b in pairs if a.shape == b.shape]
    for one, other in [*alike, *[(b, a) for a, b in reversed(alike)]]:
        if other.channels is None:
            other.channels = one.channels


def _place(found: Sequence[Seen], shown: Mapping[str, str]) -> Place:
    last, heard = found[-1], [seen for seen in found if seen.delta is not None]
    if all(math.isfinite(float(s.delta)) for s in heard):
        heard = [s for s in heard if not s.again] or heard
    squares = sum(float(s.delta) ** 2 * math.prod(s.shape) for s in heard)
    count = sum(math.prod(s.shape) for s in heard)
    examples = sum(s.shape[0] if s.shape else 1 for s in found)
    sizes = [float(s.out) for s in found if s.out is not None]
    # Some may still be on a device. Of several passes each has a total of its own.
    numbers: dict[str, Any] = {n: float(x) for n, x in last.numbers.items() if x is not None}
    if len(found) > 1:
        numbers.pop("total", None)
    # Weights that 1 is added to, and averages that do not fit, tell nothing of what is normalized.
    if not 0 < float(last.out or 0.0) <= MORE * numbers.get("gain", 0.0):
        numbers.pop("gain", None)
    return Place(
        name=shown[last.name],
        delta=(squares / count) ** 0.5 if count else None,
        count=sum(math.prod(s.shape) for s in found),
        rows=sum(map(_rows, found)),
        before=tuple(dict.fromkeys(shown[b] for s in found for b in s.before if b in shown)),
        picks=any(picks for s in found for picks in s.before.values()),
        state=last.state and not last.data,
        weak=last.weak and not last.data,
        asks=any(s.asks for s in found),
        norm=(squares / max(examples, 1)) ** 0.5 if count else None,
        out=sizes[-1] if any(map(math.isnan, sizes)) else max(sizes, default=None),
        also=tuple(sorted(last.also)),
        straight=_straight(last),
        **{name: getattr(last, name) for name in SAME},
        **numbers,
    )


def _straight(seen: Seen) -> float:
    """Return how much of δ at an output that the network goes on with is of the loss, at least."""
    if not seen.sent_on or seen.delta is None:
        return 0.0
    on = sum(float(size) for size in seen.sent_on if size is not None)
    return max(float(seen.delta) - on, 0.0)


def _rows(seen: Seen) -> int:
    """Return how many positions a place has, those of all examples."""
    shape = seen.shape
    first = seen.channels if seen.channels is not None else len(shape) > 3
    features = shape[1 if first else -1] if len(shape) > 1 else math.prod(shape[1:])
    return math.prod(shape) // max(features, 1)


def _in_order(places: Mapping[str, Place]) -> list[Place]:
    """Put places behind those that go into them, otherwise as they came."""
    done: dict[str, Place] = {}
    for name in places:
        stack = [name]
        while stack:
            top = places[stack[-1]]
            waiting = (b for b in top.before if b in places and b not in done and b not in stack)
            if (first := next(waiting, None)) is not None:
                stack.append(first)
                continue
            # Of passes that one another's weights come from, as in an inner loop, none is first.
            before = tuple(b for b in top.before if b in done)
            done.setdefault(stack.pop(), replace(top, before=before))
    return list(done.values())
