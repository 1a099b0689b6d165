"""The ways that a gradient goes back through a network, from state to state.

How it changes between two is told in `states`. Of three places or more of which the mean goes on,
each gets its share: so much of one fall on a way does not count.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

from gradbook.diagnosis.places import CALLS, Place, log_ratio, states_of
from gradbook.diagnosis.states import States, called, is_sum

STARTS = 1.0
"""How many decades the size has moved where a fault starts."""

ENOUGH = 3
"""How many places make a path that can be judged without what only normalizations read."""

MANY = 3
"""Of how many places a mean is taken at least of which a share is known from a fall."""


@dataclass(frozen=True)
class Profile:
    """Sizes of gradients one behind the other, all of one kind.

    Examples:
        >>> found = Profile("δ", ("1", "2", "3"), (1.0, 1e-3, 1.0))
        >>> found.decades, found.fall, found.rise
        (0.0, (3.0, '3', '2'), (3.0, '2', '1'))
    """

    source: str = "δ"
    """What they are sizes of."""
    names: tuple[str, ...] = ()
    """The places, layers or steps, first to last."""
    rms: tuple[float, ...] = ()
    """The sizes; along a path of a network without what does not count."""
    sent: tuple[float, ...] = ()
    """By how many decades more a loss made them from the last one on, which is no rise."""

    @property
    def decades(self) -> float:
        """The power of ten by which the gradient changes from the last layer to the first."""
        first, last = self.rms[0], self.rms[-1]
        return math.nan if first == last == 0 else log_ratio(first, last)

    def part(self, begin: int, end: int) -> "Profile":
        """Return some of its states."""
        some = slice(begin, end)
        return replace(self, names=self.names[some], rms=self.rms[some], sent=self.sent[some])

    def but_one(self, sign: int) -> float:
        """Return its largest fall or, with sign 1, its largest rise, without the largest step.

        Examples:
            >>> Profile("δ", ("1", "2", "3"), (1e-5, 1e-2, 1.0)).but_one(-1)
            2.0
        """
        size, begin, end = self._largest(sign)
        part = slice(self.names.index(end), self.names.index(begin) + 1) if begin else slice(0)
        steps = [a - b for a, b in pairwise(self._signed(sign)[part])]
        return size - max(steps) if steps and math.isfinite(size) else 0.0

    def steps(self, sign: int) -> int:
        """Return over how many steps its largest fall or, with sign 1, its largest rise is."""
        _, begin, end = self._largest(sign)
        return self.names.index(begin) - self.names.index(end) if begin else 0

    @property
    def of_steps(self) -> list[float]:
        """The sizes; of a path on which one thing is called over and over, those at each call."""
        shared = [called(name) for name in self.names]
        [(often, calls)] = Counter(shared).most_common(1)
        at = zip(shared, self.rms, strict=True)
        return [size for name, size in at if calls < CALLS or name == often]

    @property
    def levels(self) -> list[float]:
        """The logarithms of the sizes to the base 10."""
        return [math.log10(size) if size > 0 else -math.inf for size in self.rms]

    @property
    def fall(self) -> tuple[float, str, str]:
        """The largest fall in decades on the way back, and where it begins and ends."""
        return self._largest(-1)

    @property
    def rise(self) -> tuple[float, str, str]:
        """The largest rise, likewise."""
        return self._largest(1)

    def _signed(self, sign: int) -> list[float]:
        """The levels up or down, a rise without what a loss sent."""
        sent = self.sent if self.sent and sign > 0 else (0.0,) * len(self.rms)
        return [sign * (level - by) for level, by in zip(self.levels, sent, strict=True)]

    def _largest(self, sign: int) -> tuple[float, str, str]:
        levels = self._signed(sign)
        found, start = (0.0, "", ""), len(levels) - 1
        for i in reversed(range(len(levels))):
            start = i if levels[i] < levels[start] else start
            if levels[i] - levels[start] > found[0]:
                found = levels[i] - levels[start], self.names[start], self.names[i]
        return found

    @property
    def extent(self) -> float:
        """The largest change of δ, and of what stands in for it that of its ends, in decades."""
        if self.source != "δ" or not any(self.rms):
            return self.decades
        fall, rise = self.fall[0], self.rise[0]
        return rise if rise > fall else 0.0 - fall

    def since(self, sign: int) -> str | None:
        """Return where on the way back its fall, or with sign 1 its rise, is `STARTS` decades."""
        levels = self._signed(sign)
        _, begin, end = self._largest(sign)
        high, low = self.names.index(begin), self.names.index(end)
        moved = ((i, levels[i] - levels[high]) for i in range(low, high))
        off = [i for i, by in takewhile(lambda pair: pair[1] >= STARTS, moved)]
        return self.names[off[-1]] if off else None


def paths_of(places: Sequence[Place]) -> dict[Profile, bool]:
    """Return the ways of δ from each first place to the output.

    With each comes whether it begins where the network does, and not in a branch.

    Examples:
        >>> chain = [Place(str(i), 0.1 ** (3 - i), before=(str(i - 1),) if i else ())
        ...          for i in range(4)]
        >>> [found] = paths_of(chain)
        >>> f"{found.fall[0]:.1f} from {found.fall[1]} to {found.fall[2]}"
        '3.0 from 3 to 0'
    """
    found = dict(_paths(places))
    enough = max((len(path.names) for path in found), default=0) >= ENOUGH
    return found if enough else dict(_paths(places, weak=True))


def _paths(places: Sequence[Place], weak: bool = False) -> Iterator[tuple[Profile, bool]]:
    states = States(*states_of(places, weak))
    level, up, sent = _ways(states)
    frozen = {place.count for place in places if not place.asks}
    inner = set(up.values())
    for first in (place for place in states.all if place.name not in inner):
        names = [first.name]
        while names[-1] in up:
            names.append(up[names[-1]])
        rms = (10 ** min(level[name], 308.0) for name in names)
        found = Profile("δ", tuple(names), tuple(rms), tuple(sent[name] for name in names))
        # What frozen layers put out enters again where the branch that begins there comes back.
        later = (states.by_name[name] for name in names[1:] if not first.before)
        joint = next((p.name for p in later if p.beside and p.count in frozen), None)
        yield found, not first.before and joint is None
        if joint is not None:
            yield found.part(names.index(joint), len(names)), True


def _ways(states: States) -> tuple[dict[str, float], dict[str, str], dict[str, float]]:
    """Return the decades at each state, the state behind it that it is compared with, and rises.

    The rises are those that losses make on the way there.
    """
    level, up, sent = dict[str, float](), dict[str, str](), dict[str, float]()
    shares, spared = dict[str, float](), dict[str, float]()
    for u in reversed(states.all):
        v = states.behind(u)
        if v is None:
            level[u.name], sent[u.name] = log_ratio(states.size[u.name], 1.0), 0.0
            continue
        if v.name not in shares:
            behind = up.get(v.name, "")
            shares[v.name] = max(shares.get(behind, 0.0), _mean(states, v, behind))
        # So much of one fall on the way is the share that a mean leaves.
        change, so_far = states.change(u, v), spared.get(v.name, 0.0)
        spare = min(max(-change, 0.0), shares[v.name] - so_far) if math.isfinite(change) else 0.0
        spared[u.name], up[u.name], above = so_far + spare, v.name, level[v.name]
        sent[u.name] = sent[v.name] + states.sent(u, v, change)
        level[u.name] = above + change + spare if math.isfinite(above) else above
    return level, up, sent


def _mean(states: States, v: Place, behind: str) -> float:
    """Return by how many decades a place shrinks what comes to it, as the mean of many."""
    # A sum that passes all on to a sum is a part of that one.
    part = behind != "" and is_sum(v) and is_sum(states.by_name[behind])
    # What each of as many others gets all of is no mean, but put beside one another.
    beside = MANY <= len(v.before) <= len(states.after[v.before[0]])
    if v.summed or beside or (part and states.size[v.name] == states.size[behind]):
        return 0.0
    return _share(states.addends(v), states.size[v.name])


def _share(sizes: Sequence[float], behind: float) -> float:
    """Return by how many decades a mean shrinks what comes to each of which it is one."""
    n, sizes = len(sizes), [size for size in sizes if size]  # a router sends nothing to some
    # Each gets an n-th, and what comes to it another way; in time alone the first get far less.
    mean = n >= MANY and behind / n / 10 < min(sizes, default=0.0)
    return math.log10(n) if mean and max(sizes) < behind / math.sqrt(n) else 0.0
