"""The logs are of real trainings, and what they hide can be found; what cannot be seen is told."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from gradbook.book.diagnose import scoring
from gradbook.book.diagnose.blind_spots import beside, cancelling, coverage
from gradbook.book.diagnose.mysteries import (
    FLAT,
    FOUR,
    MYSTERIES,
    SUDDEN,
    Mystery,
    entries,
    written,
)
from gradbook.book.diagnose.suite import GIVEN, TEST, Matrix, see
from gradbook.cli import main
from gradbook.diagnosis.findings import LIMITS
from gradbook.diagnosis.verdicts import Verdict


@pytest.mark.parametrize("mystery", MYSTERIES, ids=lambda mystery: mystery.name)
def test_the_command_line_says_what_the_page_says(
    mystery: Mystery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    norms, deltas = mystery.save(tmp_path)
    for arguments, given in (([], False), (["--deltas", str(deltas)], True)):
        report = mystery.report(deltas=given)
        assert main(["diagnose", str(norms), *arguments]) == report.exit_code
        assert report.reason in capsys.readouterr().out


@pytest.mark.parametrize("mystery", [FLAT, FOUR], ids=lambda mystery: mystery.name)
def test_only_delta_tells_what_the_weights_hide(mystery: Mystery) -> None:
    assert mystery.report().verdict is Verdict.CANNOT_TELL
    assert mystery.report(deltas=True).verdict is Verdict.VANISHING
    by_name: dict[str, list[float]] = {}
    for entry in entries(mystery.logs.deltas):
        by_name.setdefault(entry.name, []).append(entry.norm)
    means = [np.exp(np.log(sizes).mean()) for sizes in by_name.values()]
    last = -2 if mystery is FLAT else -1  # the last δ of a deep network is the output's
    assert math.log10(means[0] / means[last]) <= -2


def test_the_norms_of_the_flat_log_are_of_one_size() -> None:
    first = [norms[0] for norms in FLAT.series().values()]
    assert max(first) / min(first) < 5


def test_the_sudden_one_is_healthy_until_its_rate_throws_it() -> None:
    assert SUDDEN.report(deltas=True, until=1).verdict is Verdict.HEALTHY
    assert SUDDEN.report(deltas=True).verdict is Verdict.NON_FINITE
    rate = SUDDEN.train.keywords["lr"]  # type: ignore[attr-defined]
    calmer = Mystery("calmer", partial(SUDDEN.train, lr=rate / 5))
    norms = calmer.series()["layers.5.weight"]
    assert norms[-1] < norms[0] / 5


def test_a_written_log_is_read_back() -> None:
    steps = [{"a": 0.5, "b": math.inf}, {"a": 0.25, "b": math.nan}]
    found = entries(written(steps))
    assert [(e.step, e.name) for e in found] == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]
    assert found[0].norm == 0.5
    assert math.isinf(found[1].norm)
    assert math.isnan(found[3].norm)


@pytest.mark.parametrize("mystery", MYSTERIES, ids=lambda mystery: mystery.name)
def test_a_log_is_drawn_with_its_spread(mystery: Mystery) -> None:
    first = [norms[0] for norms in mystery.series().values()]
    assert f"{max(first) / min(first):.1f} times" in mystery.figure().alt


def test_biases_cancel_in_a_balanced_batch_alone() -> None:
    whole, uneven = (cancelling(np.random.default_rng(1), n) for n in (32, 29))
    assert whole.delta < -1.5
    assert uneven.delta < -1.5
    assert whole.biases - whole.delta > 1 + abs(uneven.biases - uneven.delta)
    assert abs(whole.weights) < 0.5


def test_weights_in_a_branch_get_a_share_that_its_factor_sets() -> None:
    for scale in (0.01, 0.1):
        found = beside(np.random.default_rng(1), scale)
        assert abs(found.path) < 0.2
        # Width and the two factors of a branch move it by less than a factor of three.
        assert found.branch == pytest.approx(math.log10(scale), abs=0.5)


def test_the_steps_hold_the_true_rate_and_the_line_does_not() -> None:
    found = coverage(np.random.default_rng(2), seeds=100)
    # 100 intervals of 95 %: fewer than 86 would be four deviations off.
    assert found.steps >= 0.86
    assert found.line < 0.6


def test_the_tables_of_scores_show_the_matrices() -> None:
    seen = see(TEST, *GIVEN)
    rows = scoring.scores(seen).rows
    assert [row[0] for row in rows] == [given.name for given in GIVEN]
    for row, given in zip(rows, GIVEN, strict=True):
        matrix = Matrix.of(seen.judged[given])
        assert row[1:] == [
            matrix.right_on_faults,
            matrix.false_alarms,
            matrix.wrong,
            matrix.cannot_tell,
        ]
    for name, healthy, limit, _, above in scoring.thresholds(seen).rows:
        assert isinstance(healthy, float)
        assert isinstance(limit, float)
        assert healthy < limit, f"{name}: a healthy network would raise an alarm"
        assert 0 < float(above) <= 1
    assert f"{LIMITS.deltas:.2f}" in scoring.figure(seen).alt
