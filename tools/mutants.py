"""Break the library's arithmetic place by place: of the changes, the tests must notice 95 %.

Each mutant lives in a fork of one warm process: an import hook gives it the broken module, and
pytest runs the module's own doctests, then the test files nearest to it, until one test fails. No
file is changed. Afterwards every test that killed a mutant must pass on the unbroken package.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from nearest import Book, Mutant
from nursery import Nursery, Outcome, unbroken_failures, warm_up

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("", "layers", "networks", "theory")
"""The folders of the package that are broken; the diagnosis is when its files are named."""

NOT_LIBRARY = ("cli.py", "__main__.py")
TESTS = ("tests/library", "tests/diagnosis")
ENOUGH = 0.95
EVERY = 20


def sample(mutants: Sequence[Mutant], size: int, seed: int) -> list[Mutant]:
    """Draw some mutants, one of each of `size` equal parts of them."""
    rng, parts = random.Random(seed), min(size, len(mutants))
    return [mutants[int((n + rng.random()) * len(mutants) / parts)] for n in range(parts)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Break, run, tell; return 1 when too few mutants die, 2 when the tests cannot judge."""
    given = _parser().parse_args(arguments)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.pop("GRADBOOK_CACHE", None)  # what a broken package measures is kept nowhere
    os.chdir(given.root)
    root = Path.cwd()
    sys.path[:0] = [str(root), str(root / "tests")]
    book = Book(root, root / given.package, tuple(root / name for name in given.tests or TESTS))
    files = [path.resolve() for path in given.files] or library(book.package)
    mutants = book.mutants(files)
    if given.sample:
        print(f"{min(given.sample, len(mutants))} of {len(mutants)} mutants, seed {given.seed}")
        mutants = sample(mutants, given.sample, given.seed)
    warm_up(book, mutants)
    living = Nursery(given.workers, given.limit).outcomes(mutants, book)
    outcomes = watched(living, len(mutants), root)
    if unbroken_failures(book, outcomes):
        print("A test that kills mutants fails without them, too: make the tests pass first")
        return 2
    return verdict(outcomes, is_sample=bool(given.sample))


def library(package: Path) -> list[Path]:
    """List the files of the package that compute the library."""
    found = [path for folder in FOLDERS for path in sorted((package / folder).glob("*.py"))]
    return [path for path in found if path.name not in NOT_LIBRARY]


def watched(outcomes: Iterable[Outcome], count: int, root: Path) -> list[Outcome]:
    """Print who survives, and how far it is, a line for every few mutants."""
    began, done = time.monotonic(), list[Outcome]()
    for outcome in outcomes:
        done.append(outcome)
        if not outcome.killer:
            mutant, change = outcome.mutant, outcome.mutant.mutation
            place = f"{mutant.path.relative_to(root)}:{change.line}"
            print(f"{place}: {change.old} → {change.new}", flush=True)
        if len(done) % EVERY == 0 or len(done) == count:
            alive = sum(not found.killer for found in done)
            seconds = time.monotonic() - began
            print(f"{len(done)} of {count}: {alive} survive, {seconds:.0f} s", flush=True)
    return done


def verdict(outcomes: Sequence[Outcome], *, is_sample: bool = False) -> int:
    """Print the share that died; return the exit code.

    Of a sample as many may live as two standard errors allow: it is drawn anew when a line changes.
    """
    killed = sum(bool(outcome.killer) for outcome in outcomes)
    share = killed / len(outcomes) if outcomes else 1.0
    error = (ENOUGH * (1 - ENOUGH) / len(outcomes)) ** 0.5 if is_sample and outcomes else 0.0
    print(f"{share:.1%} of {len(outcomes)} mutants killed")
    return int(share < ENOUGH - 2 * error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("files", nargs="*", type=Path, help="what to break; the library by default")
    add("--sample", type=int, default=0, help="how many mutants, evenly spread; all by default")
    add("--seed", type=int, default=0, help="which sample")
    add("--workers", type=int, default=os.cpu_count(), help="how many at once")
    add("--limit", type=int, default=30, help="seconds of one test: what computes longer hangs")
    add("--root", type=Path, default=ROOT)
    add("--package", default="gradbook")
    add("--tests", action="append", help="folders of tests that judge")
    return parser


if __name__ == "__main__":
    sys.exit(main())
