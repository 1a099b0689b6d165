"""Judge the diagnosis on networks by the hundred whose truth is measured: `make judge`.

Each architecture is built in several sizes, sound and with every fault that fits it. What lies
between the limits of truth is left out, by the truth alone. The limits of the diagnosis are fitted
on the even sizes, and what it says of the odd ones is counted, by kind. These have other widths,
depths, seeds and strengths, and six architectures more. *Right* is who names the illness first, or
none where there is none; *harmful* is who calls an ill network healthy, a healthy one ill, or names
another illness. *Cannot tell* is neither.
"""

from __future__ import annotations

import csv
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from unittest.mock import patch

import stand_ins  # noqa: F401 - before torchvision, which others import where it is there
from generated_asked import Asked, answers

from gradbook.book.diagnose.generated import GENERATED, share
from gradbook.diagnosis import findings

FITTED = {0: (0, 3), 2: (1, 3), 4: (2, 3)}
JUDGED = {1: (0, 2), 3: (1, 2), 5: (0, 2)}
"""Which part of the networks of a size is asked about: of so many parts this one."""

GRID = {
    "FALL": [1.0 + 0.05 * i for i in range(41)],
    "RISE": [1.0 + 0.05 * i for i in range(41)],
    "IN_TIME": [1.0 + 0.04 * i for i in range(51)],
    "OFF": [0.3 + 0.02 * i for i in range(35)],
    "LARGE": [10 ** (-1 + 0.05 * i) for i in range(41)],
    "STILL": [0.1 + 0.05 * i for i in range(19)],
    "LEAST": [10 ** (-9 + 0.25 * i) for i in range(29)],
}
"""What is tried for each limit of `gradbook.diagnosis.findings`; theory's are not fitted."""

PIECES = 6


def ask(halves: Mapping[int, tuple[int, int]]) -> list[Asked | None]:
    """Ask about the networks of a half, in as many processes as there are cores."""
    parts = [
        (size, part + piece * of, of * PIECES)
        for size, (part, of) in halves.items()
        for piece in range(PIECES)
    ]
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        return [one for found in pool.map(answers, parts) for one in found]


def judged(truth: str, said: str) -> str:
    """Compare what is said with the truth."""
    if said == truth:
        return "right"
    return "harmful" if said else "open"


def best(half: Sequence[Asked], name: str) -> tuple[float, float]:
    """Return the first and the last value of a limit with which most are right."""
    scores = {}
    for value in GRID[name]:
        with patch.object(findings, name, value):
            scores[value] = sum(one.says() == one.truth for one in half)
    values = [value for value, score in scores.items() if score == max(scores.values())]
    return values[0], values[-1]


def counts(half: Iterable[Asked]) -> dict[str, Counter[str]]:
    """Count the answers by kind."""
    found: dict[str, Counter[str]] = {}
    for one in half:
        found.setdefault(one.truth, Counter())[judged(one.truth, one.says())] += 1
    return found


def table(found: Mapping[str, Counter[str]]) -> Iterator[str]:
    """Yield the lines of a table, with intervals at 95 %."""
    yield f"{'truth':14}{'networks':>9}{'right':>26}{'harmful':>26}"
    whole = sum(found.values(), Counter[str]())
    for kind, count in [*sorted(found.items()), ("all", whole)]:
        cells = (share(count[answer], count.total()) for answer in ("right", "harmful"))
        yield f"{kind:14}{count.total():9}" + "".join(f"{cell:>26}" for cell in cells)


def fit(half: Sequence[Asked]) -> Iterator[str]:
    """Yield for each limit which values serve best, and which is in use."""
    for name in GRID:
        low, high = best(half, name)
        yield f"{name:9} best from {low:.3g} to {high:.3g}, in use {getattr(findings, name):.3g}"


def told(half: Iterable[Asked | None]) -> list[Asked]:
    """Return those that have a truth."""
    return [one for one in half if one is not None]


def main() -> int:
    """Fit, judge and print, and write the counts where the book reads them."""
    for line in fit(told(ask(FITTED))):
        print(line, flush=True)
    networks = ask(JUDGED)
    half = told(networks)
    found = counts(half)
    print("\n".join(table(found)))
    print(f"{len(networks) - len(half)} more are between the limits of truth")
    for one in half:
        if judged(one.truth, one.says()) != "right":
            print(f"{judged(one.truth, one.says())}: {one.name}: {one.truth}, not {one.says()}")
    with GENERATED.open("w", encoding="utf-8", newline="") as file:
        rows = [[k, c.total(), c["right"], c["harmful"]] for k, c in sorted(found.items())]
        csv.writer(file, lineterminator="\n").writerows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
