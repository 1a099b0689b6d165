"""What four tools say of PyTorch networks whose truth is known, as `make compare` found it.

It needs PyTorch, which the book does without: so the command writes its sums here, and a test among
those of the frameworks finds them again.
"""

from pathlib import Path

from gradbook.book.written import rows_of
from gradbook.show import Table

ANSWERS = ("right", "false alarm", "missed", "wrong illness", "failed")
WATCHED = 30
"""How many steps those tools are shown that watch a run."""

COMPARED = Path(__file__).with_name("compared.csv")


def rows() -> list[list[str]]:
    """Return a tool, its version and how often it gave each answer, for all tools."""
    return rows_of(COMPARED)


def networks() -> int:
    """Return how many networks were asked about."""
    return sum(int(count) for count in rows()[0][2:])


def table() -> Table:
    """Show them; a false alarm is an illness that is named where there is none."""
    return Table(
        ["tool", "version", *ANSWERS],
        rows(),
        caption=f"What was said of {networks()} networks, half of them healthy.",
        align="ll" + "r" * len(ANSWERS),
    )
