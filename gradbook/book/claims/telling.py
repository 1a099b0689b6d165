"""Tell values apart in every process, by what they are made of or by the name that they have."""

from __future__ import annotations

import functools
import pickle
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import Enum
from io import BytesIO
from typing import Any

import numpy as np

from gradbook.book.claims.provenance import sha256

# Whose code is known by a name: what a page or a test defines may change under the same one.
_KNOWN = ("gradbook", "numpy", "builtins")


class Untold(Exception):
    """A value has no name by which another process could know it."""


def told(value: object, modules: set[str]) -> object:
    """Return what tells a value apart; the modules that it comes from are added to `modules`."""
    match value:
        case None | bool() | int() | float() | str() | np.generic():
            plain: object = repr(value)
        case np.ndarray() if not value.dtype.hasobject:
            plain = [value.dtype.str, value.shape, sha256(value.tobytes())]
        case np.random.Generator():
            plain = repr(value.bit_generator.state)
        case _:
            return _held_or_made_of(value, modules)
    return [type(value).__qualname__, plain]


def _held_or_made_of(value: object, modules: set[str]) -> object:
    with suppress(Untold):
        return _name(value, modules)
    match value:
        case Mapping():
            parts: list[object] = [*value.items()]
        case tuple() | list():
            parts = [*value]
        case functools.partial():
            parts = [value.func, value.args, value.keywords]
        case Enum():
            parts = [type(value), value.name]
        case _ if is_dataclass(value) and not isinstance(value, type):
            parts = [type(value), *(getattr(value, field.name) for field in fields(value))]
        case _:
            raise Untold(repr(value))
    return [type(value).__qualname__, *(told(part, modules) for part in parts)]


def _name(value: object, modules: set[str]) -> str:
    """Return under which name a module holds a value: the module that it is from, or another."""
    own, name = getattr(value, "__module__", None) or "", getattr(value, "__qualname__", "")
    if own.partition(".")[0] in _KNOWN and getattr(sys.modules.get(own), name, None) is value:
        modules.add(own)
        return f"{own}.{name}"
    if (place := _place(value)) is None:
        raise Untold(repr(value))
    modules.add(place[0])
    return ".".join(place)


def _place(value: object) -> tuple[str, str] | None:
    """Return which module of the package holds a record or a function, and as what."""
    place = _places(_loaded(len(sys.modules))).get(id(value))
    # A name may be another's by now, and a module gone.
    held = place and getattr(sys.modules.get(place[0]), place[1], None)
    return place if held is value else None


@functools.lru_cache(maxsize=1)  # asked for each part of each value: they are sorted as they grow
def _loaded(_: int) -> tuple[str, ...]:
    return tuple(sorted((n for n in sys.modules if n.startswith("gradbook.")), reverse=True))


@functools.lru_cache(maxsize=1)
def _places(modules: tuple[str, ...]) -> dict[int, tuple[str, str]]:
    return {
        id(value): (module, name)
        for module in modules
        for name, value in vars(sys.modules[module]).items()
        if callable(value) or is_dataclass(value)
    }


def packed(value: object) -> bytes:
    """Return a value as bytes; a record that a module holds, such as an activation, as its name."""
    stream = BytesIO()
    _Packing(stream).dump(value)
    return stream.getvalue()


def unpacked(data: bytes) -> Any:
    """Return what `packed` was given, with the records that modules hold here.

    The bytes may run code, as those of `__pycache__`: they are the package's own.

    Examples:
        >>> from gradbook import relu
        >>> unpacked(packed([relu, 1]))[0] is relu
        True
    """
    return _Unpacking(BytesIO(data)).load()


class _Packing(pickle.Pickler):
    def persistent_id(self, value: object) -> tuple[str, str] | None:
        return _place(value) if is_dataclass(value) and not isinstance(value, type) else None


class _Unpacking(pickle.Unpickler):
    def persistent_load(self, place: tuple[str, str]) -> object:
        found: object = self.find_class(*place)
        return found
