"""What people hand over from code of their own: names, orders, and what is no gradient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import pytest

import gradbook
from gradbook.checks import Array
from gradbook.diagnosis import BadInput, Report, open_log
from gradbook.diagnosis import Verdict as V
from gradbook.diagnosis.diagnose_logs import diagnose_log
from gradbook.diagnosis.measuring.begun import without_zeros, zeros_of
from gradbook.diagnosis.measuring.evidence import Evidence, Facts, Matrix
from gradbook.diagnosis.measuring.names import Kind
from gradbook.diagnosis.paths import Profile
from gradbook.diagnosis.reading.arrays import Tensors, hand_over
from gradbook.diagnosis.reading.storage import Tensor

DEPTH, WIDTH = 12, 32
FALLS, GROWS = 0.3, 3.0  # by layer, and so by 10^5 over all


class Passes(NamedTuple):
    """What a NumPy network of one's own has after its backward pass, first layer to last."""

    weights: list[Array]
    dW: list[Array]
    db: list[Array]
    dz: list[Array]


def passes(gain: float = 1.0, outputs: int = 5, depth: int = DEPTH) -> Passes:
    """Go forward and back through tanh layers whose weights have the variance gain²/n."""
    rng = np.random.default_rng(0)
    widths = [20, *[WIDTH] * (depth - 1), outputs]
    weights = [rng.normal(0, gain / a**0.5, (a, b)) for a, b in pairwise(widths)]
    h = [rng.standard_normal((64, 20))]
    slope = 1.0 if gain <= 1 else gain  # small inputs keep tanh in its linear part
    h[0] /= 100 * slope**depth
    for W in weights:
        h.append(np.tanh(h[-1] @ W))
    dz = [rng.standard_normal((64, outputs)) / 64]
    for W, a in zip(weights[:0:-1], h[-2:0:-1], strict=True):
        dz.insert(0, dz[0] @ W.T * (1 - a**2))
    dW = [a.T @ d for a, d in zip(h, dz, strict=False)]
    return Passes(weights, dW, [d.sum(0) for d in dz], dz)


def verdict(change: float) -> V:
    """Return what a change by layer makes of a network."""
    return V.VANISHING if change < 1 else V.EXPLODING


@pytest.mark.parametrize("change", [FALLS, GROWS])
@pytest.mark.parametrize("beside", ["dA", "dZ", ""])
def test_a_dictionary_that_is_filled_on_the_way_back_is_turned(change: float, beside: str) -> None:
    """As that of a known course, in which the gradients of activations lie beside the weights'."""
    found, grads = passes(change), dict[str, Array]()
    for layer in range(DEPTH, 0, -1):
        grads |= {f"{beside}{layer}": found.dz[layer - 1]} if beside else {}
        grads |= {f"dW{layer}": found.dW[layer - 1], f"db{layer}": found.db[layer - 1]}
    report = gradbook.diagnose(grads)
    assert report.verdict is verdict(change)
    assert any("turned around" in note for note in report.notes)
    assert any("no gradients of weights" in note for note in report.notes) == bool(beside)
    # In the order of the network nothing is turned.
    forward = dict(sorted(grads.items(), key=lambda pair: int(pair[0].lstrip("dWbAZ"))))
    report = gradbook.diagnose(forward)
    assert report.verdict is verdict(change)
    assert not any("turned around" in note for note in report.notes)


@pytest.mark.parametrize("change", [FALLS, GROWS])
@pytest.mark.parametrize("long", [True, False])
def test_a_log_whose_layers_count_down_is_turned(change: float, long: bool, tmp_path: Path) -> None:
    norms = {f"fc{layer}": change ** (DEPTH - layer) for layer in range(DEPTH, 0, -1)}
    lines = [f"0,{name},{norm}" for name, norm in norms.items()]
    wide = [",".join(["step", *norms]), ",".join(map(str, [0, *norms.values()]))]
    text = "\n".join(["step,name,norm", *lines] if long else wide)
    (tmp_path / "x.csv").write_text(text + "\n")
    assert diagnose_log(open_log(tmp_path / "x.csv")).verdict is verdict(change)


@pytest.mark.parametrize("names", ["dZ{}", "delta_{}", None])
@pytest.mark.parametrize("biases", [True, False])
def test_the_output_layers_delta_is_set_apart_where_each_layer_has_one(
    names: str | None, biases: bool
) -> None:
    """A single output gets much more for each number than wide hidden layers, which is no fall."""
    found = passes(outputs=1, depth=3)
    found.dz[-1][:] *= 1e3
    grads = {f"W{k}": dW for k, dW in enumerate(found.dW, start=1)}
    grads |= {f"b{k}": db for k, db in enumerate(found.db, start=1)} if biases else {}
    grads = dict(sorted(grads.items(), key=lambda pair: pair[0][1:]))
    deltas = {names.format(k): d for k, d in enumerate(found.dz, start=1)} if names else found.dz
    report = gradbook.diagnose(grads, deltas=deltas)
    assert report.verdict is V.HEALTHY
    assert any("set apart" in note for note in report.notes)
    assert gradbook.diagnose(found.dW, deltas=found.dz).verdict is V.HEALTHY
    turned = [d.T for d in found.dz]  # units by examples, and biases as columns, as some write
    columns = {n: x[:, None] if x.ndim == 1 else x.T for n, x in grads.items()}
    report = gradbook.diagnose(columns, deltas=turned)
    assert report.verdict is V.HEALTHY
    assert any("set apart" in note for note in report.notes)


FORWARD = [
    ["fc512", "fc256", "fc128", "fc10"],
    ["conv9x9", "conv5x5", "conv3x3", "conv1x1"],
    ["up4", "up3", "up2", "up1"],
    ["l1_in", "l1_out", "l2_in", "l2_out"],
    ["fc9", "fc8", "fc6", "fc4", "fc3", "fc1"],
    ["attn_in", "attn_out", "mlp_in", "mlp_out"],
]


@pytest.mark.parametrize("names", FORWARD, ids=lambda names: names[0])
@pytest.mark.parametrize("change", [0.01, 100.0])
def test_names_in_the_order_of_the_network_are_kept_as_they_are(
    names: list[str], change: float
) -> None:
    sizes = {f"{name}.weight": change ** (4 - k) for k, name in enumerate(names)}
    grads = {name: np.full((8, 8), size) for name, size in sizes.items()}
    report = gradbook.diagnose(grads)
    assert [row.name for row in report.rows] == names
    assert not any("turned around" in note for note in report.notes)
    deltas = {name: np.full((4, 8), change ** (4 - k)) for k, name in enumerate(names)}
    assert gradbook.diagnose(grads, deltas=deltas).verdict is verdict(change)


def test_a_single_delta_leaves_it_open() -> None:
    grads = {"fc.weight": np.ones((1, 8)), "fc.bias": np.ones(1), "log_std": np.ones((2, 2))}
    assert gradbook.diagnose(grads, deltas=[np.ones((4, 1))]).verdict is V.CANNOT_TELL


@pytest.mark.parametrize("still", [[0], [0, 1, 2], [4]])
def test_weights_that_get_exactly_nothing_are_told_beside_a_sound_delta(
    still: Sequence[int],
) -> None:
    """They may be frozen on purpose: it is said, and no illness."""
    found = passes()
    dW = [dw * (k not in still) for k, dw in enumerate(found.dW)]
    sound = gradbook.diagnose(found.dW, deltas=found.dz[:-1])
    assert sound.verdict is V.HEALTHY
    assert "exactly 0" not in sound.reason
    report = gradbook.diagnose(dW, weights=found.weights, deltas=found.dz[:-1])
    assert report.verdict is V.HEALTHY
    assert (
        f"the weights of {', '.join(map(str, still))} get a gradient of exactly 0" in report.reason
    )


@pytest.mark.parametrize(("name", "told"), [("layer1.lora_A", False), ("exploration", True)])
def test_adapters_alone_may_get_exactly_nothing_without_a_word(name: str, told: bool) -> None:
    """ "Exploration" holds the letters of LoRA."""
    found = passes()
    names = [name if k == 1 else f"layer{k}" for k in range(len(found.dW))]
    dW = {f"{n}.weight": dw * (n != name) for n, dw in zip(names, found.dW, strict=True)}
    report = gradbook.diagnose(dW, deltas=found.dz[:-1])
    assert ("exactly 0" in report.reason) is told


@pytest.mark.parametrize("given", [{"lr": 0.1}, {}])
def test_weights_that_are_not_finite_are_told(given: dict[str, float]) -> None:
    found = passes()
    weights = [W * np.where(k == 2, np.nan, 1) for k, W in enumerate(found.weights)]
    report = gradbook.diagnose(found.dW, weights=weights, deltas=found.dz[:-1], **given)
    assert report.verdict is V.NON_FINITE
    assert "the weights 2" in report.reason


@pytest.mark.parametrize("change", [FALLS, GROWS])
def test_weights_alone_whose_names_were_sorted_and_count_nothing_leave_it_open(
    change: float,
) -> None:
    words = ["stem", "proj", "mix", "enc", "dec", "conv", "body", "tail"]
    sizes = {name: change ** (8 - k) for k, name in enumerate(words)}
    kept = {f"{name}/kernel": np.full((8, 8), sizes[name]) for name in sorted(words)}
    for given in (Tensors(hand_over(kept).readers, ordered=False), kept):
        report = gradbook.diagnose(given)
        assert report.verdict is V.CANNOT_TELL
        assert "order of the alphabet" in report.reason
    own = {f"{name}/kernel": np.full((8, 8), sizes[name]) for name in words}
    assert gradbook.diagnose(own).verdict is verdict(change)


AROUND = ["sequential_1/dense_{}/kernel", "params/MLP_0/Dense_{}/kernel", "0.{}.weight"]


@pytest.mark.parametrize("name", [*AROUND, "q1.fc{}.weight", "module.0.layers.{}.weight"])
@pytest.mark.parametrize("change", [FALLS, GROWS])
def test_a_number_of_what_stands_around_all_layers_counts_no_blocks(
    name: str, change: float
) -> None:
    sizes = {name.format(k): change ** (8 - k) for k in range(9)}
    report = gradbook.diagnose({n: np.full((8, 8), size) for n, size in sizes.items()})
    assert report.verdict is verdict(change)


APART = ["policy/grad_norm/fc1", "value/grad_norm/fc1", "q/grad_norm/fc1"]


@pytest.mark.parametrize("names", [APART, [f"layers.{k}.norm.weight" for k in range(4)]])
def test_columns_that_begin_otherwise_keep_what_they_begin_with(
    names: list[str], tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_text(",".join(["step", *names]) + "\n0" + ",1" * len(names) + "\n")
    assert len({entry.name for entry in open_log(tmp_path / "x.csv")}) == len(names)


COLUMNS = ["grad_norm_{}", "norm_{}", "gradnorm/{}", "l2norm/{}", "Grad Norm/{}", "{} grad norm"]


@pytest.mark.parametrize("column", [*COLUMNS, "debug/grad_norm/{}", "{}_grad", "{}/grad/l2"])
def test_what_stands_around_all_layers_in_a_log_makes_them_no_norms(
    column: str, tmp_path: Path
) -> None:
    names = [column.format(f"fc{k}.weight") for k in range(1, 9)]
    beside = dict.fromkeys(("rank", "seed", "fold", "is_best", "gpu_mem"), 0)
    cells = [0, *(FALLS ** (8 - k) for k in range(8)), *beside.values()]
    text = ",".join(["step", *names, *beside]) + "\n" + ",".join(map(str, cells)) + "\n"
    (tmp_path / "x.csv").write_text(text)
    log = open_log(tmp_path / "x.csv")
    assert diagnose_log(log).verdict is V.VANISHING
    assert set(log.beside) >= set(beside)


@pytest.mark.parametrize(
    ("graded", "weighted"),
    [
        *(("grad.{}", "weight.{}"), ("grads/{}", "params/{}")),
        *(("{}.grad", "{}"), ("gradients/{}", "{}"), ("{}.grad", "{}.data")),
    ],
)
def test_weights_beside_their_gradients_are_not_compared(graded: str, weighted: str) -> None:
    """As in one file of both: the output layer would count as hidden, and the weights as flat."""
    falls = {f"fc{k}.{of}": 0.1 ** (8 - k) for k in range(8) for of in ("weight", "bias")}
    shapes = {name: (8, 8) if name.endswith("weight") else (8,) for name in falls}
    grads = {graded.format(n): np.full(shapes[n], size) for n, size in falls.items()}
    weights = {weighted.format(n): np.ones(shape) for n, shape in shapes.items()}
    alone = gradbook.diagnose(grads)
    for both in ({**grads, **weights}, {**weights, **grads}):
        report = gradbook.diagnose(both)
        assert (report.verdict, report.reason) == (V.VANISHING, alone.reason)
        assert any("the weights whose gradients are here" in note for note in report.notes)
    assert not any("whose gradients are here" in note for note in alone.notes)


@pytest.mark.parametrize(
    "pair", [("g.{}", "w.{}"), ("g_{}", "{}"), ("d.{}", "p.{}"), ("g.{}", "value.{}")]
)
def test_a_network_that_is_called_by_a_letter_is_none_of_gradients(pair: tuple[str, str]) -> None:
    """As a synthesis g beside a mapping w, or a gate g_fc beside fc."""
    grads = {of.format(f"fc{k}.weight"): np.ones((8, 8)) for of in pair for k in range(5)}
    grads[pair[1].format("fc3.weight")] = np.full((8, 8), np.nan)
    assert gradbook.diagnose(grads).verdict is V.NON_FINITE


@pytest.mark.parametrize("change", [FALLS, GROWS])
@pytest.mark.parametrize("inner", ["{}", "net/{}"])
def test_what_keras_names_on_the_way_back_is_turned(change: float, inner: str) -> None:
    """The first of Keras' layers has no number: dense, dense_1."""
    found, grads = passes(change), dict[str, Array]()
    for k in reversed(range(DEPTH)):
        name = inner.format(f"dense_{k}" if k else "dense")
        grads |= {f"{name}/kernel": found.dW[k], f"{name}/bias": found.db[k]}
    report = gradbook.diagnose(grads)
    assert report.verdict is verdict(change)
    assert any("turned around" in note for note in report.notes)


def test_what_an_optimizer_keeps_is_no_gradient() -> None:
    grads = {f"{k}.weight": np.full((8, 8), 0.1 ** (8 - k)) for k in range(9)}
    state = {f"{k}.weight.exp_avg": np.ones((8, 8)) for k in range(9)}
    report = gradbook.diagnose({**grads, **state})
    assert report.verdict is V.VANISHING
    assert [row.name for row in report.rows] == [str(k) for k in range(9)]
    with pytest.raises(BadInput, match="must be those of weights, got what an optimizer keeps"):
        gradbook.diagnose(state)
    assert gradbook.diagnose(grads, snapshots=[{**grads, **state}]).verdict is V.VANISHING


def test_a_step_at_which_nothing_came_to_a_layer_is_no_cut() -> None:
    """As with LoRA, whose first matrices get nothing at the first step."""
    grads = {f"{k}.W": np.ones((4, 4)) for k in range(8)}
    first = {**grads, "0.W": np.zeros((4, 4))}
    for steps, norm in (([first], 4.0), ([first, grads], 4.0), ([first, first], 0.0)):
        for now, *earlier in ([*steps, grads], [grads, *steps]):
            report = gradbook.diagnose(now, snapshots=earlier)
            assert report.rows[0].norm == pytest.approx(norm)
            assert (report.verdict is V.CUT) == (norm == 0)
    even = [{"0.W": np.full((4, 4), 10.0**k)} for k in (0, 3, 6)]
    assert gradbook.diagnose(even[0], snapshots=even[1:]).rows[0].rms == pytest.approx(1e3)


class Begun(NamedTuple):
    """A network of which some matrices begin with 0, as it is handed over."""

    weights: list[dict[str, Array]]
    grads: list[dict[str, Array]]
    dh: list[Array]
    """At the hidden layers' outputs, and at the network's."""


class Way(NamedTuple):
    """What stands between two matrices, with its slope, by what it returns."""

    bend: Callable[[Array], Array]
    slope: Callable[[Array], Array]


WAYS = {
    "tanh": Way(np.tanh, lambda h: 1 - h**2),
    "relu": Way(lambda z: np.maximum(z, 0), lambda h: (h > 0) * 1.0),
}


def begun(
    zero: Sequence[int],
    way: str,
    *,
    biases: bool = True,
    steps: int = 0,
    lifts: Mapping[int, float] | None = None,
) -> Begun:
    """Go forward and back through five matrices, of which some were 0 before so many steps.

    Args:
        lifts: What the biases of some are.
    """
    rng, widths = np.random.default_rng(1), [10, 16, 16, 16, 16, 4]
    pairs = [(rng.normal(0, (2 / a) ** 0.5, (a, b)), np.zeros(b)) for a, b in pairwise(widths)]
    weights = [
        {"W": W * (k not in zero), "b": b + (lifts or {}).get(k, 0.0)}
        for k, (W, b) in enumerate(pairs)
    ]
    x, goal = rng.standard_normal((64, 10)), rng.standard_normal((64, 4))
    for step in range(steps + 1):
        h = [x]
        for k, layer in enumerate(weights):
            z = h[-1] @ layer["W"] + layer["b"] * biases
            h.append(z if k == len(weights) - 1 else WAYS[way].bend(z))
        dh, grads = [(h[-1] - goal) / len(x)], list[dict[str, Array]]()
        for k in reversed(range(len(weights))):
            dz = dh[0] if k == len(weights) - 1 else dh[0] * WAYS[way].slope(h[k + 1])
            grads.insert(0, {"W": h[k].T @ dz, "b": dz.sum(0)})
            dh.insert(0, dz @ weights[k]["W"].T)
        if step < steps:
            pulls = zip(weights, grads, strict=True)
            weights = [{n: w[n] - 0.1 * g[n] for n in w} for w, g in pulls]
    if not biases:
        weights, grads = ([{"W": layer["W"]} for layer in part] for part in (weights, grads))
    return Begun(weights, grads, dh[1:])


GIVEN = ["nothing", "hidden δ", "all δ"]


def ask(net: Begun, given: str) -> Report:
    """Ask with the weights, and with so much of δ."""
    known = {"nothing": None, "hidden δ": net.dh[:-1], "all δ": net.dh}[given]
    return gradbook.diagnose(net.grads, weights=net.weights, deltas=known)


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize(("zero", "way"), [([4], "relu"), ([4], "tanh"), ([2], "tanh")])
def test_weights_that_begin_with_zero_are_neither_cut_nor_dead(
    zero: list[int], way: str, given: str
) -> None:
    net = begun(zero, way)
    assert not any(layer["W"].any() for layer in net.grads[: zero[0]])
    report = ask(net, given)
    assert (report.verdict, report.since, report.exit_code) == (V.ZERO_START, f"{zero[0]}/W", 0)
    assert report.steps[0].text.startswith("Take one step")
    later = begun(zero, way, steps=2)
    moved = [
        not now["W"].any() and (then["W"] != old["W"]).any()
        for now, then, old in zip(net.grads, later.weights, net.weights, strict=True)
    ]
    assert f"so {sum(moved)} of 5 matrices get a gradient of exactly 0" in report.reason
    later = begun(zero, way, steps=5)
    assert all(layer["W"].any() for layer in later.grads)
    assert ask(later, given).verdict not in (V.CUT, V.DEAD, V.STUCK, V.ZERO_START)
    # Without the weights nobody can know; the advice asks for them.
    bare = gradbook.diagnose(net.grads)
    assert bare.verdict is not V.CUT or "weights" in bare.steps[0].text


@pytest.mark.parametrize("seen", ["nothing", "δ", "δ and activations"])
@pytest.mark.parametrize("way", ["relu", "tanh"])
def test_where_the_head_alone_gets_something_its_weights_decide(way: str, seen: str) -> None:
    """A head of zeros is no fault, a cut in front of it is one: without weights both look alike."""
    whole, head = begun([], way), begun([4], way)
    nothing = [{name: 0 * g for name, g in layer.items()} for layer in whole.grads[:4]]
    cut = whole._replace(
        grads=[*nothing, whole.grads[4]], dh=[*(0 * d for d in whole.dh[:4]), whole.dh[4]]
    )
    shut = begun([], "relu", lifts={3: -100.0})
    for net, known, bare in ((head, V.ZERO_START, None), (cut, V.CUT, None), (shut, None, V.DEAD)):
        on = [np.ones((64, 16)) for _ in range(4)] if net is not shut else None
        given = {} if seen == "nothing" else {"deltas": net.dh}
        given |= {"activations": on} if seen == "δ and activations" and on else {}
        report = gradbook.diagnose(net.grads, **given)
        assert report.verdict is (bare or V.CANNOT_TELL)
        assert bare or ("weights are 0" in report.reason and "weights" in report.steps[0].text)
        assert gradbook.diagnose(net.grads, weights=net.weights, **given).verdict is (known or bare)


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize(
    ("zero", "way", "biases"),
    [
        (range(5), "relu", True),
        (range(5), "tanh", True),
        (range(5), "relu", False),
        ([1, 3], "tanh", True),
        ([3, 4], "relu", True),
        ([2], "relu", True),
        ([0, 1, 2, 3], "relu", True),
    ],
)
def test_weights_that_begin_with_zero_and_stay_there_are_stuck(
    zero: Sequence[int], way: str, biases: bool, given: str
) -> None:
    """Two of which one is in front of the other, or one in front of a ReLU, which is flat at 0."""
    net = begun(zero, way, biases=biases)
    later = begun(zero, way, biases=biases, steps=20)
    assert not any(later.weights[k]["W"].any() for k in zero)
    report = ask(net, given)
    assert report.verdict is V.STUCK
    assert "begin with 0" in report.reason
    assert report.steps[0].text.startswith("Draw these weights at random")


def test_units_that_are_off_behind_weights_of_zero_are_neither_denied_nor_explained() -> None:
    """Of arrays nobody has looked at units; and a bias opens what reads weights of 0."""
    shut = ask(begun([4], "relu", lifts={0: -100.0, 1: 0.5}), "hidden δ")
    assert shut.verdict is V.ZERO_START
    assert "dead" not in shut.reason
    assert ask(begun([1], "relu", lifts={1: 0.5, 3: -100.0}), "nothing").verdict is V.DEAD
    assert "off" in ask(begun([1], "relu", lifts={3: -100.0}), "nothing").reason


def test_weights_of_zero_explain_no_other_fault() -> None:
    """Nor does what was cleared, or comes to no loss, make them stuck."""
    net = begun([4], "relu")
    cleared = [{n: 0 * g for n, g in layer.items()} for layer in net.grads]
    heads = [{"W": np.zeros((16, 4)), "b": np.zeros(4)} for _ in range(2)]
    grads = [*begun([], "relu").grads, *heads]
    unused = gradbook.diagnose(grads, weights=[*begun([], "relu").weights, *heads])
    assert unused.verdict is V.CUT
    assert gradbook.diagnose(cleared, weights=net.weights).verdict is V.CANNOT_TELL
    assert ask(net._replace(grads=cleared, dh=[0 * d for d in net.dh]), "all δ").verdict is V.LOSS
    shut = begun([], "relu")
    shut = shut._replace(
        grads=[{n: g * (k > 2) for n, g in x.items()} for k, x in enumerate(shut.grads)]
    )
    assert ask(shut, "nothing").verdict is V.CUT


KINDS = {
    "branches and a head, all 0": ("w00 000 000 000 000 0++", V.ZERO_START),
    "branches drawn, in front of 0": ("w00 w00 000 w00 000 0++", V.ZERO_START),
    "a branch of 0 before a ReLU": ("w00 000 w0+ w++ w++ w++", V.STUCK),
    "behind which biases go on": ("w00 w00 000 w0+ w++ w++", V.STUCK),
    "adapters that nothing comes to": ("w00 w00 000 w00 000 w++", V.CUT),
    "adapters, with no stem": ("w00 0++ w00 0++ w++", V.ZERO_START),
    "behind which nothing comes to others": ("w00 000 w00 000 w00 0++ w00 0++ w++", V.CUT),
    "branches and two heads, all 0": ("w00 000 w00 000 0++ 0++", V.ZERO_START),
    "tokens, which keep nothing back": ("t++ w00 w++ w++ w++", V.CUT),
    "tokens of 0, which are not stuck": ("T00 w00 000 w00 w0+ w++", V.STUCK),
    "tokens of 0 that are cut off": ("T00 w00 w0+ w++ w++", V.CUT),
    "tokens that nothing hides": ("T++ w00 w00 0++", V.ZERO_START),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_next_to_weights_of_zero_tells_what_they_do(kind: str) -> None:
    rows, said = KINDS[kind]
    weights, grads = planted(rows)
    assert gradbook.diagnose(grads, weights=weights).verdict is said


def planted(rows: str) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return weights and gradients of layers.

    Args:
        rows: Of each: 0 if its weights are, t of tokens, T if these are 0; whether they move, and
            whether its bias does.
    """
    rng = np.random.default_rng(0)
    weights, grads = dict[str, Array](), dict[str, Array]()
    for k, (of, moves, bias) in enumerate(rows.split()):
        shape = (1, 1, 16) if of in "tT" else (16, 16)
        weights |= {f"{k}.weight": rng.normal(size=shape) * (of in "tw"), f"{k}.bias": np.zeros(16)}
        grads[f"{k}.weight"] = rng.normal(size=shape) * (moves == "+")
        grads[f"{k}.bias"] = rng.normal(size=16) * (bias == "+")
    return weights, grads


def test_what_weights_of_zero_do_not_hide_is_not_said_to_be_of_the_first_steps() -> None:
    """Of two layers that get exactly 0 only one stands next to what begins with 0."""
    weights, grads = planted("w00 0++ w++ w00 w++ w++")
    report = gradbook.diagnose(grads, weights=weights, deltas=list(np.ones((5, 64, 16))))
    assert report.verdict is V.HEALTHY
    assert "1.weight begin with 0: so 1 of 6 matrices" in report.reason
    assert "weights of 3 get a gradient of exactly 0" in report.reason


def test_behind_weights_of_zero_one_delta_tells_of_nothing_else() -> None:
    weights, grads = planted("w++ w00 0++")
    sizes = [np.ones((64, 16)), np.zeros((64, 16))]
    assert gradbook.diagnose(grads, weights=weights, deltas=sizes).verdict is V.ZERO_START


@pytest.mark.parametrize("stacks", [1, 2])
def test_in_each_stack_what_weights_of_zero_hide_is_left_out(stacks: int) -> None:
    """Unless too little is left of all that can be compared."""
    parts = [Profile("δ", ("a", "b", "c"), (0.0, 1.0, 2.0)), Profile("δ", ("d", "e"), (0.0, 3.0))]
    given = Evidence(deltas=Profile("δ", tuple("abcde"), (0.0, 1.0, 2.0, 0.0, 3.0)))
    found = without_zeros(replace(given, apart=tuple(parts[-stacks:])))
    assert [one.names for one in found.apart] == ([] if stacks == 1 else [("b", "c")])
    assert found.deltas == (None if stacks == 1 else Profile("δ", tuple("bce"), (1.0, 2.0, 3.0)))


@pytest.mark.parametrize("zero", [True, False])
def test_shifts_that_weights_of_zero_hide_are_left_out(zero: bool) -> None:
    """Of normalized layers in a chain, of which the first alone gets nothing."""
    drawn, moved = planted("w++ w00 0++ w++ w++ w++")
    weights, grads = dict[str, Array](), dict[str, Array]()
    for k in range(6):
        weights[f"{2 * k}.weight"] = drawn[f"{k}.weight"] + (not zero)
        grads[f"{2 * k}.weight"] = moved[f"{k}.weight"]
        for name in ("weight", "bias"):
            weights[f"{2 * k + 1}.{name}"] = np.full(16, 1.0 * (name == "weight"))
            grads[f"{2 * k + 1}.{name}"] = np.full(16, 1.0 * (k > 0))
    report = gradbook.diagnose(grads, weights=weights)
    assert report.verdict is (V.HEALTHY if zero else V.CUT)
    assert "shifts" in report.reason


def test_of_many_layers_each_is_looked_at_once() -> None:
    """LoRA of a large network has thousands."""
    pairs = [(f"{k}.A", f"{k}.B") for k in range(4000)]
    rows = [Matrix(n, still=n == a, zero=n == b) for a, b in pairs for n in (a, b)]
    facts = [Facts(row.name, Kind.DENSE, matrices=(row,)) for row in rows]
    start = perf_counter()
    assert len(zeros_of(facts, Evidence()).held) == 4000
    assert perf_counter() - start < 1


def test_each_matrix_is_read_for_its_sizes_once() -> None:
    """To read it a file's member is unpacked, or a graphics card's memory copied."""
    net, counts = begun([4], "relu"), Counter[str]()

    def read(name: str, given: Tensors) -> Tensor | None:
        counts[name] += 1
        return given[name]

    kept = hand_over(net.weights, "weights")
    readers = {name: partial(read, name, kept) for name in kept}
    gradbook.diagnose(net.grads, weights=Tensors(readers))
    # And once for NaN, once to look for units that are alike.
    assert max(counts.values()) == 3, counts


@pytest.mark.parametrize("names", ["{}.lora_A {}.lora_B", "{}.down {}.up", "{}/A {}/B"])
def test_second_matrices_that_begin_with_zero_hold_the_first_back(names: str) -> None:
    """As those of LoRA, whose network lets δ pass beside them."""
    rng = np.random.default_rng(0)
    first, second = zip(*(names.format(k, k).split() for k in range(6)), strict=True)
    zero = {n: np.zeros((32, 4)) for n in first} | {n: np.zeros((4, 32)) for n in second}
    drawn = {n: rng.normal(size=x.shape) for n, x in zero.items()}
    order = [n for pair in zip(first, second, strict=True) for n in pair]
    weights = {n: (drawn if n in first else zero)[n] for n in order}
    grads = {n: (zero if n in first else drawn)[n] for n in order}
    report = gradbook.diagnose(grads, weights=weights)
    assert report.verdict is V.ZERO_START
    assert "6 of 12 matrices" in report.reason
    sound = [rng.normal(size=(8, 32)) for _ in range(6)]
    report = gradbook.diagnose(grads, weights=weights, deltas=sound)
    assert report.verdict is V.HEALTHY
    assert "true of the first steps alone" in report.reason
    cut = {n: g * (int(n[0]) >= 3) for n, g in grads.items()}
    for given in (None, [d * (k >= 3) for k, d in enumerate(sound)]):
        assert gradbook.diagnose(cut, weights=weights, deltas=given).verdict is V.CUT
    falls = [d * 0.1 ** (6 - k) for k, d in enumerate(sound)]
    assert gradbook.diagnose(grads, weights=weights, deltas=falls).verdict is V.VANISHING
    both = gradbook.diagnose(zero, weights=zero)
    assert both.verdict is V.STUCK


OPEN = {
    "all is 0": ([np.zeros((64, 16))] * 4, 0.0, "activations"),
    "both ends are 0": ([size * np.ones((64, 16)) for size in (0, 1, 0)], 1.0, "activations"),
    "one hidden layer": ([np.ones((64, 16))], 1.0, "two hidden layers"),
    "names": ({n: np.ones((64, 16)) for n in ("body", "enc", "mix", "proj")}, 1.0, "order"),
}


@pytest.mark.parametrize("kind", OPEN)
def test_where_delta_is_given_it_is_not_asked_for(kind: str) -> None:
    deltas, size, asked = OPEN[kind]
    rng = np.random.default_rng(0)
    names = [*deltas, "tail"] if isinstance(deltas, dict) else [*map(str, range(1 + len(deltas)))]
    weights = {f"{n}/kernel": rng.normal(size=(16, 16)) for n in names}
    grads = {n: size * W for n, W in weights.items()}
    given = hand_over(grads)
    if isinstance(deltas, dict):  # as of JAX
        given, deltas = (Tensors(hand_over(x).readers, ordered=False) for x in (grads, deltas))
    report = gradbook.diagnose(given, weights=weights, deltas=deltas)
    assert report.verdict is V.CANNOT_TELL
    assert asked in report.steps[0].text
    assert not any("Record" in step.text for step in report.steps)
    if kind not in ("names", "both ends are 0"):
        without = gradbook.diagnose(given, weights=weights)
        assert "Record δ" in without.steps[0].text


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("change", [0.2, 5.0])
def test_layers_that_are_stacked_in_one_tensor_are_no_steps_of_time(
    ends: bool, change: float
) -> None:
    """As jax.lax.scan and vmap stack them; of a recurrent network each weight is there once."""
    rng, layers = np.random.default_rng(0), 8
    stack = {"layers/W": rng.normal(size=(layers, 16, 16)), "layers/b": np.ones((layers, 16))}
    outer = {f"{name}/W": rng.normal(size=(16, 16)) for name in ("stem", "head")} if ends else {}
    deltas = rng.normal(size=(layers + 2 * ends, 64, 16))
    deltas *= change ** np.arange(len(deltas))[::-1, None, None]
    for sizes in (deltas, list(deltas), list(deltas[:-1])):
        report = gradbook.diagnose({**stack, **outer}, deltas=sizes)
        assert report.verdict is verdict(change)
        assert not any("time-and-gates" in step.page for step in report.steps)
    steps = gradbook.diagnose(
        {"W": rng.normal(size=(16, 16)), "U": np.ones((16, 16))}, deltas=deltas
    )
    assert steps.steps[0].page.endswith("time-and-gates.md")
    cell = {n: rng.normal(size=(len(deltas), 16, 3, 3)) for n in ("in", "forget", "out")}
    steps = gradbook.diagnose(cell, deltas=deltas)
    assert steps.steps[0].page.endswith("time-and-gates.md")
