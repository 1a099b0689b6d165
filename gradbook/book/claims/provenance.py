"""What measured numbers come from: the code that a claim can reach, and the machine."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gradbook.book.claims.record import Claim
from gradbook.press.reach import reached

_PACKAGE = Path(__file__).resolve().parents[2]

_LOADED = time.time()


def code_of(claim: Claim) -> str | None:
    """Return a digest of all code that the numbers of a claim come from.

    That is its chapter's file and whatever this reaches in the package. It is None for a claim that
    no chapter holds, and where a file was changed after the process had started: the code that runs
    need not be the code that lies there.
    """
    return code_of_modules(frozenset(claim.place[:1])) if claim.place else None


def code_of_modules(modules: frozenset[str]) -> str | None:
    """Return a digest of all code that some modules can reach, None if it changed since its start.

    Examples:
        >>> code_of_modules(frozenset({"gradbook.checks"})) == code_of_modules(frozenset())
        False
    """
    return code_from(modules, _PACKAGE, _LOADED)


@cache
def code_from(modules: frozenset[str], package: Path, loaded: float) -> str | None:
    """Return a digest of the files that modules reach, of their names and what is in them.

    It is found once: what a process has loaded stays what it was, whatever happens to the files.

    Args:
        loaded: When the code was loaded, in seconds since 1970; None is returned if it is older
            than a file.
    """
    files = {
        path.relative_to(package).as_posix(): path
        for path in reached([f"import {module}" for module in sorted(modules)], package)
    }
    if any(path.stat().st_mtime > loaded for path in files.values()):
        return None
    return digest_of([(name, sha256(files[name].read_bytes())) for name in sorted(files)])


@cache
def machine() -> str:
    """Return a digest of what decides about last bits beside the code.

    That is the versions of Python and NumPy, the system, and the features of the processor that
    NumPy has code of its own for.
    """
    built: Any = np.show_config(mode="dicts")
    return digest_of([sys.version, np.__version__, platform.machine(), platform.system(), built])


def digest_of(what: object) -> str:
    """Return a digest of what JSON can write."""
    return sha256(json.dumps(what).encode())


def sha256(data: bytes) -> str:
    """Return the digest of some bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
