"""Proofread pages: what is typed that could be computed, and which numbers nothing holds."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from gradbook.press import mutation
from gradbook.press.ahead import workers
from gradbook.press.excuses import README, book_excuses
from gradbook.press.honesty import violations
from gradbook.press.pages import read
from gradbook.press.places import ROOT, paths
from gradbook.press.replay import PageFails
from gradbook.press.results import CACHE_VARIABLE, folder

if sys.platform != "win32":
    import resource

MEMORY = 6 << 30
"""Bytes that a process may address in which numbers are changed: a change that needs more fails."""


def proofread(
    asked: Iterable[Path] = (), *, numbers: bool = False, every_number: bool = False
) -> list[str]:
    """Return the faults of pages, each as `page:line: fault`.

    Args:
        asked: The pages; all of the book, and its README, by default.
        numbers: Also change the numbers in the code of those asked for, or by default of those
            that differ from the last commit: each change must break a check of its page.
        every_number: As `numbers`, whatever the last commit has.
    """
    pages = [path.resolve() for path in asked]
    every_page = not pages
    pages = pages or [*paths(), ROOT / README]
    found = [str(fault) for path in pages for fault in violations(read(path), book_excuses())]
    if numbers or every_number:
        found += held_by_nothing(differing(pages) if every_page and not every_number else pages)
    return found


def held_by_nothing(pages: Iterable[Path]) -> list[str]:
    """Return what is wrong with the checks of pages: they run side by side, the longest first."""
    longest_first = sorted(pages, key=lambda path: (-path.stat().st_size, path))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers(), mp_context=context, initializer=_prepare) as pool:
        return [fault for faults in pool.map(_faults, longest_first) for fault in faults]


def _prepare() -> None:
    """Measure once what a change leaves as it is, and limit what it may take."""
    os.environ.setdefault(CACHE_VARIABLE, str(folder()))
    if sys.platform == "win32":
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    within = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (within, hard))


def _faults(path: Path) -> list[str]:
    if path == ROOT / README:
        return []
    try:
        return mutation.faults(read(path))
    except PageFails as error:
        return [str(error)]


def differing(pages: Iterable[Path]) -> set[Path]:
    """Return the pages that are not as the last commit has them; without git, all."""
    changed = set(pages)
    command = ["git", "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"]
    for beside in {path.parent for path in changed}:
        try:
            told = subprocess.run([*command, "."], cwd=beside, capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        names = {Path(entry[3:]).name for entry in told.stdout.decode().split("\0")}
        changed -= {path for path in changed if path.parent == beside and path.name not in names}
    return changed
