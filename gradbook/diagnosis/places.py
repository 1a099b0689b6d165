r"""Places of a network, their numbers, and how sizes change along the paths between them.

A *place* is a tensor that passes through a network: what leaves one module or enters the next.
Which of them goes into which is known, so nothing is guessed from names. A gradient that goes back
from $v$ to $u$ changes by $c = \log_{10}(r_u/r_v)$ decades, with four exceptions, because not every
change of a size is a change of the gradient:

- where several places go into $v$, all but the one with the largest gradient are in branches, and a
  branch may get any share: a fall at its end does not count, what happens within it does;
- of several places that $u$ goes into, the one with the largest gradient is compared with;
- where a layer changes the number of positions from $n_u$ to $n_v$, as one of stride 2 does, the
  root of the mean square falls by $\sqrt{n_u/n_v}$ in a healthy network; where some are chosen it
  does so, too, and where they are averaged it falls by $n_u/n_v$. That much does not count;
- the last normalization divides the gradient by the size of what enters it: before it and behind it
  the products of both are compared.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Place:
    """A tensor that passes through a network.

    Attributes:
        delta: The root mean square of the gradient there; None if none came back.
        count: How many numbers it has.
        rows: How many positions, those of all examples: `count` over the number of features.
        examples: How many examples, the length of the first axis.
        before: The places that go into it.
        state: Whether a layer reads it, so that it is compared with others.
        asks: Whether it asked for a gradient.
        norm: The norm of the gradient for each example, the root of the mean of their squares.
        out: The root mean square of the tensor itself; NaN or infinite if that is.
        off: The share of its units that are 0 for every example, at most; None if not looked at.
        saturated: The share of numbers at the ends of [-1, 1] or [0, 1], if all lie within.
        spread: How far the examples differ, as a share of their size; 0 if all are alike.
        total: The norm of the sum of the gradient over the positions: that of a bias.
        also: Other modules that return it, such as those around that one.
        normed: Whether a normalization returns it.
        fed: How many positions the layer has that it comes from, if it comes from one.
        weak: Whether a normalization reads it.
        layer: Whether a layer with weights returns it.
        bend: The activation that it comes from, if a layer reads it and the graph tells.
    """

    name: str
    delta: float | None = None
    count: int = 1
    rows: int = 1
    examples: int = 1
    before: tuple[str, ...] = ()
    state: bool = True
    module: str = ""
    asks: bool = True
    norm: float | None = None
    out: float | None = None
    off: float | None = None
    saturated: float | None = None
    spread: float | None = None
    total: float | None = None
    also: tuple[str, ...] = ()
    normed: bool = False
    fed: int = 0
    weak: bool = False
    layer: bool = False
    bend: str = ""


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


@dataclass
class _Tree:
    level: dict[str, float] = field(default_factory=dict)
    up: dict[str, str] = field(default_factory=dict)


def states_of(places: Sequence[Place], weak: bool = False) -> list[Place]:
    """Return the places that layers read, each with the states that go into it.

    Args:
        weak: Whether what a normalization alone reads is one even where nothing comes together.

    Examples:
        >>> a, z = Place("a", 1.0), Place("z", 1.0, before=("a",), state=False)
        >>> [(p.name, p.before) for p in states_of([a, z, Place("b", 1.0, before=("z",))])]
        [('a', ()), ('b', ('a',))]
    """
    through: dict[str, tuple[str, ...]] = {}
    normed: dict[str, bool] = {}
    by_name, found = {place.name: place for place in places}, []
    for place in places:
        inner = dict.fromkeys(n for b in place.before for n in through.get(b, ()))
        alone = by_name.get(place.before[0]) if len(place.before) == 1 else None
        passed = alone is not None and not place.layer and normed[alone.name]
        normed[place.name] = place.normed or passed
        reads = place.state or (place.weak and (weak or len(place.before) > 1))
        kept = reads and place.asks and place.delta is not None
        through[place.name] = (place.name,) if kept else tuple(inner)
        if kept:
            as_state = replace(place, before=tuple(inner), normed=normed[place.name])
            found.append(_fed(as_state, alone))
    return found


def _fed(place: Place, source: Place | None) -> Place:
    """Tell how many positions the source of a place has, and the place itself if flattened."""
    if source is None or source.state or not source.rows:
        return place
    features = max(source.count // source.rows, 1)
    own = max(place.count // max(place.rows, 1), 1)
    rows = place.count // features if own % features == 0 else place.rows
    return replace(place, fed=source.rows, rows=max(rows, 1))


def step(u: Place, v: Place) -> float:
    """Return the change from v back to u in decades, without what a change of resolution makes.

    Examples:
        >>> large, small = Place("u", 0.5, 64, 16), Place("v", 1.0, 16, 4, fed=4)
        >>> step(large, small), step(Place("u", 0.1), Place("v", 1.0))
        (0.0, -1.0)
    """
    size = _decades(u.delta or 0.0, v.delta or 0.0)
    between = v.fed or u.rows
    if not math.isfinite(size) or u.count == v.count or u.rows == between == v.rows:
        return size
    by_weights = -math.log10(u.rows / between) / 2
    by_pooling = -math.log10(between / v.rows)
    low, high = sorted((by_weights + by_pooling / 2, by_weights + by_pooling))
    return round(min(size - low, 0.0) + max(size - high, 0.0), 12)


def _decades(u: float, v: float) -> float:
    if u == v:
        return 0.0
    if u == 0 or v == 0:
        return -math.inf if u == 0 else math.inf
    return math.log10(u) - math.log10(v)


def _tree(states: Sequence[Place]) -> _Tree:
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
            tree.level[u.name] = _decades(u.delta or 0.0, 1.0)
            continue
        v = by_name.get(around.get(u.name, ""))
        if v is None:
            v = max(behind[u.name], key=lambda place: place.delta or 0.0)
        change = step(u, v)
        if v.normed and not behind[v.name] and u.out and v.out and math.isfinite(change):
            change += _decades(u.out, v.out)
        in_a_branch = u.name not in around and len(v.before) > 1
        if in_a_branch and change < 0 and _largest(v, by_name) != u.name:
            change = 0.0
        above = tree.level[v.name]
        tree.level[u.name] = above + change if math.isfinite(above) else above
        tree.up[u.name] = v.name
    return tree


def crossed(states: Sequence[Place], after: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return for each place the next one that every path from it crosses, if all paths to it do.

    Between the two there may be branches, but no path leads around either of them: what changes
    from one to the other is the gradient of all.

    Examples:
        >>> before = {"h": (), "b": ("h",), "k": ("h", "b")}
        >>> block = [Place(name, 1.0, before=names) for name, names in before.items()]
        >>> crossed(block, {"h": ("b", "k"), "b": ("k",), "k": ()})
        {'h': 'k'}
    """
    names = [place.name for place in states]
    into = {place.name: place.before for place in states}
    first = _dominators(names, into)
    last = _dominators(names[::-1], after)
    found = {}
    for name in names:
        behind = last[name]
        above = behind
        while above and above != name:
            above = first[above]
        if behind and above == name:
            found[name] = behind
    return found


def _dominators(names: Sequence[str], into: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return for each place the nearest one that all paths to it cross; empty if there is none."""
    depth, found = {"": 0}, dict[str, str]()
    for name in names:
        ways = list(into[name]) or [""]
        common = ways[0]
        for way in ways[1:]:
            common = _meeting(common, way, found, depth)
        found[name], depth[name] = common, depth[common] + 1
    return found


def _meeting(one: str, other: str, above: Mapping[str, str], depth: Mapping[str, int]) -> str:
    """Go up from two places until the ways meet."""
    while one != other:
        if depth[one] >= depth[other]:
            one = above[one]
        else:
            other = above[other]
    return one


def _largest(v: Place, by_name: Mapping[str, Place]) -> str:
    return max(v.before, key=lambda name: by_name[name].delta or 0.0)


ENOUGH = 3
"""How many places make a path that can be judged without what only normalizations read."""


def paths(places: Sequence[Place]) -> list[Path]:
    """Return the way of the gradient from each first place to the output.

    Examples:
        >>> chain = [Place(str(i), 0.1 ** (3 - i), before=(str(i - 1),) if i else ())
        ...          for i in range(4)]
        >>> [found] = paths(chain)
        >>> f"{found.fall[0]:.1f} from {found.fall[1]} to {found.fall[2]}"
        '3.0 from 3 to 0'
    """
    found = _paths(states_of(places))
    if max((len(path.names) for path in found), default=0) >= ENOUGH:
        return found
    return _paths(states_of(places, weak=True))


def _paths(states: Sequence[Place]) -> list[Path]:
    tree = _tree(states)
    inner = set(tree.up.values())
    first = [p for p in states if p.name not in inner]
    return [replace(_path(p.name, tree), whole=not p.before) for p in first]


def _path(first: str, tree: _Tree) -> Path:
    names = [first]
    while names[-1] in tree.up:
        names.append(tree.up[names[-1]])
    levels = [tree.level[name] for name in names]
    return measured_path(names, levels)


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


def worst(found: Sequence[Path]) -> tuple[Path, Path]:
    """Return the path with the largest fall and that with the largest rise."""
    empty = Path()
    fall = max(found, key=lambda p: p.fall[0], default=empty)
    rise = max(found, key=lambda p: p.rise[0], default=empty)
    return fall, rise


def longest(found: Sequence[Path]) -> Path:
    """Return the path with the most places, of those that begin where the network does."""
    return max(found, key=lambda p: (p.whole, len(p.names)), default=Path())
