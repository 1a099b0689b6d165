r"""How the size of a gradient changes along the paths of a network.

A gradient that goes back from $v$ to $u$ changes by $c = \log_{10}(r_u/r_v)$ decades, with
seven exceptions, because not every change of a size is a change of the gradient:

- where several places go into $v$, all but the one with the largest gradient are in branches, and a
  branch may get any share: a fall at its end does not count, what happens within it does;
- of ten places or more of which the mean goes on each gets its share: so much of one fall on a path
  does not count;
- of several places that $u$ goes into, the one with the largest gradient is compared with; where
  that is an output, as of one head of several, a rise does not count;
- where a layer changes the number of positions, `places.step` leaves out what that alone does;
- the last normalization divides the gradient by the size of what enters it: before it and behind it
  the products of both are compared;
- where a maximum over the calls of a module picks what goes on, steps in between get little, which
  is no fall: its states are compared with what is picked;
- of a module that is called over and over, as a cell is in time, states are compared with those of
  the next call alone: what enters it, and what is read of it, is of another size at each call.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

from gradbook.diagnosis.places import CALLS, Place, after_of, crossed, log_ratio, states_of, step

STARTS = 1.0
"""How many decades the size has moved where a fault starts."""

ENOUGH = 3
"""How many places make a path that can be judged without what only normalizations read."""

MANY = 10
"""Of how many places a mean is taken so that the share of each is small for that alone."""


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

    @property
    def decades(self) -> float:
        """The power of ten by which the gradient changes from the last layer to the first."""
        first, last = self.rms[0], self.rms[-1]
        return math.nan if first == last == 0 else log_ratio(first, last)

    @property
    def of_steps(self) -> list[float]:
        """The sizes; of a path on which one thing is called over and over, those at each call."""
        shared = [_called(name) for name in self.names]
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

    def _largest(self, sign: int) -> tuple[float, str, str]:
        levels = [sign * level for level in self.levels]
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
        levels = self.levels
        _, begin, end = self._largest(sign)
        high, low = self.names.index(begin), self.names.index(end)
        moved = ((i, sign * (levels[i] - levels[high])) for i in range(low, high))
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
    states, exits = states_of(places, weak)
    ways = _Ways(states, exits)
    inner = set(ways.up.values())
    for first in (place for place in states if place.name not in inner):
        names = [first.name]
        while names[-1] in ways.up:
            names.append(ways.up[names[-1]])
        rms = (10 ** min(ways.level[name], 308.0) for name in names)
        yield Profile("δ", tuple(names), tuple(rms)), not first.before


class _Ways:
    """The decades at each state, and the state behind it that it is compared with."""

    def __init__(self, states: Sequence[Place], exits: Mapping[str, float]) -> None:
        """Compare all of them, the last first."""
        self.by_name, self.exits = {p.name: p for p in states}, exits
        self.size = size = {p.name: p.delta or 0.0 for p in states}
        self.after, self.around, self.on = after_of(states), crossed(states), _handed_on(states)
        # The first state of all is handed on, too, though nothing enters there.
        first = (p.name for p in states if not p.module and p.name not in self.on)
        goes = {name: self.on.get(self.around.get(name, "")) for name in first}
        self.on |= {name: of for name, of in goes.items() if of}
        # A state goes on, whatever enters beside it.
        mine = {p.name: () if p.beside else p.before for p in states}
        first = partial(max, key=lambda n: (n in self.on, size[n]), default="")
        self.main = {name: first(before) for name, before in mine.items()}
        self.alive = {_called(p.name) for p in states if p.delta}
        # Modules over whose calls a maximum is taken, and what it picks.
        picks = ((p, Counter(self.by_name[b].module for b in p.before)) for p in states if p.picks)
        self.picks = {of: p for p, calls in picks for of, n in calls.items() if of and n >= CALLS}
        self.level, self.up = dict[str, float](), dict[str, str]()
        self.shares, self.spared = dict[str, float](), dict[str, float]()
        for u in reversed(states):
            self._compare(u)

    def _compare(self, u: Place) -> None:
        ahead = [self.around[u.name]] if u.name in self.around else self.after[u.name]
        if not ahead:
            self.level[u.name] = log_ratio(self.size[u.name], 1.0)
            return
        v = self._behind(u, ahead)
        change = self._but_its_share(u, v, self._change(u, v))
        self.up[u.name], above = v.name, self.level[v.name]
        self.level[u.name] = above + change if math.isfinite(above) else above

    def _behind(self, u: Place, ahead: Sequence[str]) -> Place:
        """Return the state that one is compared with."""
        if u.module in self.picks:
            return self.picks[u.module]
        size, of = self.size, self.on.get(u.name, "")
        goes = [n for n in self.after[u.name] if self.main[n] == u.name]
        # What all paths cross and a state goes straight into, is where it goes on, as well.
        same = [n for n in goes if self.on.get(n) == of or self.around.get(u.name) == n]
        same = [n for n in same if size[n] or not size[u.name]]  # what is read no more gets 0
        return self.by_name[max(same or ahead, key=size.__getitem__)]

    def _change(self, u: Place, v: Place) -> float:
        """Return by how many decades the gradient changes from v back to u."""
        if v.picks and v is self.picks.get(u.module):  # steps between two that it picks get little
            return max(log_ratio(self.size[u.name], self.size[v.name]), 0.0)
        # A sum that all paths cross is the state itself, and a cell is not what enters it.
        whole = self.around.get(u.name) == v.name and self.main[v.name] == u.name
        whole &= not (u.layer or v.layer)
        alike = whole or self.on.get(u.name) == self.on.get(v.name)
        change = step(u, v) if alike else 0.0
        # A rise from 0 came another way, and of many calls a state of 0 lets nothing by in one.
        if change == math.inf or (not self.size[u.name] and _called(u.name) in self.alive):
            change = 0.0
        if v.normed and not self.after[v.name] and u.out and v.out and math.isfinite(change):
            change += log_ratio(u.out, v.out)
        if self.exits.get(u.name, 0.0) > self.size[v.name]:  # most comes there from a loss
            change = min(change, 0.0)
        most = self.main[v.name]
        if u.name in self.around or most == u.name:
            return change
        # Of what is a branch all, each falls by as much as the one with the largest gradient.
        all_fall = most and v.name not in self.around.values()
        return max(change, min(self._change(self.by_name[most], v), 0.0) if all_fall else 0.0)

    def _but_its_share(self, u: Place, v: Place, change: float) -> float:
        """Return a change without as much of a fall as a mean makes on the path behind u."""
        if v.name not in self.shares:
            self.shares[v.name] = max(self.shares.get(self.up.get(v.name, ""), 0.0), self._mean(v))
        spared = self.spared.get(v.name, 0.0)
        spare = min(max(-change, 0.0), self.shares[v.name] - spared) if math.isfinite(change) else 0
        self.spared[u.name] = spared + spare
        return change + spare

    def _mean(self, v: Place) -> float:
        """Return by how many decades a place shrinks what comes to it, as the mean of many."""
        behind = self.up.get(v.name, "")
        # A sum that passes all on to a sum is a part of that one.
        part = behind != "" and _is_sum(v) and _is_sum(self.by_name[behind])
        # What each of as many others gets all of is no mean, but put beside one another.
        beside = MANY <= len(v.before) <= len(self.after[v.before[0]])
        if beside or (part and self.size[v.name] == self.size[behind]):
            return 0.0
        return _share(_addends(v, self.by_name, self.size), self.size[v.name])


def _addends(place: Place, by_name: Mapping[str, Place], size: Mapping[str, float]) -> list[float]:
    """Return the sizes at all that is added up to a place.

    A sum that is written as a loop is a chain of sums, each of which passes on all that comes.
    """
    found, names = dict[str, float](), [(name, size[name]) for name in place.before]
    while names:
        name, behind = names.pop()
        runs = _is_sum(by_name[name]) and size[name] == behind
        names += [(term, behind) for term in by_name[name].before] if runs else []
        found |= {} if runs else {name: size[name]}
    return [*found.values()]


def _is_sum(place: Place) -> bool:
    return not place.module and len(place.before) > 1


def _share(sizes: Sequence[float], behind: float) -> float:
    """Return by how many decades a mean shrinks what comes to each of which it is one."""
    n, sizes = len(sizes), [size for size in sizes if size]  # a router sends nothing to some
    # Each gets an n-th, and what comes to it another way; in time alone the first get far less.
    mean = n >= MANY and behind / n / 10 < min(sizes, default=0.0)
    return math.log10(n) if mean and max(sizes) < behind / math.sqrt(n) else 0.0


def _handed_on(states: Sequence[Place]) -> dict[str, str]:
    """Return states that go from call to call of one module while something enters beside.

    With each comes the name that they share but for the number of the call.
    """
    shared = {p.name: _called(p.name) if p.module else _sum_with(p) for p in states}
    again = (shared[p.name] for p in states if shared[p.name] in {shared[n] for n in p.before})
    calls, beside = Counter(again), {shared[p.name] for p in states if len(p.before) > 1}
    return {p: name for p, name in shared.items() if calls[name] >= CALLS - 1 and name in beside}


def _sum_with(place: Place) -> str:
    """Return a name for all sums to which the same is added; its own if that is more than one."""
    added = {_called(name) for name in place.before} - {"sum"}
    return f"sum with {added.pop()}" if len(added) == 1 < len(place.before) else place.name


def _called(name: str) -> str:
    """Return the name of a place without the number of the call."""
    return re.sub(r" \d+$", "", name)
