"""What may be wrong with a network: the answers of a diagnosis."""

from enum import Enum


class Verdict(Enum):
    """What a diagnosis says, in the order in which one hides the next.

    Examples:
        >>> [verdict.value for verdict in Verdict if verdict.is_problem]
        ['non-finite', 'dead units', 'vanishing', 'exploding', 'frozen']
    """

    NON_FINITE = "non-finite"
    DEAD = "dead units"
    VANISHING = "vanishing"
    EXPLODING = "exploding"
    FROZEN = "frozen"
    HEALTHY = "healthy"
    CANNOT_TELL = "cannot tell"

    @property
    def is_problem(self) -> bool:
        """Whether something must be done to the network."""
        return self not in (Verdict.HEALTHY, Verdict.CANNOT_TELL)
