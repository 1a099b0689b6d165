"""Name what a network has as libraries and people do, and put it in the orders in which it comes.

To try one more way of naming, add it to `NAMES`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gradbook.book.diagnose.form_networks import Part, Subject
from gradbook.checks import Array

Named = dict[str, Array]


@dataclass(frozen=True)
class Naming:
    """How a library, or somebody, names what a network has.

    Attributes:
        layer: Names a layer by its number, how many there are, and how many modules stand from one
            to the next.
        norm: Names the normalization behind it.
        ends: What is made of a layer's name: of a weight, a bias, and a normalization's two.
        delta: The same of what comes back to it.
        turned: Whether the first axis of weights is that of the outputs.
        counts: Whether the numbers alone tell the order.
    """

    layer: Callable[[int, int, int], str]
    norm: Callable[[int, int, int], str]
    ends: tuple[str, str, str, str] = ("{}.weight", "{}.bias", "{}.weight", "{}.bias")
    delta: str = "{}"
    turned: bool = True
    counts: bool = True

    def tensor(self, part: Part, one: Subject) -> str:
        """Name a tensor."""
        called = self.norm if part.norm else self.layer
        return self.ends[2 * part.norm + part.bias].format(called(*_among(part.at, one)))

    def of_layer(self, at: int, one: Subject) -> str:
        """Name a layer of weights."""
        return self.layer(*_among(at, one))

    def of_delta(self, at: int, one: Subject) -> str:
        """Name what comes back to a layer."""
        return self.delta.format(self.of_layer(at, one))


def _among(at: int, one: Subject) -> tuple[int, int, int]:
    return at, one.layers, 2 + one.normalized


def _in_parts(at: int, of: int, each: int, *stems: str, more: int = 0) -> str:
    """Count two stacks; a third stem is that of the last layer alone."""
    if at == of - 1 and len(stems) > 2:
        return stems[2]
    stem, number = (stems[0], at) if at < of // 2 else (stems[1], at - of // 2)
    return f"{stem}.{each * number + more}"


def _in_blocks(at: int, of: int, _: int) -> str:
    """Name two layers to a block, as GPT-2 does."""
    return "lm_head" if at == of - 1 else f"h.{at // 2}.mlp.c_{('fc', 'proj')[at % 2]}"


def _keras(stem: str, at: int) -> str:
    return f"{stem}_{at}" if at else stem


WORDS = (
    *("reader", "lifter", "mixer", "folder", "joiner", "slicer", "gater", "marker", "merger"),
    *("router", "shifter", "tuner", "pooler", "blender", "bender", "sorter", "weigher", "binder"),
    *("scanner", "matcher", "trimmer", "mapper", "caster", "teller"),
)
"""What layers may be called whose names count nothing."""

NAMES: Mapping[str, Naming] = {
    "0.weight": Naming(
        lambda at, of, each: f"{each * at}", lambda at, of, each: f"{each * at + 1}"
    ),
    "layers.0.weight": Naming(
        lambda at, of, each: f"layers.{at}", lambda at, of, each: f"norms.{at}"
    ),
    "features.0, classifier.0": Naming(
        lambda *among: _in_parts(*among, "features", "classifier"),
        lambda *among: _in_parts(*among, "features", "classifier", more=1),
        counts=False,
    ),
    "encoder.0, decoder.0, head": Naming(
        lambda *among: _in_parts(*among, "encoder", "decoder", "head"),
        lambda *among: _in_parts(*among, "encoder", "decoder", "head", more=1),
        counts=False,
    ),
    "dense, dense_1": Naming(
        lambda at, of, each: _keras("dense", at),
        lambda at, of, each: _keras("batch_normalization", at),
        ("{}/kernel", "{}/bias", "{}/gamma", "{}/beta"),
        turned=False,
    ),
    "Dense_0/kernel": Naming(
        lambda at, of, each: f"Dense_{at}",
        lambda at, of, each: f"LayerNorm_{at}",
        ("{}/kernel", "{}/bias", "{}/scale", "{}/bias"),
        turned=False,
    ),
    "h.0.mlp.c_fc.weight": Naming(
        _in_blocks, lambda at, of, each: f"h.{at // 2}.ln_{1 + at % 2}", turned=False
    ),
    "dW1, dZ1": Naming(
        lambda at, of, each: f"{at + 1}",
        lambda at, of, each: f"{at + 1}",
        ("dW{}", "db{}", "dgamma{}", "dbeta{}"),
        delta="dZ{}",
        turned=False,
    ),
    "words": Naming(
        lambda at, of, each: WORDS[at], lambda at, of, each: f"{WORDS[at]}_norm", counts=False
    ),
}


def _shuffled(arrays: Named) -> list[str]:
    names = list(arrays)
    return [names[i] for i in np.random.default_rng(len(names)).permutation(len(names))]


def _largest(arrays: Named, of: Callable[[Array], float]) -> list[str]:
    return sorted(arrays, key=lambda name: -float(np.nan_to_num(of(arrays[name]))))


ORDERS: Mapping[str, Callable[[Named], list[str]]] = {
    "registration": list,
    "backward": lambda arrays: list(arrays)[::-1],
    "alphabet": sorted,
    "most numbers first": lambda arrays: _largest(arrays, lambda x: float(x.size)),
    "largest first": lambda arrays: _largest(arrays, lambda x: float(np.linalg.norm(x))),
    "shuffled": _shuffled,
}
"""The orders in which names come."""


def ordered(arrays: Named, order: str) -> Named:
    """Put arrays in an order, by the names they then have.

    Examples:
        >>> list(ordered({"fc2": np.ones(2), "fc10": np.ones(3)}, "alphabet"))
        ['fc10', 'fc2']
    """
    return {name: arrays[name] for name in ORDERS[order](arrays)}
