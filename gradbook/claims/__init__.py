"""The quantitative claims of the book: one record each, in a file per chapter, named as it is.

To claim one more thing is to add one record: the chapter's table, the results page, the command
`make claims` and the tests all loop over what they find. Importing this package loads no claim; a
chapter shows those of its own file, and `every` holds them all.
"""

from __future__ import annotations

from types import ModuleType

from gradbook.claims.board import Board, board
from gradbook.claims.checking import check
from gradbook.claims.record import Claim, Kind, Measurement, Outcome


def of(chapter: ModuleType) -> tuple[Claim, ...]:
    """Return the claims of one chapter, in the order of its file.

    Args:
        chapter: The module that holds them.

    Raises:
        ValueError: The module holds no claim.

    Examples:
        >>> from gradbook.claims import update_rule
        >>> {claim.chapter for claim in of(update_rule)}
        {'update-rule'}
    """
    found = tuple(value for value in vars(chapter).values() if isinstance(value, Claim))
    if not found:
        raise ValueError(
            f"chapter is {chapter.__name__!r}, which holds no claim; expected a chapter's file, "
            "such as gradbook.claims.update_rule"
        )
    return found


__all__ = ["Board", "Claim", "Kind", "Measurement", "Outcome", "board", "check", "of"]
