"""The command runs all claims: the same numbers however it is run, kept, and taken up again."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from gradbook.book import sources
from gradbook.book.claims import Claim, ClaimKind, Measurement, Outcome, of, runner
from gradbook.book.claims.__main__ import INTERRUPTED, main
from gradbook.book.claims.checking import measured
from gradbook.book.claims.every import ALL
from gradbook.book.claims.runner import MissingExtra, OtherCode, checked_jobs, run
from gradbook.book.claims.store import CACHE_VARIABLE, ClaimStore
from gradbook.book.clipping import claims as clipping
from gradbook.book.update_rule import claims as update_rule


def a_claim(name: str = "planted", theory: float = 0.0, seed: int = 0) -> Claim:
    return Claim(
        name=name,
        chapter="nowhere",
        statement="The mean of a standard normal is what theory says",
        setting="planted",
        source=sources.ALL[0],
        kind=ClaimKind.EXPECTATION,
        cases=("mean",),
        theory=lambda: theory,
        measure=lambda rng, draws: Measurement.mean(rng.standard_normal((draws, 1))),
        seed=seed,
        draws=100,
        full=10_000,
    )


def counted(claim: Claim, runs: list[str]) -> Claim:
    """Return the claim with a note of each time that it is measured."""

    def measure(rng: np.random.Generator, draws: int) -> Measurement:
        runs.append(claim.name)
        return claim.measure(rng, draws)

    return replace(claim, measure=measure)


def stopped() -> float:
    raise KeyboardInterrupt


def numbers_of(claims: tuple[Claim, ...], **how: int) -> list[tuple[list[float], ...]]:
    return [outcome.numbers for outcome in run(claims, **how).outcomes]


@pytest.fixture
def store(tmp_path: Path) -> ClaimStore:
    # Planted claims have no file of a chapter.
    return ClaimStore(tmp_path / "claims", code_of=lambda claim: "planted")


THREE = tuple(a_claim(f"planted {seed}", seed=seed) for seed in range(3))


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_the_numbers_do_not_depend_on_jobs_or_backend(backend: str) -> None:
    # The planted claims hold lambdas; one claim multiplies matrices, in more threads or fewer; the
    # last asks whether a format is the very one that a module holds.
    claims = (*THREE, *of(update_rule)[:2], clipping.COMPENSATED)
    with joblib.parallel_config(backend):
        assert numbers_of(claims, jobs=2) == numbers_of(claims, jobs=1)


def test_the_board_is_in_the_order_of_the_claims_whoever_is_done_first(store: ClaimStore) -> None:
    run(THREE[1:2], store=store)
    assert [o.claim.name for o in run(THREE, jobs=2, store=store).outcomes] == [
        claim.name for claim in THREE
    ]


def test_each_claim_draws_from_its_own_seed() -> None:
    alone = numbers_of(THREE[2:])
    assert numbers_of(THREE)[2:] == alone
    assert len({values[0] for _, values, _ in numbers_of(THREE)}) == len(THREE)


def test_what_is_kept_is_not_measured_again(store: ClaimStore) -> None:
    runs: list[str] = []
    claims = tuple(counted(claim, runs) for claim in THREE)
    first = run(claims, store=store)
    again = run(tuple(counted(claim, runs) for claim in THREE), store=store)
    assert sorted(runs) == sorted(claim.name for claim in THREE)
    assert str(again) == str(first)


def test_an_interrupted_run_goes_on_where_it_stopped(store: ClaimStore) -> None:
    runs: list[str] = []
    stopping = replace(THREE[1], theory=stopped)
    with pytest.raises(KeyboardInterrupt):
        run([counted(THREE[0], runs), stopping], store=store)
    run([counted(claim, runs) for claim in THREE], store=store)
    assert runs == [claim.name for claim in THREE]


@pytest.mark.parametrize(
    "change",
    [
        lambda claim: replace(claim, name="another"),
        lambda claim: replace(claim, seed=7),
        lambda claim: replace(claim, draws=101),
        lambda claim: replace(claim, cases=("another",)),
    ],
)
def test_a_claim_that_is_another_is_measured(
    store: ClaimStore, change: Callable[[Claim], Claim]
) -> None:
    runs: list[str] = []
    run([THREE[0]], store=store)
    run([counted(change(THREE[0]), runs)], store=store)
    assert len(runs) == 1


@pytest.mark.parametrize(
    "change", [{"code_of": lambda claim: "another"}, {"machines": ("another",)}]
)
def test_numbers_of_other_code_or_another_machine_do_not_count(
    store: ClaimStore, change: dict[str, Any]
) -> None:
    runs: list[str] = []
    run([THREE[0]], store=store)
    run([counted(THREE[0], runs)], store=replace(store, **change))
    assert len(runs) == 1


def test_what_other_code_measured_is_refused_by_name() -> None:
    done = runner._Done(0, ([2.498], [2.498], [0.0]), "other code", "a machine")
    with pytest.raises(OtherCode, match=r"other sources than those here for 'note-step'"):
        done.outcome_of(update_rule.NOTE_STEP)


def test_a_worker_without_the_claim_has_other_code() -> None:
    with pytest.raises(
        OtherCode, match=r"other sources.*gradbook\.book\.update_rule\.claims\.GONE"
    ):
        runner._measure(0, ("gradbook.book.update_rule.claims", "GONE"), False)


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def a_claim_on_threads(name: str, together: Callable[[], object]) -> Claim:
    """Return a claim whose theory is how many threads products have, once others have come."""

    def theory() -> float:
        together()
        return max(blas_threads())

    return replace(a_claim(name), theory=theory)


def test_a_product_has_one_thread_while_a_claim_is_measured_and_its_own_number_after() -> None:
    with threadpool_limits(2):
        assert measured(a_claim_on_threads("alone", list)).theory == 1
        assert max(blas_threads()) == 2


def test_a_claim_that_is_done_takes_no_limit_from_those_measured_beside_it() -> None:
    both, first_done = Barrier(2), Event()
    claims = (
        a_claim_on_threads("the first", both.wait),
        a_claim_on_threads("the second", lambda: (both.wait(), first_done.wait(60))),
    )
    with threadpool_limits(2), joblib.parallel_config("threading"):
        found = run_noting(claims, first_done)
        assert max(blas_threads()) == 2
    assert [float(outcome.theory[0]) for outcome in found] == [1, 1]


def run_noting(claims: tuple[Claim, ...], first_done: Event) -> tuple[Outcome, ...]:
    """Run claims side by side, and note when the first is done."""

    class Noting(ClaimStore):
        def write(self, outcome: Outcome, *, full: bool = False) -> None:
            first_done.set()

    return run(claims, jobs=2, store=Noting(Path("nowhere"))).outcomes


@pytest.mark.parametrize("jobs", [0, -2])
def test_a_number_of_jobs_that_means_nothing_is_refused(jobs: int) -> None:
    with pytest.raises(ValueError, match=f"jobs must be.*got {jobs}"):
        checked_jobs(jobs)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing but the core installed."""
    for package in ("dask", "distributed", "joblib", "threadpoolctl", "tqdm"):
        monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.usefixtures("bare")
def test_the_core_alone_runs_one_job_and_names_the_extra_for_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert run(THREE, progress=True).summary == "3 of 3 claims agree with their theory."
    assert capsys.readouterr().err.splitlines()[-1] == "claims: 3 of 3"
    with pytest.raises(MissingExtra, match=r"'\.\[claims\]'"):
        run(THREE, jobs=2)


def test_a_log_has_a_line_for_every_ten_claims(capsys: pytest.CaptureFixture[str]) -> None:
    run([a_claim(f"planted {seed}", seed=seed) for seed in range(25)], progress=True)
    told = [f"claims: {number} of 25" for number in (0, 10, 20, 25)]
    assert capsys.readouterr().err.splitlines() == told


def test_a_log_has_a_line_for_every_ten_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count(step=4)
    monkeypatch.setattr(runner, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    run([a_claim(f"planted {seed}", seed=seed) for seed in range(9)], progress=True)
    told = [int(line.split()[1]) for line in capsys.readouterr().err.splitlines()]
    assert told == [0, 3, 6, 9]


def test_the_bar_counts_what_is_kept_as_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, store: ClaimStore
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    run(THREE[:2], store=store)
    run(THREE, store=store, progress=True)
    last = capsys.readouterr().err.split("\r")
    assert any("2/3" in line for line in last)
    assert "3/3" in last[-1]


def command(monkeypatch: pytest.MonkeyPatch, claims: tuple[Claim, ...], *arguments: str) -> int:
    monkeypatch.setattr("gradbook.book.claims.__main__.ALL", claims)
    return main(arguments)


def test_the_command_prints_the_board_and_fails_with_a_claim(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, (ALL[0],)) == 0
    assert "1 of 1 claims agree with their theory." in capsys.readouterr().out
    assert command(monkeypatch, (ALL[0], a_claim(theory=1.0)), "--full", "--jobs", "2") == 1
    assert (
        "1 of 2 claims agree with their theory. These do not stand: planted."
        in capsys.readouterr().out
    )
    assert (tmp_path / ".results" / "claims").is_dir()


def test_fresh_measures_again_and_only_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs: list[str] = []

    def noted(claim: Claim, *, full: bool) -> Outcome:
        runs.append(claim.name)
        return measured(claim, full=full)

    monkeypatch.setattr(runner, "measured", noted)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    for arguments in [(), (), ("--fresh",), ("--fresh", "--full"), ("--full",)]:
        assert command(monkeypatch, (update_rule.MULTIPLIER,), *arguments) == 0
    assert len(runs) == 3
    capsys.readouterr()


def test_an_interrupt_is_told_in_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    claims = (update_rule.MULTIPLIER, replace(THREE[1], theory=stopped))
    assert command(monkeypatch, claims, f"--cache={tmp_path}") == INTERRUPTED
    assert f"is in {tmp_path}; run again" in capsys.readouterr().err
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(("jobs", "said"), [("2", "'.[claims]'"), ("0", "must be a positive")])
def test_the_command_says_what_jobs_need(
    capsys: pytest.CaptureFixture[str], jobs: str, said: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--jobs", jobs])
    assert said in capsys.readouterr().err.splitlines()[-1]
