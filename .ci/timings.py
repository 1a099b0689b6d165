"""How long readers and maintainers wait here, each wait beside its aim: `make timings`.

It measures the last commit, in a clone in a temporary folder, and removes that however it ends.
The two waits of minutes, `make test` and `.ci/run`, are measured when asked for: `LONG=1`.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from statistics import median
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = "chapters/vanishing"
MODULE, LABEL, ITS_CHAPTER = "gradbook/rescue.py", "Adam, larger weights", "chapters/clipping"
"""A package file that one chapter alone imports, and words of it that this chapter shows."""
BUILT = (".cache", "build", "dist", "site")
EDITS = 3
# The clone has a cache of its own, also where `make` names this tree's.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "GRADBOOK_CACHE"}

# What is asked for is on this machine, whatever proxy leads out of it.
_open = build_opener(ProxyHandler({})).open


class Stopped(Exception):
    """A command that is measured failed."""


@dataclass(frozen=True)
class Clone:
    """A clone of the book, and the patience with it.

    Args:
        folder: Where it lies.
        patience: How many seconds an edit may take to show; a first page gets ten times as long.
    """

    folder: Path
    patience: float

    @property
    def log(self) -> Path:
        """Return the file that holds what its commands print."""
        return self.folder.with_suffix(".log")

    def tail(self) -> str:
        """Return the last lines that its commands printed."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").split("\n")[-16:])

    @contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command in the clone; nothing that it started outlives the block."""
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=ENVIRONMENT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                _end(process)

    def took(self, *command: str) -> float:
        """Run a command to its end and return its seconds."""
        start = time.perf_counter()
        with self.running(*command) as process:
            if process.wait():
                raise Stopped(f"{' '.join(command)} failed:\n{self.tail()}")
        return time.perf_counter() - start

    def unbuilt(self) -> Clone:
        """Remove what was built and every cached result."""
        for name in BUILT:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        return self

    def pages(self) -> list[str]:
        """List the addresses of the pages."""
        docs = self.folder / "docs"
        names = (path.relative_to(docs).with_suffix("") for path in sorted(docs.rglob("*.md")))
        return [name.as_posix().removesuffix("index").rstrip("/") for name in names]


def _end(process: subprocess.Popen[bytes]) -> None:
    for kind in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, kind)
            process.wait(10)
        except ProcessLookupError:
            process.wait()
        except subprocess.TimeoutExpired:
            pass


class Server:
    """`make serve` in a clone, which answers when it can."""

    def __init__(self, clone: Clone, process: subprocess.Popen[bytes], port: int) -> None:
        """Keep what a question needs; time begins now."""
        self.clone, self.process, self.port = clone, process, port
        self.start = time.perf_counter()

    def answer(self, page: str, word: str = "<article", patience: float | None = None) -> float:
        """Ask for a page until it holds a word and return the seconds since the server's start.

        Args:
            page: The page, without slashes around it.
            word: What it must hold.
            patience: How many seconds to ask; ten times the clone's by default.

        Raises:
            TimeoutError: It does not come to hold the word.
            Stopped: The server is gone.
        """
        address = f"http://127.0.0.1:{self.port}/{page + '/' if page else ''}"
        patience = patience or 10 * self.clone.patience
        until = time.perf_counter() + patience
        while (now := time.perf_counter()) < until:
            if self.process.poll() is not None:
                raise Stopped(f"make serve ended:\n{self.clone.tail()}")
            try:
                with _open(address, timeout=until - now) as response:
                    if word in response.read().decode():
                        return time.perf_counter() - self.start
            except (URLError, ConnectionError, TimeoutError):
                pass
            time.sleep(0.02)
        raise TimeoutError(f"not within {patience:g} s")

    def edited(self, file: str, old: str, new: str, page: str) -> float:
        """Replace words of a file and return the seconds until the page shows the new ones.

        Raises:
            Stopped: The file does not hold the old words.
        """
        path = self.clone.folder / file
        text = path.read_text(encoding="utf-8")
        if old not in text:
            raise Stopped(f"{file} does not hold {old!r}: name other words in .ci/timings.py")
        self.start = time.perf_counter()
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return self.answer(page, new, self.clone.patience)


@contextmanager
def serving(clone: Clone) -> Iterator[Server]:
    """Run `make serve` on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with clone.running("make", "serve", f"PORT={port}") as process:
        yield Server(clone, process, port)


def first(clone: Clone, page: str) -> float:
    """Start the server and return the seconds until it answers with a page."""
    with serving(clone) as server:
        return server.answer(page)


def words(server: Server) -> float:
    """Change one word of a chapter, several times, and return the median of the waits."""
    names = ["a gradient", *(f"a gradient{k}" for k in range(EDITS))]
    return median(server.edited(f"docs/{CHAPTER}.md", *pair, CHAPTER) for pair in pairwise(names))


def module(server: Server) -> float:
    """Change a label in the module and return the seconds until its chapter shows it."""
    return server.edited(MODULE, LABEL, f"{LABEL} at last", ITS_CHAPTER)


def show(what: str, aim: float | None, measure: Callable[[], float]) -> None:
    """Measure and print one row of the table, as soon as it is known."""
    print(f"{what:<64}", end="", flush=True)
    try:
        seconds = measure()
    except TimeoutError as error:
        print(f"{error!s:>16}", end="")
        seconds = float("inf")
    else:
        print(f"{seconds:>14.1f} s", end="")
    wanted = "" if aim is None else f"{'≤' if seconds <= aim else 'MISSED ≤'} {aim:g} s"
    print(f"{wanted:>16}".rstrip(), flush=True)


def table(clone: Clone, fresh: Callable[[str], Clone], *, long: bool) -> None:
    """Print every wait beside its aim.

    Args:
        clone: A clone that nothing was done in.
        fresh: Makes another.
        long: Measure `make test` and `.ci/run`, too.
    """
    show("set-up of a fresh clone", None, lambda: clone.took("make", "setup"))
    show("make serve, empty cache: home", 5, lambda: first(clone.unbuilt(), ""))
    with serving(clone.unbuilt()) as server:
        show(f"make serve, empty cache: {CHAPTER}", 5, lambda: server.answer(CHAPTER))
        for page in clone.pages():
            server.answer(page)
    show("make serve, warm cache: home", 3, lambda: first(clone, ""))
    with serving(clone) as server:
        show(f"make serve, warm cache: {CHAPTER}", 3, lambda: server.answer(CHAPTER))
        server.answer(ITS_CHAPTER)
        show(f"a word of {CHAPTER} changed: shown", 0.5, lambda: words(server))
        show(f"{MODULE} changed: {ITS_CHAPTER} shown", 5, lambda: module(server))
    show("make site, empty cache", 40, lambda: clone.unbuilt().took("make", "site"))
    if long:
        show("make test in a fresh clone", 240, lambda: fresh("test").took("make", "test"))
        show(".ci/run in a fresh clone", 900, lambda: fresh("run").took("bash", ".ci/run"))


def git(*command: str) -> str:
    """Return what git says."""
    done = subprocess.run(["git", *command], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--long", action="store_true", help="also make test and .ci/run")
    parser.add_argument("--patience", type=float, default=60, help="seconds for an edit to show")
    given = parser.parse_args(arguments)
    # A `kill` goes the way of Ctrl-C: through every `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    root = str(given.root)
    commit = git("-C", root, "log", "-1", "--format=%h %s")
    print(f"{date.today()}, {os.cpu_count()} cores, Python {platform.python_version()}: {commit}")
    if git("-C", root, "status", "--porcelain"):
        print("Changes that are not committed are not measured.")
    with tempfile.TemporaryDirectory(prefix="gradbook-") as temporary:

        def fresh(name: str) -> Clone:
            folder = Path(temporary) / name
            git("clone", "--quiet", root, str(folder))
            return Clone(folder, given.patience)

        try:
            table(fresh("book"), fresh, long=given.long)
        except Stopped as error:
            print(f"\n{error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
