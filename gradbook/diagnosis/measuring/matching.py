"""Match the names under which δ comes with those of the layers, whose order may be known."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise, product

from gradbook.diagnosis.measuring.names import Layer, uncounted
from gradbook.diagnosis.measuring.orders import around, by_number, end_of, number_key


def place_of(name: str, layers: Sequence[Layer]) -> int | None:
    """Return the position of the last layer of that name, or within the block of that name."""
    found = [i for i, x in enumerate(layers) if f"{x.name}.".startswith(f"{name}.")]
    return found[-1] if found else None


def renamed(layers: Sequence[Layer], names: Sequence[str]) -> Sequence[Layer]:
    """Call the layers as δ calls them, where only what stands around all layers differs.

    Examples:
        >>> from gradbook.diagnosis.measuring.names import group
        >>> layers = group({"fc1.weight": (2, 2), "fc2.weight": (2, 2)})
        >>> [layer.name for layer in renamed(layers, ["module.fc2", "module.fc1"])]
        ['module.fc1', 'module.fc2']
    """
    if not names or any(place_of(name, layers) is not None for name in names):
        return layers
    own = [layer.name for layer in layers]
    for more, less in _prefixes(names, own):
        known = [replace(x, name=more + x.name.removeprefix(less)) for x in layers]
        if all(place_of(name, known) is not None for name in names):
            return known
    return layers


def _prefixes(names: Sequence[str], own: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what stands around all names of the one or the other alone, or wraps either."""
    of_names, of_own = _outer(names), _outer(own)
    yield from ((found, "") for found in of_names)
    yield from (("", found) for found in of_own)
    wraps = (filter(_WRAPS.fullmatch, found) for found in (of_names, of_own))
    yield from product(*wraps)


def _outer(names: Sequence[str]) -> list[str]:
    """Return what all names begin with, as far as the rest tells of what it counts."""
    found = list(accumulate(around(names)))
    counts = [all(re.match(r"\d", name.removeprefix(outer)) for name in names) for outer in found]
    return [o for o, only in zip(found, counts, strict=True) if not only or _WRAPS.fullmatch(o)]


_WRAPS = re.compile(r"(?:(?:_*(?:orig_mod|(?:fsdp_wrapped_)?module)|model|net|network)[./])+")


def containers(names: Sequence[str]) -> list[str]:
    """Return the modules that hold others of those named: they fire when all these are through.

    Examples:
        >>> containers(["", "features", "features.0", "features.10", "features.1"])
        ['', 'features']
    """
    ends = {name[: at.start()] for name in names for at in re.finditer(r"[./]", name)}
    return [name for name in names if name in ends or (not name and len(names) > 1)]


def tell_an_order(names: Sequence[str], loose: bool | None = None) -> bool:
    """Tell whether names came in the network's order, and not in one that something made of them.

    Args:
        loose: Whether they are known to have been sorted; by None the names themselves tell.

    Examples:
        >>> tell_an_order(["encoder.0", "encoder.1", "decoder.0", "decoder.1", "head"])
        True
        >>> tell_an_order(["decoder.0", "decoder.1", "encoder.0", "encoder.1", "head"])
        False
    """
    end, stacks = end_of(names), dict[str, list[list[tuple[int, str]]]]()
    for name in names:
        stacks.setdefault(uncounted(name), []).append(number_key(name))
    rise = all(a < b for found in stacks.values() for a, b in pairwise(found))
    if len(names) < 2 or not rise or any(end[a] > end[b] for a, b in pairwise(names)):
        return False
    several = len({uncounted(name) for name in names if not end[name]}) > 1
    given = list(names)
    sorted_ = given in (by_number(given), by_number(given, ends=True)) if loose is None else loose
    return not several or not sorted_
