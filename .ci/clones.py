"""A clone of the book in which commands are timed, and its server."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

BUILT = (".cache", ".results", "build", "dist", "site")

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
    def environment(self) -> dict[str, str]:
        """Return this process's environment, without the cache that `make` names in this tree."""
        others = {key: value for key, value in os.environ.items() if key != "GRADBOOK_CACHE"}
        return others | {"TMPDIR": str(self.folder.parent)}

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
                env=self.environment,
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
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
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
        """Replace words wherever a file has them; return the seconds until the page shows new ones.

        Raises:
            Stopped: The file does not hold the old words.
        """
        path = self.clone.folder / file
        text = path.read_text(encoding="utf-8")
        if old not in text:
            raise Stopped(f"{file} does not hold {old!r}: name other words in .ci/timings.py")
        self.start = time.perf_counter()
        path.write_text(text.replace(old, new), encoding="utf-8")
        return self.answer(page, new, self.clone.patience)


@contextmanager
def serving(clone: Clone) -> Iterator[Server]:
    """Run `make serve` on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with clone.running("make", "serve", f"PORT={port}") as process:
        yield Server(clone, process, port)
