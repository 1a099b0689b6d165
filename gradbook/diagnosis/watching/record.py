"""What is kept of a watched step: of its tensors, its passes, its steps of time, and of all."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from gradbook.diagnosis.places import Place
from gradbook.diagnosis.watching.graph import Way
from gradbook.diagnosis.watching.modules import compiler_off, differentiating, harmless
from gradbook.diagnosis.watching.numbers import is_half, size_of, taken_again


@dataclass(frozen=True)
class Steps:
    """The gradient at a recurrent layer's inputs, step by step."""

    name: str
    sizes: tuple[tuple[float, ...], ...] = ()
    """Norms of ∂L/∂x_t, a list for each step with one norm for each example that has it."""
    every: bool = False
    """Whether each step has a loss of its own."""
    picked: bool = False
    """Whether steps here and there are read, as by a maximum."""
    lags: tuple[float, ...] | None = None
    """Where each has: the sizes that the last step's loss alone sends to each step."""
    both: bool = False
    """Whether the layer reads in both directions, and the loss more than its last output."""
    depth: int = 1
    """How many layers are stacked in it."""
    ends: tuple[float, ...] = ()
    """Of a stack without biases the sizes of its last states, layer by layer."""
    reach: float = math.inf
    """By how much one step may make larger what comes to it, at most, both ways together."""


@dataclass(frozen=True)
class Record:
    """What was found of one step of training."""

    places: tuple[Place, ...] = ()
    """In the order of the forward pass."""
    steps: tuple[Steps, ...] = ()
    called: frozenset[str] = frozenset()
    """The modules that ran."""
    earlier: frozenset[str] = frozenset()
    """Those that ran in front of a backward pass before this one."""
    unready: tuple[str, ...] = ()
    """Those that ran as for evaluation, and whose averages no batch has been taken into."""
    given: frozenset[str] = frozenset()
    """Those that read what the network was called with, as it is."""
    bad_input: tuple[str, ...] = ()
    """The modules whose input was not finite though it came from no other place."""
    spoiled: frozenset[str] = frozenset()
    """Those of them that are not the data's fault: what the network was called with is finite."""
    added: frozenset[str] = frozenset()
    """The weights that are added to something or laid beside it, so that they keep nothing back."""
    empty: frozenset[str] = frozenset()
    """Those whose input was all 0."""
    raw: frozenset[str] = frozenset()
    """Those whose input was data far larger than 1."""
    owned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each place the names of the weights between it and those before it."""
    twice: str = ""
    """What the loss takes of probabilities that it has already been taken of; or that it picks."""
    functions: tuple[str, ...] = ()
    """The names of `torch.autograd.Function`s of somebody's own on its ways."""
    strangers: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """By `id` the shapes of weights that it made use of and that were not its own."""
    differentiated: bool = False
    """Whether something was differentiated through a gradient, as in a penalty."""
    flat: bool = False
    """Whether a second derivative was taken of a pass, and is exactly 0 at all layers."""
    loss: float | None = None
    """What the network returned, if that was a single number."""
    passes: int = 1
    """How many passes have come back since weights were last written to, if they ever were."""
    normalized: bool = False
    """Whether it normalizes, by a module or by an operation; a PReLU's weights are none."""


@dataclass(eq=False)
class Seen:
    """What becomes a `Place`: its numbers may still be on a device."""

    name: str
    module: str
    shape: tuple[int, ...]
    out: Any = None
    asks: bool = False
    state: bool = False
    weak: bool = False
    summed: bool = False
    beside: bool = False  # whether something that asks for no gradient comes in there
    product: bool = False  # whether two tensors are multiplied for it, and perhaps summed up
    joined: bool = False  # whether what comes in is laid beside one another
    grown: bool = False  # whether a weight is laid beside what comes in
    layer: bool = False
    normed: bool = False
    value: Any = None  # of what the network returns, if it is a single number
    past_norm: bool = False  # whether a normalization is between it and those before it
    data: bool = False  # what the network is called with
    channels: bool | None = None  # whether its features lie along the second axis, if known
    also: set[str] = field(default_factory=set)
    before: dict[str, bool] = field(default_factory=dict)  # and whether it picks from them
    owned: set[str] = field(default_factory=set)  # weights between it and those before it
    delta: Any = None
    numbers: dict[str, Any] = field(default_factory=dict)
    bend: str = ""
    half: bool = False
    inner: bool = False  # whether what came back is to be differentiated itself
    again: bool = False  # whether something was: what the second pass sends enters at every layer
    second: Any = None  # the size of what a second derivative sent, if one was taken
    often: bool = False  # whether several losses, or a derivative, went back through it in turn
    shares: Any = None  # what a loss may take for logits, until that is known
    twice: str = ""
    sent_on: list[Any] = field(default_factory=list)  # what comes back to an output, but the loss's
    functions: set[str] = field(default_factory=set)  # of somebody's own, between it and before

    def come_from(self, before: Mapping[str, Way]) -> None:
        """Keep what goes into it, and nothing of the graph."""
        self.before.update((name, way.picks) for name, way in before.items())
        self.summed |= any(way.summed for way in before.values())
        self.past_norm |= any(way.normed for way in before.values())
        self.grown |= any(way.grown for way in before.values())
        self.functions.update(way.function for way in before.values() if way.function)

    def take(self, delta: Any) -> None:
        """Keep the numbers of a gradient that has come back."""
        self.shape, self.half = tuple(delta.shape), is_half(delta)
        self.often |= self.delta is not None and not self.inner
        self.delta, self.inner = size_of(delta), differentiating()
        self.second = self.delta if self.inner and self.again else self.second
        self.again |= self.inner
        if self.shares is not None:
            self.twice, self.shares = taken_again(self.shares, delta), None
        plain = self.layer and delta.ndim in (2, 3) and not self.channels
        if self.often:  # a bias holds what came each time, or, of a derivative, what came last
            self.numbers.pop("total", None)
        elif plain and delta.numel() <= 2**18:
            self.numbers["total"] = size_of(delta.flatten(0, -2).sum(0)) * delta.shape[-1] ** 0.5


@dataclass(eq=False)
class Pass:
    """One forward pass."""

    era: int  # passes whose gradients come back together are of one
    names: Mapping[int, str]  # of weights, by `id`
    inner: set[int]  # the `id` of those that a recurrent layer looks at step by step
    # Who is told that something came back is not kept alive.
    told: Callable[[], Callable[["Pass"], None] | None]
    leaves: ExitStack  # takes off hooks of what outlives the graph
    places: dict[str, Seen] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    tensors: dict[int, tuple[Any, int, str]] = field(default_factory=dict)
    nodes: dict[Any, str] = field(default_factory=dict)
    loops: dict[str, Steps] = field(default_factory=dict)
    kept: dict[str, tuple[Any, Any]] = field(default_factory=dict)  # to send more back through
    bad_input: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    # What it was called with, as long as it goes on: by `id`, and not kept alive.
    data: Mapping[int, Callable[[], Any]] | None = None
    spoiled: set[str] = field(default_factory=set)
    averaged: dict[str, Any] = field(default_factory=dict)  # over how many batches, in evaluation
    added: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)
    strangers: dict[int, tuple[int, ...]] = field(default_factory=dict)
    silent: set[tuple[int, ...]] = field(default_factory=set)  # shapes of what asks for no gradient
    asking: bool = False  # whether a last step's loss is sent back alone
    heard: bool = False
    differentiated: bool = False

    def known(self, tensor: Any) -> Seen | None:
        """Return the place of a tensor, if it has one."""
        found = self.tensors.get(id(tensor))
        if found is None or found[0]() is not tensor or found[1] != version_of(tensor):
            return None
        return self.places[found[2]]

    def take(self, place: Seen, delta: Any) -> None:
        """Keep the numbers of a gradient that has come back, as long as somebody watches."""
        if delta is not None and self.told() is not None and not self.asking:
            self.hear()  # first, for it forgets what came back before
            if place.module or not place.weak or delta.ndim > 1:  # a sum of losses is no state
                place.take(delta.detach())
            place.beside &= place.shape in self.silent  # a mask, or a mere number, has another

    def hook(self, tensor: Any, act: Callable[[Any], None]) -> None:
        """Call a function with the gradient of a tensor; of a leaf until the next step begins."""
        handle = tensor.register_hook(compiler_off(harmless(act)))
        if tensor.grad_fn is None:
            self.leaves.callback(handle.remove)

    def hear(self) -> None:
        """Tell who watches that something came back."""
        if (told := self.told()) is not None:
            told(self)


def version_of(tensor: Any) -> int:
    """Return what changes when a tensor is written to."""
    try:
        return int(tensor._version)
    except RuntimeError:  # tensors of inference mode have none
        return 0
