"""The few numbers that are kept of a tensor of PyTorch, and a look at the graph behind it."""

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TINY, HUGE = 1e-15, 1e18
"""Between which norms float32 has lost nothing to squares that under- or overflow."""


def compiler_off(act: Callable[..., Any]) -> Callable[..., Any]:
    """Keep `torch.compile` from looking into a hook; without PyTorch there is nothing to do."""
    disable = getattr(sys.modules.get("torch._dynamo"), "disable", None)
    if disable is None:
        return act
    wrapped: Callable[..., Any] = disable(act)
    return wrapped


def backwards() -> bool:
    """Tell whether autograd is on its way back now, as where a checkpoint computes once more."""
    task = getattr(sys.modules["torch"]._C, "_current_graph_task_id", None)
    return task is not None and task() != -1


@dataclass(frozen=True)
class Size:
    """The root mean square of a tensor, not yet read where that would wait for a device."""

    rms: Any

    @property
    def finite(self) -> bool:
        """Whether all its numbers are."""
        return math.isfinite(number(self.rms))


def size_of(tensor: Any) -> Size:
    """Measure a tensor in one pass, in float64 where float32 could lose something."""
    torch = sys.modules["torch"]
    x = tensor.detach()
    if x.is_sparse:
        x = x.coalesce().values()
    norm = torch.linalg.vector_norm
    root = max(tensor.numel(), 1) ** 0.5
    if x.device.type != "cpu":
        wide = torch.float32 if x.device.type == "mps" or x.is_complex() else torch.float64
        return Size(norm(x, dtype=None if x.is_complex() else wide) / root)
    small = x.dtype in (torch.float16, torch.bfloat16)
    found = float(norm(x, dtype=torch.float32 if small else None))
    if not TINY < found < HUGE and not x.is_complex():
        found = float(norm(x, dtype=torch.float64))
    return Size(found / root)


def number(value: Any) -> float:
    """Read a number that may still be on a device."""
    return float(value)


@dataclass
class Seen:
    """A place while a pass goes on."""

    name: str
    module: str
    shape: tuple[int, ...]
    asks: bool = False
    state: bool = False
    norm_reads: bool = False
    layer: bool = False
    op: bool = False
    normed: bool = False
    data: bool = False
    channels: bool | None = None
    also: set[str] = field(default_factory=set)
    before: set[str] = field(default_factory=set)
    owned: set[str] = field(default_factory=set)
    out: Size | None = None
    delta: Any = None
    total: Any = None
    off: Any = None
    saturated: Any = None
    spread: Any = None
    bend: str = ""

    def take(self, delta: Any) -> None:
        """Keep the numbers of a gradient that has come back."""
        self.shape = tuple(delta.shape)
        self.delta = size_of(delta).rms
        if self.layer and delta.ndim == 2 and delta.numel() <= 2**18:
            self.total = size_of(delta.sum(0)).rms * delta.shape[1] ** 0.5

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


BENDS = ("Sigmoid", "Tanh", "Relu", "LeakyRelu", "Elu", "Gelu", "Silu", "Softplus", "Selu")
"""Activations, as the nodes of autograd are called."""


def bend_of(node: Any) -> str:
    """Name the activation that a tensor comes from, past what only drops or rearranges numbers.

    A gate, as in x * sigmoid(x), is none: what it returns has two tensors behind it.
    """
    while node is not None:
        name = type(node).__name__.partition("Backward")[0]
        if name in BENDS:
            return name
        behind = [edge for edge, _ in node.next_functions if edge is not None]
        node = behind[0] if len(behind) == 1 else None
    return ""


def units_off(tensor: Any, axis: int) -> Any:
    """Return the share of units that are 0 for every example; below a half, at most that."""
    zero = tensor.detach()[:1] == 0
    found = _all_but(zero, axis)
    if tensor.device.type == "cpu" and float(found) < 0.5:
        return found
    return _all_but(tensor.detach() == 0, axis)


def _all_but(zero: Any, axis: int) -> Any:
    return zero.movedim(axis, 0).flatten(1).all(1).double().mean()


def spread_of(tensor: Any) -> tuple[Any, Any]:
    """Return how far the examples differ, and the share of numbers at the ends of a range."""
    torch = sys.modules["torch"]
    x = tensor.detach().flatten(1)
    if x.is_complex():
        return None, None
    x = x[:64, :: max(x.shape[1] // 256, 1)].float()
    spread = (x - x.mean(0)).norm() / x.norm() if x.shape[0] > 1 else None
    low, high = x.min(), x.max()
    ends = torch.where(low < -0.01, x.abs() > 0.995, (x < 0.005) | (x > 0.995)).float().mean()
    inside = (x.abs().max() <= 1) & (high > 0.9) & ((low < -0.9) | (low > 0))
    return spread, torch.where(inside, ends, torch.zeros_like(ends))


def graph_below(
    start: tuple[Any, int], known: Mapping[Any, str]
) -> tuple[set[str], list[tuple[int, Any]]]:
    """Go through a graph of autograd down to the places that are known.

    Returns:
        Their names, and for each weight in between its `id` and, of a matrix, what reads it.
    """
    before: set[str] = set()
    weights: list[tuple[int, Any]] = []
    seen: set[Any] = set()
    stack: list[tuple[Any, Any]] = [(edge, start[0]) for edge in start[0].next_functions]
    while stack:
        (node, output), reader = stack.pop()
        if node is None:
            continue
        if (node, output) in known:
            before.add(known[node, output])
            continue
        if (node, output) in seen:
            continue
        seen.add((node, output))
        if hasattr(node, "variable"):
            leaf = known.get(("leaf", id(node.variable)))
            if leaf is not None:  # data that ask for a gradient
                before.add(leaf)
                continue
            if node.variable.ndim > 1:
                weights.append((id(node.variable), reader))
            else:
                weights.append((id(node.variable), None))
            continue
        edges = [edge for edge in node.next_functions if edge[0] is not None]
        # A transposed or converted weight is read by what reads the result.
        passes = len(edges) == 1 and hasattr(edges[0][0], "variable")
        stack += [(edge, reader if passes else node) for edge in edges]
    return before, weights


def per_step(delta: Any, axis: int, lengths: list[int] | None) -> list[list[float]]:
    """Return the norms of a gradient for each step and example."""
    norms = delta.double().norm(dim=-1)
    if lengths is not None:
        return [part.tolist() for part in norms.split(lengths)]
    rows = norms.movedim(axis, 0) if norms.ndim > 1 else norms[:, None]
    return [row.flatten().tolist() for row in rows]
