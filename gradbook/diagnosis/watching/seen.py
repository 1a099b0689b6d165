"""A place while a pass goes on."""

import math
from dataclasses import dataclass, field
from typing import Any

from gradbook.diagnosis.watching.numbers import size_of
from gradbook.diagnosis.watching.shares import again


@dataclass
class Seen:
    """What becomes a `Place`: its numbers may still be on a device."""

    name: str
    module: str
    shape: tuple[int, ...]
    asks: bool = False
    state: bool = False
    norm_reads: bool = False
    layer: bool = False
    normed: bool = False
    data: bool = False
    channels: bool | None = None
    also: set[str] = field(default_factory=set)
    before: dict[str, None] = field(default_factory=dict)
    owned: set[str] = field(default_factory=set)
    out: Any = None
    delta: Any = None
    total: Any = None
    off: Any = None
    saturated: Any = None
    spread: Any = None
    bend: str = ""
    half: bool = False
    inner: bool = False
    shares: Any = None
    twice: str = ""

    def take(self, delta: Any) -> None:
        """Keep the numbers of a gradient that has come back."""
        self.shape, self.half = tuple(delta.shape), str(delta.dtype) == "torch.float16"
        self.delta = size_of(delta)
        if self.shares is not None:
            self.twice, self.shares = again(self.shares, delta), None
        if self.layer and delta.ndim in (2, 3) and not self.channels and delta.numel() <= 2**18:
            self.total = size_of(delta.flatten(0, -2).sum(0)) * delta.shape[-1] ** 0.5

    @property
    def count(self) -> int:
        """How many numbers the tensor has."""
        return math.prod(self.shape)

    @property
    def examples(self) -> int:
        """The length of its first axis."""
        return self.shape[0] if self.shape else 1

    @property
    def rows(self) -> int:
        """How many positions, those of all examples."""
        if len(self.shape) < 2:
            return self.examples
        first = self.channels if self.channels is not None else len(self.shape) > 3
        return self.count // max(self.shape[1 if first else -1], 1)
