"""The command line: its exit codes, its one line on the standard error, and what it prints."""

from __future__ import annotations

import json
import os
import pickle
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import gradbook
from gradbook import cli
from gradbook.diagnosis import Verdict

RNG = np.random.default_rng(0)

Grads = dict[str, np.ndarray]


def stack(factor: float = 1.0, layers: int = 6) -> Grads:
    sizes = [factor ** (layers - i) for i in range(layers)]
    return {f"{i}.weight": s * RNG.standard_normal((8, 8)) for i, s in enumerate(sizes)}


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[str, Grads], str]:
    def save(name: str, grads: Grads) -> str:
        path = tmp_path / f"{name}.npz"
        np.savez(path, **grads)
        return str(path)

    return save


Save = Callable[[str, Grads], str]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, within half a gigabyte."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (500 * 2**20, 500 * 2**20))

    return subprocess.run(
        [sys.executable, "-m", "gradbook", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=limit,
    )


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("gradbook: ")
    assert err.count("\n") == 1
    assert err.strip().isprintable()
    return err


def test_the_exit_code_tells_healthy_problem_and_cannot_tell(saved: Save) -> None:
    grads, deltas = saved("grads", stack()), saved("deltas", stack())
    sick = saved("sick", stack(0.01))
    assert cli.main(["diagnose", grads, "--deltas", deltas]) == 0
    assert cli.main(["diagnose", sick]) == 1
    assert cli.main(["diagnose", grads, "--deltas", sick]) == 1
    assert cli.main(["diagnose", grads]) == 3


def test_the_module_runs_as_a_command_and_prints_the_report(saved: Save) -> None:
    done = run("diagnose", saved("sick", stack(0.01)))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("Verdict: vanishing\n")
    assert "0.weight" not in done.stdout  # weight and bias of a layer are one row
    assert "chapters/initialization/" in done.stdout


def test_weights_and_learning_rate_tell_what_is_frozen(
    saved: Save, capsys: pytest.CaptureFixture[str]
) -> None:
    grads, weights = saved("g", stack()), saved("w", stack())
    flat = saved("d", {str(i): np.ones(3) for i in range(5)})
    command = ["diagnose", grads, "--weights", weights, "--deltas", flat, "--json", "--lr"]
    assert cli.main([*command, "0.1"]) == 0
    assert cli.main([*command, "1e-20"]) == 1
    first, second = capsys.readouterr().out.split("\n}\n")[:2]
    assert json.loads(first + "}")["verdict"] == Verdict.HEALTHY.value
    assert json.loads(second + "}")["verdict"] == Verdict.FROZEN.value
    scaled = saved("s", {name: 1e19 * g for name, g in stack().items()})
    assert cli.main(["diagnose", scaled, *command[2:], "0.1", "--loss-scale", "1e19"]) == 0


def test_activations_are_read(saved: Save, capsys: pytest.CaptureFixture[str]) -> None:
    grads = saved("g", stack())
    off = saved("a", {str(i): np.zeros((4, 8)) for i in range(5)})
    assert cli.main(["diagnose", grads, "--activations", off]) == 1
    assert "dead units" in capsys.readouterr().out


def test_a_figure_is_written(saved: Save, tmp_path: Path) -> None:
    path = tmp_path / "sizes.svg"
    assert cli.main(["diagnose", saved("sick", stack(0.01)), "--figure", str(path)]) == 1
    assert path.read_text(encoding="utf-8").lstrip().startswith("<?xml")


def test_logs_are_read_with_and_without_deltas(
    tmp_path: Path, saved: Save, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "norms.csv"
    log.write_text("step,1,2,3,4,5\n0,1,1,1,1,1\n1,2,2,2,2,2\n")
    deltas = tmp_path / "deltas.jsonl"
    rows = ({"step": s, **{str(i): 10.0 ** (i - 5) for i in range(1, 6)}} for s in range(3))
    deltas.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert cli.main(["diagnose", str(log)]) == 3
    assert cli.main(["diagnose", str(log), "--deltas", str(deltas)]) == 1
    grads = saved("grads", stack())
    assert cli.main(["diagnose", grads, "--deltas", str(deltas)]) == 1
    capsys.readouterr()
    assert cli.main(["diagnose", str(log), "--lr", "0.1"]) == 2
    assert "--lr cannot be used with a log" in complaint(capsys)
    assert cli.main(["diagnose", str(log), "--deltas", grads]) == 2
    assert "must be a log" in complaint(capsys)


HEADER = json.dumps({"w": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}})


def _npz(**arrays: object) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        np.savez(path, **arrays)  # type: ignore[arg-type]

    return write


def _cut(path: Path) -> None:
    np.savez(path, **stack())
    path.write_bytes(path.read_bytes()[:-200])


def _bytes(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


BAD: dict[str, tuple[str, Callable[[Path], None]]] = {
    "empty": ("a.npz", _bytes(b"")),
    "empty of the other kind": ("a.safetensors", _bytes(b"")),
    "empty log": ("a.csv", _bytes(b"")),
    "noise": ("a.npz", _bytes(RNG.bytes(4096))),
    "cut short": ("a.npz", _cut),
    "objects": ("a.npz", _npz(w=np.array([{"a": 1}, None], object))),
    "strings": ("a.npz", _npz(w=np.array(["a", "b"]))),
    "complex": ("a.npz", _npz(w=np.array([1j, 2j]))),
    "no numbers": ("a.npz", _npz(w=np.zeros((0, 3)))),
    "no arrays": ("a.npz", _npz()),
    "a pickle": ("a.pt", _bytes(pickle.dumps({"w": [1.0]}))),
    "a pickle by another name": ("a.npz", _bytes(pickle.dumps({"w": [1.0]}))),
    "promises": (
        "a.safetensors",
        _bytes(struct.pack("<Q", len(HEADER)) + HEADER.encode() + bytes(64)),
    ),
    "a header of petabytes": ("a.safetensors", _bytes(struct.pack("<Q", 2**50) + b"{}")),
    "escape sequences": ("a.jsonl", _bytes(b'{"step": 0, "\\u001b[2J\\n": "x"}\n')),
    "words": ("a.csv", _bytes(b"step,fc\n0,hello\n")),
    "one endless line": ("a.csv", _bytes(b"step," + b"x" * 20_000_000)),
    "deep JSON": ("a.jsonl", _bytes(b"[" * 1_000_000)),
    "unknown": ("a.txt", _bytes(b"hello")),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_gets_one_line_and_exit_code_2(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, write = BAD[name]
    path = tmp_path / file
    write(path)
    start = time.process_time()
    assert cli.main(["diagnose", str(path)]) == 2
    assert time.process_time() - start < 2
    assert "Traceback" not in complaint(capsys)


@pytest.mark.parametrize("name", ["promises", "one endless line", "cut short"])
def test_a_hostile_file_stays_within_two_seconds_and_half_a_gigabyte(
    name: str, tmp_path: Path
) -> None:
    file, write = BAD[name]
    write(tmp_path / file)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run("diagnose", str(tmp_path / file))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 2
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    # Of the processor, which does not depend on what else the machine does.
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["cure", "a.npz"], "invalid choice: 'cure'"),
        (["diagnose"], "required: FILE"),
        (["diagnose", "a.npz", "--lr", "fast"], "invalid float value: 'fast'"),
        (["diagnose", "a.npz", "--cure"], "unrecognized arguments: --cure"),
    ],
)
def test_bad_usage_gets_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert message in complaint(capsys)


def test_bad_numbers_missing_files_and_unwritable_figures_get_one_line(
    saved: Save, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grads = saved("g", stack())
    for arguments in (
        ["--lr", "0.1"],
        ["--weights", grads, "--lr", "-1"],
        ["--weights", grads, "--lr", "nan"],
        ["--loss-scale", "0"],
        ["--weights", str(tmp_path / "none.npz")],
        ["--weights", saved("other", {"x": np.ones(2)})],
        ["--deltas", saved("one", {"x": np.ones(2)})],
        ["--figure", str(tmp_path / "no" / "such" / "folder.svg")],
    ):
        assert cli.main(["diagnose", grads, *arguments]) == 2
        complaint(capsys)
    assert cli.main(["diagnose", str(tmp_path)]) == 2
    complaint(capsys)


def test_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["diagnose", "--help"])
    assert stop.value.code == 0
    assert "0 healthy or zero start, 1 problem found, 2 bad input or" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["model.safetensors", "model-00001-of-00002.safetensors"])
def test_a_file_under_the_name_of_weights_is_not_taken_for_gradients(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["diagnose", str(tmp_path / name)]) == 2
    assert "libraries save weights under this name" in complaint(capsys)


class _Terminal:
    """A stream that says it is a terminal."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.encoding = "utf-8"

    def write(self, text: str) -> int:
        self.written.append(text)
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        return "".join(self.written)


@pytest.mark.parametrize("rich", [True, False])
def test_a_terminal_gets_the_report_and_progress_with_and_without_rich(
    rich: bool, saved: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not rich:
        for name in ("rich", "rich.console", "rich.progress"):
            monkeypatch.setitem(sys.modules, name, None)
    out, err = _Terminal(), _Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    many = {f"[red]{i}.weight": g for i, g in enumerate(stack(0.9, layers=150).values())}
    assert cli.main(["diagnose", saved("many", many)]) == 1
    assert "vanishing" in out.text
    assert "[red]149" in out.text  # markup in a name is text
    assert out.text.strip() == str(gradbook.diagnose(many))
    assert "measuring" in err.text if rich else "gradbook: 64 of 150" in err.text


def test_a_reader_that_stops_reading_is_no_error(saved: Save) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "gradbook", "diagnose", saved("sick", stack(0.01))],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_what_is_missing_is_told_with_how_to_get_it(
    saved: Save,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "gradbook.show.figures", None)
    figure = str(tmp_path / "f.svg")
    assert cli.main(["diagnose", saved("g", stack(0.01)), "--figure", figure]) == 2
    assert "gradbook[figures]" in complaint(capsys)
