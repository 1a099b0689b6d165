"""Have mutants live in forks of one warm process, each until one of its tests fails.

An import hook gives a fork the broken module; no file is changed. A test that takes too long hangs,
and its mutant is as dead as one that fails.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

from mutations import broken
from nearest import Book, Mutant

QUIET = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov")


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: the test that killed it, none if it survived."""

    mutant: Mutant
    killer: str


class Given(SourceFileLoader):
    """Loads a module from code that is at hand."""

    def __init__(self, fullname: str, path: str, code: CodeType) -> None:
        """Take the code."""
        super().__init__(fullname, path)
        self.code = code

    def get_code(self, fullname: str) -> CodeType:
        """Return it."""
        return self.code


class Hook(MetaPathFinder):
    """Imports one module of a package from other code than its file holds."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        """Take the module's name, its file, and what it shall be."""
        self.name, self.path, self.code = name, path, code

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        """Return where the module is, for that one name."""
        if fullname != self.name:
            return None
        loader = Given(fullname, str(self.path), self.code)
        return importlib.util.spec_from_file_location(fullname, self.path, loader=loader)


class Killer:
    """A pytest plugin that remembers the first test that fails, and ends those that hang.

    The time that counts is the processor's: a busy machine is slow, and hangs no test.
    """

    def __init__(self, hook: Hook, limit: int) -> None:
        """Nothing has failed yet; a test may take so many seconds."""
        self.hook, self.limit, self.test = hook, limit, ""

    def pytest_sessionstart(self) -> None:
        """Go before pytest's own hook, which takes the files that are named to it."""
        sys.meta_path.insert(0, self.hook)

    def pytest_runtest_logstart(self) -> None:
        """Give each test its time."""
        signal.setitimer(signal.ITIMER_PROF, self.limit)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Remember a test that failed."""
        self._note(report)

    def pytest_collectreport(self, report: Any) -> None:
        """Remember a file that cannot be imported."""
        self._note(report)

    def _note(self, report: Any) -> None:
        if report.failed and not self.test:
            self.test = report.nodeid


def run_tests(names: Sequence[str], killer: Killer | None = None) -> int:
    """Run pytest and return its exit code, without a word."""
    import pytest  # noqa: PLC0415 - after the environment is set

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return int(pytest.main([*QUIET, *names], plugins=[killer] if killer else None))


def warm_up(book: Book, mutants: Iterable[Mutant]) -> None:
    """Import whatever the tests need, then forget the package and the tests themselves."""
    names = {name for mutant in mutants for run in mutant.runs for name in run}
    if run_tests(["--collect-only", *sorted(names)]):
        raise SystemExit("the tests cannot be collected: run them first")
    for name in [name for name, module in sys.modules.items() if book.has(module)]:
        del sys.modules[name]


def live(mutant: Mutant, book: Book, limit: int) -> str:
    """Be a mutant: return the test that kills it."""
    name = ".".join(mutant.path.relative_to(book.package.parent).with_suffix("").parts)
    code = broken(mutant.source, mutant.mutation.index, str(mutant.path))
    hook = Hook(name.removesuffix(".__init__"), mutant.path, code)
    signal.setitimer(signal.ITIMER_PROF, limit)
    for run in mutant.runs:
        killer = Killer(hook, limit)
        if run_tests(run, killer) not in (0, 5):
            return killer.test or "pytest itself"
    return ""


class Nursery:
    """Has mutants live in forks, as many at once as there are cores."""

    def __init__(self, workers: int, limit: int) -> None:
        """Nobody lives yet."""
        self.workers, self.limit = workers, limit
        self.running: dict[int, tuple[Mutant, int]] = {}

    def outcomes(self, mutants: Iterable[Mutant], book: Book) -> Iterator[Outcome]:
        """Yield what became of each, in the order of their ends."""
        for mutant in mutants:
            if len(self.running) == self.workers:
                yield self._wait()
            reader, writer = os.pipe()
            pid = os.fork()
            if not pid:
                _tell(partial(live, mutant, book, self.limit), writer)
            os.close(writer)
            self.running[pid] = (mutant, reader)
        while self.running:
            yield self._wait()

    def _wait(self) -> Outcome:
        pid, status = os.wait()
        mutant, reader = self.running.pop(pid)
        with open(reader, encoding="utf-8") as told:
            text = told.read()
        if os.WIFSIGNALED(status) or not text:
            return Outcome(mutant, "it hangs" if os.WIFSIGNALED(status) else "it crashes")
        return Outcome(mutant, json.loads(text))


def _tell(what: Callable[[], str], writer: int) -> None:
    try:
        os.write(writer, json.dumps(what()).encode())
    finally:
        os._exit(0)


def unbroken_failures(book: Book, outcomes: Iterable[Outcome]) -> bool:
    """Whether a test that killed a mutant fails on the unbroken package, too."""
    # A case may be named by what is broken, such as an initializer's name: run all of its test.
    killers = {outcome.killer.partition("[")[0] for outcome in outcomes}
    names = sorted(name for name in killers if (book.root / name.partition("::")[0]).is_file())
    pid = os.fork() if names else 0
    if names and not pid:
        os._exit(run_tests(names) != 0)
    return bool(pid and os.waitpid(pid, 0)[1])
