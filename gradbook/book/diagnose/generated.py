"""What the diagnosis says of networks by the hundred, as `make judge` counted it.

It needs PyTorch, which the book does without: so the command writes its counts here, and a test
among those of the frameworks finds some of them again.
"""

from collections.abc import Iterable
from pathlib import Path

from gradbook.book.diagnose.scoring import interval
from gradbook.book.written import rows_of
from gradbook.show import Table

GENERATED = Path(__file__).with_name("generated.csv")
BETWEEN = "between the limits"

TRAINED, STEPS = 0.7, 60
"""The share of the first loss on one batch that is left of it, in so many steps, where a network
trains."""

LEARNS, LEARNS_NOT = 28, 50
"""Layers of ReLU behind batch normalization of which so many learn a batch in those steps, with the
best of four optimizers, and so many do not."""

NARROW = 8
"""Units of a layer that may be off, all of them, in a network that trains, if they are fewer."""

Counted = tuple[str, int, int, str, int, int, int]
"""A library, a size, a part of it, a kind, how many are so, named right, and harmed."""

Sums = tuple[int, int, int]
"""How many networks there are, how many are named right, and harmed."""


def counted() -> list[Counted]:
    """Return what the command wrote."""
    return [
        (library, int(size), int(part), kind, int(n), int(right), int(harmful))
        for library, size, part, kind, n, right, harmful in rows_of(GENERATED)
    ]


def kinds(library: str) -> dict[str, Sums]:
    """Return for each kind how many networks are so, how many are named right, and harmed."""
    rows = [row for row in counted() if row[0] == library and row[3] != BETWEEN]
    names = sorted({row[3] for row in rows})
    return {name: _sums(row[4:] for row in rows if row[3] == name) for name in names}


def total(library: str = "PyTorch") -> Sums:
    """Return the same for all kinds together."""
    return _sums(kinds(library).values())


def _sums(counts: Iterable[Sums]) -> Sums:
    networks, right, harmful = zip(*counts, strict=True)
    return sum(networks), sum(right), sum(harmful)


def left_out(library: str) -> int:
    """Return how many networks have no truth."""
    return sum(row[4] for row in counted() if row[0] == library and row[3] == BETWEEN)


def table(library: str) -> Table:
    """Show the kinds, and all together last."""
    found = kinds(library)
    rows = [*found.items(), ("all", _sums(found.values()))]
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
    low, high = interval(part, whole)
    return f"{100 * part / whole:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
