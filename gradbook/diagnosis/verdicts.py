"""What may be wrong with a network: the answers of a diagnosis."""

from dataclasses import dataclass
from enum import Enum

from gradbook.diagnosis.paths import Profile


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
    """One thing that was found, standing on its own.

    Attributes:
        profile: The sizes it rests on, if it rests on sizes.
        since: Where it starts.
        hint: What to do that the verdict alone does not tell.
    """

    verdict: Verdict
    reason: str
    profile: Profile | None = None
    since: str | None = None
    hint: str | None = None
