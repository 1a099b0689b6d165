"""What may be wrong with a network, and how names and sizes are put in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gradbook.diagnosis.paths import Profile

NAMED = 3
"""How many names a sentence lists at most."""


class Verdict(Enum):
    """What a finding says, in the order of consequence: each hides or explains what is below it.

    Examples:
        >>> [verdict.value for verdict in Verdict if not verdict.is_problem]
        ['zero start', 'healthy', 'cannot tell']
    """

    NON_FINITE = "non-finite"
    LOSS = "nothing from the loss"
    CUT = "cut"
    STUCK = "stuck at zero"
    SYMMETRIC = "symmetric"
    DEAD = "dead units"
    VANISHING = "vanishing"
    EXPLODING = "exploding"
    STARVED = "starved branches"
    LARGE_STEP = "step too large"
    GROWING = "growing"
    FROZEN = "frozen"
    ZERO_START = "zero start"
    HEALTHY = "healthy"
    CANNOT_TELL = "cannot tell"

    @property
    def is_problem(self) -> bool:
        """Whether something must be done to the network."""
        return self not in (Verdict.ZERO_START, Verdict.HEALTHY, Verdict.CANNOT_TELL)


@dataclass(frozen=True)
class Finding:
    """One thing that was found, standing on its own."""

    verdict: Verdict
    reason: str
    profile: Profile | None = None
    """The sizes it rests on, if it rests on sizes."""
    since: str | None = None
    """Where it starts."""
    hint: str | None = None
    """What to do that the verdict alone does not tell."""


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
