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
from gradbook.press.fences import PageError
from gradbook.press.places import PACKAGE
from gradbook.press.reach import stamp
from gradbook.press.results import CACHE_VARIABLE, folder
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
    """Return what runs ahead of the pages of a folder, once it is begun.

    Args:
        docs: The folder of the pages.
    """
    # From the end: who builds asks for the first pages meanwhile. The pages that take long stand at
    # the end, too, and what is left for one process at last are short ones.
    home = docs / "index.md"
    paths = sorted(docs.rglob("*.md"), key=lambda path: (path == home, path), reverse=True)
    found = (_work(path.relative_to(docs).as_posix(), path) for path in paths)
    return Ahead([work for work in found if work and work.blocks])


def _work(page: str, path: Path) -> Work | None:
    try:
        return work_of(page, path.read_text(encoding="utf-8"))
    except (PageError, UnicodeDecodeError):
        return None  # whoever builds the page says what is wrong with it


class Ahead:
    """Processes that run the blocks of pages and keep the results; a page in need comes first."""

    def __init__(self, queue: Iterable[Work]) -> None:
        """Take the pages.

        Args:
            queue: The pages, in the order in which they will be needed.
        """
        self._turn = threading.Condition()
        self._queue: list[Work] = []
        self._futures: dict[Work, Future[Done]] = {}
        self._stamp = stamp(PACKAGE)
        self._needed: set[Work] = set()
        self._begun = False
        for work in queue:
            self.start(work)

    def begin(self, workers: int, *, spare: bool = False) -> Ahead:
        """Run the pages, unless that has begun.

        Args:
            workers: How many processes there shall be.
            spare: Keep one of several for pages that somebody waits for.
        """
        if not self._begun:
            self._begun = True
            for n in range(workers):
                waits = spare and 0 < n == workers - 1
                threading.Thread(target=self._run, args=(waits,), daemon=True).start()
        return self

    def start(self, work: Work, *, first: bool = False) -> Future[Done]:
        """Have a page run, unless it was asked for before, and return what will become of it.

        Args:
            work: The page.
            first: Before all others that wait.
        """
        with self._turn:
            if work not in self._futures:
                self._futures[work] = Future()
                self._queue.append(work)
            if first and work in self._queue:
                self._queue.remove(work)
                self._queue.insert(0, work)
                self._needed.add(work)
            self._turn.notify_all()
            return self._futures[work]

    def need(self, work: Work) -> Mapping[str, str]:
        """Wait until a page has run, which now comes first, and return what raised.

        Args:
            work: The page.
        """
        return self.start(work, first=True).result().failed

    def refresh(self) -> None:
        """Have every page run again when it is asked for, if a source file has changed."""
        found = stamp(PACKAGE)
        if found != self._stamp:
            with self._turn:
                self._futures = {work: self._futures[work] for work in self._queue}
                self._stamp = found

    def _run(self, spare: bool) -> None:
        process, subject = Process(), ""
        if spare:
            process.begin()
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._next(spare))
                work = self._queue.pop(self._index(subject))
                self._needed.discard(work)
                subject = _subject(work)
                future = self._futures[work]
            done = process.compute(work)
            if done.ran:
                self._say(work, done)
            future.set_result(done)

    def _next(self, spare: bool) -> bool:
        return bool(self._queue) and (not spare or self._queue[0] in self._needed)

    def _index(self, subject: str) -> int:
        """Return the page whose turn it is, unless somebody waits: one of the subject just run.

        A chapter and its deeper page measure much that is the same, and a process measures it once.
        """
        subjects = [_subject(work) for work in self._queue]
        waiting = self._queue[0] in self._needed
        return subjects.index(subject) if subject in subjects and not waiting else 0

    def _say(self, work: Work, done: Done) -> None:
        with self._turn:
            finished = 1 + sum(future.done() for future in self._futures.values())
            count = f"{finished} of {len(self._futures)} pages"
        ran = f"{done.ran} blocks in {done.seconds:.1f} s"
        print(f"gradbook: {count}: {work.page}, {ran}", file=sys.stderr, flush=True)


def _subject(work: Work) -> str:
    return work.page.removesuffix(".md").removesuffix("-deeper")


class Process:
    """One process that runs blocks, started anew when it ended or the package has changed."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._process: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        """Load what blocks need, before any is there."""
        self._process = self._process or self._start()

    def compute(self, work: Work) -> Done:
        """Have a page run; where that cannot be done, nothing is kept and the builder runs it.

        Args:
            work: The page.
        """
        for _ in range(2):
            done = self._ask({"package": stamp(PACKAGE), **asdict(work)})
            if done:
                return done
            self._stop()
        return Done(0, 0.0, {})

    def _ask(self, request: dict[str, object]) -> Done | None:
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            print(json.dumps(request), file=process.stdin, flush=True)
            return Done(**json.loads(process.stdout.readline()))
        except (OSError, ValueError, TypeError):
            return None

    def _start(self) -> subprocess.Popen[str]:
        atexit.register(self._stop)
        return subprocess.Popen(
            [sys.executable, "-c", "from gradbook.press.work import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=os.environ | {CACHE_VARIABLE: str(folder())},
        )

    def _stop(self) -> None:
        process, self._process = self._process, None
        atexit.unregister(self._stop)
        if process is not None:
            process.kill()
            process.communicate()
