"""What modules of PyTorch hold, are given and return, and what lies below a tensor in its graph.

No framework is imported.
"""

import sys
import weakref
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

LISTS = ("ParameterList", "ParameterDict")
"""Classes that hold weights, and are never called."""

PARAMETRIZED = ".parametrizations"
"""Below a module of this name PyTorch keeps what a weight is made of, as in spectral norm."""


def is_network(net: Any) -> bool:
    """Tell whether something has the methods of a PyTorch network."""
    needed = ("named_parameters", "named_modules", "register_forward_hook")
    whole = not isinstance(net, type)
    return whole and all(callable(getattr(net, method, None)) for method in needed)


def weights_of(net: Any) -> dict[str, Any]:
    """Return a PyTorch network's parameters by name, tied ones under each.

    A name is what its owner calls it: Keras keeps all weights in a list of its own, too.
    """
    named = net.named_parameters(remove_duplicate=False)
    return {name.rpartition("_torch_params.")[2]: parameter for name, parameter in named}


def is_loop(module: Any) -> bool:
    """Tell whether a module is a recurrent layer."""
    named = hasattr(module, "batch_first") and hasattr(module, "bidirectional")
    return named and bool(own_weights(module))


def own_weights(module: Any) -> list[Any]:
    """Return a module's own weights, and what those are made of."""
    found = list(module.parameters(recurse=False))
    made = getattr(module, "parametrizations", None)
    return found if made is None else [*found, *made.parameters()]


def is_empty(weight: Any) -> bool:
    """Tell whether a matrix is all 0; nearly always its first number tells."""
    known = type(weight).__name__ != "UninitializedParameter" and weight.device.type != "meta"
    whole = known and weight.ndim > 1 and weight.numel() and not weight.is_sparse
    return bool(whole and not weight.detach()[(0,) * weight.ndim] and not weight.detach().any())


def is_untrained(module: Any) -> bool:
    """Tell whether a batch normalization takes averages that no batch has been taken into."""
    batches = getattr(module, "num_batches_tracked", None)
    return batches is not None and not module.training and not int(batches)


def axes_of(module: Any) -> int:
    """Return the number of axes of a module's own weights, 0 if it has none."""
    if module not in _AXES:
        own = own_weights(module)
        if any(type(p).__name__ == "UninitializedParameter" for p in own):
            return 2
        _AXES[module] = max((p.ndim for p in own), default=0)
    return _AXES[module]


_AXES: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()


def tensors_in(value: Any) -> Iterator[Any]:
    """Yield the tensors in what a module is given or returns."""
    if hasattr(value, "register_hook"):
        yield value
        return
    inside: Iterable[Any] = ()
    if isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, (tuple, list)):
        inside = value
    elif is_dataclass(value):  # one with slots has no dictionary
        inside = [getattr(value, f.name, None) for f in fields(value)]
    for inner in inside:
        yield from tensors_in(inner)


def floats_in(value: Any) -> list[Any]:
    """Return those that are not empty, may have a gradient, and can be looked at."""
    plain = (t for t in tensors_in(value) if not t.is_nested and str(t.layout) in LAYOUTS)
    return [t for t in plain if (t.is_floating_point() or t.is_complex()) and t.numel()]


def returned(output: Any, entered: Sequence[Any]) -> Any:
    """Return the tensor that a module returns: of several, the first as large as what entered."""
    found = floats_in(output)
    asking = [t for t in found if t.requires_grad] or found
    alike = (x for x in asking if entered and x.shape == entered[0].shape)
    return next(alike, asking[0] if asking else None)


LAYOUTS = ("torch.strided", "torch.sparse_coo", "torch._mkldnn")
"""How tensors lie that a norm can be taken of."""

RELUS = ("Relu", "Threshold", "ClampMin", "Clamp")
CLIPS = (*RELUS[1:], "Hardtanh", "Maximum")
BENDS = ("Sigmoid", "Tanh", "Relu", "LeakyRelu", "Elu", "Gelu", "Silu", "Softplus", "Hardswish")
LINEAR = ("Addmm", "Mm", "Bmm", "Convolution", "Linear")
SHAPES = ("View", "UnsafeView", "Squeeze", "Unsqueeze", "Transpose", "Permute", "Select", "Slice")
# What `einsum` and `reshape` do with a weight; not T, which a second pass back does with each.
MOVES = ("Permute", "View", "UnsafeView", "ReshapeAlias", "Clone", "Squeeze", "Unsqueeze", "Expand")
SUMS = ("Add", "Sub", "Lerp", "Addcmul")
BY_NUMBER = (*SUMS, "Mul", "Div")
ROWS = ("Select", "Unbind")
PLAIN = ("Sum", "Stack", "Cat", "Clone", *SHAPES, *BENDS)
PICKS = ("Max", "Amax", "Maximum", "Topk", "MaxPool2DWithIndices", "AdaptiveMaxPool2D")
"""What nodes of autograd are called: activations, layers of weights, what only rearranges numbers,
what brings paths together, what is done to each number by itself, what takes rows, what weights
nothing, and what picks the largest numbers."""

LEAVES = (*LINEAR, "AccumulateGrad", "Embedding", "EmbeddingBag")
UNBOUNDED = (
    *("Mean", "Neg", "Pow", "Sum", "Stack", "Cat", "Clone", "Expand", "ReshapeAlias", "Relu"),
    *("LeakyRelu", "AvgPool2D", "NativeDropout", "Split", "Index", "IndexSelect", "Gather"),
    *(*SHAPES, *BY_NUMBER, *ROWS, *PICKS),
)
SIZES = (
    *("Add", "Sqrt", "Rsqrt", "Pow", "ClampMin", "Clamp", "Reciprocal", "Mean", "Sum", "Std"),
    *("Var", "LinalgVectorNorm", "Norm", "Expand", "Unsqueeze", "View", "ToCopy", "Mul", "Div"),
)
FEW = 8
MOST = 1024
"""What is made of nothing in a graph but weights; what is bounded only if what it is made of is;
what the size of a tensor is made by; and how many nodes are looked at, for that and in all."""


def compiler_off(act: Callable[..., Any]) -> Callable[..., Any]:
    """Keep `torch.compile` from looking into a hook; without PyTorch there is nothing to do."""
    disable: Any = getattr(sys.modules.get("torch._dynamo"), "disable", None)
    wrapped: Callable[..., Any] = act if disable is None else disable(act)
    return wrapped


def transformed() -> bool:
    """Tell whether PyTorch follows a network as a function, of which there are no numbers to see.

    As `torch.func` does for each example, `torch.jit.trace` and `torch.export`.
    """
    torch = sys.modules["torch"]
    level = getattr(torch._C._functorch, "maybe_current_level", None)
    return torch.jit.is_tracing() or (level is not None and level() is not None)


def backwards() -> bool:
    """Tell whether autograd is on its way back now, as where a checkpoint computes once more."""
    task = getattr(sys.modules["torch"]._C, "_current_graph_task_id", None)
    return task is not None and task() != -1


def differentiating() -> bool:
    """Tell whether what comes back is to be differentiated again, as for a penalty."""
    return bool(sys.modules["torch"].is_grad_enabled())


def kind_of(node: Any) -> str:
    """Return what a node of autograd differentiates: AddmmBackward0 is of Addmm."""
    return "" if node is None else type(node).__name__.partition("Backward")[0]


def bent_by(node: Any, empty: bool = False) -> Any:
    """Return the activation that a tensor comes from, past what only drops or rearranges numbers.

    A gate, as in x * sigmoid(x), is none: what it returns has two tensors behind it. Nor is what
    makes a tensor `empty`, all 0, by a factor of 0, as a dropout of 1, or a ReLU before a norm.
    """
    normed = False
    # What is scattered lies among zeros.
    while node is not None and (name := kind_of(node)) != "Scatter":
        if name in BENDS + CLIPS:
            return node if name in BENDS[:2] or not normed else None
        normed |= "Norm" in name
        behind = [edge for edge, _ in node.next_functions if edge is not None]
        masked = empty and name == "Mul" and node.next_functions[1][0] is None
        if masked and not node._saved_other.any():
            return None
        node = behind[0] if len(behind) == 1 else None
    return None


def divides_by_own(node: Any) -> bool:
    """Tell whether a tensor is another one over a norm or deviation of it: a normalization by hand.

    A scale and a shift may come behind.
    """
    for _ in range(FEW):
        edges = [e for e, _ in node.next_functions if e is not None] if node is not None else []
        inner = [e for e in edges if not hasattr(e, "variable")]
        if len(inner) == 2 and kind_of(node) in ("Mul", "Div"):
            return any(map(_is_own_size, inner))
        node = inner[0] if len(inner) == 1 else None
    return False


def _is_own_size(node: Any) -> bool:
    """Tell whether a factor is a root of a mean or sum, or a norm, of one tensor."""
    seen = set[str]()
    while kind_of(node) in SIZES:
        seen.add(kind_of(node))
        edges = [e for e, _ in node.next_functions if e is not None]
        node = edges[0] if len({*edges}) == 1 else None
    rooted = seen & {"Sqrt", "Rsqrt", "Pow"} and seen & {"Mean", "Sum"}
    return bool(rooted or seen & {"Std", "Var", "LinalgVectorNorm", "Norm"})


def is_linear(node: Any) -> bool:
    """Tell whether a tensor comes straight from weights: it holds no probabilities by design."""
    # A layer adds its bias by itself where its input lies in pieces.
    while kind_of(node) in SHAPES or (
        kind_of(node) == "Add" and hasattr(node.next_functions[1][0], "variable")
    ):
        node = node.next_functions[0][0]
    return node is not None and kind_of(node) in LINEAR


def is_unbounded(node: Any) -> bool:
    """Tell whether a tensor is made of what layers return by sums, means, products and ReLUs alone.

    That is within 0 and 1 by chance, and no probability by design.
    """
    waiting, seen = [node], 0
    while waiting and node is not None:
        node, seen = waiting.pop(), seen + 1
        if kind_of(node) in LEAVES:
            continue
        if kind_of(node) not in UNBOUNDED or seen > MOST:
            return False
        waiting += [edge for edge, _ in node.next_functions if edge is not None]
    return node is not None


class Weight(NamedTuple):
    """A weight in a graph: its `id`, of a matrix what reads it, and its shape if it is one."""

    id: int
    reader: Any
    shape: tuple[int, ...] | None = None
    is_added: bool = False
    """Whether it is added to something or laid beside it, as a token or a table of positions."""


class Way(NamedTuple):
    """How one comes to a place: what reads it, and what is done on the way."""

    reader: Any
    picks: bool
    """Whether something picks from it."""
    summed: bool | None = False
    """Whether it is summed up over positions and no more; None if it is weighted, too."""
    function: str = ""
    """The last `torch.autograd.Function` of somebody's own on it, by its name."""
    past: Any = None
    """What reads it but for what only rearranges its numbers, as `einsum` does with a weight."""
    normed: bool = False
    """Whether a normalization is on it, whoever called that."""


def graph_below(
    start: tuple[Any, int], known: Mapping[Any, str]
) -> tuple[dict[str, Way], list[Weight], list[Any]]:
    """Go through a graph of autograd down to the places that are known.

    Returns:
        Their names, always in the same order, with the way there; each weight in between, where
        data that ask for a gradient have no shape; and each sum.
    """
    before, seen = dict[str, Way](), set[Any]()
    weights, sums = list[Weight](), list[Any]()
    kind = kind_of(start[0])
    own, normed = _own_function(start[0]), _normalizes(kind)
    way = Way(start[0], kind in PICKS, _summed(False, kind), own, start[0], normed)
    stack = [(edge, way) for edge in start[0].next_functions]
    while stack:
        edge, way = stack.pop()
        leaf = getattr(edge[0], "variable", None)
        if edge[0] is None or (edge in seen and leaf is None):  # a loop reads one again and again
            continue
        seen.add(edge)
        if (name := known.get(edge, known.get(("leaf", id(leaf))))) is not None:
            before[name] = way
        elif leaf is not None:
            weights.append(_weight(leaf, way.past))
        else:
            edges = [one for one in edge[0].next_functions if one[0] is not None]
            if kind_of(edge[0]) in SUMS and not any(hasattr(e[0], "variable") for e in edges):
                sums.append(edge[0])
            # A transposed or converted weight is read by what reads the result.
            passes = len(edges) == 1 and hasattr(edges[0][0], "variable")
            reader, kind = way.reader if passes else edge[0], kind_of(edge[0])
            past = way.past if passes or (len(edges) == 1 and kind in MOVES) else edge[0]
            # One of several scales that lie in one tensor is none, either.
            if kind in ROWS and kind_of(past) in BY_NUMBER:
                reader = past = None
            own = _own_function(edge[0]) or way.function
            normed = way.normed or _normalizes(kind)
            picks, summed = way.picks or kind in PICKS, _summed(way.summed, kind)
            way = Way(reader, picks, summed, own, past, normed)
            stack += [(one, way) for one in edges]
    return before, weights, sums


def _own_function(node: Any) -> str:
    """Name the `torch.autograd.Function` that a node is of, if no library of PyTorch's has it."""
    function: Any = getattr(type(node), "_forward_cls", None)
    own = function is not None and not function.__module__.startswith(("torch.", "torchvision."))
    return str(function.__name__) if own else ""


def _normalizes(kind: str) -> bool:
    """Tell whether a node is of a normalization; a norm, or a weight over its norm, is none."""
    return "Norm" in kind and not kind.startswith(("Linalg", "Norm", "Weight"))


def _summed(before: bool | None, kind: str) -> bool | None:
    """Tell whether a way with this node has a sum on it; None once it is weighted."""
    return before or kind == "Sum" if before is not None and kind in PLAIN else None


def is_beside(node: Any) -> bool:
    """Tell whether a node adds, or lays beside, what asks for no gradient, gated or as it is."""
    edges = [edge for edge, _ in node.next_functions] if kind_of(node) in (*SUMS, "Cat") else []
    return None in edges or any(kind_of(edge) == "Mul" and _gates_data(edge) for edge in edges)


def _gates_data(node: Any) -> bool:
    """Tell whether a factor asks for no gradient and is as wide as data: a mask of rows is not."""
    sides = zip(node.next_functions, ("_saved_self", "_saved_other"), strict=True)
    quiet = [getattr(node, side, None) for (edge, _), side in sides if edge is None]
    return any(x is None or (x.ndim and x.shape[-1] > 1) for x in quiet)


def readers_of(
    starts: Sequence[Any], edges: Container[tuple[Any, int]]
) -> Iterator[tuple[Any, int, tuple[Any, int]]]:
    """Yield what reads some of a graph's tensors, with the position at which it does."""
    stack, seen = list(starts), set(starts)
    while stack:
        node = stack.pop()
        for position, edge in enumerate(node.next_functions):
            if edge in edges:
                yield node, position, edge
            if edge[0] is not None and edge[0] not in seen:
                seen.add(edge[0])
                stack.append(edge[0])


def _weight(leaf: Any, reader: Any) -> Weight:
    shape = tuple(leaf.shape) if type(leaf).__name__ == "Parameter" else None
    # A scale or a shift of each channel is none, whatever axes it has to fit an image.
    scales = leaf.numel() == max(leaf.shape, default=1) and kind_of(reader) in BY_NUMBER
    added = kind_of(reader) in (*SUMS, "Cat", "Where")
    return Weight(id(leaf), reader if leaf.ndim > 1 and not scales else None, shape, added)
