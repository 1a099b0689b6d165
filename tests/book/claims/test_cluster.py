"""The command runs all claims on a cluster: a real scheduler, and workers that come and go."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from distributed import Client
from threadpoolctl import threadpool_info

from gradbook.book import sources
from gradbook.book.backpropagation import claims as backpropagation
from gradbook.book.chain_rule import claims as chain_rule
from gradbook.book.claims import (
    Claim,
    ClaimKind,
    Measurement,
    cluster,
    of,
)
from gradbook.book.claims.__main__ import BAD_INPUT, main
from gradbook.book.claims.checking import measured
from gradbook.book.claims.store import ClaimStore
from gradbook.book.clipping import claims as clipping
from gradbook.book.exploding import claims as exploding
from gradbook.book.update_rule import claims as update_rule
from gradbook.press.places import ROOT

FAST = tuple(
    claim
    for chapter in (backpropagation, chain_rule, clipping, exploding, update_rule)
    for claim in of(chapter)
)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


@dataclass
class Cluster:
    """A scheduler and workers, each a process of its own, on ports that were free."""

    folder: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    started: int = 0

    def __post_init__(self) -> None:
        self.where = self.folder / "scheduler.json"
        self.scheduler = self._dask("scheduler", "--port", "0")
        wait_for(lambda: self.where.exists() and self.where.read_bytes().rstrip().endswith(b"}"))
        self.address = str(json.loads(self.where.read_text(encoding="utf-8"))["address"])

    def _dask(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *arguments, "--scheduler-file", str(self.where)]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--no-dashboard"],
                cwd=self.folder,
                env=os.environ | variables,
                stdout=log,
                stderr=log,
            )

    def work(self, count: int, **variables: str) -> None:
        """Start workers, and wait until the scheduler knows them."""
        options = ("--no-nanny", "--nthreads", "1", "--local-directory", str(self.folder))
        self.workers += [self._dask("worker", *options, **variables) for _ in range(count)]
        self.started += count
        wait_for(lambda: self.log.count("Registered to:") == self.started)

    def replace_one_that_was_killed(self) -> None:
        (killed,) = [worker for worker in self.workers if worker.poll() is not None]
        assert killed.returncode == -signal.SIGKILL
        self.workers.remove(killed)
        self.work(1)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            stop(process)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the cluster did not come up"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        found.work(2)
        yield found
    finally:
        found.end()


@pytest.fixture
def no_worker(tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster(tmp_path)
    try:
        yield found
    finally:
        found.end()


@pytest.fixture
def ask(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command, with claims that are fast: its exit code and what it prints."""

    def run(
        scheduler: str, claims: tuple[Claim, ...] = FAST, answer: float = 60.0
    ) -> tuple[int, str, str]:
        monkeypatch.setattr("gradbook.book.claims.__main__.ALL", claims)
        monkeypatch.setattr(cluster, "ANSWER", answer)
        where = ("--backend", "dask", "--scheduler", scheduler, "--cache", str(tmp_path / "kept"))
        try:
            code = main(where)
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


Ask = Callable[..., tuple[int, str, str]]


def test_a_cluster_gives_the_numbers_of_one_process(
    two_workers: Cluster, ask: Ask, tmp_path: Path
) -> None:
    code, out, err = ask(two_workers.address)
    assert code == 0, err
    refuted = sum(not claim.holds for claim in FAST)
    start = f"{len(FAST) - refuted} of {len(FAST)} claims agree with their theory"
    assert out.splitlines()[-1].startswith(start)
    assert err.splitlines()[-1] == f"claims: {len(FAST)} of {len(FAST)}"
    store = ClaimStore(tmp_path / "kept")
    kept = [store.read(claim) for claim in FAST]
    assert [found and found.numbers for found in kept] == [measured(c).numbers for c in FAST]


def deadly(process: int, kept: Path, files: int = 1) -> Claim:
    """Return a claim that kills a process, 0 for its own worker, once so many others are kept."""

    def measure(rng: object, draws: int) -> Measurement:
        note = kept.with_name("killed")
        while len(list(kept.glob("*.json"))) < files:
            time.sleep(0.01)
        if not note.exists():
            note.touch()
            time.sleep(0.2)
            os.kill(process or os.getpid(), signal.SIGKILL)
        return Measurement.of(1.0)

    return Claim(
        name="deadly",
        chapter="nowhere",
        statement="One is one",
        setting="planted",
        source=sources.ALL[0],
        kind=ClaimKind.EXACT,
        cases=("one",),
        theory=lambda: 1.0,
        measure=measure,
    )


def test_a_worker_that_is_killed_on_the_way_loses_nothing(
    two_workers: Cluster, ask: Ask, tmp_path: Path
) -> None:
    half = len(FAST) // 2
    claims = (*FAST[:half], deadly(0, tmp_path / "kept"), *FAST[half:])
    code, out, err = ask(two_workers.address, claims=claims)
    two_workers.replace_one_that_was_killed()
    assert code == 0, err
    refuted = sum(not claim.holds for claim in claims)
    start = f"{len(claims) - refuted} of {len(claims)} claims agree with their theory"
    assert out.splitlines()[-1].startswith(start)
    store = ClaimStore(tmp_path / "kept")
    kept = [store.read(claim) for claim in FAST]
    assert [found and found.numbers for found in kept] == [measured(c).numbers for c in FAST]


def test_what_a_killed_worker_had_done_is_not_done_again(
    two_workers: Cluster, ask: Ask, tmp_path: Path
) -> None:
    few = FAST[:6]
    code, _, err = ask(two_workers.address, (*few, deadly(0, tmp_path / "kept", len(few))))
    two_workers.replace_one_that_was_killed()
    assert code == 0, err
    assert "lose already computed task" not in two_workers.log.rpartition("Run out-of-band")[2]


def test_a_cluster_that_is_lost_on_the_way_is_told_in_a_line_and_what_is_done_is_kept(
    no_worker: Cluster, ask: Ask, tmp_path: Path
) -> None:
    no_worker.work(1)
    first = chain_rule.FACTORS
    claims = (first, deadly(no_worker.scheduler.pid, tmp_path / "kept"), *FAST)
    code, out, err = ask(no_worker.address, claims=claims)
    assert (code, out) == (BAD_INPUT, "")
    assert f"the cluster at '{no_worker.address}' was lost, run again to go on" in one_line(err)
    assert ClaimStore(tmp_path / "kept").read(first) is not None


def test_numbers_of_other_sources_are_refused_and_not_kept(
    no_worker: Cluster, ask: Ask, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "gradbook", tmp_path / "other" / "gradbook")
    note = tmp_path / "other" / "gradbook" / "book" / "lecture_note.py"
    with note.open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    no_worker.work(1, PYTHONPATH=str(tmp_path / "other"))
    reaches_the_note, other = chain_rule.FACTORS, clipping.COMPENSATED
    code, out, err = ask(no_worker.address, claims=(other, reaches_the_note))
    assert (code, out) == (BAD_INPUT, "")
    assert f"other sources than those here for '{reaches_the_note.name}'" in one_line(err)
    store = ClaimStore(tmp_path / "kept")
    assert store.read(reaches_the_note) is None
    assert store.read(other) is not None


def one_line(err: str) -> str:
    """Return what is said beside the progress: one line, and nothing of a traceback."""
    (line,) = [line for line in err.splitlines() if not line.startswith("claims: ")]
    return line


def test_a_worker_gives_products_one_thread_and_does_not_take_that_back(
    no_worker: Cluster, ask: Ask
) -> None:
    # It may run several claims at a time: the first that ends must not undo it for the others.
    def threads() -> int:
        return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")

    no_worker.work(1, OPENBLAS_NUM_THREADS="2")
    with Client(no_worker.address) as client:
        assert set(client.run(threads).values()) <= {1, 2}
        code, _, err = ask(no_worker.address, claims=FAST[:2])
        assert code == 0, err
        assert set(client.run(threads).values()) == {1}


def test_a_worker_without_gradbook_is_told_in_a_line(no_worker: Cluster, ask: Ask) -> None:
    bare = no_worker.folder / "bare" / "gradbook"
    bare.mkdir(parents=True)
    (bare / "__init__.py").touch()
    no_worker.work(1, PYTHONPATH=str(bare.parent))
    code, out, err = ask(no_worker.address)
    assert (code, out) == (BAD_INPUT, "")
    assert "a worker cannot run claims: ModuleNotFoundError" in one_line(err)


def test_a_scheduler_without_workers_is_told_in_a_line(
    no_worker: Cluster, ask: Ask, tmp_path: Path
) -> None:
    code, out, err = ask(no_worker.address, answer=2.0)
    assert (code, out) == (BAD_INPUT, "")
    assert f"has no worker: start `dask worker {no_worker.address}`" in one_line(err)
    assert not (tmp_path / "kept").exists()


def test_the_address_of_a_worker_is_told_from_that_of_a_scheduler(
    two_workers: Cluster, ask: Ask
) -> None:
    started = [line for line in two_workers.log.splitlines() if "Start worker at:" in line]
    code, out, err = ask(started[-1].split()[-1])
    assert (code, out) == (BAD_INPUT, "")
    assert "answers a worker; expected a scheduler" in one_line(err)


def test_an_address_where_nobody_answers_is_told_in_a_line_and_soon(tmp_path: Path) -> None:
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        scheduler = f"tcp://127.0.0.1:{port.getsockname()[1]}"
        arguments = ["--backend", "dask", "--scheduler", scheduler, "--cache", "kept"]
        # A process of its own: what an event loop leaves behind is printed at its end.
        done = subprocess.run(
            [sys.executable, "-m", "gradbook.book.claims", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (BAD_INPUT, "")
    assert f"nobody answers at '{scheduler}' within {cluster.ANSWER:g} s" in one_line(done.stderr)
    assert not list(tmp_path.iterdir())


def test_a_port_where_another_program_listens_is_told_in_a_line_and_soon(
    ask: Ask, tmp_path: Path
) -> None:
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        port.listen()
        code, out, err = ask(f"tcp://127.0.0.1:{port.getsockname()[1]}", answer=1.0)
    assert (code, out) == (BAD_INPUT, "")
    assert "nobody answers at 'tcp://127.0.0.1:" in one_line(err)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    "address", ["foo", "http://127.0.0.1:80", "tcp://127.0.0.1:port", "tls://a:1"]
)
def test_what_is_no_address_is_told_in_a_line(ask: Ask, address: str) -> None:
    code, out, err = ask(address)
    assert (code, out) == (BAD_INPUT, "")
    assert f"--scheduler must be an address such as tcp://HOST:8786, got '{address}'" in one_line(
        err
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--backend dask", "belong together"),
        ("--scheduler tcp://127.0.0.1:8786", "belong together"),
        ("--backend loky --scheduler tcp://127.0.0.1:8786", "belong together"),
        ("--backend spark", "invalid choice: 'spark'"),
        ("--backend dask --scheduler tcp://127.0.0.1:8786 --jobs 2", "uses all its workers"),
        ("--backend loky --jobs 0", "must be a positive number"),
        (f"--cache {__file__}", "must be a folder, got the file"),
    ],
)
def test_what_does_not_go_together_is_told_in_a_line(
    capsys: pytest.CaptureFixture[str], arguments: str, said: str
) -> None:
    with pytest.raises(SystemExit, match=str(BAD_INPUT)):
        main(arguments.split())
    assert said in one_line(capsys.readouterr().err)


def test_without_dask_the_extra_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SystemExit, match=str(BAD_INPUT)):
        main(["--backend", "dask", "--scheduler", "tcp://127.0.0.1:8786"])
    assert "pip install -e '.[claims,cluster]'" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_the_other_backends_of_the_command_give_the_same_board(
    backend: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("gradbook.book.claims.__main__.ALL", of(update_rule)[:4])
    boards = []
    for how in ([], ["--backend", backend]):
        assert main([*how, "--cache", str(tmp_path / str(len(how)))]) == 0
        boards.append(capsys.readouterr().out)
    assert boards[0] == boards[1]
