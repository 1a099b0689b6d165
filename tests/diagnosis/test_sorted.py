"""δ in the order of the alphabet, as JAX and .safetensors give it: the network's, or none."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

import gradbook
from gradbook.checks import Array
from gradbook.diagnosis import BadInput, Entry, diagnose_log
from gradbook.diagnosis import Verdict as V
from gradbook.diagnosis.reading.arrays import Tensors, hand_over
from gradbook.diagnosis.reading.log_columns import columns_of

HIDDEN = 12
STEMS = {
    "one stack": [f"Dense_{i}" for i in range(HIDDEN + 1)],
    "a head that comes first": [*(f"layer_{i}" for i in range(HIDDEN)), "classifier"],
    "ends that come first and last": ["stem", *(f"hidden_{i}" for i in range(11)), "attend"],
    "ends that begin alike": ["fc_in", *(f"fc_{i}" for i in range(11)), "fc_out"],
    "an embedding": ["embed", *(f"blocks.{i}" for i in range(11)), "out"],
}


def sizes(change: float) -> Array:
    """Return what a network's δ are, first to last: the output's comes last."""
    return 10.0 ** np.linspace(change, 0.0, HIDDEN + 1)


def handed(names: Sequence[str], change: float, *, output: bool) -> tuple[Tensors, Tensors]:
    """Return gradients and δ with their names in the order of the alphabet, as a file sorts."""
    rng = np.random.default_rng(0)
    by_name = dict(zip(names, sizes(change), strict=True))
    kept = sorted(names if output else names[:-1])
    grads = {f"{n}/kernel": by_name[n] * rng.standard_normal((16, 16)) for n in sorted(names)}
    deltas = {n: by_name[n] * rng.standard_normal((8, 16)) for n in kept}
    return Tensors(hand_over(grads).readers, False), Tensors(hand_over(deltas).readers, False)


@pytest.mark.parametrize("names", STEMS.values(), ids=STEMS)
@pytest.mark.parametrize("output", [False, True])
@pytest.mark.parametrize(
    ("change", "verdict"), [(-5, V.VANISHING), (0, V.HEALTHY), (5, V.EXPLODING)]
)
def test_the_alphabet_is_not_taken_for_the_network(
    names: list[str], output: bool, change: float, verdict: V
) -> None:
    grads, deltas = handed(names, change, output=output)
    assert gradbook.diagnose(grads, deltas=deltas).verdict is verdict
    norms = {name: float(np.linalg.norm(x.values())) for name, x in deltas.items() if x is not None}
    shuffled = gradbook.diagnose(grads, deltas=norms)
    assert shuffled.verdict is verdict


class FromJax(np.ndarray):  # type: ignore[type-arg]
    """An array as JAX's are told: by where its class comes from."""

    __module__ = "jax"


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("order", [("enc", "mid", "dec"), ("dec", "mid", "enc")])
def test_what_jax_sorted_tells_no_order_however_deep_it_lies(
    nested: bool, order: Sequence[str]
) -> None:
    sizes = dict(zip(order, (1e-4, 1e-2, 1.0), strict=True))
    arrays = {n: np.full((4, 8), sizes[n]).view(FromJax) for n in sorted(order)}
    deltas = {name: {"h": x} if nested else x for name, x in arrays.items()}
    grads = {f"layer{k}.weight": np.full((8, 8), 1.0) for k in range(5)}
    assert gradbook.diagnose(grads, deltas=deltas).verdict is V.CANNOT_TELL
    known = {f"{name}.weight": np.full((8, 8), 1.0) for name in (*order, "last")}
    assert gradbook.diagnose(known, deltas=arrays).verdict is V.VANISHING


def test_what_was_put_in_order_is_not_said_to_be_turned_around() -> None:
    grads = {f"{name}.weight": np.full((8, 8), 1.0) for name in ("enc", "mid", "dec", "last")}
    for names, said in (
        (("dec", "enc", "mid"), "of the alphabet"),
        (("dec", "mid", "enc"), "turn"),
    ):
        report = gradbook.diagnose(grads, deltas=dict.fromkeys(names, 1.0))
        assert [said in note for note in report.notes if note.startswith("δ came")] == [True]


@pytest.mark.parametrize("change", [-5.0, 5.0])
def test_names_that_count_nothing_leave_it_open(change: float) -> None:
    names = ["stem", *random.Random(0).sample(["body", "deep", "mid", "neck", "wide", "zoo"], 6)]
    kept = dict(zip(names, 10.0 ** np.linspace(change, 0, len(names)), strict=True))
    deltas = {name: np.full((4, 8), kept[name]) for name in sorted(kept)}
    grads = {f"{name}/kernel": np.full((8, 8), kept[name]) for name in sorted(kept)}
    handed_over = (Tensors(hand_over(one).readers, False) for one in (grads, deltas))
    gradients, sizes_of = handed_over
    report = gradbook.diagnose(gradients, deltas=sizes_of)
    assert report.verdict is V.CANNOT_TELL
    assert "order of the alphabet" in report.reason
    # In an order of one's own they are taken as they come.
    expected = V.VANISHING if change < 0 else V.EXPLODING
    own = {name: np.full((4, 8), kept[name]) for name in names}
    assert gradbook.diagnose({f"{n}/kernel": own[n] for n in names}, deltas=own).verdict is expected


@pytest.mark.parametrize("level", [1e-2, 6e-5, 2e-6])
def test_zeros_behind_even_sizes_are_a_cut_however_small_those_are(level: float) -> None:
    deltas = {f"fc{i}": level * (i > 2) for i in range(8)}
    grads = {f"fc{i}.weight": np.full((4, 4), level * (i > 2)) for i in range(9)}
    report = gradbook.diagnose(grads, deltas=deltas)
    assert report.verdict is V.CUT
    # What shrinks from layer to layer may be left by underflow.
    fading = {f"fc{i}": 10.0 ** (i - 9) * (i > 2) for i in range(8)}
    assert gradbook.diagnose(grads, deltas=fading).verdict is not V.CUT


def test_a_log_of_several_runs_is_refused_by_their_names() -> None:
    names = ["step", *(f"run-{k} - train/grad_norm" for k in range(4))]
    with pytest.raises(BadInput, match="must be the log of one run, got 4: 'run-0', 'run-1'"):
        columns_of(tuple(names))
    one = columns_of(("Step", "run - train/grad_norm", "run - train/grad_norm__MIN"))
    assert list(one.norms) == ["run - train/grad_norm"]
    layers = columns_of(("Step", "run - gradients/fc1", "run - gradients/fc2"))
    assert list(layers.norms.values()) == ["fc1", "fc2"]


SHUFFLED = {
    "one stack": [f"fc{k}" for k in range(HIDDEN)],
    "a sequence of layers and activations": [f"net.{2 * k}" for k in range(HIDDEN)],
    "blocks, and a head": [*(f"module.h.{k // 2}.{'cp'[k % 2]}" for k in range(11)), "lm_head"],
    "Keras' own": ["dense", *(f"dense_{k}" for k in range(1, HIDDEN))],
    "Keras' convolutions": ["conv2d", *(f"conv2d_{k}" for k in range(1, HIDDEN))],
}


@pytest.mark.parametrize("names", SHUFFLED.values(), ids=SHUFFLED)
@pytest.mark.parametrize(("change", "verdict"), [(-6, V.VANISHING), (6, V.EXPLODING)])
def test_what_was_shuffled_is_put_in_the_order_of_its_numbers(
    names: list[str], change: float, verdict: V
) -> None:
    order = random.Random(1).sample(range(HIDDEN), HIDDEN)
    size = 10.0 ** np.linspace(change, 0.0, HIDDEN)
    grads = {f"{names[k]}.weight": np.full((8, 8), size[k]) for k in order}
    report = gradbook.diagnose(grads, deltas={names[k]: size[k] for k in order[::-1]})
    assert report.verdict is verdict
    assert [row.name for row in report.rows] == names
    assert any("came in no order" in note for note in report.notes)
    log = diagnose_log([Entry(0.0, f"{names[k]}.weight", size[k]) for k in order])
    assert [row.name for row in log.rows] == names


@pytest.mark.parametrize(
    "names",
    [
        ["fc784", "fc512", "fc1024", "fc10", "fc20"],
        ["enc1", "dec2", "enc3", "dec1", "enc2", "dec3"],
        ["fc1", "fc3", "fc2"],
        ["conv1", "pool", "conv3", "conv2", "conv4"],
        [f"conv{a}_{b}" for a, b in zip((0, 1, 2, 3, 4, 3, 2, 1, 0), range(9), strict=True)],
        [*(f"level{k}.enc" for k in range(1, 5)), *(f"level{k}.dec" for k in (3, 2, 1))],
        [f"expert{k}.fc{n}" for n in (1, 2) for k in range(4)],
        [f"dense_{k + side}" if k + side else "dense" for k in range(5) for side in (0, 5)],
    ],
)
def test_numbers_that_follow_a_pattern_or_do_not_count_leave_the_order_as_it_is(
    names: list[str],
) -> None:
    report = gradbook.diagnose({f"{name}.weight": np.ones((8, 8)) for name in names})
    assert [row.name for row in report.rows] == names
    assert not any("order" in note or "turned" in note for note in report.notes)
    # So do δ under names of their own.
    size = dict(zip(names, 10.0 ** np.linspace(-5, 0, len(names)), strict=True))
    grads = {f"w{k}": np.ones((8, 8)) for k in range(len(names) + 1)}
    report = gradbook.diagnose(grads, deltas=size)
    assert report.verdict is V.VANISHING
    assert report.profile is not None
    assert report.profile.names == tuple(names)


def test_what_the_alphabet_sorted_is_not_said_to_be_in_no_order() -> None:
    names = sorted(f"fc{k}.weight" for k in range(HIDDEN))
    for given in (
        gradbook.diagnose({name: np.ones((8, 8)) for name in names}),
        diagnose_log([Entry(0.0, name, 1.0) for name in names]),
    ):
        assert (
            "in the order of the alphabet and were put in that of their numbers" in given.notes[0]
        )


def test_a_sequence_with_normalizations_that_comes_backward_is_turned() -> None:
    """Its numbers fall by one and by two in turn."""
    shapes = {}
    for k in range(8):
        shapes |= {
            f"{3 * k}.weight": (8, 8),
            f"{3 * k + 1}.weight": (8,),
            f"{3 * k + 1}.bias": (8,),
        }
    grads = {n: np.full(shape, 0.3 ** (24 - int(n.split(".")[0]))) for n, shape in shapes.items()}
    backward = dict(reversed(grads.items()))
    assert gradbook.diagnose(backward).rows[0].name == "0"
    assert any("turned around" in note for note in gradbook.diagnose(backward).notes)


WORDS = ["body", "deep", "mid", "neck", "wide", "zoo"]


@pytest.mark.parametrize("change", [-5.0, 5.0])
def test_words_that_something_sorted_tell_no_order_of_delta(change: float) -> None:
    """Neither does δ, as a hook gives it last layer first, nor a log."""
    names = random.Random(0).sample(WORDS, len(WORDS))
    size = dict(zip(names, 10.0 ** np.linspace(change, 0, len(names)), strict=True))
    grads = {f"{name}.weight": np.full((8, 8), size[name]) for name in WORDS}
    hooked = {name: size[name] for name in names[::-1]}
    assert gradbook.diagnose(grads, deltas=hooked).verdict is V.CANNOT_TELL
    log = [Entry(0.0, name, size[name]) for name in WORDS]
    assert diagnose_log(log).verdict is V.CANNOT_TELL
    assert diagnose_log(log, deltas=log).verdict is V.CANNOT_TELL
    own = [Entry(0.0, name, size[name]) for name in names]
    expected = V.VANISHING if change < 0 else V.EXPLODING
    assert diagnose_log(own, deltas=own).verdict is expected


@pytest.mark.parametrize("delta", ["dZ{}", "{}"])
def test_deltas_that_are_no_layers_are_put_in_the_order_of_their_numbers(delta: str) -> None:
    size = 10.0 ** np.linspace(-6, 0, HIDDEN)
    grads = {f"dW{k}": np.full((8, 8), x) for k, x in enumerate(size)}
    order = random.Random(2).sample(range(HIDDEN), HIDDEN)
    report = gradbook.diagnose(grads, deltas={delta.format(k): size[k] for k in order})
    assert report.verdict is V.VANISHING


def test_a_module_called_norms_keeps_its_name_and_a_total_its_meaning() -> None:
    names = ("step", "grad_norm", *(f"grad_norm/{n}" for n in ("norms.0", "norm/1", "fc.0")))
    found = columns_of(names)
    assert [*found.norms.values()] == ["norms.0", "norm/1", "fc.0", ""]
    of_all = columns_of(("step", "gradients/norm/fc1", "gradients/norm/fc2"))
    assert [*of_all.norms.values()] == ["fc1", "fc2"]
    beside = columns_of(("step", *(f"grads/norm/fc{k}" for k in range(3)), "grads/max"))
    assert [*beside.norms.values()] == ["fc0", "fc1", "fc2", "max"]
    total = columns_of(("step", "grad_norm", *(f"fc{k}/grad_norm" for k in range(3))))
    assert total.norms == {"grad_norm": "", **{f"fc{k}/grad_norm": f"fc{k}" for k in range(3)}}
