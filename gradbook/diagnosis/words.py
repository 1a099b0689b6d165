"""How a report puts names and sizes in words."""

import math
from collections.abc import Sequence

NAMED = 3
"""How many names a sentence lists at most."""


def shown(name: str) -> str:
    """Return a name as it may be printed: a stranger's may hold a terminal's escape sequences."""
    return "".join(c if c.isprintable() else "?" for c in name)


def listed(names: Sequence[str], most: int = NAMED) -> str:
    """List names, and count those that are left out.

    Examples:
        >>> listed(["a", "b", "c", "d", "e"])
        'a, b, c and 2 more'
    """
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def factor(size: float) -> str:
    """Write a power of ten as a factor.

    Examples:
        >>> factor(3.14), factor(float("inf"))
        ('a factor of 10^3.1', 'all of it')
    """
    return f"a factor of 10^{size:.1f}" if math.isfinite(size) else "all of it"
