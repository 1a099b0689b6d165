"""All that findings are made from: the record of a watched step, and what is known of weights."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress, takewhile

from gradbook.diagnosis.paths import Profile, paths_of
from gradbook.diagnosis.places import Place
from gradbook.diagnosis.watching.record import Record

MOST = 0.5
"""The share of matrices from which on what they have in common is the network's."""

GROWS = 0.01
"""The share of weights by which a step changes them in the first hundred from 0."""


@dataclass(frozen=True)
class Parameter:
    """A tensor of weights with what is known of its gradient."""

    name: str
    trainable: bool = True
    axes: int = 2
    """How many it has."""
    norm: float | None = None
    """The norm of its gradient; None if there is none."""
    written: bool = True
    """Whether that may have been written to since it came, as to clear it."""
    finite: bool = True
    zero: bool | None = None
    """Whether its weights are all 0; None if they are not known."""
    alike: bool = False
    """Whether all its units have the same weights, of a matrix such as are not 0."""
    pulled_alike: bool = False
    """Whether they get the same gradient as well."""
    broken: bool = False
    """Whether its weights are not finite."""
    ratio: float | None = None
    """The size of its step over that of the weights, if it is known."""
    gain: float | None = None
    """By how much of the rms of its inputs the step may change what comes out, if known."""
    stepped: bool | None = None
    """Whether the optimizer holds it; None if there is none."""
    moved: bool = False
    """Whether it has been written to since it was watched, or another optimizer holds it."""
    shared: bool = False
    """Whether another optimizer has it that shares weights with this one, and no step was seen."""
    rate: float | None = None
    """The optimizer's learning rate for it, if it is known."""
    decay: float = 0.0
    """The share of itself that weight decay takes from it in a step."""
    breaks: bool = False
    """Whether its next step is not finite in its format, and it and its gradient are."""
    hint: str | None = None
    """The hint if its step is too large: `divides` as Adam does, or `wide` if by 0 in float16."""
    sample: tuple[float, ...] = ()
    """The first of its weights."""

    @property
    def layer(self) -> str:
        """The layer it belongs to: what Keras and JAX lay in one another a slash divides."""
        return self.name[: max(self.name.rfind("."), self.name.rfind("/"), 0)]


@dataclass(frozen=True)
class Known:
    """What was watched of a network, and its weights."""

    record: Record
    parameters: tuple[Parameter, ...] = ()
    """The weights, tied ones once."""
    loss_scale: float = 1.0
    """What the loss was multiplied by."""
    frozen: float | None = None
    """The share of weights that a step is meant for and that stand still."""
    came: Mapping[str, int] = field(default_factory=dict)
    """At how many earlier looks a weight had a gradient, as what takes turns has at some."""
    held: frozenset[int] = frozenset()
    """The `id` of the weights that the optimizer holds."""
    begun: frozenset[str] = frozenset()
    """The names of matrices that were 0 when they were watched first."""

    @property
    def places(self) -> Sequence[Place]:
        """The places of the network, in the order of its forward pass."""
        return self.record.places

    @cached_property
    def paths(self) -> Mapping[Profile, bool]:
        """The ways of the gradient to the output, and whether they begin where the network does."""
        return paths_of(self.places)

    @cached_property
    def asked(self) -> list[Parameter]:
        """The weights that are to be trained."""
        return [p for p in self.parameters if p.trainable]

    @cached_property
    def matrices(self) -> list[Parameter]:
        """Those of them with more than one axis."""
        return [p for p in self.asked if p.axes > 1]

    @cached_property
    def still(self) -> list[Parameter]:
        """Those that get a gradient of exactly 0."""
        return [p for p in self.asked if p.norm == 0 and p.finite]

    @cached_property
    def growing(self) -> list[Parameter]:
        """Those that began with 0, and that a step still changes by no small share."""
        names = self.begun - self.record.added
        begun = (p for p in self.matrices if p.name in names and p.norm and not p.zero)
        return [p for p in begun if self._grows(p)]

    def _grows(self, begun: Parameter) -> bool:
        if begun.ratio is None:  # where steps are not known the looks are counted
            return GROWS * self.came.get(begun.name, 0) < 1
        return begun.ratio >= GROWS

    @cached_property
    def by_name(self) -> Mapping[str, Place]:
        """The places by their names."""
        return {place.name: place for place in self.places}

    @cached_property
    def place_of(self) -> Mapping[str, Place]:
        """For each weight the place that is computed from it."""
        owned = ((self.by_name.get(name), ws) for name, ws in self.record.owned.items())
        return {weight: place for place, ws in owned if place is not None for weight in ws}

    @cached_property
    def readers(self) -> Mapping[str, list[Place]]:
        """For each place that something reads those that it goes into."""
        found: dict[str, list[Place]] = {}
        for place in self.places:
            for name in dict.fromkeys(place.before):
                found.setdefault(name, []).append(place)
        return found

    @cached_property
    def moving(self) -> frozenset[str]:
        """The names of the places that are made with weights of 0 which get a gradient."""
        zero = (self.place_of.get(p.name) for p in self.asked if p.zero and p.norm)
        return frozenset(place.name for place in zero if place is not None)

    def where_0(self, zero: Parameter) -> Place | None:
        """Return the place that is 0 as weights are; of a bare product nobody has looked at it."""
        place = self.place_of.get(zero.name)
        if place is None or place.out == 0:
            return place
        biases = (p for p in self.asked if p.layer == zero.layer and p.axes < 2)
        return place if place.out is None and all(p.zero for p in biases) else None

    @cached_property
    def made_of_0(self) -> set[str]:
        """The names of the places that are 0 as weights are, and no unit is off there."""
        zero = (self.where_0(p) for p in self.matrices if p.zero)
        found = {place.name for place in zero if place is not None}
        for p in self.places:
            if p.out == 0 and p.before and found.issuperset(p.before):
                found.add(p.name)
        return found

    def worst(self, sign: int) -> Profile:
        """Return the path from the data with the largest fall or, with sign 1, largest rise."""
        return self._worst(sign, (path for path, whole in self.paths.items() if whole))

    def worst_within(self, sign: int, least: int, limit: float) -> Profile:
        """Return that of the branches, from where each begins to where it comes to a path.

        Args:
            least: Over how many steps it is at least, unless without its largest step it has still
                `limit` decades: one step may be any, as that of attention or of a small scale.
        """
        counted = (p.steps(sign) >= least or p.but_one(sign) >= limit for p in self.branches)
        return self._worst(sign, compress(self.branches, counted))

    @cached_property
    def branches(self) -> list[Profile]:
        """The parts of paths that lie in branches, each with the place that it comes to."""
        ends = {name for path, whole in self.paths.items() if whole for name in path.names}
        return [self._within(path, ends) for path, whole in self.paths.items() if not whole]

    def _within(self, path: Profile, ends: Container[str]) -> Profile:
        """Return a branch, without what its first layer reads: a path leads around that."""
        begins = int(not self._is_made(path.names[0]))
        inner = sum(1 for _ in takewhile(lambda name: name not in ends, path.names))
        return path.part(begins, inner + 1)

    def _is_made(self, name: str) -> bool:
        """Tell whether a layer with weights makes a state, between those that go into it and it."""
        left, seen = [name], set[str]()
        while left:
            place = self.by_name[left.pop()]
            if place.layer:
                return True
            seen.add(place.name)
            inner = (b for b in place.before if b not in self._on_paths and b not in seen)
            left += [b for b in inner if b in self.by_name]
        return False

    @cached_property
    def _on_paths(self) -> frozenset[str]:
        """The names of all states on paths, also in branches."""
        return frozenset(name for path in self.paths for name in path.names)

    @staticmethod
    def _worst(sign: int, paths: Iterable[Profile]) -> Profile:
        return max(paths, key=lambda p: (p.fall if sign < 0 else p.rise)[0], default=Profile())

    def layers_between(self, behind: str, front: str) -> int:
        """Return how many layers with weights lie on the longest way from one place to another."""
        found = {front: 0}
        for place in self.places:
            before = [found[name] for name in place.before if name in found]
            if before and place.name != front:
                found[place.name] = max(before) + place.layer
        return found.get(behind, 0)

    def upstream(self, place: Place) -> Iterator[Place]:
        """Yield all that goes into a place, and what goes into that."""
        names = set(place.before)
        for other in reversed(self.places):
            if other.name in names:
                names.update(other.before)
                yield other

    def passed(self, parameter: Parameter) -> bool:
        """Tell whether a gradient passed a weight by, though it may have been cleared since."""
        place = self.place_of.get(parameter.name)
        return place is not None and place.delta is not None

    def unread(self, bias: Parameter) -> bool:
        """Tell that a bias got no gradient though its layer's weight did: it adds a constant."""
        layer = (p for p in self.asked if p.layer == bias.layer and p.axes > 1)
        return bias.axes == 1 and any(p.norm is not None for p in layer)

    @cached_property
    def ends(self) -> list[Place]:
        """The places that go into no other, and got a gradient."""
        # A loss that a network returns, and nobody asked for, reads its outputs and sends nothing.
        reads = (p for p in self.places if p.delta is not None or p.count > 1)
        inner = {name for place in reads for name in place.before}
        return [p for p in self.places if p.name not in inner and p.delta is not None]

    @property
    def splits(self) -> bool:
        """Whether paths lead around layers: whether places come together."""
        return any(len(place.before) > 1 for place in self.places)

    @property
    def sigmoids(self) -> bool:
        """Whether most of what layers read comes from sigmoids, as far as the graph tells."""
        bends = [place.bend for place in self.places if place.bend]
        return 2 * bends.count("Sigmoid") > len(bends)
