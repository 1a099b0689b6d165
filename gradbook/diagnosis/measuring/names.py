r"""Find the layers of a network in the names of its tensors, and what kind each is.

A name is split into a layer and what the tensor is there: `layers.3.weight` of PyTorch,
`params/Dense_0/kernel` of Flax, `dense/kernel:0` of Keras, `1.W` of this book. Gradients of
different kinds are of different sizes in a healthy network, so each is compared with its own kind.
To recognize one more spelling, add a line to `ENDINGS` or `RULES`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

Shape = tuple[int, ...]


class Role(Enum):
    """What a tensor is in its layer."""

    WEIGHT = "weight"
    BIAS = "bias"
    UNKNOWN = "unknown"


class Kind(Enum):
    """What is compared with one another."""

    DENSE = "dense"
    CONV = "convolution"
    ATTENTION = "attention"
    RECURRENT = "recurrent"
    EMBEDDING = "embedding"
    NORM = "normalization"
    BIAS = "bias"
    SCALAR = "single number"
    OTHER = "other"


NO_MATRIX = (Kind.NORM, Kind.BIAS, Kind.SCALAR)
"""The kinds of layers that hold no matrix of weights."""

_PATH = r"(?:(?P<layer>.+)[./_])?"

ENDINGS = (
    # LSTM of PyTorch: rnn.weight_hh_l0, rnn.bias_ih_l1_reverse; its cells: weight_hh
    (_PATH + r"weight_(?P<part>(?:ih|hh|hr)(?:_l\d+)?(?:_reverse)?)", Role.WEIGHT),
    (_PATH + r"bias_(?P<part>(?:ih|hh|hr)(?:_l\d+)?(?:_reverse)?)", Role.BIAS),
    (_PATH + r"(?:weights?|kernel|scale|gamma|embeddings?)", Role.WEIGHT),
    (_PATH + r"(?:bias|beta)", Role.BIAS),
    (_PATH + r"d?[WwUV]", Role.WEIGHT),
    (_PATH + r"d?[bB]", Role.BIAS),
    # W1, b1 and dW_1 of code written by hand
    (_PATH + r"d?(?:[Ww]|weights?|kernel)_?(?P<part>\d+)", Role.WEIGHT),
    (_PATH + r"d?(?:[Bb]|bias)_?(?P<part>\d+)", Role.BIAS),
    # a list of pairs (W, b), as in JAX's own tutorials; the shape tells which is which
    (r"(?P<layer>(?:.+/)?\d+)/\d+", Role.UNKNOWN),
)
"""How names end in some framework; the groups of the first pattern that fits make the layer's."""


class Rule(NamedTuple):
    """When a tensor is of a kind: all conditions must hold."""

    kind: Kind
    words: str | None = None
    """Fits one of the words of the name; None for any name."""
    roles: tuple[Role, ...] = tuple(Role)
    least: int = 0
    most: int = 99
    unknown: bool = True
    """Whether the rule applies where the shape is not known."""
    beside: bool = False
    """Whether another of these words must stand beside it: a value's head is called `v`, too."""


_NOT_BIAS = (Role.WEIGHT, Role.UNKNOWN)
_ATTENDS = r"q|k|v|kv|query|key|value"

RULES = (
    Rule(Kind.SCALAR, most=0, unknown=False),
    Rule(Kind.NORM, r"\w*norms?|ln|lnf|bn|gn|scale|gamma", most=1),
    Rule(Kind.EMBEDDING, r"embed\w*|embd|wte|wpe", _NOT_BIAS, least=2, most=3),
    Rule(Kind.RECURRENT, r"\w*rnn|lstm|gru|ih|hh|recurrent", _NOT_BIAS, least=2),
    Rule(Kind.ATTENTION, r"attn|attention|mha|qkv", _NOT_BIAS, least=2),
    Rule(Kind.ATTENTION, _ATTENDS, _NOT_BIAS, least=2, beside=True),
    Rule(Kind.CONV, r"conv\w*", _NOT_BIAS, least=3),
    Rule(Kind.NORM, roles=(Role.WEIGHT,), least=1, most=1, unknown=False),  # in a Sequential
    Rule(Kind.BIAS, roles=(Role.BIAS,)),
    Rule(Kind.BIAS, least=1, most=1, unknown=False),
    Rule(Kind.CONV, least=3, unknown=False),
    Rule(Kind.DENSE, roles=_NOT_BIAS, least=2, most=2, unknown=False),
    Rule(Kind.DENSE, roles=(Role.WEIGHT,)),
    Rule(Kind.OTHER),
)
"""The kinds that are known; the first rule that applies decides."""


@dataclass(frozen=True)
class Named:
    """A tensor's place in its network: what it is there, and what it is compared with."""

    name: str
    layer: str
    """Its layer's name; empty for a network of a single unnamed layer."""
    role: Role
    kind: Kind
    shape: Shape | None


@dataclass(frozen=True)
class Layer:
    """Tensors that belong together."""

    name: str
    kind: Kind
    """The kind of its weight, or of its first tensor if it has none."""
    members: tuple[Named, ...]


def _split(name: str) -> tuple[str, Role]:
    bare = re.sub(r":\d+$|(?<=.)[._/]grad(?:ient)?$", "", name)  # dense/kernel:0, fc.weight.grad
    for pattern, role in ENDINGS:
        if found := re.fullmatch(pattern, bare):
            return ".".join(part for part in found.groups() if part), role
    return bare, Role.UNKNOWN


def _applies(rule: Rule, words: list[str], role: Role, shape: Shape | None, beside: bool) -> bool:
    if rule.beside and not beside:
        return False
    fits = rule.unknown if shape is None else rule.least <= len(shape) <= rule.most
    if not fits or role not in rule.roles:
        return False
    return rule.words is None or any(re.fullmatch(rule.words, word) for word in words)


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


@lru_cache(maxsize=4096)
def locate(name: str, shape: Shape | None = None, *, beside: bool = True) -> Named:
    """Split a tensor's name into layer and role, and tell its kind from name and shape.

    Args:
        beside: Whether of query, key and value another one stands beside it, if it is one.

    Examples:
        >>> for name, shape in [("h.0.attn.c_attn.weight", (64, 192)), ("rnn.bias_hh_l0", (64,))]:
        ...     found = locate(name, shape)
        ...     print(found.layer, found.role.value, found.kind.value)
        h.0.attn.c_attn weight attention
        rnn.hh_l0 bias bias
    """
    layer, role = _split(name)
    words = _words(name)
    kind = next(rule.kind for rule in RULES if _applies(rule, words, role, shape, beside))
    return Named(name, layer, role, kind, shape)


def _beside(names: Iterable[str]) -> frozenset[str]:
    """Return the names of query, key and value that differ from another one's in that alone.

    Examples:
        >>> sorted(_beside(["1.q.weight", "1.v.weight", "v.weight", "head.value.weight"]))
        ['1.q.weight', '1.v.weight']
    """
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for name in names:
        words = _words(name)
        own = {k: word for k, word in enumerate(words) if re.fullmatch(_ATTENDS, word)}
        for k, word in own.items():
            found.setdefault((*words[:k], "", *words[k + 1 :]), {})[name] = word
        if len({*own.values()}) > 1:  # query_key_value
            found[name,] = {name: "", "": name}
    several = (of for of in found.values() if len({*of.values()}) > 1)
    return frozenset(name for of in several for name in of)


def group(shapes: Mapping[str, Shape | None]) -> tuple[Layer, ...]:
    """Put the weight and the bias of a layer together.

    Examples:
        >>> shapes = {"0.weight": (8, 4), "0.bias": (8,), "1.weight": (8,), "1.bias": (8,)}
        >>> [(layer.name, layer.kind.value) for layer in group(shapes)]
        [('0', 'dense'), ('1', 'normalization')]
    """
    layers: dict[str, list[Named]] = {}
    beside = _beside(shapes)
    members = [locate(name, shape, beside=name in beside) for name, shape in shapes.items()]
    # No layer has three matrices, so W, U and V without its name are those of several.
    bare = sum(not m.layer and m.role is Role.WEIGHT for m in members) > 2
    for found in members:
        layers.setdefault(found.name if bare and not found.layer else found.layer, []).append(found)
    kinds = {n: (m.kind for m in ms if m.kind is not Kind.BIAS) for n, ms in layers.items()}
    return tuple(Layer(n, next(kinds[n], Kind.BIAS), tuple(ms)) for n, ms in layers.items())


class Others(NamedTuple):
    """What stands among the gradients of weights and is none."""

    deltas: list[str]
    states: list[str]
    """What an optimizer keeps."""
    weights: list[str]


def other_than_gradients(names: Iterable[str]) -> Others:
    """Return what among gradients of weights is δ, as dA1 beside dW1, a state, or the weight.

    Examples:
        >>> other_than_gradients(["dW2", "db2", "dA1", "dW1"])
        Others(deltas=['dA1'], states=[], weights=[])
        >>> other_than_gradients(["fc.weight", "fc.weight.exp_avg"]).states
        ['fc.weight.exp_avg']
        >>> other_than_gradients(["grads/fc.bias", "params/fc.bias"]).weights
        ['params/fc.bias']
        >>> other_than_gradients(["W1", "dW1", "W2"]).weights
        ['W1']
    """
    given = list(names)
    beside = any(re.fullmatch(r"d[Ww]_?\d+", name) for name in given)
    deltas = [name for name in given if beside and _DELTA.fullmatch(name)]
    graded = {_GRADED.sub("", name) for name in given if _GRADED.search(name)}
    weights = [n for n in given if not _GRADED.search(n) and _WEIGHTED.sub("", n) in graded]
    return Others(deltas, [name for name in given if _STATE.fullmatch(name)], weights)


_DELTA = re.compile(r"d[AaHhZz]_?\d+")
# A letter, as in g.0 and w.0, may be what a network is called.
_GRADED = re.compile(r"(?i)^(?:grads?|gradients?)[./_]|^d(?=[WwBb]_?\d)|[./_]grads?$")
_WEIGHTED = re.compile(r"(?i)^(?:params?|parameters?|weights?)[./_]|[./_](?:data|value)$")
_STATE = re.compile(r".*[./](?:exp_avg(?:_sq)?|max_exp_avg_sq|momentum_buffer|num_batches_tracked)")


# Names tell of branches. What stands in one gets a share of the gradient that passes beside it, and
# the share may be anything: it says nothing of how the gradient changes on its way back.


def place(name: str) -> str:
    """Return a layer's name without what counts blocks, or layers where there are no blocks.

    Examples:
        >>> [place(name) for name in ("blocks.3.fc1", "layers.11", "fc2", "head")]
        ['blocks.#.fc1', 'layers.#', 'fc#', 'head']
    """
    layer = re.split(r"[./]", name)[-1]
    return uncounted(name.removesuffix(layer)) + layer if in_a_block(name) else uncounted(name)


def uncounted(name: str) -> str:
    """Return a name without its numbers."""
    return re.sub(r"\d+", "#", name)


def in_a_block(name: str) -> bool:
    """Tell whether a layer's name counts the block that it stands in."""
    return re.search(r"\d.*[./]", name) is not None


def in_one_sequence(layers: Sequence[tuple[str, Kind]], weighted: Sequence[str]) -> bool:
    """Tell whether normalizations and weights take turns in one sequence, without blocks.

    That is how PyTorch's `nn.Sequential` names what it holds, and no path leads around its members.
    A block has a name of its own, in which its layers are numbered or named anew.

    Examples:
        >>> plain = [("net.0", Kind.DENSE), ("net.1", Kind.NORM), ("net.2", Kind.DENSE)]
        >>> in_one_sequence(plain, ["net.0", "net.2"])
        True
    """
    norms = [number for number, (_, kind) in enumerate(layers) if kind is Kind.NORM]
    names = [*(layers[number][0] for number in norms), *weighted]
    found = {m and m.group(1) for m in (re.fullmatch(r"(.*?)\d+", name) for name in names)}
    alone = all(b - a > 1 for a, b in pairwise(norms))
    return bool(norms) and alone and len(found) == 1 and None not in found
