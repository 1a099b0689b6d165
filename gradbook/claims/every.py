"""All claims of the book, gathered from the files of its chapters."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from gradbook import claims
from gradbook.claims.record import Claim

_MACHINERY = {"__main__", "board", "every", "record", "runner", "store"}


def _gather() -> tuple[Claim, ...]:
    found = {module.name for module in iter_modules(claims.__path__)}
    chapters = [import_module(f"{claims.__name__}.{name}") for name in sorted(found - _MACHINERY)]
    return tuple(claim for chapter in chapters for claim in claims.of(chapter))


ALL: tuple[Claim, ...] = _gather()
"""In the order of the chapters' names, and in each chapter in that of its file."""
