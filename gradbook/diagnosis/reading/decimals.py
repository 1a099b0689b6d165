"""Read the zeros of a log whose norms were written with few decimals: they stand for small ones."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from gradbook.diagnosis.reading.logs import Entry

DECIMALS = range(3, 9)
"""How many of them somebody writes; a number in full has more, and one that was made up less."""

NEAR, FAR = 9.5, 1000
"""How many units of the last decimal the least norm is at most beside which 0 may be a small one:
where all norms have as many digits, or where the larger ones have more."""

STEP = 10
"""So many units a norm is at most that is a small one at the next step, and written as 0."""

FEW = 3
"""How many norms tell with how many decimals all are written."""

LOOKED_AT = 1000
"""How many norms are looked at."""


class Rounded(NamedTuple):
    """A log whose zeros were read as what they may be at most."""

    entries: list[Entry]
    note: str = ""
    below: tuple[str, ...] = ()
    """The names of which nothing else was written than 0."""


def without_rounded_zeros(entries: Iterable[Entry]) -> Rounded:
    """Read a norm of 0 as half of the last decimal, if others are not far above that.

    Of a name with no other norm nobody knows how small these are, or whether nothing comes there.

    Examples:
        >>> log = [Entry(step, "fc1", 0.0003 * (step % 3)) for step in range(20)]
        >>> read = without_rounded_zeros(log)
        >>> [entry.norm for entry in read.entries[:3]], read.below
        ([5e-05, 0.0003, 0.0006], ())
    """
    kept = list(entries)
    # The norm of all gradients comes from elsewhere, and may be written otherwise.
    half = _half([e.norm for e in kept if e.name])
    if not half:
        return Rounded(kept)
    norms: dict[str, list[float]] = {}
    for entry in kept:
        norms.setdefault(entry.name, []).append(entry.norm)
    norms.pop("", None)
    below = tuple(name for name, found in norms.items() if not any(found))
    small = {name: iter(_are_small(found, 2 * STEP * half)) for name, found in norms.items()}
    read = [replace(e, norm=half) if e.name and next(small[e.name]) else e for e in kept]
    count = sum(a is not b for a, b in zip(kept, read, strict=True))
    text = f"Norms are written with few decimals: {count} that are written as 0 lie below "
    text += f"{half:.2g}, and factors to or from them are at least so large. Log all digits."
    return Rounded(read, text if count else "", below)


def _are_small(norms: Sequence[float], most: float) -> list[bool]:
    """Tell which of a name's norms are 0 where those in time around them are small, or 0 as well.

    What falls to 0 from far above has ceased.
    """
    before, after = _last_of(norms), _last_of(norms[::-1])[::-1]
    return [not x and max(a, b) <= most for x, a, b in zip(norms, before, after, strict=True)]


def _last_of(norms: Iterable[float]) -> list[float]:
    """Return at each the last norm that is not 0, up to there."""
    found, last = list[float](), 0.0
    for norm in norms:
        last = norm or last
        found.append(last)
    return found


def _half(norms: Sequence[float]) -> float:
    """Return half of the last decimal with which norms are written, or 0 if 0 is 0 among them."""
    sizes = [norm for norm in map(float, norms) if 0 < norm < math.inf]
    if len(sizes) < FEW or len(sizes) == len(norms):
        return 0.0
    looked_at = [_written(x) for x in (*sizes[:LOOKED_AT], min(sizes))]
    written = max(-int(x.as_tuple().exponent) for x in looked_at)
    digits = max(len(x.as_tuple().digits) for x in looked_at)
    least, most = (x.adjusted() + written + 1 for x in (min(looked_at), max(looked_at)))
    # With a number of digits, and not of decimals, small norms are written as well as large ones.
    far = 0.0 if most > digits else NEAR if least == most else FAR
    unit = 10.0**-written
    return unit / 2 if written in DECIMALS and min(sizes) <= far * unit else 0.0


def _written(norm: float) -> Decimal:
    """Return a norm as it is written, of float32 as that is."""
    with np.errstate(over="ignore"):
        small = np.float32(norm)
    return Decimal(str(small) if float(small) == norm else repr(norm)).normalize()
