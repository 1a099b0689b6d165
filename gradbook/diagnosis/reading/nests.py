"""Find the arrays of a nest of dicts, lists and records, as of JAX, and those that share memory."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from numbers import Number
from typing import Any

import numpy as np

ARRAYS = (
    *("shape", "dtype", "__array__", "__dlpack__", "detach", "data_ptr", "cpu"),
    "unsafe_buffer_pointer",
)
"""What tells an array, also of a framework that nobody knows, from a module."""


def opened(tree: Any) -> Any:
    """Return the arrays of a module that is a dataclass, as those of Equinox are, by name."""
    if not is_dataclass(tree) or isinstance(tree, type) or any(hasattr(tree, n) for n in ARRAYS):
        return tree
    found = {f.name: getattr(tree, f.name) for f in fields(tree)}
    return {name: value for name, value in found.items() if not _is_setting(value)}


def _is_setting(value: Any) -> bool:
    """Tell a number, a text or a function, which a module keeps beside its arrays."""
    plain = isinstance(value, (Number, str, bytes))
    return plain or (callable(value) and not is_dataclass(value) and not hasattr(value, "shape"))


def is_nest(tree: Any) -> bool:
    """Tell a list of arrays from an array written as a list of numbers; () is a nest of none."""
    if not isinstance(tree, (list, tuple)):
        return False
    others = (item for item in tree if not isinstance(item, Number))
    return tree == () or any(is_nest(x) or not isinstance(x, (list, tuple)) for x in others)


def leaves_of(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what a nest holds, each under the keys that lead to it, joined by a slash."""
    branches: Iterable[tuple[Any, Any]]
    tree = opened(tree)
    if isinstance(tree, Mapping):
        branches = tree.items()
    elif not is_nest(tree):
        yield path, tree
        return
    else:
        branches = tree if not path and all(map(_is_pair, tree)) else enumerate(tree)
    for key, branch in branches:
        yield from leaves_of(branch, f"{path}/{_key(key)}" if path else _key(key))


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], (str, tuple))


def _key(key: Any) -> str:
    """Spell a key, also of JAX's paths, whose steps are records, and of Flax's tuples."""
    if isinstance(key, tuple):
        return "/".join(map(_key, key))
    own = (getattr(key, attribute, None) for attribute in ("key", "name", "idx"))
    plain = isinstance(key, (str, int))
    return str(key if plain else next((found for found in own if found is not None), key))


def tied_of(leaves: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Find what shares its memory; all the leaves are alive, so that no address is a used one."""
    first: dict[tuple[int, int], str] = {}
    tied = {}
    for name, value in leaves:
        # An object that tells no address is known by its own; no array holds -1 numbers.
        place = None if value is None else _memory(value) or (id(value), -1)
        if place is not None and place[0] != 0 and first.setdefault(place, name) != name:
            tied[name] = first[place]
    return tied


def _memory(value: Any) -> tuple[int, int] | None:
    """Return where an array's numbers lie and how many there are."""
    try:
        if isinstance(value, np.ndarray):
            return value.__array_interface__["data"][0], value.size
        if hasattr(value, "data_ptr"):
            return int(value.data_ptr()), int(value.numel())
        return int(value.unsafe_buffer_pointer()), int(value.size)
    except Exception:  # sparse, sharded, deleted or unknown: it has no memory of its own to compare
        return None
