"""How long readers and maintainers wait here, each wait beside its aim: `make timings`.

It measures the last commit, in a clone in a temporary folder, and removes that however it ends.
The two waits of minutes, `make test` and `.ci/run`, are measured when asked for: `LONG=1`.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from statistics import median

from clones import Clone, Server, Stopped, serving

ROOT = Path(__file__).resolve().parent.parent
CHAPTER, SENTENCE = "chapters/vanishing", "How much of a gradient reaches them"
"""The page asked for, and words of its prose alone: one in a block's caption runs the block."""
MODULE, LABEL, ITS_CHAPTER = (
    "gradbook/book/clipping/spikes.py",
    "running limit",
    "chapters/clipping-deeper",
)
"""A package file that one chapter alone imports, and words of it that this chapter shows."""
EDITS = 3


def first(clone: Clone, page: str) -> float:
    """Start the server and return the seconds until it answers with a page."""
    with serving(clone) as server:
        return server.answer(page)


def words(server: Server) -> float:
    """Change one word of a chapter's prose, several times, and return the median of the waits."""
    names = [SENTENCE, *(SENTENCE.replace("gradient", f"gradient{k}") for k in range(EDITS))]
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
        for page in clone.pages():  # who edits has had the book open for a while
            server.answer(page)
        show(f"a word of {CHAPTER} changed: shown", 0.5, lambda: words(server))
        show(f"{MODULE} changed: {ITS_CHAPTER} shown", 5, lambda: module(server))
    show("make site, empty cache", 40, lambda: clone.unbuilt().took("make", "site"))
    if long:
        show("make test in a fresh clone", 240, lambda: fresh("test").took("make", "test"))
        show(".ci/run in a fresh clone", 900, lambda: fresh("run").took("bash", ".ci/run"))


def git(*command: str) -> str:
    """Return what git says."""
    try:
        done = subprocess.run(["git", *command], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise Stopped("make timings clones the book: install git") from None
    except subprocess.CalledProcessError as error:
        raise Stopped(f"make timings clones the book: {error.stderr.strip()}") from None
    return done.stdout.strip()


def measured(root: Path, patience: float, *, long: bool) -> None:
    """Print the table of a repository's last commit.

    Args:
        root: The repository; it stays as it is.
        patience: How many seconds an edit may take to show.
        long: Measure `make test` and `.ci/run`, too.
    """
    commit = git("-C", str(root), "log", "-1", "--format=%h %s")
    print(f"{date.today()}, {os.cpu_count()} cores, Python {platform.python_version()}: {commit}")
    if git("-C", str(root), "status", "--porcelain"):
        print("Changes that are not committed are not measured.")
    with tempfile.TemporaryDirectory(prefix="gradbook-") as temporary:

        def fresh(name: str) -> Clone:
            git("clone", "--quiet", str(root), f"{temporary}/{name}")
            return Clone(Path(temporary) / name, patience)

        table(fresh("book"), fresh, long=long)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--long", action="store_true", help="also make test and .ci/run")
    parser.add_argument("--patience", type=float, default=60, help="seconds for an edit to show")
    given = parser.parse_args(arguments)
    # A `kill` goes the way of Ctrl-C: through every `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        measured(given.root, given.patience, long=given.long)
    except Stopped as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
