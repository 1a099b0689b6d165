"""Run many claims: in parallel, with a progress bar, and going on after an interrupt."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib.util import find_spec
from typing import Any

from gradbook.claims.board import Board
from gradbook.claims.record import Claim, Measurement, Outcome, check, judge
from gradbook.claims.store import Numbers, Store


class MissingExtra(ImportError):
    """What is asked for needs packages that the core does without."""


def run(
    claims: Iterable[Claim],
    *,
    full: bool = False,
    jobs: int = 1,
    store: Store | None = None,
    progress: bool = False,
) -> Board:
    """Run claims and return the board; each has its own seed, so `jobs` changes no number.

    Several jobs are run by joblib, with the backend that is in force: processes on this machine,
    unless `joblib.parallel_config` names another, such as `"dask"` for a cluster.

    Args:
        claims: The claims, in the order of the board.
        full: Take more draws, for tighter error bars.
        jobs: How many claims to run at the same time; -1 for as many as there are workers.
        store: Where to keep each outcome as soon as it is there, and to look for kept ones.
        progress: Show how far it is on the standard error, if that is a terminal.

    Raises:
        MissingExtra: `jobs` is not 1 and joblib is not installed.
        ValueError: `jobs` is neither positive nor -1.

    Examples:
        >>> from gradbook.claims.every import ALL
        >>> run(ALL[:2]).summary
        '2 of 2 claims stand.'
    """
    jobs = checked_jobs(jobs)
    wanted = tuple(claims)
    draws = [claim.full if full else claim.draws for claim in wanted]
    kept = [store.read(*pair) if store else None for pair in zip(wanted, draws, strict=True)]
    missing = [index for index, numbers in enumerate(kept) if numbers is None]
    tasks = [partial(_measure, index, wanted[index], full) for index in missing]
    shown = _bar(len(wanted), len(wanted) - len(missing)) if progress else iter
    with _one_thread():
        for index, numbers in shown(_results(tasks, jobs)):
            kept[index] = numbers
            if store is not None:
                store.write(wanted[index], draws[index], numbers)
    pairs = zip(wanted, kept, strict=True)
    return Board(tuple(_outcome(claim, numbers) for claim, numbers in pairs if numbers))


def checked_jobs(jobs: int) -> int:
    """Return `jobs` if so many can be run.

    Args:
        jobs: How many claims to run at the same time; -1 for as many as there are workers.

    Raises:
        MissingExtra: `jobs` is not 1 and joblib is not installed.
        ValueError: `jobs` is neither positive nor -1.

    Examples:
        >>> checked_jobs(1)
        1
    """
    if jobs < 1 and jobs != -1:
        raise ValueError(f"jobs must be a positive number, or -1 for all workers, got {jobs}")
    if jobs != 1 and not _installed("joblib"):
        raise MissingExtra(f"{jobs} jobs need joblib: python -m pip install 'gradbook[claims]'")
    return jobs


def _installed(package: str) -> bool:
    return find_spec(package) is not None


def _one_thread() -> AbstractContextManager[object]:
    """Give matrix products one thread each: how many share one decides about its last bit."""
    if not _installed("threadpoolctl"):
        return nullcontext()
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    limits: AbstractContextManager[object] = threadpool_limits(limits=1)
    return limits


def _measure(index: int, claim: Claim, full: bool) -> tuple[int, Numbers]:
    with _one_thread():
        outcome = check(claim, full=full)
    measured = outcome.measured
    return index, (outcome.theory.tolist(), measured.values.tolist(), measured.errors.tolist())


def _outcome(claim: Claim, numbers: Numbers) -> Outcome:
    theory, values, errors = numbers
    return judge(claim, theory, Measurement.of(values, errors))


_Task = Callable[[], tuple[int, Numbers]]


def _results(tasks: Sequence[_Task], jobs: int) -> Iterator[tuple[int, Numbers]]:
    """Yield what the tasks return, each as soon as it is there."""
    if jobs == 1:
        yield from (task() for task in tasks)
        return
    from joblib import Parallel, delayed, wrap_non_picklable_objects  # noqa: PLC0415

    try:
        parallel = Parallel(n_jobs=jobs, return_as="generator_unordered")
    except ValueError:  # a backend that hands back everything at the end
        parallel = Parallel(n_jobs=jobs)
    # A claim holds lambdas, which not every backend can send to another process by itself.
    yield from parallel(delayed(wrap_non_picklable_objects(task))() for task in tasks)


def _bar(total: int, done: int) -> Callable[[Iterator[Any]], Iterable[Any]]:
    """Return what shows a bar while it passes on what it is given."""
    if not _installed("tqdm"):
        return partial(_lines, total, done)
    from tqdm import tqdm  # noqa: PLC0415

    # With `disable=None` there is no bar where the standard error is not a terminal.
    return partial(tqdm, total=total, initial=done, desc="claims", unit="claim", disable=None)


def _lines(total: int, done: int, results: Iterator[Any]) -> Iterator[Any]:
    for number, result in enumerate(results, start=done + 1):
        if sys.stderr.isatty():
            print(f"claims: {number} of {total}", file=sys.stderr)
        yield result
