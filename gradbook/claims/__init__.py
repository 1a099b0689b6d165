"""Every quantitative claim of the book, one record each, a file per chapter.

To claim one more thing is to add one record: the results page, the chapter's table, the command
`make claims` and the tests all loop over `ALL`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from gradbook.claims.board import Board, board
from gradbook.claims.record import Claim, Kind, Measurement, Outcome, check

_HELPERS = {"__main__", "board", "record", "runner", "store"}


def _gather() -> tuple[Claim, ...]:
    names = sorted(module.name for module in iter_modules(__path__) if module.name not in _HELPERS)
    modules = [import_module(f"{__name__}.{name}") for name in names]
    found = [value for module in modules for value in vars(module).values()]
    return tuple(value for value in found if isinstance(value, Claim))


ALL: tuple[Claim, ...] = _gather()


def of_chapter(chapter: str) -> tuple[Claim, ...]:
    """Return the claims of one chapter.

    Args:
        chapter: The chapter's file name without its ending.

    Raises:
        ValueError: No claim belongs to such a chapter.

    Examples:
        >>> {claim.chapter for claim in of_chapter("update-rule")}
        {'update-rule'}
    """
    found = tuple(claim for claim in ALL if claim.chapter == chapter)
    if not found:
        known = sorted({claim.chapter for claim in ALL})
        raise ValueError(f"chapter is {chapter!r}; expected one of {known}")
    return found


__all__ = [
    "ALL",
    "Board",
    "Claim",
    "Kind",
    "Measurement",
    "Outcome",
    "board",
    "check",
    "of_chapter",
]
