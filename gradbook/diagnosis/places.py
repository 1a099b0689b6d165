r"""Places of a network, their numbers, and which of them are compared.

A *place* is a tensor that passes through a network: what leaves one module or enters the next.
Which of them goes into which is known, so nothing is guessed from names.
"""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

PRIME = 2**61 - 1
"""A prime so large that sums of different paths are equal once in more than 10^15 networks."""

CALLS = 4
"""How many calls of one module make steps of time."""

SCALED = ("", "Relu", "LeakyRelu")
"""Activations that return as many times more as enters them, as none does too."""


@dataclass(frozen=True)
class Place:
    """A tensor that passes through a network."""

    name: str
    delta: float | None = None
    """The root mean square of the gradient there; None if none came back."""
    count: int = 1
    """How many numbers it has."""
    rows: int = 1
    """How many positions, those of all examples: `count` over the number of features."""
    before: tuple[str, ...] = ()
    """The places that go into it."""
    picks: bool = False
    """Whether it is picked from those, as by a maximum."""
    summed: bool = False
    """Whether it is the sum of those over positions or branches, not weighted."""
    state: bool = True
    """Whether a layer reads it, so that it is compared with others."""
    module: str = ""
    asks: bool = True
    """Whether it asked for a gradient."""
    norm: float | None = None
    """The norm of the gradient for each example, the root of the mean of their squares."""
    out: float | None = None
    """The root mean square of the tensor itself; NaN or infinite if that is."""
    off: float | None = None
    """The share of its units that are 0 for every example, at most; None if not looked at."""
    saturated: float | None = None
    """The share of numbers at the ends of [-1, 1] or [0, 1], if all lie within."""
    spread: float | None = None
    """How far the examples differ, as a share of their size; 0 if all are alike."""
    total: float | None = None
    """The norm of the sum of the gradient over the positions: that of a bias."""
    also: tuple[str, ...] = ()
    """Other modules that return it, such as those around that one."""
    normed: bool = False
    """Whether a normalization returns it."""
    entered: float | None = None
    """The size of what a normalization reads, times that of the gradient there, if it is known."""
    gain: float = 1.0
    """The size of the weights by which a normalization multiplies what it has normalized."""
    fed: int = 0
    """How many positions the layer has that it comes from, if it comes from one."""
    weak: bool = False
    """Whether a normalization reads it."""
    beside: bool = False
    """Whether there comes in, beside what asks for a gradient, what asks for none."""
    product: bool = False
    """Whether it is a product of two that are made by the network, or sums of such."""
    joined: bool = False
    """Whether what comes in is laid beside one another, and not added."""
    grown: bool = False
    """Whether a weight is laid beside what comes in, which gets a part of what comes back."""
    layer: bool = False
    """Whether a layer with weights returns it."""
    bend: str = ""
    """The activation that it comes from, if a layer reads it and the graph tells."""
    half: bool = False
    """Whether its gradient is one of float16."""
    straight: float = 0.0
    """Of an output that goes on within the network how much the loss sends straight to it."""
    begun: bool = False
    """Whether all that reads it are weights that began with 0, and still grow."""


def enters(name: str, module: str) -> bool:
    """Tell whether a place is what enters a module, and not one that is only called so.

    Examples:
        >>> enters("input of fc", "fc"), enters("input", ""), enters("input_norm", "input_norm")
        (True, True, False)
    """
    return name.startswith("input of ") or (not module and f"{name} ".startswith("input "))


def states_of(places: Sequence[Place], weak: bool = False) -> tuple[list[Place], dict[str, float]]:
    """Return the places that layers read, each with the states that go into it, and the exits.

    An exit is the largest δ at an output, for each state that goes there past no other state.

    Args:
        weak: Whether what a normalization alone reads is one even where nothing comes together.

    Examples:
        >>> a, z = Place("a", 1.0), Place("z", 1.0, before=("a",), state=False)
        >>> [(p.name, p.before) for p in states_of([a, z, Place("b", 1.0, before=("z",))])[0]]
        [('a', ()), ('b', ('a',))]
    """
    through, found = dict[str, tuple[str, ...]](), list[Place]()
    normed, grown = dict[str, bool](), dict[str, bool]()
    gains = dict[str, float]()
    passed_by = dict[str, str]()
    often = Counter(n for p in places for n in p.before)
    joined = {n for p in places if len(p.before) > 1 for n in p.before}
    by_name = {place.name: place for place in places}
    early = _before_a_state(places)
    norms = {n: p for p in places if p.normed for n in p.before}
    for place in places:
        inner = tuple(dict.fromkeys(n for b in place.before for n in through.get(b, ())))
        alone = by_name.get(place.before[0]) if len(place.before) == 1 else None
        passed = alone is not None and not place.layer and normed[alone.name]
        normed[place.name] = place.normed or passed
        kept_as_is = passed and place.bend in SCALED
        gains[place.name] = gains[alone.name] if alone and kept_as_is else place.gain
        grown[place.name] = place.grown or any(grown.get(b) for b in place.before)
        gates = {passed_by.get(b, "") for b in place.before}
        gate = gates.pop() if len(gates) == 1 else ""
        passed_by[place.name] = gate or (place.name if place.beside else "")
        beside = place.beside and not gate
        reads = place.state or beside or (often[place.name] > 1 and place.name in joined)
        reads |= place.weak and (weak or len(place.before) > 1)
        through[place.name] = inner
        if reads and place.name not in early and place.asks and place.delta is not None:
            through[place.name] = (place.name,)
            kept = replace(
                place,
                before=inner,
                normed=normed[place.name],
                beside=beside,
                gain=gains[place.name],
                grown=grown.pop(place.name),  # it tells of the way to a state
                entered=_entered(place, alone),
            )
            norm = norms.get(place.name) if weak and not place.state else None
            found.append(_fed(_in_units_of(norm, kept), alone))
    exits: dict[str, float] = {}
    ends = by_name.keys() - {p.name for p in found} - {n for p in places for n in p.before}
    sent = {n: by_name[n].delta or 0.0 for n in ends} | {
        p.name: p.straight for p in places if p.straight
    }
    for name, size in sent.items():
        for state in through[name]:
            exits[state] = max(exits.get(state, 0.0), size)
    return found, exits


def _entered(place: Place, source: Place | None) -> float | None:
    """Return what `entered` tells of a place that a normalization returns."""
    if source is None or not (place.normed and source.out and source.delta):
        return None
    return source.out * source.delta


def _in_units_of(norm: Place | None, place: Place) -> Place:
    """Leave out of what a normalization alone reads the unit, which that takes away."""
    if norm is None or not (place.out and norm.out and place.delta):
        return place
    size = norm.out / norm.gain
    return replace(place, delta=place.delta * place.out / size, out=size)


def _before_a_state(places: Sequence[Place]) -> set[str]:
    """Return what cells make of their first input, before they have a state.

    A cell is called again with what it made before. In its first call gates read data alone, and
    get a share of what comes to the first state, which is what the second call reads.
    """
    calls = Counter(place.module for place in places if place.layer)
    made, called, again = set[str](), set[str](), False
    for place in places:
        known = place.module in called
        begins = calls[place.module] > 1 and (place.layer or place.beside)
        again |= known and not made.isdisjoint(place.before)
        if not known and (place.before or begins) and made.issuperset(place.before):
            made.add(place.name)
        called |= {place.module} if place.layer else set()
    goes_on = {name for place in places if place.name not in made for name in place.before}
    found = (p for p in places if again and p.name in made)
    gates = (p for p in found if p.beside or (p.layer and not p.state) or not p.module)
    return {p.name for p in gates if p.module or p.name not in goes_on}


def _fed(place: Place, source: Place | None) -> Place:
    """Tell how many positions the source of a place has, and the place itself if flattened."""
    if source is None or source.state or not source.rows:
        return place
    features = max(source.count // source.rows, 1)
    own = max(place.count // max(place.rows, 1), 1)
    rows = place.count // features if own % features == 0 else place.rows
    return replace(place, fed=source.rows, rows=max(rows, 1))


def step(u: Place, v: Place) -> float:
    r"""Return the change from v back to u in decades, without what a change of resolution makes.

    Where a layer changes the number of positions from $n_u$ to $n_v$, as one of stride 2 does, the
    root of the mean square falls by $\sqrt{n_u/n_v}$ in a healthy network; where some are chosen it
    does so, too, where they are averaged it falls by $n_u/n_v$, and where they are summed it stays.

    Examples:
        >>> large, small = Place("u", 0.5, 64, 16), Place("v", 1.0, 16, 4, fed=4)
        >>> step(large, small), step(Place("u", 0.1), Place("v", 1.0))
        (0.0, -1.0)
    """
    size = log_ratio(u.delta or 0.0, v.delta or 0.0)
    between = v.fed or u.rows
    if not math.isfinite(size) or u.count == v.count or u.rows == between == v.rows:
        return size
    by_weights = -math.log10(u.rows / between) / 2
    by_pooling = 0.0 if v.summed else -math.log10(between / v.rows)
    low, high = sorted((by_weights + by_pooling / 2, by_weights + by_pooling))
    return round(min(size - low, 0.0) + max(size - high, 0.0), 12)


def log_ratio(u: float, v: float) -> float:
    """Return how many decades u is above v, sizes that may both be 0."""
    if u == v:
        return 0.0
    if u == 0 or v == 0:
        return -math.inf if u == 0 else math.inf
    return math.log10(u) - math.log10(v)


def after_of(states: Sequence[Place]) -> dict[str, list[str]]:
    """Return for each place those that it goes into, the last place first."""
    after: dict[str, list[str]] = {place.name: [] for place in reversed(states)}
    for place in states:
        for name in place.before:
            after[name].append(place.name)
    return after


def crossed(states: Sequence[Place]) -> dict[str, str]:
    """Return for each place the next one that every path from it crosses, if all paths to it do.

    Between the two there may be branches, but no path leads around either of them: what changes
    from one to the other is the gradient of all. With a random number for each step from place to
    place, the products along all paths through a place have one sum for two places only if the same
    paths cross both: as polynomials in these numbers the sums differ, and a polynomial is rarely 0.

    Examples:
        >>> crossed([Place("h"), Place("b", before=("h",)), Place("k", before=("h", "b"))])
        {'h': 'k'}
    """
    draw = random.Random(0)
    # What a module reads beside at each of many calls, as data in time, begins no path.
    calls = Counter(p.module for p in states if p.module)
    begins = {p.name: p.beside and calls[p.module] < CALLS for p in states}
    ways = {p.name: (*p.before, *[""] * (begins[p.name] or not p.before)) for p in states}
    drawn = {(b, name): draw.randrange(PRIME) for name, before in ways.items() for b in before}
    there, back = {"": 1}, dict[str, int]()
    for name, before in ways.items():
        there[name] = sum(drawn[b, name] * there[b] for b in before) % PRIME
    found, last = dict[str, str](), dict[int, str]()
    for name, after in after_of(states).items():
        back[name] = sum(drawn[name, a] * back[a] for a in after) % PRIME if after else 1
        paths = there[name] * back[name] % PRIME
        found |= {name: last[paths]} if paths in last else {}
        last[paths] = name
    return found
