"""A look at autograd: whether it is on its way back, and what lies below a tensor in its graph."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

BENDS = ("Sigmoid", "Tanh", "Relu", "LeakyRelu", "Elu", "Gelu", "Silu", "Softplus", "Selu")
LINEAR = ("Addmm", "Mm", "Bmm", "Convolution", "Linear")
SHAPES = ("View", "UnsafeView", "Squeeze", "Unsqueeze", "Transpose", "Permute", "Select", "Slice")
BY_NUMBER = ("Add", "Sub", "Mul", "Div")
"""What nodes of autograd are called: activations, layers of weights, what only rearranges numbers,
and what is done to each number by itself."""


def compiler_off(act: Callable[..., Any]) -> Callable[..., Any]:
    """Keep `torch.compile` from looking into a hook; without PyTorch there is nothing to do."""
    disable: Any = getattr(sys.modules.get("torch._dynamo"), "disable", None)
    wrapped: Callable[..., Any] = act if disable is None else disable(act)
    return wrapped


def backwards() -> bool:
    """Tell whether autograd is on its way back now, as where a checkpoint computes once more."""
    task = getattr(sys.modules["torch"]._C, "_current_graph_task_id", None)
    return task is not None and task() != -1


def differentiating() -> bool:
    """Tell whether what comes back is to be differentiated again, as for a penalty."""
    return bool(sys.modules["torch"].is_grad_enabled())


def _kind(node: Any) -> str:
    """Return what a node of autograd differentiates: AddmmBackward0 is of Addmm."""
    return type(node).__name__.partition("Backward")[0]


def bend_of(node: Any) -> str:
    """Name the activation that a tensor comes from, past what only drops or rearranges numbers.

    A gate, as in x * sigmoid(x), is none: what it returns has two tensors behind it.
    """
    while node is not None:
        name = _kind(node)
        if name in BENDS:
            return name
        behind = [edge for edge, _ in node.next_functions if edge is not None]
        node = behind[0] if len(behind) == 1 else None
    return ""


def is_linear(node: Any) -> bool:
    """Tell whether a tensor comes straight from weights: it holds no probabilities by design."""
    while node is not None and _kind(node) in SHAPES:
        node = node.next_functions[0][0]
    return node is not None and _kind(node) in LINEAR


class Weight(NamedTuple):
    """A weight in a graph: its `id`, of a matrix what reads it, and its shape if it is one."""

    id: int
    reader: Any
    shape: tuple[int, ...] | None = None


def graph_below(
    start: tuple[Any, int], known: Mapping[Any, str]
) -> tuple[dict[str, None], list[Weight]]:
    """Go through a graph of autograd down to the places that are known.

    Returns:
        Their names, in the order in which they are met, so that it is always the same; and each
        weight in between. Data that ask for a gradient have no shape there.
    """
    before: dict[str, None] = {}
    weights: list[Weight] = []
    seen: set[Any] = set()
    stack: list[tuple[Any, Any]] = [(edge, start[0]) for edge in start[0].next_functions]
    while stack:
        edge, reader = stack.pop()
        if edge[0] is None or edge in seen:
            continue
        seen.add(edge)
        leaf = getattr(edge[0], "variable", None)
        if (name := known.get(edge, known.get(("leaf", id(leaf))))) is not None:
            before[name] = None
        elif leaf is not None:
            weights.append(_weight(leaf, reader))
        else:
            edges = [one for one in edge[0].next_functions if one[0] is not None]
            # A transposed or converted weight is read by what reads the result.
            passes = len(edges) == 1 and hasattr(edges[0][0], "variable")
            stack += [(one, reader if passes else edge[0]) for one in edges]
    return before, weights


def _weight(leaf: Any, reader: Any) -> Weight:
    own = type(leaf).__name__ == "Parameter"
    # A scale or a shift of each channel is none, whatever axes it has to fit an image.
    scales = leaf.numel() == max(leaf.shape, default=1) and _kind(reader) in BY_NUMBER
    matrix = leaf.ndim > 1 and not scales
    return Weight(id(leaf), reader if matrix else None, tuple(leaf.shape) if own else None)
