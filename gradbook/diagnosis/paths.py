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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from gradbook.diagnosis.places import Place, after_of, crossed, log_ratio, states_of, step

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
        moved = ((i, sign * (self.levels[i] - self.levels[high])) for i in range(low, high))
        off = [i for i, by in takewhile(lambda pair: pair[1] >= STARTS, moved)]
        return self.names[off[-1]] if off else None


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
        return measured_path(self.names, [math.log10(s) if s > 0 else -math.inf for s in self.rms])

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


def measured_path(names: Sequence[str], levels: Sequence[float], whole: bool = True) -> Path:
    """Return a path with its largest fall and rise.

    Examples:
        >>> found = measured_path(["1", "2", "3"], [0.0, -3.0, 0.0])
        >>> found.fall, found.rise
        ((3.0, '3', '2'), (3.0, '2', '1'))
    """
    fall = rise = (0.0, "", "")
    high = low = len(names) - 1
    for i in reversed(range(len(names))):
        high = i if levels[i] > levels[high] else high
        low = i if levels[i] < levels[low] else low
        down, grown = levels[high] - levels[i], levels[i] - levels[low]
        fall = (down, names[high], names[i]) if down > fall[0] else fall
        rise = (grown, names[low], names[i]) if grown > rise[0] else rise
    return Path(tuple(names), tuple(levels), fall, rise, whole)


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
    found = list(_paths(places))
    if max((len(path.names) for path in found), default=0) >= ENOUGH:
        return found
    return list(_paths(places, weak=True))


def _paths(places: Sequence[Place], weak: bool = False) -> Iterator[Path]:
    states, exits = states_of(places, weak)
    level, up = _levels(states, exits)
    inner = set(up.values())
    for first in states:
        names = [first.name]
        while names[-1] in up:
            names.append(up[names[-1]])
        if first.name not in inner:
            yield measured_path(names, [level[name] for name in names], not first.before)


def _levels(
    states: Sequence[Place], exits: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the decades at each state, and the state behind it that it is compared with."""
    by_name = {place.name: place for place in states}
    after, around = after_of(states), crossed(states)
    level, up = dict[str, float](), dict[str, str]()
    for u in reversed(states):
        ahead = [around[u.name]] if u.name in around else after[u.name]
        if not ahead:
            level[u.name] = log_ratio(u.delta or 0.0, 1.0)
            continue
        v = max((by_name[name] for name in ahead), key=_delta)
        change = _normed_step(u, v) if v.normed and not after[v.name] else step(u, v)
        if exits.get(u.name, 0.0) > _delta(v):  # most of what comes there comes from a loss
            change = min(change, 0.0)
        if u.name not in around and max((by_name[n] for n in v.before), key=_delta) is not u:
            change = max(change, 0.0)
        up[u.name], above = v.name, level[v.name]
        level[u.name] = above + change if math.isfinite(above) else above
    return level, up


def _delta(place: Place) -> float:
    return place.delta or 0.0


def _normed_step(u: Place, v: Place) -> float:
    """Return the change from the last normalization back to a state, of delta times output."""
    change = step(u, v)
    return change + log_ratio(u.out, v.out) if u.out and v.out and math.isfinite(change) else change


def worst(found: Sequence[Path]) -> tuple[Path, Path]:
    """Return the path with the largest fall and that with the largest rise."""
    fall = max(found, key=lambda p: p.fall[0], default=Path())
    return fall, max(found, key=lambda p: p.rise[0], default=Path())


def longest(found: Sequence[Path]) -> Path:
    """Return the path with the most places, of those that begin where the network does."""
    return max(found, key=lambda p: (p.whole, len(p.names)), default=Path())
