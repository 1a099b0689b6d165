"""δ under names of layers: the order they come in, and what among them is not compared."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest

import gradbook
from gradbook.checks import Array
from gradbook.diagnosis import BadInput
from gradbook.diagnosis import Verdict as V
from gradbook.diagnosis.diagnose_logs import diagnose_log
from gradbook.diagnosis.reading.arrays import Tensors, hand_over
from gradbook.diagnosis.reading.logs import Entry

CHANGES = [(1e-6, V.VANISHING), (1.0, V.HEALTHY), (1e6, V.EXPLODING)]
STACK = [f"fc{k}" for k in range(11)]
WORDS = ["read", "mix", "turn", "bend", "fold", "add", "put"]
TWO = [*(f"encoder.{k}" for k in range(6)), *(f"decoder.{k}" for k in range(6)), "head"]
PREFIXES = [("", ""), ("", "module."), ("_orig_mod.", ""), ("m.net.", ""), ("model.", "module.")]


def deltas_of(names: Sequence[str], change: float) -> dict[str, Array]:
    """Return δ of layers that stand in the order of the names; the output's is larger."""
    sizes = [*np.geomspace(change, 1.0, len(names) - 1), 10.0]
    return {name: np.full((4, 8), size) for name, size in zip(names, sizes, strict=True)}


def grads_of(names: Sequence[str]) -> dict[str, Array]:
    """Return gradients that say nothing."""
    return {f"{name}.weight": np.ones((8, 8)) for name in names}


@pytest.mark.parametrize(("change", "verdict"), CHANGES)
@pytest.mark.parametrize("names", [STACK, WORDS, TWO], ids=["stack", "words", "two stacks"])
@pytest.mark.parametrize("order", ["any", "a swap", "a swap, last first", "by size"])
def test_deltas_under_the_layers_names_go_by_the_gradients_order(
    names: list[str], order: str, change: float, verdict: V
) -> None:
    deltas = deltas_of(names, change)
    swapped = [*names[:2], names[3], names[2], *names[4:]]
    came = {
        "any": random.Random(1).sample(names, len(names)),
        "a swap": swapped,
        "a swap, last first": swapped[::-1],
        "by size": sorted(names, key=lambda name: float(deltas[name][0, 0])),
    }[order]
    report = gradbook.diagnose(grads_of(names), deltas={name: deltas[name] for name in came})
    assert report.verdict is verdict
    assert any("that of the layers" in note for note in report.notes) == (came != names)


@pytest.mark.parametrize(("change", "verdict"), CHANGES)
@pytest.mark.parametrize("whole", [["features", "classifier"], ["", "features", "classifier"]])
@pytest.mark.parametrize("last_first", [True, False])
def test_modules_that_hold_others_are_not_compared_with_them(
    whole: list[str], last_first: bool, change: float, verdict: V
) -> None:
    """Hooks on all modules: one that holds others fires out of turn, when all these are through."""
    weighted = [*(f"features.{k}" for k in range(0, 12, 3)), "classifier.0", "classifier.2"]
    every = [f"features.{k}" for k in range(12)] + [f"classifier.{k}" for k in range(3)]
    back = list(deltas_of(every, change).items())[::-1]
    given = [*back[:3], (whole[-1], back[0][1]), *back[3:], *((n, back[3][1]) for n in whole[:-1])]
    deltas = dict(given if last_first else given[::-1])
    wrapped = grads_of([f"module.{name}" for name in weighted])
    assert gradbook.diagnose(wrapped, deltas=deltas).verdict is verdict
    report = gradbook.diagnose(grads_of(weighted), deltas=deltas)
    assert report.verdict is verdict
    assert report.profile is None or "features" not in report.profile.names
    assert sum("hold others" in note for note in report.notes) == 1


@pytest.mark.parametrize(("change", "verdict"), CHANGES)
@pytest.mark.parametrize("prefixes", PREFIXES)
@pytest.mark.parametrize("sorted_", [True, False])
@pytest.mark.parametrize("log", [True, False])
def test_two_stacks_are_put_in_order_whatever_stands_around_them(
    prefixes: tuple[str, str], sorted_: bool, log: bool, change: float, verdict: V
) -> None:
    """As hooks give them, beside gradients that a file has sorted or that a wrapper has renamed."""
    of_grads, of_deltas = prefixes
    grads = grads_of([of_grads + name for name in TWO])
    deltas = {of_deltas + name: x for name, x in list(deltas_of(TWO, change).items())[::-1]}
    if sorted_:
        grads = dict(sorted(grads.items()))
    if log:
        norms = ([Entry(0.0, n, float(x[0, 0])) for n, x in of.items()] for of in (grads, deltas))
        known, beside = norms
        report = diagnose_log(known, deltas=beside)
    else:
        report = gradbook.diagnose(Tensors(hand_over(grads).readers, not sorted_), deltas=deltas)
    assert report.verdict is verdict


@pytest.mark.parametrize("change", [1e-6, 1e6])
@pytest.mark.parametrize("names", [TWO, ["dense", *(f"dense_{k}" for k in range(1, 12))]])
def test_in_no_order_beside_sorted_gradients_only_the_numbers_tell(
    names: list[str], change: float
) -> None:
    """Of two stacks each has its order, and nothing tells which comes first."""
    deltas = deltas_of(names, change)
    came = random.Random(2).sample(names, len(names))
    grads = Tensors(hand_over(dict(sorted(grads_of(names).items()))).readers, ordered=False)
    found = gradbook.diagnose(grads, deltas={name: deltas[name] for name in came}).verdict
    expected = V.VANISHING if change < 1 else V.EXPLODING
    assert found is expected
    # Each of two stacks falls little, and both together much.
    little = dict(zip(names, [1e-2] * 6 + [1.0] * (len(names) - 6), strict=True))
    given = {name: np.full((4, 8), little[name]) for name in came}
    assert gradbook.diagnose(grads, deltas=given).verdict is (
        V.CANNOT_TELL if names is TWO else V.VANISHING
    )


class Lists(NamedTuple):
    """What a NumPy network has after its backward pass, first layer to last."""

    grads: list[tuple[Array, Array]]
    deltas: list[Array]


def lists(change: float, *, square: bool, first_axis: bool = False) -> Lists:
    """Return gradients of W and b by layer, and δ of all, which change as asked."""
    widths = [8] * 10 if square else [10, *[8] * 8, 3]
    sizes = np.geomspace(change, 1.0, 9)
    shapes = [(b, a) if first_axis else (a, b) for a, b in pairwise(widths)]
    pairs = zip(sizes, shapes, widths[1:], strict=True)
    grads = [(np.full(shape, 1.0), np.full(wide, size)) for size, shape, wide in pairs]
    return Lists(grads, [np.full((5, w), s) for s, w in zip(sizes, widths[1:], strict=True)])


@pytest.mark.parametrize(("change", "verdict"), CHANGES)
@pytest.mark.parametrize("first_axis", [True, False])
@pytest.mark.parametrize("last_first", ["δ", "gradients", "both", "neither"])
def test_lists_last_layer_first_are_turned_where_shapes_tell(
    last_first: str, first_axis: bool, change: float, verdict: V
) -> None:
    grads, deltas = lists(change, square=False, first_axis=first_axis)
    turned = last_first in {"gradients", "both"}, last_first in {"δ", "both"}
    given = grads[::-1] if turned[0] else grads
    report = gradbook.diagnose(given, deltas=deltas[::-1] if turned[1] else deltas)
    assert report.verdict is verdict
    said = ["As their shapes tell, the layers", "δ came last layer first, as its widths tell"]
    assert tuple(any(n.startswith(one) for n in report.notes) for one in said) == turned
    if verdict is not V.HEALTHY:
        assert gradbook.diagnose(given).verdict is verdict
    of_hidden = gradbook.diagnose(given, deltas=deltas[:-1])
    assert of_hidden.verdict is verdict


def test_lists_of_squares_are_taken_as_they_come() -> None:
    grads, deltas = lists(1e-6, square=True)
    assert gradbook.diagnose(grads, deltas=deltas).verdict is V.VANISHING
    report = gradbook.diagnose(grads[::-1], deltas=deltas[::-1])
    assert report.verdict is V.EXPLODING
    assert not any("turned" in note for note in report.notes)


@pytest.mark.parametrize(("change", "verdict"), CHANGES)
@pytest.mark.parametrize("unread", [0, 1, 7])
@pytest.mark.parametrize("norms", [True, False])
def test_steps_that_the_loss_does_not_read_are_left_out(
    unread: int, norms: bool, change: float, verdict: V
) -> None:
    """As of `list(x.grad)`, where a sequence is padded."""
    sizes = [*np.geomspace(change, 1.0, 12), *[0.0] * unread]
    deltas = sizes if norms else [np.full((4, 8), size) for size in sizes]
    cell = {"i.weight": np.ones((8, 8)), "h.weight": np.ones((8, 8)), "o.weight": np.ones((2, 8))}
    report = gradbook.diagnose(cell, deltas=deltas)
    assert report.verdict is verdict
    assert sum("does not read" in note for note in report.notes) == bool(unread)


@pytest.mark.parametrize("zeros", [(19,), (4, 19), (0,)])
def test_zeros_among_layers_or_in_between_are_still_cuts(zeros: tuple[int, ...]) -> None:
    sizes = [float(k not in zeros) for k in range(20)]
    grads = {"i.weight": np.ones((8, 8)), "h.weight": np.ones((8, 8)), "o.weight": np.ones((2, 8))}
    if zeros == (19,):  # a δ for each layer
        grads = {f"fc{k}.weight": np.ones((8, 8)) for k in range(21)}
    assert gradbook.diagnose(grads, deltas=sizes).verdict is V.CUT


PARTS = {
    "gpt": ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc"],
    "linear alone": ["attn.qkv", "mlp.fc1", "mlp.fc2"],
    "bert": ["attention.self.query", "attention.self.key", "output.dense"],
}


@pytest.mark.parametrize("change", [1e-6, 1e6])
@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("containers", [True, False])
def test_what_stands_side_by_side_in_blocks_is_no_chain(
    parts: list[str], containers: bool, change: float
) -> None:
    """Each gets a share of δ; the blocks' outputs follow one another."""
    names = [f"net.h.{k}.{part}" for k in range(4) for part in parts]
    weighted = ["net.wte", "net.wpe", *names, "head"]
    blocks = [f"net.h.{k}" for k in range(4)] if containers else []
    deltas = deltas_of([*weighted[:-1], *blocks, "head"], change)
    report = gradbook.diagnose(grads_of(weighted), deltas=deltas)
    assert report.verdict is V.CANNOT_TELL
    assert "blocks' outputs alone" in report.reason
    outputs = deltas_of([f"net.h.{k}" for k in range(5)], change)
    outputs.popitem()
    alone = gradbook.diagnose(grads_of(weighted), deltas=outputs).verdict
    assert alone is (V.VANISHING if change < 1 else V.EXPLODING)
    broken = deltas | {names[0]: np.full((4, 8), np.nan)}
    assert gradbook.diagnose(grads_of(weighted), deltas=broken).verdict is V.NON_FINITE


@pytest.mark.parametrize("biases", [True, False])
def test_gradients_of_weights_are_not_taken_for_deltas(biases: bool) -> None:
    grads = {"1.weight": np.ones((8, 4)), "2.weight": np.ones((8, 8)), "3.weight": np.ones((3, 8))}
    if biases:
        grads |= {f"{k}.bias": np.ones(8 if k < 3 else 3) for k in (1, 2, 3)}
    buffers = {"1.running_mean": np.ones(8)}
    for given in (grads, grads | buffers, {name: 2 * x for name, x in grads.items()}):
        with pytest.raises(BadInput, match="deltas must be gradients at the layers' outputs"):
            gradbook.diagnose(grads, deltas=given)
    entries = [Entry(0.0, name, 1.0) for name in grads]
    if biases:
        with pytest.raises(BadInput, match="deltas must be gradients at the layers' outputs"):
            diagnose_log(entries, deltas=entries)
    else:  # names alone may be those of layers' weights
        assert diagnose_log(entries, deltas=entries).verdict is V.HEALTHY


def test_layers_may_be_called_like_what_is_in_a_layer() -> None:
    for names in (["a", "b", "c"], ["net/a", "net/b", "net/c"], ["w1", "w2", "w3"]):
        grads = {name: np.ones((8, 8)) for name in names}
        deltas = {name: np.ones((8, 8)) for name in names}
        assert gradbook.diagnose(grads, deltas=deltas).verdict is V.HEALTHY
