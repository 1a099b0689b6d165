"""Logs of a whole training: norms that cease or are lost for a step, and how tools write them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from gradbook.diagnosis import BadInput, Entry, Report, Verdict, diagnose_log, open_log
from gradbook.diagnosis.diagnose_logs import sizes_of
from gradbook.diagnosis.findings.over_steps import (
    ceasing,
    falls,
    passing,
    peaks,
    surging,
    takes_turns,
)
from gradbook.diagnosis.reading.log_columns import columns_of
from gradbook.diagnosis.reading.logs import Log
from gradbook.diagnosis.reporting.advice import HINTS

V = Verdict


def total(norm: Callable[[int], float], steps: int = 50) -> Report:
    return diagnose_log([Entry(float(s), "", norm(s)) for s in range(steps)])


def test_steps_that_a_loss_scale_skips_are_a_note() -> None:
    report = total(lambda s: math.inf if s < 3 else 1.0)
    assert report.verdict is V.CANNOT_TELL
    assert "3 of 50 steps are not finite, the last at step 2" in report.notes[0]


@pytest.mark.parametrize(
    "lost", [lambda s: s >= 30, lambda s: s == 49, lambda s: s % 5 == 0], ids=["on", "end", "many"]
)
def test_what_stays_lost_or_is_lost_often_is_not_finite(lost: Callable[[int], bool]) -> None:
    assert total(lambda s: math.nan if lost(s) else 1.0).verdict is V.NON_FINITE


def test_norms_that_become_zero_are_told_with_their_step() -> None:
    report = total(lambda s: 1.0 if s < 20 else 0.0)
    assert (report.verdict, report.since) == (V.FROZEN, "step 20")
    assert ceasing({float(s): float(s != 30) for s in range(50)}) is None
    assert ceasing({0.0: 1.0, 1.0: 0.0}) is None


@pytest.mark.parametrize("noise", [1.0, 3.0])
@pytest.mark.parametrize("flat", [60, 300])
def test_what_grew_over_the_last_steps_before_it_was_lost_is_told(flat: int, noise: float) -> None:
    by = noise ** np.random.default_rng(0).uniform(-1, 1, flat + 40)
    norms = by * 1.9 ** np.maximum(np.arange(flat + 40) - flat, 0)
    report = total(lambda step: math.nan if step > flat + 36 else norms[step], flat + 40)
    assert [found.verdict for found in report.findings] == [V.NON_FINITE, V.GROWING]
    assert "by a factor of 10^" in report.findings[1].reason
    if flat == 300:
        assert re.search(r"over the last (3|4)\d finite steps, to", report.findings[1].reason)
    assert report.steps[0] is HINTS["grew"]


@pytest.mark.parametrize("last", [1.0, 1e6], ids=["noise", "a peak"])
@pytest.mark.parametrize("seed", range(20))
def test_noise_and_a_single_peak_before_what_is_lost_are_no_growth(seed: int, last: float) -> None:
    norms = 3.0 ** np.random.default_rng(seed).normal(size=60)
    norms[-2] *= last
    report = total(lambda step: math.nan if step == 59 else norms[step], 60)
    assert report.verdict is V.NON_FINITE
    assert len(report.findings) == 1
    level = norms * np.where(np.arange(60) > 45, 1e3, 1.0)
    assert surging(dict(enumerate([*level, math.nan]))) is None


@pytest.mark.parametrize("grows", [True, False])
@pytest.mark.parametrize("end", [0.0, math.nan])
def test_what_grew_before_it_was_lost_is_told_first(end: float, grows: bool) -> None:
    """As where too large a step shuts all units of a hidden layer, or breaks the weights."""
    sizes = [10.0**s if grows else 1.0 for s in range(4)]
    hidden = [*sizes, *[end] * 8]
    log = [Entry(float(s), "fc1", norm) for s, norm in enumerate(hidden)]
    log += [Entry(float(s), "fc2", norm or 1.0) for s, norm in enumerate(hidden)]
    report = diagnose_log(log)
    assert ("Lower the learning rate" in report.steps[0].text) is grows
    if end == 0.0:
        assert report.verdict is (V.GROWING if grows else V.CUT)
        assert "At first they were not." in report.reason


def test_what_a_total_norm_comes_from_is_finite() -> None:
    assert "from 1 to 2" in total(lambda step: math.inf if step < 3 else 1.0 + step // 25).reason


def test_what_ends_in_infinity_behind_a_zero_is_not_finite() -> None:
    """No step is behind the last one that is larger than 0, of those that are finite."""
    report = total(lambda step: math.inf if step == 49 else float(step < 30))
    assert report.verdict is V.NON_FINITE


def test_norms_that_fall_far_are_told() -> None:
    assert "falls by a factor of 10^" in total(lambda s: 10 ** (-s / 7)).reason
    assert falls({float(s): 10 ** (-s / 25) for s in range(50)}) == ""


def test_a_peak_is_told() -> None:
    assert any("At step 7" in note for note in total(lambda s: 1e3 if s == 7 else 1.0).notes)
    assert list(peaks({float(s): 10.0**s for s in range(10)})) == []


def test_a_peak_is_told_beside_what_was_not_finite() -> None:
    """What is usual is that of the norms that are finite."""
    norms = {3: math.nan, 28: math.nan, 30: 500.0}
    notes = total(lambda step: norms.get(step, 1.0), 100).notes
    assert any(note.startswith("At step 30 the norm") for note in notes)


def test_norms_at_the_limit_of_a_clip_are_told_even_if_all_are() -> None:
    assert any("behind a clip" in note for note in total(lambda s: 1.0).notes)
    assert not any("clip" in note for note in total(lambda s: 1.0 + s / 50).notes)


def test_nothing_is_passed_over_where_all_are_finite() -> None:
    assert passing({0.0: 1.0, 1.0: 2.0}) == ""


def test_layers_that_get_nothing_at_most_steps_are_told() -> None:
    norms = {"conv1": 0.0, "conv2": 0.0, "fc1": 0.1, "fc2": 0.2}
    report = diagnose_log([Entry(float(s), n, x) for s in range(9) for n, x in norms.items()])
    assert report.verdict is V.CUT
    assert "2 of 4 norms are exactly 0 at most steps: conv1, conv2" in report.reason


def test_the_columns_of_more_tools_are_known() -> None:
    megatron = ["iteration", "lm loss", "grad norm", "params norm", "learning rate", "loss scale"]
    fairseq = ["epoch", "num_updates", "loss", "ppl", "gnorm", "clip", "loss_scale", "train_wall"]
    loop = ["iter", "loss", "norm", "lr", "dt"]
    for names, norm in ((megatron, "grad norm"), (fairseq, "gnorm"), (loop, "norm")):
        found = columns_of(tuple(names))
        assert found.norms == {norm: ""}


def norms(path: Path, text: str) -> list[float]:
    path.write_text(text)
    return [entry.norm for entry in open_log(path)]


def test_other_separators_overflows_and_repeated_steps_are_read(tmp_path: Path) -> None:
    for apart in ";\t":
        text = f"step{apart}grad_norm\n0{apart}1.0\n1{apart}2.0\n"
        assert norms(tmp_path / "x.csv", text) == [1.0, 2.0]
    assert norms(tmp_path / "x.csv", "step,grad_norm\n0,-1\n1,2\n") == [math.inf, 2.0]
    lines = [json.dumps({"step": s // 2, "grad_norm": s}) for s in range(4)]
    assert norms(tmp_path / "x.jsonl", "\n".join(lines)) == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("each", [2, 5])
def test_many_lines_of_a_rounded_epoch_are_as_many_steps(each: int, tmp_path: Path) -> None:
    """As the Trainer prints them: with an epoch, and no step."""
    rows = [{"loss": 9.0 - at, "grad_norm": 2.0**at} for at in range(20)]
    told = [row | {"epoch": at // each / 100} for at, row in enumerate(rows)]
    told.insert(7, {"epoch": told[7]["epoch"], "eval_loss": 1.0})
    told.append({"train_runtime": 9.5, "train_loss": 3.0, "epoch": told[-1]["epoch"]})
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, told)))
    log = open_log(tmp_path / "x.jsonl")
    report = diagnose_log(log)
    assert V.GROWING in [finding.verdict for finding in report.findings]
    assert log.losses[19] == -10.0
    assert any("each is a step of its own" in note for note in report.notes)
    lines_of_steps = [json.dumps(row | {"step": step}) for step, row in enumerate(rows)]
    (tmp_path / "y.jsonl").write_text("\n".join(lines_of_steps))
    assert [*open_log(tmp_path / "x.jsonl")] == [*open_log(tmp_path / "y.jsonl")]


OTHERS: dict[str, list[dict[str, float]]] = {
    "resumed once": [{"epoch": e} for e in (0.1, 0.2, 0.3, 0.3, 0.4, 0.5, 0.6)],
    "gone back": [{"epoch": e} for e in (0.1, 0.1, 0.2, 0.2, 0.1, 0.2, 0.3)],
    "whole epochs": [{"epoch": e // 3} for e in range(9)],
    "of ranks": [{"epoch": e // 2 / 10, "rank": e % 2} for e in range(8)],
    "of names": [{"epoch": e // 2 / 10, "net": e % 2} for e in range(8)],
    "of kinds": [{"epoch": e // 2 / 10, "kind": e % 2} for e in range(8)],
    "a loss apart": [{"epoch": e // 2 / 10} | ({"loss": 1.0} if e % 4 else {}) for e in range(8)],
}


@pytest.mark.parametrize("kind", OTHERS)
def test_lines_of_an_epoch_that_may_be_other_than_steps_keep_it(kind: str, tmp_path: Path) -> None:
    rows = [row if "loss" in row else row | {"grad_norm": 1.0} for row in OTHERS[kind]]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    steps = [entry.step for entry in open_log(tmp_path / "x.jsonl")]
    assert steps == [row["epoch"] for row in rows if "grad_norm" in row]


@pytest.mark.parametrize("at", [4, 11])
def test_nothing_that_is_not_finite_is_lost_among_lines_of_an_epoch(
    at: int, tmp_path: Path
) -> None:
    rows = [{"grad_norm": math.nan if k == at else 1.5, "epoch": k // 5 / 100} for k in range(12)]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    report = diagnose_log(open_log(tmp_path / "x.jsonl"))
    told = any("At 1 step all norms are NaN" in note for note in report.notes)
    assert told if at == 4 else "step 11" in report.reason


@pytest.mark.parametrize("turn", [0, 5])
def test_a_later_norm_of_a_step_hides_none_that_is_not_finite(turn: int) -> None:
    """As of batches whose gradients are added up, and where a run was resumed."""
    steps = [*range(10), *range(turn, 20)] if turn else [s // 2 for s in range(20)]
    log = [Entry(float(s), "", math.inf if at == 6 else 1.0 + s) for at, s in enumerate(steps)]
    notes = diagnose_log(log).notes
    assert f"At step {steps[6]} a norm is not finite, and a later" in " ".join(notes)
    assert any("At 10 of 20 lines the step is" in note for note in notes) is (turn == 0)


@pytest.mark.parametrize("norm", ["grad", "gradients", "grad_l2", "l2", "mean_abs_grad", "rms"])
@pytest.mark.parametrize("name", ["layer", "Layer name", "param"])
def test_sizes_of_layers_that_lines_name_are_read(name: str, norm: str, tmp_path: Path) -> None:
    lines = [f"{s},Layer {k},0.1,{k}" for s in range(3) for k in (1, 2)]
    (tmp_path / "x.csv").write_text("\n".join([f"step,{name},loss,{norm}", *lines]))
    assert [(e.name, e.norm) for e in open_log(tmp_path / "x.csv")][:2] == [
        ("Layer 1", 1.0),
        ("Layer 2", 2.0),
    ]


@pytest.mark.parametrize("other", ["l2", "rms", "mean_abs"])
def test_of_several_sizes_of_a_layer_that_of_the_gradient_is_read(
    other: str, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_text(f"step,layer,{other},grad\n0,fc1,5,1\n0,fc2,5,2\n")
    assert [e.norm for e in open_log(tmp_path / "x.csv")] == [1.0, 2.0]


@pytest.mark.parametrize("norm", ["mean_grad", "value", "delta"])
@pytest.mark.parametrize("step", ["step", "epoch"])
@pytest.mark.parametrize("layer", ["Layer ", ""])
def test_lines_that_name_layers_beside_what_nobody_knows_are_told_what_to_call_it(
    step: str, layer: str, norm: str, tmp_path: Path
) -> None:
    lines = [f"{s},{layer}{k},{k}" for s in range(3) for k in (1, 2)]
    (tmp_path / "x.csv").write_text("\n".join([f"{step},layer,{norm}", *lines]))
    with pytest.raises(BadInput, match="call the columns step, name, norm"):
        list(open_log(tmp_path / "x.csv"))


def test_what_stands_beside_a_total_norm_is_no_layer(tmp_path: Path) -> None:
    """Rewards, counts and divergences, as trl and Megatron write them beside the norm."""
    grpo = {"loss": 0.1, "grad_norm": 0.5, "kl": 0.0, "reward": -0.5, "rewards/format": 0.0}
    megatron = {"grad norm": 1.2, "number of skipped iterations": 0, "number of nan iterations": 0}
    rl = {"grad_norm_before_clip": 3.0, "grad_norm_after_clip": 1.0, "charts/episodic_return": -9.0}
    for row in (grpo, megatron, rl):
        found = [{"step": step, **row} for step in range(12)]
        (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, found)))
        report = diagnose_log(open_log(tmp_path / "x.jsonl"))
        assert report.reason.startswith("Only the norm of all gradients is logged")
    own = columns_of(("step", "fc1", "fc2", "fc3", "entropy", "grad_norm"))
    assert {"fc1", "fc2", "fc3"} <= set(own.norms)


def test_a_total_norm_that_is_zero_from_the_start_is_no_clip() -> None:
    report = diagnose_log([Entry(float(s), "", 0.0) for s in range(12)])
    assert report.verdict is V.FROZEN
    assert not any("behind a clip" in note for note in report.notes)


def test_what_stands_beside_a_layers_norm_is_no_layer_of_its_own() -> None:
    for ending in (".grad.norm", "/grad_norm", ".norm"):
        stem = ending.removesuffix("norm")
        names = [f"fc{k}{of}" for k in range(3) for of in (ending, f"{stem}mean", f"{stem}std")]
        found = columns_of(("step", *names))
        assert list(found.norms.values()) == ["fc0", "fc1", "fc2"], ending
        assert set(found.beside) == {name for name in names if not name.endswith("norm")}
    of_vae = columns_of(("step", "enc", "fc_mean", "fc_std", "dec"))
    assert list(of_vae.norms) == ["enc", "fc_mean", "fc_std", "dec"]


def test_a_norm_of_zero_at_one_step_alone_is_no_cut() -> None:
    for steps, verdict in ((1, Verdict.CANNOT_TELL), (4, Verdict.CUT)):
        log = [Entry(s, f"fc{k}.weight", 0.1 * (k != 2)) for s in range(steps) for k in range(5)]
        assert diagnose_log(log).verdict is verdict


@pytest.mark.parametrize("ending", [".rms", ".weight.rms", "/rms", ".norm"])
def test_root_mean_squares_are_read_as_norms_are(ending: str) -> None:
    """And of both the norm."""
    layers = [f"fc{k}{ending}" for k in (1, 2, 3)]
    named = list(columns_of(("step", *layers)).norms.values())
    assert named == [layer.rpartition(ending[-4:])[0].rstrip("./") for layer in layers]
    both = columns_of(("step", "fc1.norm", "fc1.rms", "fc2.norm", "fc2.rms"))
    assert (list(both.norms), both.beside) == (["fc1.norm", "fc2.norm"], ("fc1.rms", "fc2.rms"))


@pytest.mark.parametrize("missing", ["", "None", "NA", "<NA>", "null", "-", " n/a "])
def test_cells_without_a_number_are_missing_however_that_is_written(
    missing: str, tmp_path: Path
) -> None:
    text = f"step,loss,fc1,fc2\n0,{missing},1,{missing}\n1,2,{missing},3\n"
    assert norms(tmp_path / "x.csv", text) == [1.0, 3.0]


def test_tabs_and_comments_are_read_as_they_are_meant(tmp_path: Path) -> None:
    assert norms(tmp_path / "x.tsv", "step\ta, b\tfc2\n0\t1\t2\n") == [1.0, 2.0]
    for begin in ("# run 7\n#\nstep,fc1\n", "# step,fc1\n", "step,fc1\n# the first\n"):
        assert norms(tmp_path / "x.csv", f"{begin}0,1.0\n#\n1,2.0\n") == [1.0, 2.0]
    with pytest.raises(BadInput, match=r"x\.csv: line 4: 'fc1' must be a number"):
        norms(tmp_path / "x.csv", "# one\n# two\nstep,fc1\n0,x\n")


def nan_at(lost: Callable[[int, str], bool], *, long: bool) -> str:
    """Write a log of three layers over 40 steps with NaN in some cells."""
    names = ("fc1", "fc2", "fc3")
    cells = [["nan" if lost(s, name) else "0.5" for name in names] for s in range(40)]
    if not long:
        rows = [f"{s},{','.join(row)}" for s, row in enumerate(cells)]
        return "\n".join(["step,fc1,fc2,fc3", *rows])
    rows = [f"{s},{n},{x}" for s, row in enumerate(cells) for n, x in zip(names, row, strict=True)]
    return "\n".join(["step,layer,grad_norm", *rows])


@pytest.mark.parametrize("long", [True, False])
def test_a_line_of_nan_before_finite_ones_is_one_without_norms(long: bool, tmp_path: Path) -> None:
    """As pandas and Weights & Biases write the lines of a validation."""
    path = tmp_path / "x.csv"
    path.write_text(nan_at(lambda s, _: s % 3 == 1, long=long))
    report = diagnose_log(open_log(path))
    assert report.verdict is not V.NON_FINITE
    assert any("all norms are NaN" in note for note in report.notes)


@pytest.mark.parametrize("long", [True, False])
@pytest.mark.parametrize(
    "lost",
    [
        lambda s, _: s >= 30,
        lambda s, _: s == 39,
        lambda s, name: s % 3 == 1 and name == "fc1",
        lambda s, name: s % 3 == 1 and name == "fc3",
        lambda s, name: s % 3 == 1 or (s % 6 == 5 and name == "fc3"),
    ],
    ids=["on", "end", "first", "last", "both"],
)
def test_nan_that_stays_or_stands_in_some_cells_is_not_finite(
    lost: Callable[[int, str], bool], long: bool, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(nan_at(lost, long=long))
    assert diagnose_log(open_log(path)).verdict is V.NON_FINITE


@pytest.mark.parametrize("told", [True, False])
def test_a_log_may_end_with_a_line_of_something_else(told: bool, tmp_path: Path) -> None:
    lines = [f"{s},1,{'nan,nan,2' if s % 3 == 2 else '1,1,nan'}" for s in range(29)]
    lines += [f"29,1,nan,nan,{'2' if told else 'nan'}"]
    (tmp_path / "x.csv").write_text("\n".join(["step,lr,fc1,fc2,val_loss", *lines]))
    assert any(math.isnan(entry.norm) for entry in open_log(tmp_path / "x.csv")) is not told


@pytest.mark.parametrize("layers", [["grad_norm"], ["fc1", "fc2"]])
@pytest.mark.parametrize("lost", [False, True])
def test_a_line_of_nan_behind_norms_of_its_step_tells_of_something_else(
    layers: list[str], lost: bool, tmp_path: Path
) -> None:
    """As Lightning and the Trainer log an evaluation at the step of the training before it."""
    nan, rows = dict.fromkeys(layers, math.nan), []
    for step in range(20):
        norm = math.nan if lost and step > 14 else 1.0
        rows += [{"step": step, "eval_loss": math.nan, **dict.fromkeys(layers, norm)}]
        rows += [{"step": step, "eval_loss": 1.0, **nan}] if step % 5 == 4 else []
    (tmp_path / "x.json").write_text(json.dumps(rows))
    assert (diagnose_log(open_log(tmp_path / "x.json")).verdict is V.NON_FINITE) is lost


def test_nan_in_front_of_a_resumed_run_is_not_finite(tmp_path: Path) -> None:
    rows = [(s, "nan" if s > 7 else "1") for s in range(10)] + [(s, "1") for s in range(5, 20)]
    lines = [f"{s},{x},{x}" for s, x in rows]
    (tmp_path / "x.csv").write_text("\n".join(["step,fc1,fc2", *lines]))
    assert sum(math.isnan(entry.norm) for entry in open_log(tmp_path / "x.csv")) == 4


@pytest.mark.parametrize("named", [True, False])
def test_what_was_lost_before_a_run_was_resumed_is_a_note(named: bool) -> None:
    """Those steps were taken, and taken back."""
    lost = [(float(s), math.nan if s > 16 else 1.0) for s in range(20)]
    anew = [(float(s), 1.0) for s in range(15, 40)]
    names = ["fc1", "fc2"] if named else [""]
    report = diagnose_log([Entry(s, n, norm) for s, norm in lost + anew for n in names])
    assert report.verdict is V.CANNOT_TELL
    assert any(
        "From step 17 on norms were not finite, until the run was resumed at step 15" in note
        for note in report.notes
    )
    assert not any("loss scale" in note for note in report.notes)
    again = [(s, math.nan if s > 38 else norm) for s, norm in anew]
    report = diagnose_log([Entry(s, n, norm) for s, norm in lost + again for n in names])
    assert report.verdict is V.NON_FINITE


@pytest.mark.parametrize(
    ("steps", "lost", "said"),
    [
        ([*range(41), *range(15, 60)], {18}, ""),
        ([*range(20), *range(20)], {2, 3}, ""),
        ([*range(30, 0, -1)], {30}, V.NON_FINITE),
        ([*range(20), 15, 16], {17, 18, 19}, V.NON_FINITE),
        ([*range(20), *range(15, 30), *range(25, 40)], {18, 19}, ""),
    ],
    ids=["one step", "epochs", "newest first", "not past it", "twice"],
)
def test_what_no_resumed_run_explains_is_not_said_to_be_one(
    steps: list[int], lost: set[int], said: V | str
) -> None:
    seen, log = set[int](), list[Entry]()
    for step in steps:
        norm = math.nan if step in lost and step not in seen else 1.0
        log += [Entry(float(step), name, norm) for name in ("fc1", "fc2")]
        seen.add(step)
    report = diagnose_log(log)
    assert not any("until the run was resumed" in note for note in report.notes)
    assert report.verdict is (said or report.verdict)


def test_a_step_of_all_gradients_that_a_resumed_run_took_anew_is_no_loss() -> None:
    before = [Entry(float(s), "", math.inf if s == 18 else 1.0 + s / 99) for s in range(41)]
    later = [Entry(float(s), "", 1.0 + s / 99) for s in range(15, 60)]
    assert diagnose_log(before + later).verdict is V.CANNOT_TELL
    assert diagnose_log(before[:19]).verdict is V.NON_FINITE


def test_a_log_of_one_layer_after_the_other_is_no_run_that_was_resumed() -> None:
    log = [
        Entry(float(s), n, math.nan if n == "fc1" else 1.0) for n in ("fc1", "fc2") for s in (0, 1)
    ]
    assert diagnose_log(log).verdict is V.NON_FINITE


@pytest.mark.parametrize("sep", ["/", "."])
@pytest.mark.parametrize("first", [True, False])
def test_the_norms_of_two_networks_are_both_read(sep: str, first: bool, tmp_path: Path) -> None:
    """As of a generator and a discriminator: neither is the norm of all gradients."""
    both = [f"{name}{sep}grad_norm" for name in ("generator", "discriminator")]
    late: dict[V, Callable[[int], float]] = {
        V.NON_FINITE: lambda s: 1.0 if s < 30 else math.nan,
        V.CUT: lambda s: float(s < 30),
        V.GROWING: lambda s: 10 ** (s / 10),
    }
    for told, norm in late.items():
        pairs = [
            dict(zip(both, (1.0, norm(s))[:: 1 if first else -1], strict=True)) for s in range(60)
        ]
        rows = [{"step": s, "loss": 1.0, **pair} for s, pair in enumerate(pairs)]
        (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
        report = diagnose_log(open_log(tmp_path / "x.jsonl"))
        named = "discriminator" if first else "generator"
        assert report.verdict is told
        assert told is V.GROWING or named in report.reason


def test_beside_the_norms_of_two_networks_nothing_else_is_a_layer(tmp_path: Path) -> None:
    """Also shares that are 0, divergences below 0, and scores that grow."""
    norms = {"actor/grad_norm": 1.0, "critic/grad_norm": 2.0}
    rows = [
        {"step": s, **norms, "actor/pg_clipfrac": 0.0, "actor/ppo_kl": -1e-4, "D_real": 1.3**s}
        for s in range(40)
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    report = diagnose_log(open_log(tmp_path / "x.jsonl"))
    assert report.verdict is V.CANNOT_TELL
    assert [row.name for row in report.rows] == ["actor", "critic"]


def test_the_norm_of_all_gradients_is_the_trainings_beside_that_of_a_part() -> None:
    for names in (("train/grad_norm", "critic/grad_norm"), ("critic/grad_norm", "grad_norm")):
        for given in (names, names[::-1]):
            norms = columns_of(("step", *given)).norms
            assert [n for n, layer in norms.items() if not layer] == [
                next(n for n in names if not n.startswith("critic"))
            ]


def test_a_layer_that_gets_nothing_any_more_is_told() -> None:
    log = [
        Entry(float(s), n, float(n != "fc1" or s < 30)) for s in range(40) for n in ("fc1", "fc2")
    ]
    report = diagnose_log(log)
    assert report.verdict is V.CUT
    assert "1 of 2 norms are exactly 0 from some step on: fc1. At first" in report.reason


@pytest.mark.parametrize("stem", ["{}", "main.{}"])
@pytest.mark.parametrize("biases", [False, True])
def test_biases_behind_weights_without_one_are_not_compared(stem: str, biases: bool) -> None:
    """As in the generator of a DCGAN, or where a matrix is a product: a log has no shapes."""
    parts = [(0, "weight"), (1, "weight"), (1, "bias"), *([(0, "bias")] if biases else [])]
    names = [f"{3 * k + n}.{of}" for k in range(5) for n, of in sorted(parts)]
    names = [name for name in names if not name.startswith("13")]
    norms = {n: 10 ** (int(n.split(".")[0]) / 6) if n.endswith("bias") else 1.0 for n in names}
    report = diagnose_log([Entry(0.0, stem.format(n), norm) for n, norm in norms.items()])
    assert report.verdict is (V.VANISHING if biases else V.CANNOT_TELL)
    told = [note for note in report.notes if "may be those of normalizations" in note]
    assert bool(told) is not biases
    assert biases or stem.format("1.bias") in told[0]


@pytest.mark.parametrize("column", ["run", "Run", "run_id", "run name"])
def test_lines_of_two_runs_are_refused_by_their_names(column: str, tmp_path: Path) -> None:
    lines = [f"{run},{s},1,2" for run in ("a", "b") for s in range(6)]
    (tmp_path / "x.csv").write_text("\n".join([f"{column},step,fc1,fc2", *lines]))
    with pytest.raises(
        BadInput, match=f"line 8: must be the log of one run, got 'a' and 'b' in '{column}'"
    ):
        list(open_log(tmp_path / "x.csv"))


@pytest.mark.parametrize("name", ["layer", "param", "module"])
@pytest.mark.parametrize("beside", [["weight_norm"], ["loss", "lr"], ["epoch"], ["", "mean"]])
def test_layers_of_a_long_log_are_read_whatever_stands_beside(
    name: str, beside: list[str], tmp_path: Path
) -> None:
    sizes = {f"fc{k}.weight": 0.1**k for k in range(5)} | {"unused.weight": 0.0}
    rows = [
        {name: layer, "grad_norm": size, **dict.fromkeys(beside, 1.0), "step": step}
        for step in range(9)
        for layer, size in sizes.items()
    ]
    (tmp_path / "x.json").write_text(json.dumps(rows))
    log = open_log(tmp_path / "x.json")
    assert {entry.name: entry.norm for entry in log} == sizes
    assert list(log.beside) == [column for column in beside if column]


def test_a_long_log_may_hold_lines_without_a_norm(tmp_path: Path) -> None:
    text = "step,layer,grad_norm,val_loss\n0,fc1,0.5,\n0,,,1.5\n1,fc1,2.0,\n"
    assert norms(tmp_path / "x.csv", text) == [0.5, 2.0]


QUANTITIES = ["grad_scale", "scaler", "rollout/ep_rew_mean", "avg_return", "score", "seq_len"]
QUANTITIES += ["inverse_temperature", "buffer_size", "Batch count"]


@pytest.mark.parametrize("column", [*QUANTITIES, "clip_fraction", "any word"])
@pytest.mark.parametrize("layer", ["{}.weight", "layers/{}/kernel", "fc{}"])
def test_a_quantity_beside_bare_names_of_layers_is_none(column: str, layer: str) -> None:
    layers = [layer.format(k) for k in range(4)]
    found = columns_of(("step", column, *layers))
    known = column in QUANTITIES or layer != "fc{}"
    assert list(found.norms) == (layers if known else [column, *layers])
    assert (column in found.beside) is known


@pytest.mark.parametrize(
    "names",
    [
        ("conv1", "layer1", "layer2", "fc"),
        ("enc", "mid", "dec"),
        ("stem", "layer1.0", "layer1.1", "layer2.0", "layer2.1", "fc"),
        ("params/Dense_0/kernel", "params/LayerNorm_0/scale", "scale/0"),
        ("blocks.0.fc.weight", "blocks.1.fc.weight", "head_weight", "q_bias", "layernorm"),
    ],
)
def test_layers_that_are_called_by_words_are_read_among_others(names: tuple[str, ...]) -> None:
    assert tuple(columns_of(("step", *names)).norms) == names


SQUARES = ["grad_norm_sq/{}", "grad_sq_norm/{}", "grad_norm_squared.{}", "sum_sq/{}", "{}_norm_sq"]
SQUARES += ["grads/norm_sq/{}", "{}.grad.norm_squared", "squared_grad_norm_{}"]


@pytest.mark.parametrize("long", [True, False])
@pytest.mark.parametrize("column", SQUARES)
def test_squares_of_norms_are_read_as_their_roots(column: str, long: bool, tmp_path: Path) -> None:
    sizes = {f"fc{k}.weight": 10.0**-k for k in range(4)}
    wide = {column.format(layer): norm**2 for layer, norm in sizes.items()}
    rows = [{"step": s, "loss": 1.0, **wide} for s in range(3)]
    if long:
        called = column.format("").strip("/._")
        found = sizes.items()
        rows = [{"step": s, "layer": n, called: x**2} for s in range(3) for n, x in found]
    (tmp_path / "x.json").write_text(json.dumps(rows))
    log = open_log(tmp_path / "x.json")
    report = diagnose_log(log)
    assert sum("their roots were taken" in note for note in report.notes) == 1
    again = {entry.name: entry.norm for entry in open_log(tmp_path / "x.json")}
    assert list(again) == list(sizes)
    assert list(again.values()) == pytest.approx(list(sizes.values()))


def test_what_is_called_so_otherwise_is_no_square() -> None:
    names = ("step", "blocks.0.norm2.weight", "blocks.1.norm2.weight", "sq.weight", "unsquared.1")
    assert not columns_of(names).squares
    both = columns_of(("step", "grad_norm/1", "grad_norm_sq/1", "weight_sq_norm"))
    assert (both.norms, both.squares) == ({"grad_norm/1": "1"}, frozenset())


@pytest.mark.parametrize("late", [0, 3])
@pytest.mark.parametrize("by", ["turns", "chance"])
def test_layers_that_take_turns_are_no_cut(by: str, late: int) -> None:
    """Experts, heads and tasks: at most steps each gets exactly nothing."""
    chosen = [0, 2, 1, 3, 3, 0, 1, 1, 2, 0, 3, 2] * 4 if by == "chance" else [0, 1, 2, 3] * 12
    log = [
        Entry(float(step), name, float(name in ("fc1", "fc2", f"expert{chosen[step]}")))
        for step in range(48 - late)
        for name in ("fc1", "expert0", "expert1", "expert2", "expert3", "fc2")
    ]
    report = diagnose_log(log)
    assert report.verdict is V.CANNOT_TELL
    [note] = [note for note in report.notes if "take turns" in note]
    assert "of 4" in note
    assert "expert0, expert1" in note


def test_beside_layers_that_take_turns_those_that_get_nothing_are_told() -> None:
    norms = {"fc1": [1.0], "turns": [0.0, 0.0, 1.0], "ceased": [1.0, *[0.0] * 23], "never": [0.0]}
    for names, said in {
        ("fc1", "ceased", "never"): "never. No gradient comes there.",
        ("fc1", "turns", "never"): "never. No gradient comes there.",
        ("turns", "fc1", "ceased"): "ceased. At first they were not.",
    }.items():
        log = [Entry(s, n, norms[n][s % len(norms[n])]) for s in range(24) for n in names]
        report = diagnose_log(log)
        assert report.verdict is V.CUT
        assert report.reason == f"1 of 3 norms are exactly 0 at most steps: {said}"


@pytest.mark.parametrize("layers", [["grad_norm"], ["fc1.weight", "fc2.weight", "fc3.weight"]])
@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize("end", ["0.0", "1e-9", "1.4"])
def test_gradients_that_are_zero_with_the_loss_are_no_illness(
    layers: list[str], every: int, end: str, tmp_path: Path
) -> None:
    """As where all examples keep a margin: nothing is left to learn, and a log has the loss."""
    sizes = [("1.5", "0.5") if step < 20 else (end, "0") for step in range(50)]
    rows = [
        [str(step), "" if step % every else loss, *[norm] * len(layers)]
        for step, (loss, norm) in enumerate(sizes)
    ]
    (tmp_path / "x.csv").write_text("\n".join(map(",".join, [["step", "loss", *layers], *rows])))
    report = diagnose_log(open_log(tmp_path / "x.csv"))
    if end == "1.4":
        assert V.FROZEN in [finding.verdict for finding in report.findings]
        return
    assert report.verdict is V.CANNOT_TELL
    assert len(report.findings) == 1
    told = "At 30 of 50 steps, the first of them 20, the loss is at 0"
    assert any(note.startswith(told) for note in report.notes)


def test_a_loss_of_zero_from_the_start_is_no_excuse(tmp_path: Path) -> None:
    lines = [f"{s},0,0" for s in range(9)]
    (tmp_path / "x.csv").write_text("\n".join(["step,loss,grad_norm", *lines]))
    assert diagnose_log(open_log(tmp_path / "x.csv")).verdict is V.FROZEN


@pytest.mark.parametrize("share", [0.0, 1e-7, 1e-2])
@pytest.mark.parametrize("often", [True, False])
def test_biases_that_hold_rounding_are_not_compared(share: float, often: bool) -> None:
    """As in front of the normalizations of an `nn.Sequential`, whose names do not tell of them."""
    sizes: dict[str, float] = {}
    for k in range(0, 12, 3):
        sizes |= {f"{k}.weight": 0.2, f"{k}.bias": 0.2 * share}  # a layer, and its normalization
        sizes |= {f"{k + 1}.weight": 0.1, f"{k + 1}.bias": 0.1}
    sizes |= {"12.weight": 0.3, "12.bias": 0.3}
    log = [
        Entry(float(step), name, 0.2 if norm == 0.2 * share and not (often or step % 4) else norm)
        for step in range(20)
        for name, norm in sizes.items()
    ]
    report = diagnose_log(log)
    told = [note for note in report.notes if "hold 0 or rounding" in note]
    assert bool(told) is (share < 1e-4 and often)
    if told:
        assert told[0].endswith("0.bias, 3.bias, 6.bias and 1 more.")
        assert report.verdict is V.CANNOT_TELL


def _logged(tmp_path: Path, rows: list[dict[str, object]]) -> Log:
    """Write lines as pandas does, with NaN where there is no number."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(str(row.get(name, "nan")) for name in names) for row in rows]
    (tmp_path / "x.csv").write_text("\n".join([",".join(names), *lines]))
    return open_log(tmp_path / "x.csv")


NORMS = {f"fc{k}.weight": 0.5 + k / 100 for k in range(4)}


@pytest.mark.parametrize("ends", ["well", "ill"])
def test_a_log_whose_norms_are_rare_may_end_between_two_of_them(tmp_path: Path, ends: str) -> None:
    rows: list[dict[str, object]] = [
        {"step": step, "loss": 1 / (1 + step), **(NORMS if step % 10 == 0 else {})}
        for step in range(100)
    ]
    if ends == "ill":  # the loss, too, is no number any more
        rows[91:] = [{"step": row["step"]} for row in rows[91:]]
    verdict = diagnose_log(_logged(tmp_path, rows)).verdict
    assert (verdict is Verdict.NON_FINITE) is (ends == "ill")


def test_a_run_that_ends_in_nan_is_ill_though_it_is_evaluated_there(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"step": step, "loss": 1.0, **NORMS} for step in range(10)]
    rows[5:5] = [{"step": 4, "val_loss": 1.0}]
    rows += [{"step": step, "val_loss": 2.0} for step in (10, 11)]
    assert diagnose_log(_logged(tmp_path, rows)).verdict is Verdict.NON_FINITE


@pytest.mark.parametrize("losses", [[1e6] + [0.9] * 99, [0.0] * 100], ids=["blown up", "not told"])
def test_a_network_that_died_has_learned_nothing(tmp_path: Path, losses: list[float]) -> None:
    dead = dict.fromkeys(NORMS, 0.0)
    rows: list[dict[str, object]] = [
        {"step": step, "loss": loss, **(NORMS if step < 50 else dead)}
        for step, loss in enumerate(losses)
    ]
    report = diagnose_log(_logged(tmp_path, rows))
    assert report.verdict is not Verdict.HEALTHY
    assert not any("nothing to learn" in note for note in report.notes)


@pytest.mark.parametrize("alive", [range(40, 46), [*range(30), 60]], ids=["once", "a flicker"])
def test_what_comes_once_takes_no_turns(alive: Iterable[int]) -> None:
    norms = [float(step in alive) for step in range(100)]
    assert not takes_turns(norms)
    assert takes_turns([float(step % 4 == 0) for step in range(100)])


def test_parameters_that_no_layer_holds_are_read_beside_those_of_layers() -> None:
    names = ("step", "cls_token", "pos_embed", *NORMS, "reward")
    found = columns_of(names)
    assert {"cls_token", "pos_embed"} <= found.norms.keys()
    assert found.beside == ("reward",)


@pytest.mark.parametrize(("digits", "rounded"), [(".4f", True), (".3g", False), (".12g", False)])
def test_a_zero_among_norms_of_few_decimals_is_a_small_one(digits: str, *, rounded: bool) -> None:
    """With a number of digits, and in full, small norms are written as well as large ones."""
    sizes = {"fc1": 0.0, "fc2": 1.23e-3, "fc3": 2.34e-2, "fc4": 0.345, "fc5": 4.56}
    by = [1 + 0.01 * step for step in range(8)]
    log = [Entry(s, n, float(f"{x * by[s]:{digits}}")) for s in range(8) for n, x in sizes.items()]
    report = diagnose_log(log)
    assert report.verdict is (V.VANISHING if rounded else V.CUT)
    assert ("few decimals" in " ".join(report.notes)) is rounded
    assert ("fc1" in report.reason) is not rounded


def test_nothing_but_zeros_is_cut_off_or_small_and_nobody_can_tell() -> None:
    flat = {"fc1": 0.0, "fc2": 0.0031, "fc3": 0.0107, "fc4": 0.0058, "fc5": 0.0062}
    log = [Entry(float(s), n, x) for s in range(8) for n, x in flat.items()]
    report = diagnose_log(log)
    assert report.verdict is V.CANNOT_TELL
    assert report.reason.startswith("Of fc1 nothing is written but 0")
    assert report.steps[0].text == "Log norms with all their digits."
    deltas = [Entry(e.step, f"{e.name}.delta", e.norm) for e in log]
    assert diagnose_log(log, deltas=deltas).verdict is V.CANNOT_TELL
    with pytest.raises(BadInput, match="deltas must be written with all digits"):
        sizes_of(deltas)
    far = [Entry(e.step, e.name, e.norm * 1000) for e in log]
    assert diagnose_log(far).verdict is V.CUT


def rounded_log(sizes: dict[str, Callable[[int], float]], decimals: int = 4) -> list[Entry]:
    """Return a log whose norms are those of NumPy, with some noise, and few decimals."""
    noise = np.random.default_rng(0).lognormal(0, 0.1, (20, len(sizes)))
    norms = (
        (s, n, size(s) * noise[s, k])
        for s in range(20)
        for k, (n, size) in enumerate(sizes.items())
    )
    return [Entry(float(s), name, np.round(norm, decimals)) for s, name, norm in norms]


@pytest.mark.parametrize("since", [1, 10])
@pytest.mark.parametrize("decimals", [4, 12])
def test_what_falls_to_zero_from_far_above_has_ceased(since: int, decimals: int) -> None:
    norms = {f"fc{n}": 0.02 * n for n in range(1, 7)}
    sizes = {n: lambda s, n=n, x=x: x if n > "fc3" or s < since else 0.0 for n, x in norms.items()}
    report = diagnose_log(rounded_log(sizes, decimals))
    assert report.verdict is V.CUT
    assert "fc1, fc2, fc3" in report.reason


def test_zeros_of_layers_that_take_turns_are_zeros() -> None:
    norms = {f"fc{n}": 0.02 * n for n in range(1, 7)}
    sizes = {n: lambda s, n=n, x=x: x if n > "fc3" or s % 5 == 0 else 0.0 for n, x in norms.items()}
    report = diagnose_log(rounded_log(sizes))
    assert report.verdict is V.CANNOT_TELL
    assert any("take turns" in note for note in report.notes)


def test_biases_in_front_of_normalizations_may_be_written_as_zeros() -> None:
    """They hold rounding in full, too, and δ says that all is well."""
    layers = [f"conv{n}" for n in range(1, 6)]
    sizes = {f"{n}.weight": lambda s, k=k: 0.004 * 3**k for k, n in enumerate(layers)}
    sizes |= {f"{n}.bias": lambda s: 1e-9 for n in layers}
    deltas = rounded_log({n: lambda s: 0.3 for n in layers}, 12)
    assert diagnose_log(rounded_log(sizes), deltas=deltas).verdict is V.HEALTHY


@pytest.mark.parametrize("kind", [float, np.float32, np.float64])
def test_few_decimals_are_seen_whatever_a_norm_is_kept_in(kind: Callable[[float], float]) -> None:
    sizes = {"fc1": 0.0, "fc2": 1.23e-3, "fc3": 2.34e-2, "fc4": 0.345, "fc5": 4.56}
    log = [Entry(s, n, kind(round(x * (1 + s / 9), 4))) for s in range(9) for n, x in sizes.items()]
    assert "few decimals" in " ".join(diagnose_log(log).notes)
    wide = [Entry(0, f"fc{n}", 1e39 * n) for n in range(1, 6)]
    assert diagnose_log([*wide, Entry(1, "fc1", 0.0)]).notes


def test_a_weight_that_gets_nothing_is_told_beside_what_is_known_of_its_bias() -> None:
    sizes = {f"fc{n}.weight": 0.0021 * 3**n for n in range(1, 6)} | {"fc3.weight": 0.0}
    sizes |= {f"fc{n}.bias": 0.0034 for n in range(1, 6)}
    log = rounded_log({n: lambda s, x=x: x for n, x in sizes.items()})
    assert diagnose_log(log).reason.startswith("Of fc3.weight nothing is written but 0")
    deltas = rounded_log({f"fc{n}": lambda s: 0.3 for n in range(1, 6)}, 12)
    healthy = diagnose_log(log, deltas=deltas)
    assert healthy.verdict is V.HEALTHY
    assert "But of the weights of fc3.weight nothing is written but 0." in healthy.reason


def test_small_layers_that_cease_have_ceased() -> None:
    """Their norms are some tens of the last decimal, of which one step loses none."""
    norms = {f"fc{n}": 0.04 if n < 4 else 0.4 for n in range(1, 7)}
    sizes = {n: lambda s, n=n, x=x: x if n > "fc3" or s < 5 else 0.0 for n, x in norms.items()}
    assert diagnose_log(rounded_log(sizes, 3)).verdict is V.CUT
