"""What the diagnosis says of networks asked about in public, as the tests of frameworks find it.

It needs PyTorch: `frameworks/public_cases.py` writes the table, and a test finds it again.
"""

import html
from dataclasses import dataclass
from pathlib import Path

from gradbook.book.written import rows_of
from gradbook.show import Table

PUBLIC = Path(__file__).with_name("public.csv")

CHANGED = ("NumPy", "language model", "list of lists", "softmax", "warm-up")
"""What tells the networks for which the tool was changed, which did not name what is wrong."""


def rows() -> list[list[str]]:
    """Return what a network is, the truth, what is said of it, and its address."""
    return rows_of(PUBLIC)


def number_of(words: str) -> int:
    """Return the number of the one network whose name holds these words.

    Examples:
        >>> number_of("valley")
        16
    """
    (number,) = (at for at, row in enumerate(rows(), start=1) if words in row[0])
    return number


def table() -> Table:
    """Show them, each with the number by which `asked` links to where it was asked."""
    changed = {number_of(words) for words in CHANGED}
    found = [
        [f"{number}{'*' * (number in changed)}", *row[:3]]
        for number, row in enumerate(rows(), start=1)
    ]
    return Table(
        ["", "network", "truth", "the tool says"],
        found,
        caption="Networks that others asked about, built again small. Of those with a star the "
        "tool was changed until it said what is wrong.",
        align="rlll",
    )


@dataclass(frozen=True)
class Asked:
    """Say where each network was asked about, by its number in the table."""

    addresses: tuple[str, ...]

    def __str__(self) -> str:
        """Return an address a line."""
        return "\n".join(f"{n} {address}" for n, address in enumerate(self.addresses, start=1))

    def _repr_html_(self) -> str:
        links = ", ".join(
            f'<a href="{html.escape(address)}" rel="noreferrer">{number}</a>'
            for number, address in enumerate(self.addresses, start=1)
        )
        return f"<p>They were asked here: {links}.</p>"


def asked() -> Asked:
    """Return where they were asked."""
    return Asked(tuple(row[3] for row in rows()))
