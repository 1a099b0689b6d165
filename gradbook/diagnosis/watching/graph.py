"""What lies below a tensor in the graph that PyTorch keeps for the way back.

No framework is imported: a node is told by its name.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

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


def kind_of(node: Any) -> str:
    """Return what a node of autograd differentiates: AddmmBackward0 is of Addmm."""
    return "" if node is None else type(node).__name__.partition("Backward")[0]


def _behind(node: Any) -> list[Any]:
    """Return the nodes that made what a node is given, and that ask for a gradient."""
    return [] if node is None else [edge for edge, _ in node.next_functions if edge is not None]


def _saved(node: Any, side: str) -> Any:
    """Return a factor that a node keeps; None if it keeps none, or it cannot be had for nothing.

    Where a hook brings it, as a checkpoint's, that computes its whole block once more; and what was
    written to since it was kept is refused.
    """
    try:
        hook = getattr(getattr(node, f"_raw_saved_{side}", None), "unpack_hook", None)
        return None if hook is not None else getattr(node, f"_saved_{side}", None)
    except RuntimeError:
        return None


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
        behind = _behind(node)
        masked = empty and name == "Mul" and node.next_functions[1][0] is None
        if masked and (mask := _saved(node, "other")) is not None and not mask.any():
            return None
        node = behind[0] if len(behind) == 1 else None
    return None


def divides_by_own(node: Any) -> bool:
    """Tell whether a tensor is another one over a norm or deviation of it: a normalization by hand.

    A scale and a shift may come behind.
    """
    for _ in range(FEW):
        inner = [edge for edge in _behind(node) if not hasattr(edge, "variable")]
        if len(inner) == 2 and kind_of(node) in ("Mul", "Div"):
            return any(map(_is_own_size, inner))
        node = inner[0] if len(inner) == 1 else None
    return False


def _is_own_size(node: Any) -> bool:
    """Tell whether a factor is a root of a mean or sum, or a norm, of one tensor."""
    seen = set[str]()
    while kind_of(node) in SIZES:
        seen.add(kind_of(node))
        behind = {*_behind(node)}
        node = behind.pop() if len(behind) == 1 else None
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
        waiting += _behind(node)
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
    grown: bool = False
    """Whether a weight is laid beside it, as a token of a class."""


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
    summed, grown = _summed(False, kind), _lays_weights_beside(start[0])
    way = Way(start[0], kind in PICKS, summed, own, start[0], normed, grown)
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
            passes = len(edges) == 1 and _is_of_weight(edge[0])
            reader, kind = way.reader if passes else edge[0], kind_of(edge[0])
            past = way.past if passes or (len(edges) == 1 and kind in MOVES) else edge[0]
            # One of several scales that lie in one tensor is none, either.
            if kind in ROWS and kind_of(past) in BY_NUMBER:
                reader = past = None
            own = _own_function(edge[0]) or way.function
            normed = way.normed or _normalizes(kind)
            picks, summed = way.picks or kind in PICKS, _summed(way.summed, kind)
            grown = way.grown or _lays_weights_beside(edge[0])
            way = Way(reader, picks, summed, own, past, normed, grown)
            stack += [(one, way) for one in edges]
    return before, weights, sums


def _is_of_weight(node: Any) -> bool:
    """Tell whether a tensor is what is done with a weight at once, or made of one by numbers.

    So is one that is quantized, where the rounding is passed straight or by somebody's function.
    """
    made, shapes = False, list[Any]()
    for depth in range(FEW):
        edges = _behind(node)
        kind, last = kind_of(node), len(edges) == 1 and hasattr(edges[0], "variable")
        own = bool(_own_function(node))
        by_number = own or kind in BY_NUMBER or "FakeQuant" in kind
        shapes += [_returned(node)] * own
        made |= by_number
        if last or len(edges) != 1 or not (by_number or kind in ("T", *MOVES)):
            # A layer that somebody wrote returns something of another shape.
            of = last and sorted(edges[0].variable.shape)
            return (
                last and (depth == 0 or made) and all(s is None or sorted(s) == of for s in shapes)
            )
        node = edges[0]
    return False


def _lays_weights_beside(node: Any) -> bool:
    """Tell whether weights are laid beside positions of a sequence, as a token of a class is.

    A code of weights beside the features is no position, and what is looked up is no weight.
    """
    if kind_of(node) != "Cat" or len(shape := _returned(node) or ()) != 3:
        return False
    leaves = (leaf for leaf in map(_leaf_of, _behind(node)) if leaf is not None)
    alike = any(tuple(leaf.shape[-1:]) == shape[-1:] for leaf in leaves)
    return alike and node._saved_dim in (1, 2**64 - 2)  # which is kept without its sign


def _leaf_of(node: Any) -> Any:
    """Return the weight that a tensor is, in another shape or for many examples."""
    while not hasattr(node, "variable"):
        edges = _behind(node)
        if len(edges) != 1 or kind_of(node) not in (*MOVES, "Repeat", "ToCopy"):
            return None
        node = edges[0]
    return node.variable


def _returned(node: Any) -> tuple[int, ...] | None:
    """Return the shape of what a node returned, if it tells."""
    told = getattr(node, "_input_metadata", None)
    return tuple(told[0].shape) if told else None


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


def is_product(node: Any) -> bool:
    """Tell whether a tensor is a product of two that ask for a gradient, past sums and shapes."""
    for _ in range(FEW):
        edges = _behind(node)
        if kind_of(node) in ("Mul", "Mm", "Bmm", "Dot", "LinalgVecdot"):
            scaled = (hasattr(e, "variable") or kind_of(e) in ("T", *MOVES) for e in edges)
            return len(edges) == 2 and not any(scaled)
        if len(edges) != 1 or kind_of(node) not in ("Sum", "Mean", "Div", *SHAPES):
            return False
        node = edges[0]
    return False


def is_beside(node: Any) -> bool:
    """Tell whether a node adds, or lays beside, what asks for no gradient, gated or as it is."""
    edges = [edge for edge, _ in node.next_functions] if kind_of(node) in (*SUMS, "Cat") else []
    return None in edges or any(kind_of(edge) == "Mul" and _gates_data(edge) for edge in edges)


def _gates_data(node: Any) -> bool:
    """Tell whether a factor asks for no gradient and is as wide as data: a mask of rows is not."""
    sides = zip(node.next_functions, ("self", "other"), strict=True)
    quiet = [_saved(node, side) for (edge, _), side in sides if edge is None]
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
