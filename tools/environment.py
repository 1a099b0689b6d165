"""Make an environment that holds exactly what a lock names, or say in one line why not.

`make` runs it with the machine's own Python before anything is installed, so it needs the standard
library and the pip that `python -m venv` brings, old or new. The lock is complete: pip resolves
nothing, and what is released later changes nothing. If it fails, what was there before stays.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PERIOD = 5.0
"""Seconds between two lines: whoever watches a log or waits on a slow line sees that it goes on."""

_FAULTS = (
    (
        r"DO NOT MATCH THE HASHES.*\n +(\S+)",
        "the file of {0} has another hash than {lock} says: take back the change of {lock}, or "
        "write it anew with make lock",
    ),
    (
        r"Retrying \((?s:.*)\(from versions: none\)\n.*No matching distribution found for (\S+)",
        "nobody answers who has {0}: check the network and pip's settings, then run make again",
    ),
    (
        r"No matching distribution found for (\S+)",
        "{0} is not to be had for this Python: check pip's settings, or write {lock} anew with "
        "make lock",
    ),
    (
        r"(?m)^(\S+ \S+ (?:requires|has requirement) .*?)\.?$",
        "{lock} does not fit together ({0}): write it anew with make lock",
    ),
    (r"(?m)^(?:ERROR|[\w.]+Error): (.*?):?$", "{0}; mend that and run make again"),
    (r"(.+)\s*\Z", "{0}; mend that and run make again"),
    (r"()", "a command failed and said nothing"),
)


class SetupError(Exception):
    """What is wrong and what to do, in one line."""


@dataclass(frozen=True)
class Setup:
    """What to make, from what, and what to run in it at the end."""

    environment: Path
    lock: Path
    build: Sequence[str] = ()
    """Constraints, then what each machine has another file of: PyTorch and what is built for it."""
    then: Sequence[str] = ()
    started: float = field(default_factory=time.monotonic)

    @property
    def log(self) -> Path:
        """All that the commands say."""
        return Path("build", f"{self.environment.name.lstrip('.')}.log")

    @property
    def ready(self) -> Path:
        """There only when the environment is whole; says of what."""
        return self.environment / "ready"

    @property
    def last(self) -> Path:
        """Where the last whole environment waits until its successor is whole."""
        return self.environment.with_name(f"{self.environment.name}.old")

    @property
    def python(self) -> str:
        """The environment's interpreter."""
        return str(self.environment / "bin" / "python")


def make(setup: Setup) -> None:
    """Make the environment whole, or leave what was there.

    Raises:
        SetupError: It could not be made.
    """
    if importlib.util.find_spec("ensurepip") is None:
        raise SetupError("Python has no venv: on Debian or Ubuntu, apt install python3-venv")
    setup.log.parent.mkdir(exist_ok=True)
    setup.log.write_bytes(b"")
    contents = b"".join(path.read_bytes() for path in (setup.lock, *map(Path, setup.build[:1])))
    stamp = f"{sys.version_info[:2]} {hashlib.sha256(contents).hexdigest()}\n"
    _take_back(setup)
    if setup.ready.exists() and setup.ready.read_text(encoding="utf-8") == stamp:
        _finish(setup)
    else:
        _renew(setup)
    setup.ready.write_text(stamp, encoding="utf-8")
    _tell(setup, "ready")
    (setup.last / "ready").unlink(missing_ok=True)
    shutil.rmtree(setup.last, ignore_errors=True)


def _take_back(setup: Setup) -> None:
    """Put the last whole environment back where a set-up has failed or was killed."""
    if (setup.last / "ready").exists():
        shutil.rmtree(setup.environment, ignore_errors=True)
        setup.last.rename(setup.environment)
    shutil.rmtree(setup.last, ignore_errors=True)


def _renew(setup: Setup) -> None:
    if setup.ready.exists():
        setup.environment.rename(setup.last)
    shutil.rmtree(setup.environment, ignore_errors=True)
    try:
        _install(setup)
        _finish(setup)
    except BaseException:
        shutil.rmtree(setup.environment, ignore_errors=True)
        _take_back(setup)
        raise


def _install(setup: Setup) -> None:
    pins = len(re.findall(r"(?m)^[\w.-]+==", setup.lock.read_text(encoding="utf-8")))
    _tell(setup, f"set up anew from {setup.lock} (what pip says goes to {setup.log})")
    _run(setup, [sys.executable, "-m", "venv", str(setup.environment)])
    exact = ["--no-deps", "--require-hashes", "--requirement", str(setup.lock)]
    _run(setup, [setup.python, "-m", "pip", "install", *exact], pins)
    if setup.build:
        constraints, *names = setup.build
        _tell(setup, f"{' and '.join(names)}, in the build that pip finds here")
        _run(setup, [setup.python, "-m", "pip", "install", "--constraint", constraints, *names])


def _finish(setup: Setup) -> None:
    _tell(setup, "the project itself")
    project = ["--no-deps", "--no-build-isolation", "--editable", "."]
    _run(setup, [setup.python, "-m", "pip", "install", *project])
    _run(setup, [setup.python, "-m", "pip", "check"])
    if setup.then:
        _run(setup, [setup.python, "-m", *setup.then])


def _run(setup: Setup, command: Sequence[str], pins: int = 0) -> None:
    before = setup.log.stat().st_size
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PYTHONUNBUFFERED": "1"}
    with setup.log.open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | quiet
        )
    try:
        while not _ended(process):
            installed = len([*setup.environment.glob("lib/python*/site-packages/*.dist-info")])
            _tell(
                setup, progress(_said(setup, before), pins, installed) or f"{command[2]} is at work"
            )
    finally:
        process.terminate()
        process.wait()
    if process.returncode:
        raise SetupError(fault(_said(setup, before), setup.lock.name))


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(PERIOD)
    except subprocess.TimeoutExpired:
        return False
    return True


def _said(setup: Setup, start: int) -> str:
    return setup.log.read_bytes()[start:].decode(errors="replace")


def _tell(setup: Setup, what: str) -> None:
    seconds = time.monotonic() - setup.started
    print(f"{setup.environment}: {what}, {seconds:.0f} s", flush=True)


def progress(said: str, pins: int, installed: int) -> str:
    """Return how far pip is.

    Args:
        said: What it has said up to now.
        pins: How many packages the lock names, those for other systems among them.
        installed: How many are there.
    """
    total = pins - len(re.findall(r"(?m)^Ignoring ", said))
    begun = re.findall(r"(?m)^(?:Collecting|Processing) (?:\S*/)?([\w.-]+?)(?:==|-\d)", said)
    if not pins or not begun:
        return said.rstrip().rpartition("\n")[-1].strip()[:70]
    if "Installing collected packages" in said:
        return f"installing, {min(installed, total)} of {total} packages are in"
    return f"fetching {begun[-1]}, {len(begun)} of {total} packages"


def fault(said: str, lock: str) -> str:
    """Return what is wrong and what to do, in one line.

    Args:
        said: All that the failed command has said.
        lock: What the lock is called.
    """
    found = ((re.findall(pattern, said), line) for pattern, line in _FAULTS)
    return next(line.format(words[-1], lock=lock) for words, line in found if words)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make one environment and return the exit code.

    Args:
        arguments: The command line; the process's own by default.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environment", type=Path, help="the folder to make")
    parser.add_argument("lock", type=Path, help="every package with its hashes")
    parser.add_argument("--build", nargs="+", default=(), metavar="CONSTRAINTS PACKAGE")
    parser.add_argument("--then", nargs="+", default=(), metavar="MODULE", help="run it at the end")
    setup = Setup(**vars(parser.parse_args(arguments)))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        make(setup)
    except SetupError as error:
        print(f"{setup.environment}: {error} (all of it: {setup.log})", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{setup.environment}: interrupted; run make again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
