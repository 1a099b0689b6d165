"""What the diagnosis says of networks by the hundred, as `make judge` counted it."""

import csv
import math
from pathlib import Path

from gradbook.show import Table

GENERATED = Path(__file__).with_name("generated.csv")


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


def rows() -> list[tuple[str, int, int, int]]:
    """Return each kind with the networks that are so, those named right and those harmed."""
    with GENERATED.open(encoding="utf-8", newline="") as file:
        return [
            (kind, int(n), int(right), int(harmful)) for kind, n, right, harmful in csv.reader(file)
        ]


def table() -> Table:
    """Show them, all together last."""
    found = rows()
    whole = ("all", *(sum(row[i] for row in found) for i in (1, 2, 3)))
    return Table(
        ["truth", "networks", "right", "harmful"],
        [[k, n, share(right, n), share(harmful, n)] for k, n, right, harmful in [*found, whole]],
        caption="What was said first of generated networks, with intervals at 95 %.",
        align="lrrr",
    )


def share(part: int, whole: int) -> str:
    """Write a share with its interval."""
    low, high = wilson(part, whole)
    return f"{part / whole:.1%} ({low:.1%} to {high:.1%})"
