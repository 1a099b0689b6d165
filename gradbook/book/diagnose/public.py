"""What the diagnosis says of networks asked about in public, as the tests of frameworks find it.

It needs PyTorch: `frameworks/public_cases.py` writes the table, and a test finds it again.
"""

import csv
from pathlib import Path

from gradbook.show import Table

PUBLIC = Path(__file__).with_name("public.csv")


def rows() -> list[list[str]]:
    """Return what a network is, the truth, what is said of it, and its address."""
    with PUBLIC.open(encoding="utf-8", newline="") as file:
        return [*csv.reader(file)]


def table() -> Table:
    """Show them, each with the number by which the page links to where it was asked."""
    return Table(
        ["", "network", "truth", "the tool says"],
        [[str(number), *row[:3]] for number, row in enumerate(rows(), start=1)],
        caption="Networks that others asked about, built again small.",
        align="rlll",
    )
