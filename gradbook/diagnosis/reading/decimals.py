"""Read the zeros of a log whose norms were written with few decimals: they stand for small ones."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from gradbook.diagnosis.reading.logs import Entry

DECIMALS = range(3, 9)
"""How many of them somebody writes; a number in full has more, and one that was made up less."""

NEAR, FAR = 9.5, 1000
"""How many units of the last decimal the least norm is at most beside which 0 may be a small one:
where all norms have as many digits, or where the larger ones have more."""

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
    half = {
        whole: _half([e.norm for e in kept if whole is not bool(e.name)]) for whole in (False, True)
    }
    zeros = [e for e in kept if e.norm == 0 and half[not e.name]]
    if not zeros:
        return Rounded(kept)
    text = f"Norms are written with few decimals: {len(zeros)} that are written as 0 lie below "
    text += f"{half[not zeros[0].name]:.2g}, and count as that. Log them with all digits."
    some = {e.name for e in kept if e.norm}
    below = dict.fromkeys(e.name for e in zeros if e.name not in some)
    read = [e if e.norm else replace(e, norm=half[not e.name]) for e in kept]
    return Rounded(read, text, tuple(below))


def _half(norms: Sequence[float]) -> float:
    """Return half of the last decimal with which norms are written, or 0 if 0 is 0 among them."""
    sizes = [norm for norm in norms if 0 < norm < math.inf]
    if len(sizes) < FEW or len(sizes) == len(norms):
        return 0.0
    looked_at = [Decimal(repr(x)).normalize() for x in (*sizes[:LOOKED_AT], min(sizes))]
    written = max(-int(x.as_tuple().exponent) for x in looked_at)
    digits = max(len(x.as_tuple().digits) for x in looked_at)
    least, most = (x.adjusted() + written + 1 for x in (min(looked_at), max(looked_at)))
    # With a number of digits, and not of decimals, small norms are written as well as large ones.
    far = 0.0 if most > digits else NEAR if least == most else FAR
    unit = 10.0**-written
    return unit / 2 if written in DECIMALS and min(sizes) <= far * unit else 0.0
