"""Run many claims: in parallel, with their progress shown, and going on after an interrupt."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any

from gradbook.book.claims.boards import Board
from gradbook.book.claims.checking import installed, measured, one_thread
from gradbook.book.claims.cluster import results
from gradbook.book.claims.provenance import code_of, machine
from gradbook.book.claims.record import Claim, Measurement, Outcome, judge
from gradbook.book.claims.store import ClaimStore

_OFTEN = 10
"""In a log, progress is told after so many claims, or so many seconds."""


class MissingExtra(ImportError):
    """What is asked for needs packages that the core does without."""


class OtherCode(RuntimeError):
    """A worker runs other sources than the process that asked it to."""

    def __str__(self) -> str:
        """Return what is to be done."""
        return (
            f"a worker has other sources than those here for {self.args[0]!r}; install the same "
            "gradbook on every worker, and start the workers again"
        )


def run(
    claims: Iterable[Claim],
    *,
    full: bool = False,
    jobs: int = 1,
    client: Any = None,
    store: ClaimStore | None = None,
    progress: bool = False,
) -> Board:
    """Run claims and return the board; each has its own seed, so `jobs` changes no number.

    Several jobs are run by joblib, with the backend that is in force: processes on this machine,
    unless `joblib.parallel_config` names another.

    Args:
        jobs: How many claims to run at the same time; -1 for as many as there are workers.
        client: A `distributed.Client`: the workers of its cluster run the claims instead.
        store: Where to keep each outcome as soon as it is there, and to look for kept ones.
        progress: Show on the standard error how far it is: a bar in a terminal, lines in a log.

    Raises:
        MissingExtra: `jobs` is not 1 and joblib is not installed.
        OtherCode: A worker has other sources than this process; what it measured is not kept.

    Examples:
        >>> from gradbook.book.chain_rule import claims as chain_rule
        >>> from gradbook.book.claims import of
        >>> run(of(chain_rule)[:2]).summary
        '2 of 2 claims agree with their theory.'
    """
    jobs = checked_jobs(jobs)
    wanted = tuple(claims)
    kept = [store.read(claim, full=full) if store else None for claim in wanted]
    missing = [index for index, outcome in enumerate(kept) if outcome is None]
    # A worker takes a claim of the book from its own files: in a copy, code that asks whether
    # something *is* what a module holds would give other numbers than here.
    sent = [claim.place or claim for claim in wanted]
    tasks = [partial(_measure, index, sent[index], full) for index in missing]
    shown = _shown(len(wanted), len(wanted) - len(missing)) if progress else iter
    with (
        one_thread(),
        closing(results(client, tasks) if client else _results(tasks, jobs)) as found,
    ):
        for done in shown(found):
            kept[done.index] = outcome = done.outcome_of(wanted[done.index])
            if store is not None:
                replace(store, machines=(done.machine,)).write(outcome, full=full)
    return Board(tuple(outcome for outcome in kept if outcome))


def checked_jobs(jobs: int) -> int:
    """Return `jobs` if so many can be run."""
    if jobs < 1 and jobs != -1:
        raise ValueError(f"jobs must be a positive number, or -1 for all workers, got {jobs}")
    if jobs != 1 and not installed("joblib"):
        raise MissingExtra(f"{jobs} jobs need joblib: python -m pip install -e '.[claims]'")
    return jobs


@dataclass(frozen=True)
class _Done:
    """What a worker sends back: numbers, and where they come from."""

    index: int
    numbers: tuple[list[float], list[float], list[float]]
    code: str | None
    machine: str

    def outcome_of(self, claim: Claim) -> Outcome:
        if code_of(claim) not in (None, self.code):
            raise OtherCode(claim.name)
        theory, values, errors = self.numbers
        return judge(claim, theory, Measurement.of(values, errors))


def _measure(index: int, sent: Claim | tuple[str, str], full: bool) -> _Done:
    claim = sent if isinstance(sent, Claim) else _found(*sent)
    code = code_of(claim)
    return _Done(index, measured(claim, full=full).numbers, code, machine())


def _found(module: str, name: str) -> Claim:
    try:
        claim: Claim = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        raise OtherCode(f"{module}.{name}") from None
    return claim


def _results(tasks: Sequence[Callable[[], _Done]], jobs: int) -> Generator[_Done]:
    """Yield what the tasks return, each as soon as it is there."""
    if jobs == 1:
        yield from (task() for task in tasks)
        return
    from joblib import Parallel, delayed, wrap_non_picklable_objects  # noqa: PLC0415

    try:
        parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
    except ValueError:  # a backend that hands back everything at the end
        parallel = Parallel(n_jobs=jobs, batch_size=1)
    # A claim may hold lambdas, which not every backend can send to another process by itself.
    found = parallel(delayed(wrap_non_picklable_objects(task))() for task in tasks)
    with warnings.catch_warnings():
        # Tasks that are left when a run is given up are cancelled, which is what is meant.
        warnings.filterwarnings("ignore", "[0-9]+ tasks which", UserWarning)
        yield from found


def _shown(total: int, done: int) -> Callable[[Iterator[Any]], Iterable[Any]]:
    """Return what shows how far it is while it passes on what it is given."""
    if not (sys.stderr.isatty() and installed("tqdm")):
        return partial(_lines, total, done)
    from tqdm import tqdm  # noqa: PLC0415

    return partial(tqdm, total=total, initial=done, desc="claims", unit="claim")


def _lines(total: int, done: int, results: Iterator[Any]) -> Iterator[Any]:
    told, at = done, time.monotonic()
    print(f"claims: {done} of {total}", file=sys.stderr)
    for number, result in enumerate(results, start=done + 1):
        if number in (told + _OFTEN, total) or time.monotonic() > at + _OFTEN:
            told, at = number, time.monotonic()
            print(f"claims: {number} of {total}", file=sys.stderr, flush=True)
        yield result
