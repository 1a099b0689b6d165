"""Run the blocks of many pages side by side, ahead of whoever builds the pages one by one."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import asdict
from functools import cache
from pathlib import Path

from gradbook.press.errors import PressError
from gradbook.press.results import PACKAGE
from gradbook.press.work import Done, Work, work_of

WORKERS_VARIABLE = "GRADBOOK_WORKERS"
"""The environment variable that says how many processes run blocks: by default, one a core."""


def workers() -> int:
    """Return how many processes shall run blocks.

    Raises:
        PressError: The environment asks for something else than a positive number.
    """
    asked = os.environ.get(WORKERS_VARIABLE) or str(_cores())
    if not (asked.isdecimal() and int(asked)):
        raise PressError(f"{WORKERS_VARIABLE} is {asked!r}; expected a positive number")
    return int(asked)


def _cores() -> int:
    # Those that this process may use: a container often has fewer than the machine.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def ahead_of(docs: Path) -> Ahead:
    """Return what runs ahead of the pages of a folder; it has begun with them all.

    Args:
        docs: The folder of the pages.
    """
    paths = sorted(docs.rglob("*.md"))
    found = (_work(path.relative_to(docs).as_posix(), path) for path in paths)
    return Ahead([work for work in found if work and work.blocks], workers())


def _work(page: str, path: Path) -> Work | None:
    try:
        return work_of(page, path.read_text(encoding="utf-8"))
    except (PressError, UnicodeDecodeError):
        return None  # whoever builds the page says what is wrong with it


class Ahead:
    """Processes that run the blocks of pages and keep the results; a page in need comes first."""

    def __init__(self, queue: Iterable[Work], workers: int) -> None:
        """Begin.

        Args:
            queue: The pages, in the order in which they will be needed.
            workers: How many processes there shall be.
        """
        self._turn = threading.Condition()
        self._queue: list[Work] = []
        self._futures: dict[Work, Future[Done]] = {}
        self._finished = 0
        self.schedule(queue)
        for _ in range(max(1, workers)):
            threading.Thread(target=self._run, daemon=True).start()

    def schedule(self, queue: Iterable[Work], *, first: bool = False) -> None:
        """Have pages run that were not asked for as they are now.

        Args:
            queue: The pages.
            first: Before all others that wait.
        """
        with self._turn:
            for work in queue:
                if work not in self._futures:
                    self._futures[work] = Future()
                    self._queue.insert(0 if first else len(self._queue), work)
            self._turn.notify_all()

    def need(self, work: Work) -> Mapping[str, str]:
        """Wait until a page has run, which now comes first, and return what raised.

        Args:
            work: The page.
        """
        self.schedule([work], first=True)
        with self._turn:
            if work in self._queue:
                self._queue.remove(work)
                self._queue.insert(0, work)
            future = self._futures[work]
        return future.result().failed

    def forget(self) -> None:
        """Have every page run again when it is asked for: a source file has changed."""
        with self._turn:
            self._futures = {w: f for w, f in self._futures.items() if not f.done()}

    def _run(self) -> None:
        process = Process()
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._queue)
                work = self._queue.pop(0)
                future = self._futures[work]
            done = process.compute(work)
            with self._turn:
                self._finished += 1
                if done.ran:
                    self._say(work, done)
            future.set_result(done)

    def _say(self, work: Work, done: Done) -> None:
        count = f"{self._finished} of {len(self._futures)} pages"
        ran = f"{done.ran} blocks in {done.seconds:.1f} s"
        print(f"gradbook: {count}: {work.page}, {ran}", file=sys.stderr, flush=True)


class Process:
    """One process that runs blocks, started anew when it ended or the package has changed."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._process: subprocess.Popen[str] | None = None
        self._sources: tuple[int, ...] = ()

    def compute(self, work: Work) -> Done:
        """Have a page run; if its process ends, nothing is kept and the builder runs the page.

        Args:
            work: The page.
        """
        process = self._alive()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            print(json.dumps(asdict(work)), file=process.stdin, flush=True)
            answer = process.stdout.readline()
            return Done(**json.loads(answer))
        except (OSError, ValueError):
            return Done(0, 0.0, {})

    def _alive(self) -> subprocess.Popen[str]:
        sources = tuple(path.stat().st_mtime_ns for path in sorted(PACKAGE.rglob("*.py")))
        if self._process and (self._process.poll() is not None or sources != self._sources):
            self._stop()
        if self._process is None:
            self._sources = sources
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from gradbook.press.work import main; main()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                # The book's matrices are small: threads cost more than they bring.
                env={"OPENBLAS_NUM_THREADS": "1"} | os.environ,
            )
            atexit.register(self._stop)
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        atexit.unregister(self._stop)
        if process is not None:
            process.kill()
            process.communicate()
