"""The set-up installs what the lock says, on any day and with any pip, or says in one line why not.

A folder stands for the package index: small made-up packages, each with a release newer than the
locked one. What is run is `make` with this repository's Makefile, in a made-up project.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import environment
from gradbook.press.places import ROOT

NEEDS = {
    "plugin": "Requires-Dist: engine[toml]>={0}",
    "engine": "Provides-Extra: toml\nRequires-Dist: reader>=1; extra == 'toml'",
    "reader": "",
    "torch": "Requires-Dist: reader>=1\nRequires-Dist: gpu>=1",
    "torchvision": "Requires-Dist: torch=={0}",
    "gpu": "",
}
LOCKS = ("requirements.txt", "requirements-frameworks.txt", "constraints-torch.txt")
LOCKED = ("plugin", "engine", "reader")
BACKEND = """
import shutil
def build_editable(folder, *_):
    return shutil.copy("gradbook-1-py3-none-any.whl", folder).rpartition("/")[-1]
"""


def write_wheel(folder: Path, name: str, version: str, metadata: str) -> str:
    """Write a small package and return its hash."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    header = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}_made_up.py", "")
        wheel.writestr(f"{about}/METADATA", f"{header.strip()}\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Project:
    """A made-up project with this repository's set-up, and the folder that is its index."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "requirements.txt"

    @property
    def ready(self) -> Path:
        return self.root / ".venv" / "ready"

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a command that finds no packages but those of the folder."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "PIP_"))}
        only = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
        return subprocess.Popen(
            [str(part) for part in command],
            cwd=self.root,
            env=kept | only | {"PIP_FIND_LINKS": str(self.root / "index")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        process = self.start(*command)
        out, err = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def make(self, target: str = "setup") -> tuple[str, ...]:
        """Return the command that sets up."""
        return ("make", "--no-print-directory", target, f"PYTHON={sys.executable}")

    def cut_off(self, sent: signal.Signals) -> str:
        """Start a set-up, end it half-way and return what it said."""
        # What was started in the background ignores SIGINT, and so would all that it starts.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        process = self.start(*self.make())
        signal.signal(signal.SIGINT, before)
        end = time.monotonic() + 60
        while not (self.root / ".venv" / "bin").exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        os.killpg(process.pid, sent)
        return process.communicate()[1]

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the environment's pip."""
        return self.run(self.root / ".venv/bin/python", "-m", "pip", *arguments)

    def versions(self, folder: str = ".venv") -> dict[str, str]:
        """Return what an environment holds."""
        found = (self.root / folder).glob("lib/python*/site-packages/*.dist-info")
        pairs = (path.stem.split("-") for path in found)
        return {name: version for name, version in pairs if name in (*NEEDS, "gradbook")}


def write_project(root: Path) -> Project:
    """Write a made-up project, its lock, and an index with newer releases of all that is locked."""
    (root / "index").mkdir()
    hashes = {
        name: [
            write_wheel(root / "index", name, version, needs.format(version)) for version in "12"
        ]
        for name, needs in NEEDS.items()
    }
    pins = [f"{name}==1 --hash=sha256:{hashes[name][0]}\n" for name in LOCKED]
    elsewhere = f"elsewhere==1 ; sys_platform == 'win32' --hash=sha256:{'0' * 64}\n"
    for lock in LOCKS[:2]:
        (root / lock).write_text("".join([*pins, elsewhere]), encoding="utf-8")
    (root / LOCKS[2]).write_text("torch==1\ntorchvision==1\ngpu==1\nreader==1\n", encoding="utf-8")
    for name in ("package.json", "package-lock.json"):
        (root / name).touch()
    shutil.copy(ROOT / "Makefile", root)
    shutil.copytree(ROOT / "tools", root / "tools")
    write_wheel(root, "gradbook", "1", "Requires-Dist: engine>=1")
    (root / "backend.py").write_text(BACKEND, encoding="utf-8")
    (root / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["builder"]\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        encoding="utf-8",
    )
    (root / "gradbook" / "press").mkdir(parents=True)
    (root / "gradbook" / "press" / "__main__.py").write_text("open('assets', 'w')")
    return Project(root)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return write_project(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that is set up, at the second try: the first was killed, as by a power cut."""
    project = write_project(tmp_path_factory.mktemp("made"))
    project.cut_off(signal.SIGKILL)
    assert (project.root / ".venv").exists()
    assert not project.ready.exists()
    (project.root / ".venv" / "half-made").touch()
    done = project.run(*project.make())
    assert done.returncode == 0, done.stderr
    return project


def test_the_set_up_installs_the_lock_though_newer_releases_are_there(made: Project) -> None:
    assert made.versions() == dict.fromkeys((*LOCKED, "gradbook"), "1")
    assert (made.root / "assets").exists()


def test_a_set_up_that_was_killed_starts_afresh_and_is_whole_once(made: Project) -> None:
    assert made.ready.exists()
    assert not (made.root / ".venv" / "half-made").exists()
    assert "Nothing to be done" in made.run(*made.make()).stdout


def test_whoever_resolves_gets_the_newer_releases_or_nothing(made: Project) -> None:
    trial = ("install", "--dry-run", "--ignore-installed")
    assert "engine-2 plugin-2 reader-2" in made.pip(*trial, "plugin").stdout
    # Until 23.3, pip resolved the extra of a locked package anew and refused what it found.
    version = re.findall(r"pip (\d+)\.(\d+)", made.pip("--version").stdout)[0]
    done = made.pip(*trial, "--require-hashes", "--requirement", "requirements.txt")
    assert (done.returncode == 0) == ((int(version[0]), int(version[1])) >= (23, 3))
    assert ("versions pinned" in done.stderr) == (done.returncode != 0)


def test_a_changed_hash_is_refused_in_one_line_and_nothing_is_half_made(project: Project) -> None:
    text = project.lock.read_text(encoding="utf-8")
    digest = re.findall(r"engine==1 --hash=sha256:(\w+)", text)[0]
    project.lock.write_text(text.replace(digest, "0" * 64), encoding="utf-8")
    done = project.run(*project.make())
    line, made_stopped = done.stderr.splitlines()
    assert line == (
        ".venv: the file of engine==1 has another hash than requirements.txt says: take back the "
        "change of requirements.txt, or write it anew with make lock (all of it: build/venv.log)"
    )
    assert made_stopped.startswith("make: ***")
    assert done.returncode == 2
    assert not list(project.root.glob(".venv*"))
    assert digest in (project.root / "build" / "venv.log").read_text(encoding="utf-8")


def test_a_set_up_that_is_stopped_leaves_what_was_there(project: Project) -> None:
    project.ready.parent.mkdir()
    project.ready.write_text("another lock", encoding="utf-8")
    os.utime(project.ready, (0, 0))
    said = project.cut_off(signal.SIGINT)
    assert said.splitlines()[0] == ".venv: interrupted; run make again"
    assert [path.name for path in project.root.glob(".venv*")] == [".venv"]
    assert [path.name for path in project.ready.parent.iterdir()] == ["ready"]
    assert project.ready.read_text(encoding="utf-8") == "another lock"


def test_what_is_left_of_an_old_environment_is_never_taken_for_a_whole_one(tmp_path: Path) -> None:
    setup = environment.Setup(tmp_path / "env", tmp_path / "lock")
    setup.last.mkdir()
    (setup.last / "half-removed").touch()
    environment._take_back(setup)
    assert not list(tmp_path.iterdir())


def test_pytorch_comes_in_the_build_at_hand_and_brings_what_the_constraints_say(
    project: Project,
) -> None:
    done = project.run(*project.make("build/frameworks/ready"))
    assert done.returncode == 0, done.stderr
    assert project.versions("build/frameworks") == dict.fromkeys((*NEEDS, "gradbook"), "1")


def test_a_failure_is_told_in_one_line_with_what_to_do(made: Project) -> None:
    def told(*arguments: str) -> str:
        done = made.pip(*arguments)
        assert done.returncode
        return environment.fault(done.stdout + done.stderr, "lock.txt")

    download = ("download", "--retries", "1", "--dest", "here")
    closed = ("--isolated", "--index-url", "http://127.0.0.1:9/simple", "plugin==3")
    assert "nobody answers who has plugin==3: check the network" in told(*download, *closed)
    assert "plugin==3 is not to be had for this Python" in told(*download, "plugin==3")
    assert told("no-such-command") == (
        'unknown command "no-such-command"; mend that and run make again'
    )
    made.pip("uninstall", "--yes", "engine")
    words = "lock.txt does not fit together (plugin 1 requires engine, which is not installed): "
    assert told("check") in [
        words + "write it anew with make lock",
        words.replace("plugin", "gradbook") + "write it anew with make lock",
    ]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            "RuntimeError: npm is not there:\nnpm error\n",
            "npm is not there; ",
        ),
        ("Collecting a\nno such thing\n", "no such thing; mend that"),
        ("", "a command failed and said nothing"),
    ],
)
def test_words_that_nobody_foresaw_are_told_as_they_are(said: str, line: str) -> None:
    assert environment.fault(said, "lock.txt").startswith(line)


PIP = """Ignoring c: markers 'sys_platform == "win32"' don't match your environment
Collecting a==1 (from -r lock.txt (line 1))
  Downloading a-1-py3-none-any.whl (1 kB)
Processing /somewhere/b_b-2-py3-none-any.whl (from -r lock.txt (line 2))
"""


@pytest.mark.parametrize(
    ("said", "pins", "line"),
    [
        ("", 3, ""),
        (PIP, 3, "fetching b_b, 2 of 2 packages"),
        (PIP + "Installing collected packages: a, b_b\n", 3, "installing, 1 of 2 packages are in"),
        ("Collecting torch\n  Downloading torch.whl\n", 0, "Downloading torch.whl"),
    ],
)
def test_progress_counts_the_packages_of_this_machine(said: str, pins: int, line: str) -> None:
    assert environment.progress(said, pins, installed=1) == line


def test_long_work_is_told_while_it_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(environment, "PERIOD", 0.05)
    setup = environment.Setup(Path("env"), Path("lock.txt"))
    setup.log.parent.mkdir()
    setup.log.touch()
    slow = "import time; print('half-way', flush=True); time.sleep(0.4)"
    environment._run(setup, [sys.executable, "-c", slow])
    assert "env: half-way, 0 s\n" in capsys.readouterr().out


@pytest.mark.parametrize("lock", LOCKS[:2])
def test_a_lock_pins_every_package_and_hashes_it(lock: str) -> None:
    entries = re.split(r"(?m)\n(?=\S)", (ROOT / lock).read_text(encoding="utf-8").strip())
    assert all(re.match(r"[\w-]+==\S+ .*\n +--hash=sha256:", entry) for entry in entries)


def test_the_locks_hold_what_the_project_asks_for() -> None:
    text = "".join((ROOT / lock).read_text(encoding="utf-8") for lock in LOCKS)
    pins = re.findall(r"(?m)^([\w-]+)==([\w.]+)", text)
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [*asked["project"]["optional-dependencies"].values()]
    groups += [asked["project"]["dependencies"], *asked["dependency-groups"].values()]
    needs = {Requirement(line) for group in groups for line in group}
    assert len(needs) > 20
    for need in needs:
        held = [version for name, version in pins if name == canonicalize_name(need.name)]
        assert need.name == "gradbook" or held, f"{need}: run make lock"
        assert all(version in need.specifier for version in held), f"{need}: run make lock"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_no_folder(lock: str) -> None:
    assert not re.findall(r"//|/\w|^-|@", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE)
