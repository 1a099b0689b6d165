"""The quantitative claims of the book: one record each, in a file per chapter, named as it is.

To claim one more thing is to add one record: the chapter's table, the results page, the command
`make claims` and the tests all loop over what they find. Importing this package loads no claim; a
chapter shows those of its own file, and `every` holds them all.
"""

from __future__ import annotations

from types import ModuleType

from gradbook.book.claims.boards import Board, board
from gradbook.book.claims.checking import check
from gradbook.book.claims.record import Claim, ClaimKind, Measurement, Outcome, Rival


def of(chapter: ModuleType) -> tuple[Claim, ...]:
    """Return the claims of one chapter, in the order of its file."""
    found = tuple(value for value in vars(chapter).values() if isinstance(value, Claim))
    if not found:
        raise ValueError(
            f"chapter is {chapter.__name__!r}, which holds no claim; expected a chapter's file, "
            "such as gradbook.book.update_rule.claims"
        )
    return found


__all__ = ["Board", "Claim", "ClaimKind", "Measurement", "Outcome", "Rival", "board", "check", "of"]
