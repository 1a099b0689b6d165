r"""How the size of a gradient changes between the states of a network.

A gradient that goes back from $v$ to $u$ changes by $c = \log_{10}(r_u/r_v)$ decades, with these
exceptions, because not every change of a size is a change of the gradient:

- where several places go into $v$, all but the one with the largest gradient are in branches, and a
  branch may get any share: a fall at its end does not count, what happens within it does, and so
  does what the one with the largest falls by, if no path crosses $v$ but in a branch;
- of several places that $u$ goes into, the one with the largest gradient is compared with; where
  that is an output, as of one head of several, a rise does not count;
- where weights are laid beside positions, as a token of a class, and none is behind that, these may
  get any share: a fall there does not count;
- where a layer changes the number of positions, `places.step` leaves out what that alone does;
- a normalization divides the gradient by the size of what enters it: before and behind the last
  one, and the first that a stream of sums crosses, the products of both are compared, without what
  its own weights multiply by;
- where a maximum over the calls of a module picks what goes on, steps in between get little, which
  is no fall: its states are compared with what is picked;
- a fall at weights that began with 0, and still grow, is one of the first steps alone;
- of a module that is called over and over, as a cell is in time, and of sums to which the same is
  added over and over, states are compared with the next of their own alone: what enters beside, and
  what is read of it, is of another size at each step.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

from gradbook.diagnosis.places import CALLS, Place, after_of, crossed, log_ratio, step


class States:
    """The places that are compared."""

    def __init__(self, places: Sequence[Place], exits: Mapping[str, float]) -> None:
        """Take them, and of each the largest δ at an output that it goes to past no other one."""
        self.all, self.exits = places, exits
        self.by_name = {place.name: place for place in places}
        self.size = {place.name: place.delta or 0.0 for place in places}
        self.after = after_of(places)  # those that each goes into, the last first
        self.around = crossed(places)  # the next that every path from one crosses, if all do
        self.joints = set(self.around.values())
        # To these something comes; a name is that without the number of the call.
        self.alive = {called(place.name) for place in places if place.delta}

    @cached_property
    def tokens(self) -> set[str]:
        """The last on their way at which a weight is laid beside positions."""
        found, behind = set[str](), set[str]()
        for place in reversed(self.all):
            later = not behind.isdisjoint(self.after[place.name])
            if place.grown or later:
                behind.add(place.name)
            if place.grown and not later:
                found.add(place.name)
        return found

    @cached_property
    def on(self) -> Mapping[str, str]:
        """Those that go on from call to call, or from sum to sum, and the name that they share."""
        found = _handed_on(self.all)
        # The first of sums is handed on, too, though nothing enters there.
        sums = {place.name for place in self.all if not place.module}
        ahead = {name: self.around.get(name, "") for name in sums - found.keys()}
        return found | {a: found[b] for a, b in ahead.items() if b in sums & found.keys()}

    @cached_property
    def main(self) -> Mapping[str, str]:
        """Of what goes into a state the one that goes on, else the one with the largest δ."""
        # A state goes on, whatever enters beside it, also where the first begins with none.
        mine = {p.name: () if p.beside else self._going_on(p) for p in self.all}
        return {name: max(before, key=self._rank, default="") for name, before in mine.items()}

    def _going_on(self, p: Place) -> list[str]:
        """Return what goes into a state, without what enters the later ones beside it."""
        beside = self._enters.get(self.on.get(p.name, ""), set[str]())
        return [name for name in p.before if name in self.on or called(name) not in beside]

    @cached_property
    def _enters(self) -> Mapping[str, set[str]]:
        """What goes into states that one like them goes into, by the name that these share."""
        found: dict[str, set[str]] = {}
        for p in self.all:
            own = self.on.get(p.name)
            if own is not None and own in map(self.on.get, p.before):
                found.setdefault(own, set()).update(map(called, p.before))
        return found

    def _rank(self, name: str) -> tuple[bool, bool, float]:
        # What enters at many steps, as data that are prepared before a loop, is not what goes on.
        sums = [n for n in self.after[name] if not self.by_name[n].module]
        few = len(sums) < 2 * CALLS and self.size[name] > 0
        return name in self.on, few, self.size[name]

    @cached_property
    def picks(self) -> Mapping[str, Place]:
        """Modules over whose calls a maximum is taken, and what it picks."""
        found = (
            (p, Counter(self.by_name[b].module for b in p.before)) for p in self.all if p.picks
        )
        return {of: p for p, calls in found for of, n in calls.items() if of and n >= CALLS}

    def behind(self, u: Place) -> Place | None:
        """Return the state that one is compared with."""
        if u.module in self.picks:
            return self.picks[u.module]
        size, of = self.size, self.on.get(u.name, "")
        ahead = [self.around[u.name]] if u.name in self.around else self.after[u.name]
        goes = [n for n in self.after[u.name] if self.main[n] == u.name]
        # What all paths cross and a state goes straight into, is where it goes on, as well.
        same = [n for n in goes if self.on.get(n) == of or self.around.get(u.name) == n]
        same = [n for n in same if size[n] or not size[u.name]]  # what is read no more gets 0
        found = max(same or ahead, key=lambda n: self._passed(n, u), default=None)
        return None if found is None else self.by_name[found]

    def _passed(self, name: str, u: Place) -> float:
        """Return about how much comes back past a state: a normalization divides by what enters."""
        v = self.by_name[name]
        by = v.out / u.out if v.normed and not u.normed and v.out and u.out else 1.0
        return self.size[name] * min(by, 1.0)

    def change(self, u: Place, v: Place) -> float:
        """Return by how many decades the gradient changes from v back to u."""
        if v.picks and v is self.picks.get(u.module):  # steps between two that it picks get little
            return max(log_ratio(self.size[u.name], self.size[v.name]), 0.0)
        change, most = self._alone(u, v), self.main[v.name]
        if u.begun:
            return max(change, 0.0)
        if u.name in self.around or most == u.name:
            return change
        # Of what is a branch all, each falls by as much as the one with the largest gradient.
        fall = 0.0
        if most and v.name not in self.joints:
            fall = min(self._alone(self.by_name[most], v), 0.0)
        return max(change, fall)

    def _alone(self, u: Place, v: Place) -> float:
        """Return the change, whether or not it is one in a branch."""
        # A sum that all paths cross is the state itself, and a cell is not what enters it.
        whole = self.around.get(u.name) == v.name and self.main[v.name] == u.name
        whole &= not (u.layer or v.layer)
        alike = whole or self.on.get(u.name) == self.on.get(v.name)
        change = step(u, v) if alike else 0.0
        # What lies beside a token may get little, as that alone is read; a rise is one.
        change = max(change, 0.0) if v.name in self.tokens else change
        # A rise from 0 came another way, and of many calls a state of 0 lets nothing by in one.
        if change == math.inf or (not self.size[u.name] and called(u.name) in self.alive):
            change = 0.0
        return change + (self._unit(u, v) if v.normed and math.isfinite(change) else 0.0)

    def _unit(self, u: Place, v: Place) -> float:
        """Return how many decades what enters the first or last normalization is above its unit."""
        size = u.out
        if not size and v.entered and u.delta and u.count == v.count:
            size = v.entered / u.delta  # of a sum nobody knows more
        last = not self.after[v.name] and bool(u.out)
        stream = len(u.before) > 1 and self.around.get(u.name) == v.name
        first = stream and v.name == self.first_norm
        return log_ratio(size, v.out / v.gain) if size and v.out and (first or last) else 0.0

    @cached_property
    def first_norm(self) -> str:
        """The first state that a normalization returns and all paths cross."""
        found = (p.name for p in self.all if p.normed and p.name in self.joints)
        return next(found, "")

    def sent(self, u: Place, v: Place, change: float) -> float:
        """Return the part of a change that is a rise as most comes there straight from a loss."""
        return max(change, 0.0) if self.exits.get(u.name, 0.0) > self.size[v.name] else 0.0

    def addends(self, place: Place) -> list[float]:
        """Return the sizes at all that is added up to a place.

        A sum that is written as a loop is a chain of sums, each of which passes on all that comes.
        """
        found, names = dict[str, float](), [(name, self.size[name]) for name in place.before]
        while names:
            name, behind = names.pop()
            runs = is_sum(self.by_name[name]) and self.size[name] == behind
            names += [(term, behind) for term in self.by_name[name].before] if runs else []
            found |= {} if runs else {name: self.size[name]}
        return [*found.values()]


def is_sum(place: Place) -> bool:
    """Tell whether a place is a sum of several, and no module's."""
    return not place.module and len(place.before) > 1


def _handed_on(states: Sequence[Place]) -> dict[str, str]:
    """Return states that go from call to call of one module while something enters beside.

    With each comes the name that they share but for the number of the call.
    """
    shared = {p.name: called(p.name) if p.module else _sum_with(p) for p in states}
    again = (shared[p.name] for p in states if shared[p.name] in {shared[n] for n in p.before})
    calls, beside = Counter(again), {shared[p.name] for p in states if len(p.before) > 1}
    return {p: name for p, name in shared.items() if calls[name] >= CALLS - 1 and name in beside}


def _sum_with(place: Place) -> str:
    """Return a name for all sums to which the same is added; its own if that is more than one."""
    added = {called(name) for name in place.before} - {"sum"}
    return f"sum with {added.pop()}" if len(added) == 1 < len(place.before) else place.name


def called(name: str) -> str:
    """Return the name of a place without the number of the call."""
    return re.sub(r" \d+$", "", name)
