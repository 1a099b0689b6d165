r"""How the size of a gradient changes along the paths of a network.

A gradient that goes back from $v$ to $u$ changes by $c = \log_{10}(r_u/r_v)$ decades, with four
exceptions, because not every change of a size is a change of the gradient:

- where several places go into $v$, all but the one with the largest gradient are in branches, and a
  branch may get any share: a fall at its end does not count, what happens within it does;
- of several places that $u$ goes into, the one with the largest gradient is compared with; where
  that is an output, as of one head of several, a rise does not count;
- where a layer changes the number of positions, `places.step` leaves out what that alone does;
- the last normalization divides the gradient by the size of what enters it: before it and behind it
  the products of both are compared.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gradbook.diagnosis.crossings import crossed
from gradbook.diagnosis.places import Place, log_ratio, states_of, step

STARTS = 1.0
"""How many decades the size has moved where a fault starts."""


@dataclass(frozen=True)
class Path:
    """Places one behind the other, first to last, with what is left of the gradient.

    Attributes:
        names: The places.
        levels: log10 of the sizes, without what does not count.
        fall: The largest fall in decades on the way back, and where it begins and ends.
        rise: The largest rise, likewise.
        whole: Whether it begins where the network does, and not in a branch.
    """

    names: tuple[str, ...] = ()
    levels: tuple[float, ...] = ()
    fall: tuple[float, str, str] = (0.0, "", "")
    rise: tuple[float, str, str] = (0.0, "", "")
    whole: bool = True

    def since(self, sign: int) -> str | None:
        """Return the place from which on, going back to the end, it is `STARTS` decades off.

        Args:
            sign: -1 for its fall, 1 for its rise.
        """
        _, begin, end = self.fall if sign < 0 else self.rise
        high, low = self.names.index(begin), self.names.index(end)
        found = None
        for i in range(low, high):
            if not sign * (self.levels[i] - self.levels[high]) >= STARTS:
                break
            found = self.names[i]
        return found


@dataclass(frozen=True)
class Profile:
    """Sizes of gradients along the network, all of one kind.

    Attributes:
        source: What they are sizes of.
        names: The layers or steps, first to last.
        rms: The sizes.
    """

    source: str
    names: tuple[str, ...]
    rms: tuple[float, ...]

    @classmethod
    def of(cls, source: str, path: Path) -> "Profile":
        """Return the sizes along a path."""
        return cls(source, path.names, tuple(10**level for level in path.levels))

    @property
    def decades(self) -> float:
        """The power of ten by which the gradient changes from the last layer to the first.

        Examples:
            >>> Profile("δ", ("1", "2"), (0.01, 1.0)).decades
            -2.0
        """
        first, last = self.rms[0], self.rms[-1]
        return math.nan if first == last == 0 else log_ratio(first, last)

    @property
    def path(self) -> Path:
        """The sizes as a path, with their largest fall and rise."""
        levels = [math.log10(s) if s > 0 else -math.inf for s in self.rms]
        return measured_path(self.names, levels)

    @property
    def largest(self) -> float:
        """The largest change between any two of them in decades, negative for a fall.

        Examples:
            >>> Profile("δ", ("1", "2", "3"), (1.0, 1e-3, 1.0)).largest
            -3.0
        """
        if not any(self.rms):
            return math.nan
        found = self.path
        return found.rise[0] if found.rise[0] > found.fall[0] else 0.0 - found.fall[0]


def measured_path(names: Sequence[str], levels: Sequence[float]) -> Path:
    """Return a path with its largest fall and rise.

    Examples:
        >>> found = measured_path(["1", "2", "3"], [0.0, -3.0, 0.0])
        >>> found.fall, found.rise
        ((3.0, '3', '2'), (3.0, '2', '1'))
    """
    fall = rise = (0.0, "", "")
    if not names:
        return Path()
    high = low = len(names) - 1
    for i in range(len(names) - 1, -1, -1):
        high = i if levels[i] > levels[high] else high
        low = i if levels[i] < levels[low] else low
        down, grown = levels[high] - levels[i], levels[i] - levels[low]
        fall = (down, names[high], names[i]) if down > fall[0] else fall
        rise = (grown, names[low], names[i]) if grown > rise[0] else rise
    return Path(tuple(names), tuple(levels), fall, rise)


ENOUGH = 3
"""How many places make a path that can be judged without what only normalizations read."""


def paths_of(places: Sequence[Place]) -> list[Path]:
    """Return the way of the gradient from each first place to the output.

    Examples:
        >>> chain = [Place(str(i), 0.1 ** (3 - i), before=(str(i - 1),) if i else ())
        ...          for i in range(4)]
        >>> [found] = paths_of(chain)
        >>> f"{found.fall[0]:.1f} from {found.fall[1]} to {found.fall[2]}"
        '3.0 from 3 to 0'
    """
    found = _paths(states_of(places), places)
    if max((len(path.names) for path in found), default=0) >= ENOUGH:
        return found
    return _paths(states_of(places, weak=True), places)


def _paths(states: Sequence[Place], places: Sequence[Place]) -> list[Path]:
    tree = _tree(states, _exits(states, places))
    inner = set(tree.up.values())
    first = [p for p in states if p.name not in inner]
    return [replace(_path(p.name, tree), whole=not p.before) for p in first]


@dataclass
class _Tree:
    """Decades at each place, and which place behind it it is compared with."""

    level: dict[str, float] = field(default_factory=dict)
    up: dict[str, str] = field(default_factory=dict)


def _exits(states: Sequence[Place], places: Sequence[Place]) -> dict[str, float]:
    """Return the largest δ at an output for each state that goes there past no other state."""
    kept, by_name = {p.name for p in states}, {p.name: p for p in places}
    inner = {name for place in places for name in place.before}
    found: dict[str, float] = {}
    for end in places:
        waiting = [] if end.name in kept or end.name in inner else list(end.before)
        seen = set[str]()
        while waiting:
            name = waiting.pop()
            if name in kept:
                found[name] = max(found.get(name, 0.0), end.delta or 0.0)
            elif name not in seen:
                seen.add(name)
                waiting += by_name[name].before
    return found


def _tree(states: Sequence[Place], exits: Mapping[str, float]) -> _Tree:
    by_name = {place.name: place for place in states}
    behind: dict[str, list[Place]] = {name: [] for name in by_name}
    for place in states:
        for name in place.before:
            behind[name].append(place)
    after = {name: tuple(p.name for p in found) for name, found in behind.items()}
    around = crossed(states, after)
    tree = _Tree()
    for u in reversed(states):
        if not behind[u.name]:
            tree.level[u.name] = log_ratio(u.delta or 0.0, 1.0)
            continue
        v = by_name.get(around.get(u.name, ""))
        if v is None:
            v = max(behind[u.name], key=lambda place: place.delta or 0.0)
        change = step(u, v)
        if v.normed and not behind[v.name] and u.out and v.out and math.isfinite(change):
            change += log_ratio(u.out, v.out)
        if exits.get(u.name, 0.0) > (v.delta or 0.0):  # most of what comes there comes from a loss
            change = min(change, 0.0)
        if u.name not in around and len(v.before) > 1 and change < 0:
            largest = max(v.before, key=lambda name: by_name[name].delta or 0.0)
            change = change if largest == u.name else 0.0
        above = tree.level[v.name]
        tree.level[u.name] = above + change if math.isfinite(above) else above
        tree.up[u.name] = v.name
    return tree


def _path(first: str, tree: _Tree) -> Path:
    names = [first]
    while names[-1] in tree.up:
        names.append(tree.up[names[-1]])
    levels = [tree.level[name] for name in names]
    return measured_path(names, levels)


def worst(found: Sequence[Path]) -> tuple[Path, Path]:
    """Return the path with the largest fall and that with the largest rise."""
    empty = Path()
    fall = max(found, key=lambda p: p.fall[0], default=empty)
    rise = max(found, key=lambda p: p.rise[0], default=empty)
    return fall, rise


def longest(found: Sequence[Path]) -> Path:
    """Return the path with the most places, of those that begin where the network does."""
    return max(found, key=lambda p: (p.whole, len(p.names)), default=Path())
