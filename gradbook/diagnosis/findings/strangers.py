"""Weights that work in a network and are not its own, and copies of it that only look on."""

from collections.abc import Iterator, Mapping, Sequence

from gradbook.diagnosis.findings.known import Known, Parameter
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.diagnosis.words import listed


def unregistered(known: Known) -> Finding | None:
    """Find weights that work in the network and that its `parameters()` do not hold."""
    shapes = ["×".join(map(str, shape)) or "1" for shape in known.record.strangers.values()]
    if not shapes:
        return None
    return Finding(
        Verdict.CUT,
        "Weights work in this network that were not among its parameters when it was watched, "
        f"{len(shapes)} in number, of shape {listed(shapes)}: an optimizer of net.parameters() "
        "does not move them.",
        hint="list",
    )


ALIKE = 0.5
"""The least cosine between weights of which one set is an old copy of the other."""


def copies(known: Known) -> Mapping[str, str]:
    """Return modules that ran without asking for a gradient, with those that they are copies of.

    They are networks of targets and teachers, which follow the trained one by other means.
    """
    none = [p for p in known.asked if p.norm is None]
    found: dict[str, str] = {}
    for copy in dict.fromkeys(prefix for p in none for prefix in _prefixes(p.name)):
        mine = _below(known.asked, copy)
        if any(copy.startswith(f"{other}.") for other in found) or not _looks_on(known, copy, mine):
            continue
        others = (other for p in known.asked for other in _prefixes(p.name) if other != copy)
        source = next((o for o in dict.fromkeys(others) if _same(mine, known.asked, o)), None)
        if source is not None:
            found[copy] = source
    return found


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:k]) for k in range(1, len(parts)))


def _below(parameters: Sequence[Parameter], prefix: str) -> dict[str, Parameter]:
    start = f"{prefix}."
    return {p.name.removeprefix(start): p for p in parameters if p.name.startswith(start)}


def _looks_on(known: Known, module: str, mine: Mapping[str, Parameter]) -> bool:
    """Tell whether all of a module ran without asking, and none of them has a gradient."""
    inside = [p for p in known.record.places if f"{p.module}.".startswith(f"{module}.")]
    return bool(inside) and not any(
        [*(p.norm is not None for p in mine.values()), *(place.asks for place in inside)]
    )


def _same(mine: Mapping[str, Parameter], asked: Sequence[Parameter], other: str) -> bool:
    theirs = _below(asked, other)
    if theirs.keys() != mine.keys() or any(p.norm is None for p in theirs.values()):
        return False
    pairs = [(a, b) for k in mine for a, b in zip(mine[k].sample, theirs[k].sample, strict=False)]
    across = sum(a * b for a, b in pairs)
    own = sum(a * a for a, _ in pairs) * sum(b * b for _, b in pairs)
    return across > 0 and across**2 >= ALIKE**2 * own
