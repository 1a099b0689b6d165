"""All claims of the book, gathered from the rooms of its chapters."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

from gradbook import book
from gradbook.book.claims.record import Claim


def _gather() -> tuple[Claim, ...]:
    rooms = sorted(module.name for module in iter_modules(book.__path__) if module.ispkg)
    files = [
        f"{book.__name__}.{room}.claims"
        for room in rooms
        if find_spec(f"{book.__name__}.{room}.claims")
    ]
    found = [value for name in files for value in vars(import_module(name)).values()]
    return tuple(value for value in found if isinstance(value, Claim))


ALL: tuple[Claim, ...] = _gather()
"""In the order of the chapters' names, and in each chapter in that of its file."""
