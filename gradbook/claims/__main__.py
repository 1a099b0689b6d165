"""Print the board of claims; exit 1 if a claim does not stand."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gradbook.claims.every import ALL
from gradbook.claims.runner import MissingExtra, checked_jobs, run
from gradbook.claims.store import Store, fingerprint

INTERRUPTED = 130
"""The exit code of a program that was stopped with Ctrl-C, by an old convention."""

CACHE = Path(".cache") / "claims"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every claim, print the board, and return 1 if a claim does not stand.

    Args:
        arguments: The command line; the process's own by default.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        jobs = checked_jobs(given.jobs)
    except (ValueError, MissingExtra) as error:
        parser.error(str(error))
    store = Store(given.cache, fingerprint())
    if given.fresh:
        for claim in ALL:
            store.path(claim, claim.full if given.full else claim.draws).unlink(missing_ok=True)
    try:
        found = run(ALL, full=given.full, jobs=jobs, store=store, progress=True)
    except KeyboardInterrupt:
        print(
            f"Interrupted. What is done is in {given.cache}; run again to go on.", file=sys.stderr
        )
        return INTERRUPTED
    print(found)
    return int(bool(found.failed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gradbook.claims", description=__doc__)
    add = parser.add_argument
    add("--full", action="store_true", help="more draws, tighter error bars")
    add("--jobs", type=int, default=1, metavar="N", help="claims at the same time; -1: all cores")
    add("--fresh", action="store_true", help="measure again what is kept from an earlier run")
    add("--cache", type=Path, default=CACHE, metavar="FOLDER", help="default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
