"""A report says what was measured, in every form, and takes no name for anything but a name."""

from __future__ import annotations

import html
import json
import math
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from itertools import product
from typing import Any

import numpy as np
import pytest

import gradbook
from gradbook import diagnose
from gradbook.book.diagnose.gallery import FORGETFUL, SIGMOIDS
from gradbook.book.update_rule.freezing import freeze_depth
from gradbook.diagnosis import BadInput, Entry, Report, Verdict, diagnose_log
from gradbook.diagnosis.findings import Finding
from gradbook.diagnosis.measuring.deltas import read_deltas
from gradbook.diagnosis.measuring.rates import one_layer
from gradbook.diagnosis.reporting.advice import Traits, next_steps
from gradbook.diagnosis.reporting.report import LINES
from gradbook.precision import float32
from gradbook.press.places import ROOT

RNG = np.random.default_rng(0)
SHAPES = [(16, 8), (8, 8), (8, 8), (8, 8), (8, 3)]


def network(factor: float, dtype: str = "float32") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return gradients that shrink by a factor per layer, and weights."""
    grads, weights = {}, {}
    for number, shape in enumerate(SHAPES, start=1):
        size = factor ** (len(SHAPES) - number)
        for name, wanted in ((f"{number}.weight", shape), (f"{number}.bias", shape[1:])):
            grads[name] = (size * RNG.standard_normal(wanted)).astype(dtype)
            weights[name] = RNG.standard_normal(wanted).astype(dtype)
    return grads, weights


def strict(report: Report) -> dict[str, Any]:
    """Parse a report as JSON that knows no NaN."""

    def refuse(literal: str) -> None:
        raise AssertionError(literal)

    parsed: dict[str, Any] = json.loads(report.to_json(), parse_constant=refuse)
    return parsed


def test_what_explodes_in_time_is_advised_to_clip_and_not_to_open_gates() -> None:
    steps = next_steps(Finding(Verdict.EXPLODING, ""), Traits(recurrent=True))
    assert any(step.text.startswith("Clip the global norm") for step in steps)
    assert not any("open them" in step.text for step in steps)


def test_a_terminal_shows_the_row_whose_neighbor_differs_most() -> None:
    sizes = [1.0 - 0.01 * i for i in range(40)]
    sizes[:20] = [0.05 * size for size in sizes[:20]]  # between 19 and 20
    sizes[5], sizes[30] = 0.02, 1.5  # the least and the largest of all
    grads = {f"{i}.weight": np.full((8, 8), size) for i, size in enumerate(sizes)}
    assert any(line.split()[0] == "19" for line in str(diagnose(grads)).splitlines() if line)


def test_rows_hold_norms_ratios_and_decades_of_whole_layers() -> None:
    grads, weights = network(0.1)
    report = diagnose(grads, weights=weights, lr=0.01)
    assert [row.name for row in report.rows] == ["1", "2", "3", "4", "5"]
    sizes = []
    for number, row in enumerate(report.rows, start=1):
        g = np.concatenate([grads[f"{number}.weight"].ravel(), grads[f"{number}.bias"]])
        w = np.concatenate([weights[f"{number}.weight"].ravel(), weights[f"{number}.bias"]])
        sizes.append(math.sqrt(np.square(g, dtype=np.float64).mean()))
        assert row.count == g.size
        # Sums of a few hundred squares in float32 are good to about 1e-5.
        assert row.norm == pytest.approx(np.linalg.norm(g), rel=1e-5)
        assert row.rms == pytest.approx(sizes[-1], rel=1e-5)
        update = 0.01 * np.linalg.norm(g) / np.linalg.norm(w)
        assert row.update == pytest.approx(update, rel=1e-5)
        moved = w - np.float32(0.01) * g
        assert row.frozen["float32"] == pytest.approx(np.mean(moved == w))
    for row, size, following in zip(report.rows, sizes, [*sizes[1:], None], strict=True):
        assert row.decades == pytest.approx(math.log10(max(sizes) / size), abs=1e-4)
        if following is None:
            assert row.ratio is None
        else:
            assert row.ratio == pytest.approx(size / following, rel=1e-4)


def test_rate_start_and_freeze_depth_are_those_of_a_geometric_fall() -> None:
    deltas = [0.1 ** (8 - layer) for layer in range(1, 9)]
    grads = {f"{i}.W": np.full((4, 4), 1e-3, np.float32) for i in range(1, 9)}
    weights = {name: RNG.choice([-0.5, 0.5], (4, 4)).astype(np.float32) for name in grads}
    report = diagnose(grads, weights=weights, lr=0.1, deltas=deltas)
    assert report.verdict is Verdict.VANISHING
    assert report.rate is not None
    assert report.rate.factor == pytest.approx(0.1)
    assert (report.rate.low, report.rate.high) == pytest.approx((0.1, 0.1))
    assert report.since == "7"
    assert report.profile is not None
    assert report.profile.decades == pytest.approx(-7)
    # Multiplied up in float32, layer by layer, as the chapter on vanishing does.
    assert report.freeze_depth == freeze_depth(float32, 0.5, 1e-3, 0.1, 0.1)
    for back, where in {0: "in the last", 1: "1 layer before", 3: "3 layers before"}.items():
        assert f"stands still {where}" in str(replace(report, freeze_depth=back))
    rising = diagnose(grads, weights=weights, lr=0.1, deltas=deltas[::-1])
    assert (rising.verdict, rising.freeze_depth) == (Verdict.EXPLODING, None)


def test_of_weights_that_are_all_zero_no_step_is_a_share() -> None:
    grads, weights = network(0.1)
    zero = {name: 0 * w if name.startswith("5") else w for name, w in weights.items()}
    report = diagnose(grads, weights=zero, lr=0.01)
    assert [row.update is None for row in report.rows] == [False] * 4 + [True]
    assert "inf" not in str(report)


def test_a_break_in_one_layer_is_where_it_starts() -> None:
    grads = {f"{i}.W": np.ones((3, 3)) for i in range(1, 9)}
    deltas = {f"layer {i}": 1.0 if i > 5 else 1e-3 for i in range(1, 9)}
    assert diagnose(grads, deltas=deltas).since == "layer 5"


def test_bfloat16_and_float16_freeze_before_float32() -> None:
    grads, weights = network(1.0)
    row = diagnose(grads, weights=weights, lr=1e-3).rows[1]
    assert row.frozen["float32"] < row.frozen["float16"] < row.frozen["bfloat16"]


def test_a_loss_scale_changes_no_verdict_and_no_number() -> None:
    grads, weights = network(0.5)
    scaled = {name: 1024 * g for name, g in grads.items()}
    plain = diagnose(grads, weights=weights, lr=0.01)
    other = diagnose(scaled, weights=weights, lr=0.01, loss_scale=1024)
    assert other.rows == plain.rows  # powers of two: exactly
    assert other.verdict is plain.verdict
    assert any("loss scale, 1024" in note for note in other.notes)


def test_the_tiniest_gradients_have_a_size() -> None:
    grads = {f"{i}.W": np.full((50, 50), 1e-25 * 10.0**i, np.float32) for i in range(6)}
    report = diagnose(grads)
    assert report.rows[0].norm == pytest.approx(50 * 1e-25, rel=1e-6)
    assert report.verdict is Verdict.VANISHING


def test_unused_tied_and_non_finite_tensors_are_named() -> None:
    shared = np.ones((4, 4), np.float32)
    sick = np.ones((4, 4), np.float32)
    sick[1, 2] = np.nan
    grads = {
        "embed.weight": shared,
        "fc1.weight": np.ones((4, 4), np.float32),
        "fc2.weight": sick,
        "fc3.weight": None,
        "head.weight": shared,
    }
    report = diagnose(grads)
    assert report.verdict is Verdict.NON_FINITE
    assert report.since == "fc2.weight"
    rows = {row.name: row for row in report.rows}
    assert rows["fc3"].remark == "no gradient: fc3.weight"
    assert rows["head"].remark == "head.weight tied to embed.weight"
    assert rows["fc2"].nonfinite == 1
    assert math.isnan(rows["fc3"].rms)
    text = str(report)
    assert "remark" in text
    assert "NaN, ∞" in text
    assert strict(report)["layers"][3]["rms"] is None


def test_snapshots_are_joined_by_geometric_means() -> None:
    first = {f"{i}.W": np.full((4, 4), 10.0 ** (i - 8)) for i in range(8)}
    second = {f"{i}.W": np.full((4, 4), 10.0 ** (8 - i)) for i in range(8)}
    assert diagnose(first).verdict is Verdict.VANISHING
    both = diagnose(first, snapshots=[second])
    assert both.verdict is not Verdict.VANISHING
    assert both.rows[0].rms == pytest.approx(1.0)
    sick = {name: np.full((4, 4), np.inf) for name in second}
    assert diagnose(first, snapshots=[sick]).verdict is Verdict.NON_FINITE
    with pytest.raises(BadInput, match="snapshots must all hold the same tensors, got 'new'"):
        diagnose(first, snapshots=[{"new": np.ones(3)}])


HOSTILE = '<script>alert("1")</script>$x^2$'


def test_html_takes_every_name_for_text() -> None:
    grads = {f"{HOSTILE}{i}.weight": np.ones((3, 3)) for i in range(5)}
    page = diagnose(grads, deltas=dict.fromkeys(grads, 1.0))._repr_html_()
    assert "<script" not in page
    assert "arithmatex" not in page  # a dollar in a name begins no formula
    assert html.escape(HOSTILE) in page
    assert page.count("<tr>") == 6


def test_text_and_json_hold_no_escape_sequence_of_a_terminal() -> None:
    grads = {f"a\x1b[2J\n{i}.weight": np.ones((3, 3)) for i in range(5)}
    report = diagnose(grads, deltas=dict.fromkeys(grads, 1.0))
    assert "\x1b" not in str(report)
    assert "\x1b" not in report.to_json()
    assert "a?[2J?0" in str(report)


def test_json_holds_the_whole_report() -> None:
    grads, weights = network(0.01)
    report = diagnose(grads, weights=weights, lr=0.01)
    parsed = strict(report)
    assert parsed["verdict"] == "vanishing"
    assert [layer["name"] for layer in parsed["layers"]] == [row.name for row in report.rows]
    assert parsed["layers"][0]["frozen"].keys() == {"float32", "bfloat16", "float16"}
    assert parsed["steps"][0]["link"] == report.steps[0].link
    assert parsed["rate"]["factor"] == pytest.approx(0.01, rel=0.5)
    zero = diagnose({f"{i}.W": np.zeros((2, 2)) for i in range(4)})
    assert strict(zero)["layers"][0]["decades"] is None
    assert "\n" not in report.to_json(indent=None)


def test_the_figure_shows_delta_and_every_kind_of_layer() -> None:
    grads = {f"{i}.weight": np.full((3, 3), 10.0**-i) for i in range(4)}
    grads |= {"4.norm.weight": np.ones(3), "5.weight": np.zeros((3, 3))}
    report = diagnose(grads, deltas=[1e-3, 1e-2, 1.0, 1.0])
    picture = report.figure()
    axes = picture.figure.axes[0]
    assert {text.get_text() for text in axes.texts} >= {"δ", "dense", "normalization"}
    assert axes.get_yscale() == "log"
    assert "vanishing" in picture.caption
    with pytest.raises(ValueError, match="to draw"):
        diagnose({"1.W": np.zeros((2, 2))}).figure()


def test_a_report_cannot_be_changed_and_knows_its_exit_code() -> None:
    well = diagnose({"1.W": np.ones((2, 2))}, deltas=[1.0, 1.0, 1.0])
    sick = diagnose({"1.W": np.ones((2, 2))}, deltas=[1e-9, 1.0, 1.0])
    unknown = diagnose({"1.W": np.ones((2, 2))})
    assert (well.exit_code, sick.exit_code, unknown.exit_code) == (0, 1, 3)
    with pytest.raises(FrozenInstanceError):
        well.verdict = Verdict.DEAD  # type: ignore[misc]


def test_the_first_step_fits_what_is_found() -> None:
    plain = {f"{i}.weight": np.ones((2, 2)) for i in range(1, 8)}
    normed = plain | {f"{i}.norm.weight": np.ones(2) for i in range(1, 8)}
    for sign in (1, -1):
        even = 10.0 ** (sign * np.arange(6.0))[::-1]
        lame = np.where(np.arange(6) < 3, 10.0 ** (3 * sign), 1.0)
        texts = [
            [step.text for step in diagnose(grads, deltas=list(sizes)).steps]
            for grads in (plain, normed)
            for sizes in (even, lame)
        ]
        assert ["One layer" in text[0] for text in texts] == [False, True, False, True]
        pages = [diagnose(grads, deltas=list(even)).steps[0].page for grads in (plain, normed)]
        if sign > 0:
            assert pages == ["chapters/initialization.md", "chapters/normalization.md"]


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_next_steps_whose_pages_are_there(verdict: Verdict) -> None:
    for flags in product((False, True), repeat=5):
        names = ("recurrent", "normalized", "paths", "single", "sigmoids")
        steps = next_steps(
            Finding(verdict, "So it is."), Traits(**dict(zip(names, flags, strict=True)))
        )
        assert 1 <= len(steps) <= 4
        for step in steps:
            assert (ROOT / "docs" / step.page).is_file(), step.page
            assert step.text.endswith(".")


@pytest.mark.parametrize(
    ("deltas", "message"),
    [
        ([1.0], "at least 2 layers, got 1"),
        ([1.0, -1.0], "must be a norm, got -1.0"),
        ({"a": 1.0, "b": -2.0}, "deltas['b'] must be a norm"),
        (np.array(2.0), "one array of norms, got shape ()"),
        ([np.ones(3), np.array([])], "must not be empty"),
        ("norms", "must be an array"),
    ],
)
def test_deltas_that_cannot_be_used_are_named(deltas: Any, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        diagnose({f"{i}.W": np.ones((2, 2)) for i in (1, 2, 3)}, deltas=deltas)
    assert message in str(caught.value)


def test_one_hidden_layer_has_none_to_compare_with() -> None:
    rng = np.random.default_rng(0)
    w, v = rng.normal(size=(4, 8)), rng.normal(size=(8, 3))
    report = diagnose([w, v], weights=[w, v], deltas=[np.ones((5, 8))])
    assert report.verdict is Verdict.CANNOT_TELL
    assert "one hidden layer alone" in report.reason


def test_a_log_of_biases_alone_is_read() -> None:
    """The same numbers say the same, with weights beside them or not."""
    fall = [Entry(0.0, f"fc{i}.bias", 10.0 ** (0.64 * i)) for i in range(6)]
    flat = [Entry(0.0, f"fc{i}.weight", 1.0) for i in range(6)]
    alone, beside = diagnose_log(fall), diagnose_log([*fall, *flat])
    assert alone.verdict is beside.verdict is Verdict.VANISHING
    assert alone.reason == beside.reason
    assert diagnose_log(fall[:2]).verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize(("bad", "one"), [((4,), True), ((3, 6), False), ((2, 4, 6), False)])
def test_one_layer_does_most_of_it_only_if_no_second_one_does(
    bad: tuple[int, ...], one: bool
) -> None:
    steps = [100.0 if index in bad else 0.97 for index in range(8)]
    sizes = np.cumprod([1.0, *steps])
    assert one_layer(sizes) is one_layer(sizes[::-1]) is one


def test_deltas_come_as_arrays_norms_or_one_array_of_norms() -> None:
    sizes = [0.1, 0.2, 0.4]
    arrays = [np.full((5, 3), size, np.float32) for size in sizes]
    by_name = {str(i): a for i, a in enumerate(arrays, start=1)}
    for given in (arrays, by_name, sizes, np.array(sizes), dict(zip("123", sizes, strict=True))):
        found = read_deltas(given)
        assert found.deltas is not None
        assert found.deltas.names == ("1", "2", "3")
        assert found.deltas.rms == pytest.approx(sizes)
        assert (found.output, found.nonfinite) == (None, ())
    report = diagnose({"1.W": np.ones((2, 2))}, deltas=[1.0, math.inf, 1.0])
    assert report.verdict is Verdict.NON_FINITE
    assert report.since == "δ of 2"


def test_hooks_give_the_last_layer_first_and_the_output_is_set_apart() -> None:
    grads, _ = network(1.0)
    falling = {"5": 1e9, "4": 1.0, "3": 0.1, "2": 0.01, "1": 0.001}
    report = diagnose(grads, deltas=falling)
    assert report.verdict is Verdict.VANISHING
    assert report.profile is not None
    assert report.profile.names == ("1", "2", "3", "4")  # without the output, layer 5
    assert report.profile.decades == pytest.approx(-3)
    other = diagnose(grads, deltas=dict(reversed(falling.items())))
    assert other.profile == report.profile
    assert (len(other.notes), len(report.notes)) == (1, 2)  # only one was turned around
    unknown = {f"relu{i}": 0.1 ** (9 - i) for i in range(9, 0, -1)}
    assert diagnose(grads, deltas=unknown).verdict is Verdict.VANISHING
    first = {"5": 1e9, **unknown}  # the output is known, what is before it is not
    assert diagnose(grads, deltas=first).verdict is Verdict.VANISHING
    blocks = {f"block.{i}.{part}.weight": np.ones((3, 3)) for i in range(4) for part in "ab"}
    rising = {f"block.{i}": 10.0**-i for i in range(4)}
    for given in (rising, dict(reversed(rising.items()))):
        assert diagnose(blocks, deltas=given).verdict is Verdict.EXPLODING


def test_arguments_that_do_not_fit_are_named() -> None:
    grads, weights = network(1.0)
    with pytest.raises(BadInput, match="weights must be given with lr"):
        diagnose(grads, lr=0.1)
    with pytest.raises(ValueError, match="lr must be positive"):
        diagnose(grads, weights=weights, lr=-1.0)
    with pytest.raises(ValueError, match="loss_scale must be positive"):
        diagnose(grads, loss_scale=0.0)
    missing = {name: w for name, w in weights.items() if name != "3.bias"}
    with pytest.raises(BadInput, match=r"weights must hold '3\.bias'"):
        diagnose(grads, weights=missing)
    turned = {**weights, "1.weight": weights["1.weight"].T}
    for lr in (None, 0.1):
        with pytest.raises(BadInput, match=r"weights\['1.weight'\] must have the shape"):
            diagnose(grads, weights=turned, lr=lr)


def test_a_log_is_diagnosed_by_its_geometric_means() -> None:
    fall = [Entry(step, f"fc{i}", 10.0 ** (i - 6 + step)) for step in (0.0, 1.0) for i in range(6)]
    report = diagnose_log(fall)
    assert report.verdict is Verdict.VANISHING
    assert report.rows[0].norm == pytest.approx(10.0**-5.5)
    assert "2 steps" in report.notes[0]
    flat = [Entry(0.0, f"fc{i}", 1.0) for i in range(6)]
    assert diagnose_log(flat).verdict is Verdict.CANNOT_TELL
    assert diagnose_log(flat, deltas=fall).verdict is Verdict.VANISHING
    assert diagnose_log(flat, deltas=flat).verdict is Verdict.HEALTHY


def test_a_log_tells_at_which_step_the_first_norm_is_not_finite() -> None:
    log = [Entry(s, f"fc{i}", math.nan if s == 7 else 1.0) for s in range(9) for i in range(4)]
    report = diagnose_log(log)
    assert (report.verdict, report.since) == (Verdict.NON_FINITE, "step 7 of fc0")
    zeros = diagnose_log([Entry(0.0, f"fc{i}", 0.0) for i in range(4)])
    assert zeros.verdict is Verdict.CANNOT_TELL
    with pytest.raises(BadInput, match="at least one norm"):
        diagnose_log([])
    with pytest.raises(BadInput, match="at least 2 layers"):
        diagnose_log(log, deltas=[Entry(0.0, "a", 1.0)])


def test_importing_the_package_stays_light_and_diagnose_is_there() -> None:
    assert callable(gradbook.diagnose)
    code = (
        "import sys, gradbook; assert 'gradbook.diagnosis' not in sys.modules; "
        "gradbook.diagnose; assert 'matplotlib' not in sys.modules; "
        "assert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'cure'"):
        gradbook.cure  # noqa: B018


def test_a_notebook_sees_powers_and_true_minus_signs_where_a_terminal_sees_ascii() -> None:
    deltas = [0.1 ** (8 - layer) for layer in range(1, 9)]
    grads = {f"fc-{i}": np.full((4, 4), 0.1 ** (8 - i)) for i in range(1, 9)}
    report = diagnose(grads, deltas=deltas)
    shown = report._repr_html_()
    assert "by a factor of 10<sup>7.0</sup>." in shown
    assert "by a factor of 10^7.0." in str(report)
    assert ">4.00e\N{MINUS SIGN}07<" in shown
    assert "4.00e-07" in str(report)
    assert "fc-1" in shown, "a hyphen of a name stays"


@pytest.mark.parametrize(("layers", "left"), [(24, 0), (60, 36)])
def test_a_notebook_shows_the_layers_that_tell_most_and_counts_the_rest(
    layers: int, left: int
) -> None:
    sizes = [0.5 ** (layers - layer) for layer in range(layers)]
    shown = diagnose({f"{i}.W": np.full((4, 4), s) for i, s in enumerate(sizes)})._repr_html_()
    assert shown.count("<tr>") == 1 + min(layers, 24), "with the head's"
    assert (f"{left} more rows: <code>report.table()</code>" in shown) is (left > 0)
    assert all(f">{end}<" in shown for end in (0, layers - 1))


def test_a_recurrent_network_has_no_layer_at_which_it_freezes() -> None:
    assert FORGETFUL.report.verdict is SIGMOIDS.report.verdict is Verdict.VANISHING
    assert SIGMOIDS.report.freeze_depth is not None
    assert FORGETFUL.report.freeze_depth is None


@pytest.mark.parametrize("verdict", Verdict)
def test_the_page_says_what_every_finding_means(verdict: Verdict) -> None:
    page = (ROOT / "docs" / "chapters" / "diagnose.md").read_text(encoding="utf-8")
    assert f"| *{verdict.value}* |" in page


def test_a_report_has_twenty_lines_whatever_the_network() -> None:
    names = [f"blocks.{i}.fc{j}.weight" for i in range(50) for j in (1, 2)]
    grads = {name: RNG.standard_normal((3, 3)) for name in names}
    for deltas in (None, list(10.0 ** np.arange(-9, 1))):
        report = diagnose(grads, deltas=deltas)
        assert len(str(report).splitlines()) <= LINES
        assert "report.table()" in str(report)
        assert len(report.table().rows) == len(report.rows) == 100


def test_a_rate_of_what_leaves_it_open_is_said_of_what_it_is_of() -> None:
    rng = np.random.default_rng(0)
    flat = {f"fc{k}.weight": rng.standard_normal((8, 8)) for k in range(9)}
    report = gradbook.diagnose(flat)
    assert report.verdict.value == "cannot tell"
    assert "each layer multiplies the size of gradients of weights by" in str(report)


def test_weights_are_not_taken_for_gradients() -> None:
    kept = {"bn.weight": np.ones(4), "bn.running_var": np.ones(4), "fc.weight": np.ones((4, 4))}
    with pytest.raises(BadInput, match=r"'bn.running_var', which gets none: they are a file of we"):
        gradbook.diagnose(kept)
