"""Keep what claims measured on disk, so that nothing is measured twice, whoever asks for it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from gradbook.book.claims.provenance import code_of, digest_of, machine
from gradbook.book.claims.record import Claim, Measurement, Outcome, judge

CACHE_VARIABLE = "GRADBOOK_CACHE"
"""The environment variable that names the folder in which a build keeps its results."""


@dataclass(frozen=True)
class ClaimStore:
    """A folder with one small file per claim, number of draws, code and machine.

    Attributes:
        folder: Where the files are; made when the first one is written.
        machines: Those whose numbers count; what is measured here is kept under the first.
        code_of: Returns a digest of the code of a claim; of one without, nothing is kept.
    """

    folder: Path
    machines: tuple[str, ...] = field(default_factory=lambda: (machine(),))
    code_of: Callable[[Claim], str | None] = code_of

    def paths(self, claim: Claim, *, full: bool = False) -> list[Path]:
        """Return where numbers of a claim are kept, one file per machine; none if they are not."""
        code = self.code_of(claim)
        words = re.sub(r"[^a-z0-9]+", "-", claim.name.lower()).strip("-")
        what = [code, claim.name, claim.seed, claim.draws_for(full), claim.cases]
        keys = [digest_of([*what, where]) for where in self.machines if code]
        return [self.folder / f"{words}-{key[:16]}.json" for key in keys]

    def read(self, claim: Claim, *, full: bool = False) -> Outcome | None:
        """Return what is kept of a claim, or None if there is nothing that can be used."""
        for path in self.paths(claim, full=full):
            try:
                kept = json.loads(path.read_text(encoding="utf-8"))
                if kept["sum"] == digest_of([path.name, kept["numbers"]]):
                    theory, values, errors = (kept["numbers"][key] for key in _KEYS)
                    return judge(claim, theory, Measurement.of(values, errors))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return None

    def write(self, outcome: Outcome, *, full: bool = False) -> None:
        """Keep the numbers of a claim; a reader finds the whole file or none."""
        for path in self.paths(outcome.claim, full=full)[:1]:
            numbers = dict(zip(_KEYS, outcome.numbers, strict=True))
            text = json.dumps({"numbers": numbers, "sum": digest_of([path.name, numbers])})
            write_whole(path, text.encode())

    def forget(self, claim: Claim, *, full: bool = False) -> None:
        """Keep nothing of a claim any more."""
        for path in self.paths(claim, full=full):
            path.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, and its folder; a reader finds all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own, then a rename: whoever else writes or is cut off, it is whole.
    unfinished = path.with_suffix(f".{uuid4().hex}.part")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


_KEYS = ("theory", "values", "errors")


def store_in_force() -> ClaimStore | None:
    """Return the store in the cache folder that the environment names, None if it names none."""
    folder = kept_in("claims")
    return ClaimStore(folder) if folder else None


def kept_in(name: str) -> Path | None:
    """Return a folder in the cache folder that the environment names, None if it names none."""
    folder = os.environ.get(CACHE_VARIABLE)
    return Path(folder) / name if folder else None
