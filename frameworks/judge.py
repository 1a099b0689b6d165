"""Judge the diagnosis on networks by the hundred whose truth is measured: `make judge`.

Each architecture is built in several sizes, sound and with every fault that fits it. What lies
between the limits of truth is left out, by the truth alone. The limits of the diagnosis are fitted
on the even sizes, and what it says of the odd ones is counted, by kind. These have other widths,
depths, seeds and strengths, and six architectures more; networks of JAX are judged by the same
limits. *Right* is who names the illness first, or
none where there is none; *harmful* is who calls an ill network healthy, a healthy one ill, or names
another illness. *Cannot tell* is neither.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any
from unittest.mock import patch

import generated_jax_asked
import stand_ins  # noqa: F401 - before torchvision, which others import where it is there
from generated_asked import Asked, answers, said

from gradbook.book.diagnose import generated
from gradbook.book.written import write_rows
from gradbook.diagnosis.findings import loss, over_depth, over_time, steps, zeros

Piece = tuple[int, int, int]
"""A size, and of all its networks every so many-th."""

PIECES = 6
FITTED = [(size, size // 2 + 3 * k, 3 * PIECES) for size in (0, 2, 4) for k in range(PIECES)]
JUDGED = {
    "PyTorch": [
        (size, (size + 1) // 2 % 2 + 2 * k, 2 * PIECES) for size in (1, 3, 5) for k in range(PIECES)
    ],
    "JAX": [(size, k, PIECES) for size in (1, 3, 5) for k in range(PIECES)],
}
WAYS = {"PyTorch": said, "JAX": generated_jax_asked.answers}

Answer = tuple[str, str, str]
"""The name of a network, its truth, and what is said of it."""

GRID = {
    "FALL": (over_depth, [1.0 + 0.05 * i for i in range(41)]),
    "RISE": (over_depth, [1.0 + 0.05 * i for i in range(41)]),
    "IN_TIME": (over_time, [1.0 + 0.04 * i for i in range(51)]),
    "OFF": (zeros, [0.3 + 0.02 * i for i in range(35)]),
    "LARGE": (steps, [10 ** (-1 + 0.05 * i) for i in range(41)]),
    "STILL": (steps, [0.1 + 0.05 * i for i in range(19)]),
    "LEAST": (loss, [10 ** (-9 + 0.25 * i) for i in range(29)]),
}
"""Where each limit of the findings stands, and what is tried for it; theory's are not fitted."""


def ask(way: Callable[[Piece], Any], pieces: Sequence[Piece]) -> list[Any]:
    """Ask about the networks of each piece, in as many processes as there are cores."""
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        return [*pool.map(way, pieces)]


def judged(truth: str, said: str) -> str:
    """Compare what is said of a network with its truth."""
    if said == truth:
        return "right"
    return "harmful" if said else "open"


def best(half: Sequence[Asked], name: str) -> tuple[float, float]:
    """Return the first and the last value of a limit with which most are right."""
    scores = {}
    module, values = GRID[name]
    for value in values:
        with patch.object(module, name, value):
            scores[value] = sum(one.says() == one.truth for one in half)
    served = [value for value, score in scores.items() if score == max(scores.values())]
    return served[0], served[-1]


def fit(half: Sequence[Asked]) -> Iterator[str]:
    """Yield for each limit which values serve best, and which is in use."""
    for name in GRID:
        low, high, now = *best(half, name), getattr(GRID[name][0], name)
        yield f"{name:9} best from {low:.3g} to {high:.3g}, in use {now:.3g}"


def told(pieces: Iterable[Iterable[Asked]]) -> list[Asked]:
    """Return the networks that have a truth."""
    return [one for piece in pieces for one in piece if one.known is not None]


def records(library: str, piece: Piece, answered: Iterable[Answer]) -> Iterator[generated.Counted]:
    """Yield what the book counts: for each kind how many there are, how many right and harmful."""
    found: dict[str, Counter[str]] = {}
    for _, truth, answer in answered:
        found.setdefault(truth, Counter())[judged(truth, answer)] += 1
    for kind, count in sorted(found.items()):
        sums = (0, 0) if kind == generated.BETWEEN else (count["right"], count["harmful"])
        yield (library, *piece[:2], kind, count.total(), *sums)


def wrong(answered: Iterable[Answer]) -> Iterator[str]:
    """Yield what was not right, one network a line."""
    for name, truth, answer in answered:
        if truth not in (generated.BETWEEN, answer):
            yield f"{judged(truth, answer)}: {name}: {truth}, not {answer or 'cannot tell'}"


def main() -> int:
    """Fit, judge and print, and write the counts where the book reads them."""
    for line in fit(told(ask(answers, FITTED))):
        print(line, flush=True)
    asked = {library: ask(way, JUDGED[library]) for library, way in WAYS.items()}
    counts = (
        row
        for library, pieces in asked.items()
        for piece, answered in zip(JUDGED[library], pieces, strict=True)
        for row in records(library, piece, answered)
    )
    write_rows(generated.GENERATED, counts)
    for library, pieces in asked.items():
        print(f"\n{library}\n{generated.table(library)}")
        print(f"{generated.left_out(library)} more are between the limits of truth")
        print(*(line for answered in pieces for line in wrong(answered)), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
