"""What the diagnosis says of networks by the hundred, as `make judge` counted it.

It needs PyTorch, which the book does without: so the command writes its counts here, and a test
among those of the frameworks finds some of them again.
"""

import csv
import math
from pathlib import Path

from gradbook.show import Table

GENERATED = Path(__file__).with_name("generated.csv")
BETWEEN = "between the limits"

Counted = tuple[str, int, int, str, int, int, int]
"""A library, a size, a part of it, a kind, how many are so, named right, and harmed."""


def wilson(part: int, whole: int, z: float = 1.96) -> tuple[float, float]:
    """Return the interval that holds a share, at 95 %, when `part` of `whole` were counted.

    Source: Wilson 1927.

    Examples:
        >>> low, high = wilson(0, 400)
        >>> round(low, 4), round(high, 4)
        (0.0, 0.0095)
    """
    share = part / whole
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z / (1 + z * z / whole) * math.sqrt(share * (1 - share) / whole + (z / whole) ** 2 / 4)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def counted() -> list[Counted]:
    """Return what the command wrote."""
    with GENERATED.open(encoding="utf-8", newline="") as file:
        return [
            (library, int(size), int(part), kind, int(n), int(right), int(harmful))
            for library, size, part, kind, n, right, harmful in csv.reader(file)
        ]


def kinds(library: str) -> dict[str, tuple[int, int, int]]:
    """Return for each kind how many networks are so, how many are named right, and harmed."""
    names = sorted({row[3] for row in counted() if row[0] == library} - {BETWEEN})
    return {name: _sums(library, name) for name in names}


def _sums(library: str, kind: str | None = None) -> tuple[int, int, int]:
    rows = [row for row in counted() if row[0] == library and row[3] != BETWEEN]
    kept = [row[4:] for row in rows if kind in (None, row[3])]
    return sum(n for n, _, _ in kept), sum(right for _, right, _ in kept), sum(h for *_, h in kept)


def total(library: str = "PyTorch") -> tuple[int, int, int]:
    """Return the same for all kinds together."""
    return _sums(library)


def left_out(library: str) -> int:
    """Return how many networks have no truth."""
    return sum(row[4] for row in counted() if row[0] == library and row[3] == BETWEEN)


def table(library: str) -> Table:
    """Show the kinds, and all together last."""
    rows = [*kinds(library).items(), ("all", total(library))]
    return Table(
        ["truth", "networks", "right", "harmful"],
        [[kind, n, share(right, n), share(harmful, n)] for kind, (n, right, harmful) in rows],
        caption=f"What was said first of generated {library} networks, with intervals at 95 %.",
        align="lrrr",
    )


def share(part: int, whole: int) -> str:
    """Write a share with its interval.

    Examples:
        >>> share(0, 400)
        '0.0 % (0.0 to 1.0)'
    """
    low, high = wilson(part, whole)
    return f"{100 * part / whole:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
