"""Measure the claims of the book, print the board, and exit 1 if a claim does not stand."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from gradbook.book.claims.boards import Board
from gradbook.book.claims.checking import installed
from gradbook.book.claims.cluster import NoCluster, connected, machines_of
from gradbook.book.claims.every import ALL
from gradbook.book.claims.provenance import machine
from gradbook.book.claims.runner import MissingExtra, OtherCode, checked_jobs, run
from gradbook.book.claims.store import CACHE_VARIABLE, ClaimStore

BAD_INPUT = 2
"""The exit code if claims cannot be run as asked."""

INTERRUPTED = 130
"""The exit code of a program that was stopped with Ctrl-C, by an old convention."""

_EPILOG = f"""\
What is measured is kept, and an interrupted run goes on where it stopped. By default that is in
.results/claims, or in the folder claims of ${CACHE_VARIABLE}: the build of the book looks there.

On a cluster every worker needs the same source, and in it pip install -e '.[claims,cluster]':
  dask scheduler                  on one machine; it prints its address
  dask worker tcp://HOST:8786     on each machine that is to work
  python -m gradbook.book.claims --full --backend dask --scheduler tcp://HOST:8786

The exit code is 0 if all claims stand, 1 if one does not, {BAD_INPUT} if they cannot be run as
asked, {INTERRUPTED} after an interrupt.
"""


class _Parser(argparse.ArgumentParser):
    """Say what is wrong with the arguments in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every claim, print the board, and return 1 if a claim does not stand."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        jobs = _checked(given)
    except (ValueError, MissingExtra) as error:
        parser.error(str(error))
    try:
        found = _run(given, jobs)
    except KeyboardInterrupt:
        print(
            f"Interrupted. What is done is in {given.cache}; run again to go on.", file=sys.stderr
        )
        return INTERRUPTED
    except (NoCluster, OtherCode) as error:
        parser.error(str(error))
    print(found)
    return int(bool(found.failed))


def _run(given: argparse.Namespace, jobs: int) -> Board:
    with ExitStack() as stack:
        client = stack.enter_context(connected(given.scheduler)) if given.scheduler else None
        if given.backend and not client:
            from joblib import parallel_config  # noqa: PLC0415

            stack.enter_context(parallel_config(given.backend))
        store = ClaimStore(given.cache, (machine(), *(machines_of(client) if client else ())))
        for claim in ALL if given.fresh else ():
            store.forget(claim, full=given.full)
        return run(ALL, full=given.full, jobs=jobs, client=client, store=store, progress=True)


def _checked(given: argparse.Namespace) -> int:
    """Return the number of jobs, after a look at what does not go together."""
    dask = given.backend == "dask"
    if bool(given.scheduler) is not dask:
        raise ValueError(
            "--backend dask and --scheduler ADDRESS belong together; give both or none"
        )
    if dask and given.jobs is not None:
        raise ValueError("--jobs does not go with --backend dask, which uses all its workers")
    if dask and not (installed("dask") and installed("distributed")):
        raise MissingExtra("dask is missing: python -m pip install -e '.[claims,cluster]'")
    if given.cache.exists() and not given.cache.is_dir():
        raise ValueError(f"--cache must be a folder, got the file {given.cache}")
    if dask:
        return 1
    by_default = -1 if given.backend else 1
    return checked_jobs(by_default if given.jobs is None else given.jobs)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m gradbook.book.claims",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cache = Path(os.environ.get(CACHE_VARIABLE) or ".results") / "claims"
    add = parser.add_argument
    add("--full", action="store_true", help="more draws, tighter error bars")
    add("--jobs", type=int, metavar="N", help="claims at the same time; -1: all cores; default: 1")
    add(
        "--backend",
        choices=("loky", "threading", "dask"),
        help="run on processes, threads, or a cluster; all of it",
    )
    add("--scheduler", default="", metavar="ADDRESS", help="of the cluster, for --backend dask")
    add("--fresh", action="store_true", help="measure again what is kept from an earlier run")
    add("--cache", type=Path, default=cache, metavar="FOLDER", help="default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
