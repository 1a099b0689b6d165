"""Weights that begin with 0: what they keep a gradient from, and whether they ever move."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, takewhile

from gradbook.diagnosis.measuring.evidence import Evidence, Facts, Matrix, Zeros
from gradbook.diagnosis.measuring.sizes import Measured
from gradbook.diagnosis.paths import Profile

Runs = Sequence[Sequence[Matrix]]
"""Matrices beside one another that get exactly 0, and those that do not, in turn."""


def zeros_of(facts: Sequence[Facts], given: Evidence, *, unordered: bool = False) -> Zeros:
    """Tell which gradients are exactly 0 because weights are, so that no fault is seen in them.

    Args:
        unordered: Whether names leave the order open: then what gets 0 may stand anywhere.

    Examples:
        >>> from gradbook.diagnosis.measuring.names import Kind
        >>> rows = [Matrix("1.W", still=True, zero=False), Matrix("2.W", still=False, zero=True)]
        >>> facts = [Facts(row.name[0], Kind.DENSE, matrices=(row,)) for row in rows]
        >>> found = zeros_of(facts, Evidence())
        >>> found.begun, found.held, found.alone
        (('2.W',), frozenset({'1'}), True)
    """
    known = [layer for layer in facts if layer.matrices]
    row = [matrix for layer in known for matrix in layer.matrices]
    runs = [[*run] for _, run in groupby(row, key=lambda matrix: matrix.still)]
    still, driven = [matrix for matrix in row if matrix.still], _driven(known, given)
    share = f"{{}} of {len(row)} matrices get a gradient of exactly 0".format
    if stuck := _stuck(row, driven, given):
        return Zeros(stuck=stuck, share=share(len(still)))
    if not unordered and (flat := tuple(_flat(runs, driven))):
        return Zeros(stuck=flat, flat=True, share=share(len(still)))
    begun = tuple(m.name for m in row if m.zero and not (m.still or m.table))
    near = {m.name for m in (still if unordered else _next_to(runs, begun))}
    if not begun or not near or (not unordered and _cut_before(row, begun, given)):
        return Zeros()
    held = frozenset(x.name for x in known if near.issuperset(m.name for m in x.matrices))
    return Zeros(begun, held, _hides_all(row, begun[-1], given), share=share(len(near)))


def moves(one: Measured | None) -> bool:
    """Tell whether a tensor gets a gradient that is not 0."""
    return one is not None and one.statistics is not None and one.statistics.norm > 0


def _driven(known: Sequence[Facts], given: Evidence) -> set[str]:
    """Name the matrices that δ comes to, as their layer's bias tells, or δ at the output."""
    driven = [layer for layer in known if moves(layer.bias)]
    driven += known[-1:] if given.output else []
    return {matrix.name for layer in driven for matrix in layer.matrices}


def _stuck(row: Sequence[Matrix], driven: set[str], given: Evidence) -> tuple[str, ...]:
    """Name matrices of 0 of which one is in front of another, so that neither ever moves."""
    found = tuple(m.name for m in row if m.zero and m.still and not m.table)
    every = len(row) > 1 and all(m.zero and m.still for m in row)
    both = len(found) > 1 and (every or not driven.isdisjoint(found))
    return found if both and given.output != 0 else ()


def _flat(runs: Runs, driven: Container[str]) -> Iterator[str]:
    """Name those of layers that return 0, in front of one that δ comes to and only 0 enters."""
    for *front, last in runs:
        if last.still and last.name in driven:
            yield from (m.name for m in front if m.zero and not (m.table or m.lifted))


def _next_to(runs: Runs, begun: Sequence[str]) -> Iterator[Matrix]:
    """Yield matrices that get exactly 0, one beside the other, up to one that begins with 0."""
    names = frozenset(begun)
    for before, run, behind in zip([[], *runs], runs, [*runs[1:], []], strict=False):
        beside = {matrix.name for matrix in (*before[-1:], *behind[:1])}
        if run[0].still and not names.isdisjoint(beside):
            yield from run


def _cut_before(row: Sequence[Matrix], begun: Sequence[str], given: Evidence) -> bool:
    """Tell whether nothing comes to the first matrices of 0, though others let δ past.

    Where drawn ones stand between those that move, δ gets past these, as past LoRA's: each keeps
    back its own branch alone. Heads that begin with 0 stand side by side.
    """
    names = [matrix.name for matrix in row]
    first, last = (names.index(begun[k]) for k in (0, -1))
    past = not all(m.zero for m in row[first:last])
    past = past and (given.deltas is None or any(given.deltas.rms))
    zero = any(m.zero and not m.table for m in row[:first])
    return past and zero and all(m.still for m in row[:first])


def _hides_all(row: Sequence[Matrix], last: str, given: Evidence) -> bool:
    """Tell whether nothing in front of the last that begins with 0 tells of the rest."""
    front = takewhile(lambda matrix: matrix.name != last, row)
    sizes = () if given.deltas is None else given.deltas.rms
    nothing = all(m.still or m.zero or m.table for m in front) and (not sizes or 0 in sizes)
    return nothing or (bool(sizes) and sum(size > 0 for size in sizes) < 2)


def without_zeros(given: Evidence) -> Evidence:
    """Leave out δ of exactly 0, which weights of 0 explain, so that the rest is compared.

    Examples:
        >>> given = Evidence(deltas=Profile("δ", ("1", "2", "3"), (0.0, 1.0, 2.0)))
        >>> without_zeros(given).deltas
        Profile(source='δ', names=('2', '3'), rms=(1.0, 2.0), sent=())
    """
    deltas, apart = given.deltas, tuple(filter(None, map(_some, given.apart)))
    kept = None if deltas is None or (given.apart and not apart) else _some(deltas)
    return replace(given, deltas=kept, apart=apart)


def _some(profile: Profile) -> Profile | None:
    """Return what is not 0 of a profile, if that can be compared."""
    kept = {n: size for n, size in zip(profile.names, profile.rms, strict=True) if size}
    return replace(profile, names=tuple(kept), rms=tuple(kept.values())) if len(kept) > 1 else None
