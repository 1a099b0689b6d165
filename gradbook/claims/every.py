"""All claims of the book, gathered from the files of its chapters."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from gradbook import claims
from gradbook.claims.record import Claim


def _gather() -> tuple[Claim, ...]:
    names = sorted(
        {module.name for module in iter_modules(claims.__path__)} - {"every", "__main__"}
    )
    modules = [import_module(f"{claims.__name__}.{name}") for name in names]
    found = [value for module in modules for value in vars(module).values()]
    return tuple(value for value in found if isinstance(value, Claim))


ALL: tuple[Claim, ...] = _gather()
"""In the order of the chapters' names, and in each chapter in that of its file."""
