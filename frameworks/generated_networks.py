"""Networks by the hundred: each architecture in several sizes, sound or with one fault in it.

A fault takes a sound network and breaks it where it can. What is planted is no truth yet: that is
measured in `planted_truth.py`, and what lies between its limits is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from generated_begun import alike, harmless, off, zeros
from generated_cells import own_cells
from generated_hand import by_hand
from generated_lost import breaks, cuts, silences
from generated_met import FAULTS_MET, met
from generated_sized import deeper, remembered, scaled, steps
from generated_sound import sound
from planted_truth import Case

Fault = Callable[[Case, int], Iterator[Case]]

FAULTS = (cuts, silences, breaks, zeros, harmless, alike, off, steps, scaled, deeper, remembered)


def generated(size: int) -> Iterator[Case]:
    """Yield every network of a size, sound ones first; then those that people have besides.

    Last come those that are written by hand.
    """
    yield from _with(FAULTS, [*sound(size)], size)
    yield from _with(FAULTS_MET, [*met(size)], size)
    yield from by_hand(size)
    yield from own_cells(size)


def _with(faults: Sequence[Fault], cases: list[Case], size: int) -> Iterator[Case]:
    yield from cases
    for fault in faults:
        for case in cases:
            yield from fault(case, size)


def dealt(size: int, part: int, parts: int) -> Iterator[Case]:
    """Yield every so many-th network of a size; all parts together are all networks."""
    yield from (case for i, case in enumerate(generated(size)) if i % parts == part)
