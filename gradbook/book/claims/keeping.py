"""Keep what long measurements return, so that pages, claims and tests measure each of them once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np

from gradbook.book.claims.checking import one_thread
from gradbook.book.claims.provenance import code_of_modules, digest_of, machine, sha256
from gradbook.book.claims.store import kept_in, write_whole
from gradbook.book.claims.telling import Untold, packed, told, unpacked

P = ParamSpec("P")
R = TypeVar("R")


def measured_once(measure: Callable[P, R]) -> Callable[P, R]:
    """Measure once for all processes: what is returned is kept by code, arguments and machine.

    The function is pure, but for the generators that it is given: they are left where it left them.
    It runs again where an argument cannot be told apart from others (a lambda of a page), where a
    source file is newer than the process, and where the environment names no folder.

    Examples:
        >>> @measured_once
        ... def drawn(rng: np.random.Generator, n: int) -> float:
        ...     return float(rng.normal(size=n).sum())
        >>> first, second = np.random.default_rng(0), np.random.default_rng(0)
        >>> drawn(first, 3) == drawn(second, 3), first.normal() == second.normal()
        (True, True)
    """

    @functools.wraps(measure)
    def measured(*args: P.args, **kwargs: P.kwargs) -> R:
        given = [*args, *kwargs.values()]
        generators = [value for value in given if isinstance(value, np.random.Generator)]
        path = _path(measure, args, kwargs)
        data = _read(path) if path else None
        if data is None:
            with one_thread():
                found = measure(*args, **kwargs)
            data = packed((found, [rng.bit_generator.state for rng in generators]))
            if path:
                write_whole(path, _digest(data) + b"\n" + data)
        # What was measured just now is read as well: a copy's memory may be laid out otherwise,
        # and a sum over it have another last bit.
        result: R
        result, states = unpacked(data)
        for rng, state in zip(generators, states, strict=True):
            rng.bit_generator.state = state
        return result

    return measured


def _path(
    measure: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]
) -> Path | None:
    folder, modules = kept_in("measured"), {measure.__module__}
    if not (folder and measure.__module__.startswith("gradbook.")):
        return None
    try:
        named = [measure.__qualname__, told([args, kwargs], modules)]
    except Untold:
        return None
    code = code_of_modules(frozenset(modules))
    if code is None:
        return None
    key = digest_of([named, code, machine()])
    return folder / f"{measure.__name__.strip('_')}-{key[:24]}.pickle"


def _read(path: Path) -> bytes | None:
    try:
        digest, _, data = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return data if digest == _digest(data) else None


def _digest(data: bytes) -> bytes:
    return sha256(data).encode()
