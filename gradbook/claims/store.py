"""Keep what claims measured on disk, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np

from gradbook.claims.record import Claim

Numbers: TypeAlias = tuple[list[float], list[float], list[float]]
"""Theory, measured values and their standard errors, one of each per case."""

PACKAGE = Path(__file__).resolve().parents[1]


@cache
def fingerprint(package: Path = PACKAGE) -> str:
    """Return a digest of everything that measured numbers depend on.

    That is every source file of the package, the versions of Python and NumPy, and the kind of
    machine. Change one line of the code, and no kept number counts any more.

    Args:
        package: The folder of the sources.

    Examples:
        >>> len(fingerprint())
        64
    """
    digest = hashlib.sha256()
    for text in (sys.version, np.__version__, platform.machine(), platform.system()):
        digest.update(f"{text}\0".encode())
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@dataclass(frozen=True)
class Store:
    """A folder with one small file per claim, number of draws and fingerprint.

    Attributes:
        folder: Where the files are; made when the first one is written.
        print: The fingerprint that kept numbers must have.
    """

    folder: Path
    print: str

    def path(self, claim: Claim, draws: int) -> Path:
        """Return where the numbers of a claim are kept.

        Args:
            claim: The claim.
            draws: How many draws it takes.
        """
        key = json.dumps([self.print, claim.name, claim.seed, draws, claim.cases])
        words = re.sub(r"[^a-z0-9]+", "-", claim.name.lower()).strip("-")
        return self.folder / f"{words}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"

    def read(self, claim: Claim, draws: int) -> Numbers | None:
        """Return what is kept of a claim, or None if there is nothing that can be used.

        Args:
            claim: The claim.
            draws: How many draws it takes.
        """
        try:
            kept = json.loads(self.path(claim, draws).read_text(encoding="utf-8"))
            theory, values, errors = ([float(x) for x in kept[key]] for key in _KEYS)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        alike = len(theory) == len(values) == len(errors) == len(claim.cases)
        return (theory, values, errors) if alike else None

    def write(self, claim: Claim, draws: int, numbers: Numbers) -> None:
        """Keep the numbers of a claim; a reader finds the whole file or none.

        Args:
            claim: The claim.
            draws: How many draws were taken.
            numbers: What they gave.
        """
        path = self.path(claim, draws)
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        unfinished.write_text(json.dumps(dict(zip(_KEYS, numbers, strict=True))), encoding="utf-8")
        unfinished.replace(path)


_KEYS = ("theory", "values", "errors")
