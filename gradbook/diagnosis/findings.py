"""What is found in the record of a watched step: one function for each finding.

Each function looks at what is known and returns a finding with its evidence, or None. Its limits
stand beside it. `FINDINGS` lists them in order of consequence; the first one names the verdict.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from gradbook.diagnosis.evidence import Profile
from gradbook.diagnosis.places import Path, Place, longest, measured_path, paths, worst
from gradbook.diagnosis.verdicts import Verdict
from gradbook.diagnosis.watching import Record, Steps
from gradbook.show.bounds import at_most

NAMED = 3
"""How many names a sentence lists at most."""

_NOT_CALLED = "backward() was not called"


@dataclass(frozen=True)
class Parameter:
    """A tensor of weights with what is known of its gradient.

    Attributes:
        name: Its name.
        trainable: Whether it asks for a gradient.
        axes: How many it has.
        norm: The norm of its gradient; None if there is none.
        finite: Whether its gradient is.
        zero: Whether its weights are all 0; None if they are not known.
        alike: Whether all its units have the same weights, which are not 0.
        broken: Whether its weights are not finite.
        ratio: The size of its step over that of the weights, if it is known.
        stepped: Whether the optimizer holds it; None if there is none.
    """

    name: str
    trainable: bool = True
    axes: int = 2
    norm: float | None = None
    finite: bool = True
    zero: bool | None = None
    alike: bool = False
    broken: bool = False
    ratio: float | None = None
    stepped: bool | None = None

    @property
    def layer(self) -> str:
        """The layer it belongs to."""
        return self.name.rpartition(".")[0]


@dataclass(frozen=True)
class Known:
    """All that findings are made from.

    Attributes:
        record: What was watched.
        parameters: The weights, tied ones once.
        loss_scale: What the loss was multiplied by.
        frozen: The share of weights that a step is meant for and that stand still.
        normalized: Whether there are normalizations.
        lr: Whether the step is known.
    """

    record: Record
    parameters: tuple[Parameter, ...] = ()
    loss_scale: float = 1.0
    frozen: float | None = None
    normalized: bool = False

    @cached_property
    def paths(self) -> list[Path]:
        """The ways of the gradient, from the first places to the output."""
        return paths(self.record.places)

    @cached_property
    def asked(self) -> list[Parameter]:
        """The weights that are to be trained."""
        return [p for p in self.parameters if p.trainable]

    @cached_property
    def place_of(self) -> Mapping[str, Place]:
        """For each weight the place that is computed from it."""
        by_name = {place.name: place for place in self.record.places}
        pairs = ((w, by_name[n]) for n, ws in self.record.owned.items() for w in ws if n in by_name)
        return dict(pairs)

    @cached_property
    def ends(self) -> list[Place]:
        """The places that go into no other, and got a gradient."""
        inner = {name for place in self.record.places for name in place.before}
        return [p for p in self.record.places if p.name not in inner and p.delta is not None]

    @cached_property
    def splits(self) -> bool:
        """Whether paths lead around layers: whether places come together."""
        return any(len(place.before) > 1 for place in self.record.places)

    @cached_property
    def sigmoids(self) -> bool:
        """Whether most of what layers read comes from sigmoids, as far as the graph tells."""
        bends = [place.bend for place in self.record.places if place.bend]
        return 2 * bends.count("Sigmoid") > len(bends)


@dataclass(frozen=True)
class Finding:
    """One thing that was found, standing on its own.

    Attributes:
        verdict: What it is.
        reason: What it rests on, in a sentence or two.
        profile: The sizes it rests on, if it rests on sizes.
        since: Where it starts.
        hint: What to do that the verdict alone does not tell.
    """

    verdict: Verdict
    reason: str
    profile: Profile | None = None
    since: str | None = None
    hint: str | None = None


def listed(names: Sequence[str], most: int = NAMED) -> str:
    """List names, and count those that are left out.

    Examples:
        >>> listed(["a", "b", "c", "d", "e"])
        'a, b, c and 2 more'
    """
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def decades(size: float) -> str:
    """Write a power of ten as a factor.

    Examples:
        >>> decades(3.14), decades(float("inf"))
        ('a factor of 10^3.1', 'all of it')
    """
    return f"a factor of 10^{size:.1f}" if math.isfinite(size) else "all of it"


# --- not finite: the data, the weights, forward, the loss, back ----------------------------------


def _bad(size: float | None) -> bool:
    return size is not None and not math.isfinite(size)


def non_finite(known: Known) -> Finding | None:
    """Find where NaN or infinity comes from: look forward first, then at the loss, then back."""
    places = known.record.places
    lost = [p.name for p in known.asked if not p.finite]
    if not lost and not any(_bad(p.out) or _bad(p.delta) for p in places):
        return None
    broken = [p.name for p in known.parameters if p.broken]
    forward = next((p for p in places if _bad(p.out)), None)
    if known.record.bad_input and not broken:
        where = known.record.bad_input[0] or "the network"
        return _not_finite(f"What enters {where} is not finite: it is the data.", where, "data")
    if broken:
        text = f"The weights {listed(broken)} are not finite: an earlier step broke them."
        return _not_finite(text, broken[0], "step")
    if forward is not None:
        inner = (
            f", though what goes into it, {listed(forward.before)}, is" if forward.before else ""
        )
        text = f"On the way forward {forward.name} is the first that is not finite{inner}."
        return _not_finite(text, forward.name, "forward")
    return _back(known, lost)


def _not_finite(text: str, since: str, hint: str) -> Finding:
    return Finding(Verdict.NON_FINITE, text, since=since, hint=hint)


def _back(known: Known, lost: list[str]) -> Finding:
    if any(_bad(p.delta) for p in known.ends):
        text = "All outputs are finite, and what the loss sends back is not: it is the loss."
        return _not_finite(text, "the loss", "loss")
    place = next((p for p in reversed(known.record.places) if _bad(p.delta)), None)
    if place is not None:
        text = (
            f"Outputs and loss are finite. On the way back {place.name} is the first that is not."
        )
        return _not_finite(text, place.name, "back")
    text = f"All δ are finite, and the gradients of {listed(lost)} are not: they overflow, or an "
    return _not_finite(text + "earlier step's were added.", lost[0], "scale")


# --- the loss -----------------------------------------------------------------------------------

LEAST = 1e-5
"""How large the sum of |δ| at the output, for a loss that averages its errors, is at least."""


def loss_sends_nothing(known: Known) -> Finding | None:
    """Find that δ is 0, or next to it, where the loss meets the network: no layer is to blame."""
    ends = known.ends
    if not ends or any(p.norm for p in known.asked):
        size = max((_sent(known, p) for p in ends), default=0.0) / known.loss_scale
        if known.record.differentiated or not 0 < size < LEAST:
            return None
        return Finding(
            Verdict.LOSS,
            f"The loss sends back next to nothing: the δ at {listed([p.name for p in ends])} add "
            f"up to {size:.0e}. It is saturated or at its minimum; it is not your layers.",
            since=ends[-1].name,
        )
    if any(p.delta for p in known.record.places):
        return None
    return Finding(
        Verdict.LOSS,
        f"Nothing comes from the loss: δ at {listed([p.name for p in ends])} is exactly 0. It is "
        "not your layers; look at what stands between the last one and the loss.",
        since=ends[-1].name,
    )


def _sent(known: Known, end: Place) -> float:
    """Return the sum of |δ| at an output, or at the last layer if only an activation is between."""
    places = known.record.places
    last = [p for p in places if p.name in end.before and not p.state and p.layer]
    return min((p.delta or 0.0) * p.count for p in [end, *last])


# --- who gets nothing ---------------------------------------------------------------------------

UNUSED = 0.1
"""The share of trainable tensors from which on modules that nobody calls are a fault."""


def cut(known: Known) -> Finding | None:
    """Find trainable weights that get no gradient, and between which places the graph is cut."""
    none = [p for p in known.asked if p.norm is None and not _came(known, p)]
    if not none or (len(none) == len(known.asked) and not known.record.places):
        return None
    start = f"{len(none)} of {len(known.asked)} trainable tensors get no gradient"
    names = listed([p.name for p in none])
    ran = [p for p in none if p.name in known.place_of]
    where = _where(known, none, start)
    if where is not None:
        return where
    idle = [p for p in none if p.layer not in known.record.called and p not in ran]
    if idle and any(_runs_without(known, p) for p in none):
        idle = []
    if len(none) < UNUSED * len(known.asked):
        return None
    if idle and known.record.places:
        text = f"{start}: {names}. Their modules were never called in this pass."
        return Finding(Verdict.CUT, text, since=idle[0].layer, hint="idle")
    if not known.record.places:
        return Finding(Verdict.CUT, f"{start}: {names}.", since=none[-1].name, hint="unknown")
    text = f"{start}: {names}. They ran, and nothing that the loss depends on comes from them."
    return Finding(Verdict.CUT, text, since=none[-1].layer)


def _where(known: Known, none: Sequence[Parameter], start: str) -> Finding | None:
    """Find that nothing came back at all, or between which two places nothing did."""
    if len(none) == len(known.asked) and not any(p.delta is not None for p in known.record.places):
        text = f"{start}: the loss does not depend on what the network returns, or {_NOT_CALLED}."
        return Finding(Verdict.CUT, text, since=none[-1].layer, hint="outside")
    between = _between(known, [p for p in none if p.name in known.place_of])
    if not between:
        return None
    text = f"{start}: the graph is cut {between[0]}. Without one: {listed([p.name for p in none])}."
    return Finding(Verdict.CUT, text, since=between[1])


def without_any(known: Known) -> Finding | None:
    """Say of a network without any gradient that there is none; it was not watched."""
    if not known.asked or any(p.norm is not None for p in known.asked):
        return None
    text = (
        f"No tensor holds a gradient: {_NOT_CALLED}, gradients were cleared before they were read, "
        "or the loss does not depend on what the network returns."
    )
    return Finding(Verdict.CANNOT_TELL, text, hint="unknown")


def _came(known: Known, parameter: Parameter) -> bool:
    """Tell whether a gradient passed by, so that it was cleared or never stored."""
    place = known.place_of.get(parameter.name)
    return place is not None and place.delta is not None


def _runs_without(known: Known, parameter: Parameter) -> bool:
    return any(p.module == parameter.layer and not p.asks for p in known.record.places)


def _between(known: Known, ran: Sequence[Parameter]) -> tuple[str, str] | None:
    """Name the last place that got nothing and the next one that did."""
    places = known.record.places
    lost = [i for i, p in enumerate(places) if _silent(known, p)]
    reached = [i for i, p in enumerate(places) if p.delta is not None]
    if not lost or not reached:
        return None
    pairs = [(i, j) for i in lost for j in reached if j > i]
    if not pairs:
        return None
    i = max(i for i, _ in pairs)
    j = min(j for a, j in pairs if a == i)
    if ran or any(not places[k].asks for k in lost):
        plain = places[i].name.removesuffix(" (z)")
        return f"between {plain} and {places[j].name.removesuffix(' (z)')}", plain
    return None


def _silent(known: Known, place: Place) -> bool:
    """Tell whether trainable weights work there, and no gradient comes back."""
    if place.delta is not None:
        return False
    mine = known.record.owned.get(place.name, ())
    names = {p.name for p in known.asked}
    return any(n in names for n in mine) or any(p.layer == place.module for p in known.asked)


def not_stepped(known: Known) -> Finding | None:
    """Find weights that are to be trained and that the optimizer does not hold."""
    left = [p.name for p in known.asked if p.stepped is False]
    if not left:
        return None
    text = f"{len(left)} of {len(known.asked)} trainable tensors are not in the optimizer: "
    return Finding(Verdict.CUT, f"{text}{listed(left)}.", since=left[0], hint="optimizer")


# --- zeros --------------------------------------------------------------------------------------

MOST = 0.5
"""The share of matrices from which on what they have in common is the network's."""


def stuck(known: Known) -> Finding | None:
    """Find weights that begin with 0 behind others that do: none of them can ever move."""
    zero = [p for p in known.asked if p.zero and p.axes > 1]
    still = [p for p in zero if p.norm == 0]
    driven = [p for p in still if (found := known.place_of.get(p.name)) and found.delta]
    matrices = [p for p in known.asked if p.axes > 1]
    if len(still) > 1 and driven:
        none = [p for p in known.asked if p.norm == 0]
        text = f"{len(none)} of {len(known.asked)} trainable tensors have a gradient of exactly 0, "
        text += (
            f"and no step will change that: {listed([p.name for p in driven])} begin with 0, and "
        )
        return Finding(
            Verdict.STUCK, text + "so do weights in front of them.", since=driven[0].name
        )
    if len(matrices) > 1 and len(zero) == len(matrices):
        return Finding(Verdict.STUCK, "All weights are 0, so that no gradient gets past them.")
    return None


def symmetric(known: Known) -> Finding | None:
    """Find layers whose units all have the same weights, and so will stay alike."""
    matrices = [p for p in known.asked if p.axes > 1]
    alike = [p.name for p in matrices if p.alike]
    if not alike or len(alike) < MOST * len(matrices):
        return None
    return Finding(
        Verdict.SYMMETRIC,
        f"In {len(alike)} of {len(matrices)} layers all units have the same weights: they compute "
        f"the same, get the same gradient and stay alike ({listed(alike)}).",
        since=alike[0],
    )


OFF = 0.66
"""Fitted, as in `verdict.LIMITS`: the share of units that are 0 for every example."""

ALL_OFF = 0.99
"""The share of one layer's units from which on nothing passes it."""


def dead(known: Known) -> Finding | None:
    """Find that units are off: that what comes out of them is 0 for every example."""
    looked = [p for p in known.record.places if p.off is not None and p.asks and p.state]
    if not looked:
        return None
    off = sum(p.off or 0.0 for p in looked) / len(looked)
    if off >= OFF:
        worst_place = max(looked, key=lambda p: p.off or 0.0)
        text = f"{off:.0%} of the hidden units are off: 0 for every example."
        return Finding(Verdict.DEAD, text, since=worst_place.name)
    shut = [p for p in looked if (p.off or 0.0) >= ALL_OFF and not _around(known, p)]
    if not shut:
        return None
    text = f"All units of {shut[-1].name} are off, 0 for every example: nothing passes them."
    return Finding(Verdict.DEAD, text, since=shut[-1].name)


def _around(known: Known, place: Place) -> bool:
    """Tell whether something before a place, and not 0 itself, got a gradient all the same."""
    names = set(place.before)
    for other in reversed(known.record.places):
        if other.name in names:
            names.update(other.before)
            if other.delta and other.out != 0:
                return True
    return False


def zero_start(known: Known) -> Finding | None:
    """Say what begins with 0 by design, which hides others at the first step alone."""
    zero = [p for p in known.asked if p.zero and p.norm]
    still = [p for p in known.asked if p.norm == 0]
    if not zero or not still:
        return None
    names = [p.name for p in zero if p.axes > 1] or [p.name for p in zero]
    lora = all("lora" in name.lower() for name in names)
    what = "the second matrices of LoRA" if lora else listed(names)
    return Finding(
        Verdict.ZERO_START,
        f"{what} begin with 0: so {len(still)} of {len(known.asked)} trainable tensors have a "
        "gradient of exactly 0, which is true of the first step alone. Nothing is dead.",
        since=names[0],
    )


# --- sizes --------------------------------------------------------------------------------------

FALL, RISE = 1.95, 1.95
"""Decades that δ falls or rises by in a network that is ill; truth calls 2 a fault, 1 healthy."""

GROWTH = math.log10(math.pi / (math.pi - 1)) / 2
"""Decades that δ grows by in a layer of ReLU behind batch normalization: a factor of 1.21.

Source: Yang et al. 2019, section 4: its square, π/(π−1), in wide layers of large batches.
"""

BEARABLE = 34
"""How many such layers, with no path around any, can just be trained.

In sixty steps, at the best of four rates, 28 layers learn a batch and 50 do not.
"""

RISE_NORMALIZED = BEARABLE * GROWTH
"""Decades of a rise where normalizations are and no path leads around: 2.8.

Not the depth decides but the decades, whatever they come from: layers of GELU grow by less and bear
more of them, saturated tanh by more, and both cease to learn near the same size.
"""

RISE_OF_BLOCK = 0.25
"""Decades for each block by which a rise is none where normalizations are and paths lead around.

A normalized branch adds about as much to the path as there is at first, a factor of √2 on the way
back. Published networks at their own initialization rise by up to 5 decades in their many blocks
(ConvMixer) and train: behind a normalization the size of a gradient does not matter.
"""

IN_TIME = 1.84
"""As in `verdict.LIMITS`: decades over the steps of time."""

STACKED = 1.3
"""Decades between the biases' gradients of stacked recurrent layers."""


def stacked(known: Known) -> Finding | None:
    """Compare the layers of a recurrent stack by their weights' gradients: depth alone."""
    for steps in known.record.steps:
        found = _stack(known, steps)
        if found is not None and found.fall[0] >= STACKED:
            text = f"Over the {steps.depth} layers of {steps.name or 'the network'} the gradient "
            text += (
                f"falls by {decades(found.fall[0])} from {found.fall[1]} down to {found.fall[2]}."
            )
            profile = _profile("gradients of biases", found)
            return Finding(Verdict.VANISHING, text, profile, found.fall[2], hint="stack")
    return None


def _stack(known: Known, steps: Steps) -> Path | None:
    prefix = f"{steps.name}." if steps.name else ""
    for kind in ("bias_ih_l", "weight_hh_l"):
        sizes = {p.name: p.norm for p in known.asked if p.norm}
        names = [f"{prefix}{kind}{k}" for k in range(steps.depth)]
        if steps.depth > 1 and all(name in sizes for name in names):
            return measured_path(names, [math.log10(sizes[name] or 1.0) for name in names])
    return None


def in_time(known: Known) -> Finding | None:
    """Judge the gradient at the inputs of recurrent layers, step by step."""
    for steps in known.record.steps:
        path = over_steps(steps)
        if path is None:
            continue
        if _down(path, steps) >= IN_TIME:
            where = f" of {steps.name}" if steps.name else ""
            both = " in either direction" if steps.both else ""
            text = (
                f"Over the steps{where} the gradient falls{both} by {decades(_down(path, steps))} "
            )
            text += f"from {path.fall[1]} back to {path.fall[2]}."
            part = _between_ends(path) if steps.both else path
            return Finding(
                Verdict.VANISHING, text, _profile("δ", part), _since(path, -1), hint="time"
            )
        if path.rise[0] >= IN_TIME and steps.depth < 3 and not steps.both:
            text = f"Over the steps the gradient grows by {decades(path.rise[0])} from "
            text += f"{path.rise[1]} back to {path.rise[2]}."
            return Finding(
                Verdict.EXPLODING, text, _profile("δ", path), _since(path, 1), hint="time"
            )
    return None


def _between_ends(path: Path) -> Path:
    """Return the part over which a path falls."""
    low, high = (path.names.index(name) for name in (path.fall[2], path.fall[1]))
    return measured_path(path.names[low : high + 1], path.levels[low : high + 1])


def _down(path: Path, steps: Steps) -> float:
    if not steps.both:
        return path.fall[0]
    back = measured_path(path.names[::-1], path.levels[::-1])
    return min(path.fall[0], back.fall[0])


def over_steps(steps: Steps) -> Path | None:
    """Return the sizes over time of the sequences that go on the longest.

    Examples:
        >>> ragged = Steps("", ((1e-4, 1.0), (1e-2,), (1.0,)))
        >>> over_steps(ragged).fall
        (4.0, 't=3', 't=1')
    """
    last = _last_steps(steps.sizes)
    longest_one = max(last, default=0)
    kept = [i for i, end in enumerate(last) if end == longest_one]
    if longest_one < 2:
        return None
    sizes = [_rms([row[i] for i in kept]) for row in steps.sizes[:longest_one]]
    return _levels(sizes)


def _levels(sizes: Sequence[float]) -> Path:
    names = [f"t={t}" for t in range(1, len(sizes) + 1)]
    return measured_path(names, [math.log10(s) if s > 0 else -math.inf for s in sizes])


def _last_steps(sizes: Sequence[Sequence[float]]) -> list[int]:
    """Return for each example the last step that has a gradient."""
    found = [0] * len(sizes[0]) if sizes else []
    for t, row in enumerate(sizes, start=1):
        for i, size in enumerate(row):
            found[i] = t if size > 0 else found[i]
    return found


def _rms(values: Sequence[float]) -> float:
    top = max(values, default=0.0)
    if top == 0 or not math.isfinite(top):
        return top
    return top * math.sqrt(sum((v / top) ** 2 for v in values) / len(values))


def every_step(known: Known) -> Finding | None:
    """Say for which lag something arrives where each step has a loss of its own."""
    for steps in known.record.steps:
        ends = known.ends
        if not steps.every or not ends or max(p.rows for p in ends) < _positions(steps):
            continue
        start = "Each step has a loss of its own, so that δ at the inputs is flat whatever is "
        if not steps.lags:
            text = start + "forgotten. Ask once with the last step's loss alone."
            return Finding(Verdict.CANNOT_TELL, text, hint="lag")
        path = _levels(steps.lags)
        if path.fall[0] >= IN_TIME:
            text = f"{start}forgotten. What the last step's loss sends falls by "
            text += (
                f"{decades(path.fall[0])} over {len(steps.lags) - 1} steps: a hundredth is left "
            )
            text += f"{_lag(path)} steps back."
            return Finding(Verdict.CANNOT_TELL, text, _profile("δ", path), path.fall[2], "lag")
    return None


def _positions(steps: Steps) -> int:
    return sum(len(row) for row in steps.sizes)


def _lag(path: Path) -> int:
    levels = path.levels[::-1]
    return next((i for i, level in enumerate(levels) if level <= levels[0] - 2), len(levels))


def sized(known: Known) -> Finding | None:
    """Judge the largest fall and the largest rise between any two places of a path."""
    down, up = worst(known.paths)
    limit = RISE_NORMALIZED if known.normalized else RISE
    if known.normalized and known.splits:
        limit = max(limit, RISE_OF_BLOCK * _steps(up))
    if down.fall[0] >= FALL and down.fall[0] >= min(up.rise[0], limit):
        size, start, end = down.fall
        text = f"From {start} back to {end} δ falls by {decades(size)}{_why(known, down)}."
        return Finding(Verdict.VANISHING, text, _profile("δ", down), _since(down, -1))
    if up.rise[0] >= limit:
        size, start, end = up.rise
        text = f"From {start} back to {end} δ grows by {decades(size)}."
        return Finding(Verdict.EXPLODING, text, _profile("δ", up), _since(up, 1))
    return None


def _steps(path: Path) -> int:
    """Count the places between the two that a path rises between."""
    _, start, end = path.rise
    return path.names.index(start) - path.names.index(end) if start else 0


def _why(known: Known, path: Path) -> str:
    on = [p for p in known.record.places if p.name in path.names]
    ends = [p.saturated for p in on if p.saturated is not None]
    if ends and sum(ends) / len(ends) > MOST:
        return f"; {sum(ends) / len(ends):.0%} of what enters the layers is saturated"
    spread = [p.spread for p in on if p.spread is not None and math.isfinite(p.spread)]
    if spread and min(spread) < 1e-3:
        return f"; all examples come out alike, to {min(spread):.0e} of their size"
    return ""


STARTS = 1.0
"""How many decades the size has moved where a fault starts."""


def _since(path: Path, sign: int) -> str | None:
    """Return the place nearest the start from which on, going back, it is `STARTS` decades off."""
    _, start, end = path.fall if sign < 0 else path.rise
    high, low = path.names.index(start), path.names.index(end)
    found = None
    for i in range(low, high):
        if not sign * (path.levels[i] - path.levels[high]) >= STARTS:
            break
        found = path.names[i]
    return found


def _profile(source: str, path: Path) -> Profile:
    return Profile(source, path.names, tuple(10**level for level in path.levels))


STARVED = 3.0
"""Decades below the largest share from which on a branch gets nothing."""


def starved(known: Known) -> Finding | None:
    """Find that of branches that stand side by side and come together most get next to nothing."""
    groups: dict[str, list[Place]] = {}
    for place in known.record.places:
        for module in place.also if place.delta is not None else ():
            parent, _, last = module.rpartition(".")
            if last.isdigit():
                groups.setdefault(parent, []).append(place)
    for parent, places in groups.items():
        if len(places) > 2 and _side_by_side(known, places):
            top = max(p.delta or 0.0 for p in places)
            low = [p.name for p in places if (p.delta or 0.0) < top * 10**-STARVED]
            if 2 * len(low) >= len(places):
                text = f"Of {len(places)} branches in {parent} that stand side by side "
                text += f"{len(low)} get less than 10^-{STARVED:.1f} of the largest share: "
                return Finding(Verdict.STARVED, text + listed(low) + ".", since=low[0])
    return None


def _side_by_side(known: Known, places: Sequence[Place]) -> bool:
    """Tell whether none of the places goes into another, and all into one."""
    names = {p.name for p in places}
    after: dict[str, set[str]] = {name: set() for name in names}
    for place in known.record.places:
        mine = {name for b in place.before for name in after.get(b, ())}
        mine |= names & set(place.before)
        if place.name in names and mine:
            return False
        after[place.name] = mine
    return any(found >= names for found in after.values())


# --- steps --------------------------------------------------------------------------------------

LARGE = 1.0
"""From which size of the update over that of the weight on a step undoes what was learned."""


def large_step(known: Known) -> Finding | None:
    """Find a step that is as large as the weights themselves."""
    found = [p for p in known.asked if p.axes > 1 and not p.zero and (p.ratio or 0.0) >= LARGE]
    if not found:
        return None
    top = max(found, key=lambda p: p.ratio or 0.0)
    return Finding(
        Verdict.LARGE_STEP,
        f"One step changes {top.name} by {top.ratio:.1e} times its size"
        f"{f', and {len(found) - 1} more by at least {LARGE:g}' if len(found) > 1 else ''}.",
        since=top.name,
    )


STILL = 0.5
"""The share of the weights, as in the definition of truth."""


def frozen(known: Known) -> Finding | None:
    """Find that of the weights that a step is meant for most stand still."""
    if known.frozen is None or known.frozen < STILL:
        return None
    return Finding(
        Verdict.FROZEN,
        f"{known.frozen:.0%} of the weights that a step is meant for are the same after the "
        "update, bit for bit: it is too small for the gaps of their number format.",
    )


def healthy(known: Known) -> Finding | None:
    """Say that the gradient arrives, if it does."""
    found = longest(known.paths)
    if not known.ends or not (found.names or any(p.norm for p in known.asked)):
        return None
    if not any(p.delta for p in known.record.places):
        return None
    text, slow = _arrives(known, found), _slow(known)
    sizes = _profile("δ", found) if found.names else None
    return Finding(Verdict.HEALTHY, text + slow, sizes, hint="slow" if slow else None)


def _arrives(known: Known, found: Path) -> str:
    names = list(dict.fromkeys([*found.names, *(p.name for p in known.ends)]))
    if len(found.names) < 2:
        return f"The gradient arrives at {listed(names)}: there is no deeper layer."
    down, up = worst(known.paths)
    return (
        f"From {found.names[-1]} back to {found.names[0]} δ falls nowhere by more than "
        f"{decades(down.fall[0])} and grows by no more than {decades(up.rise[0])}."
    )


SLOW = 1e-5
"""A hundredth of the thousandth of its weights that a step is often given."""


def _slow(known: Known) -> str:
    """Say of a healthy network by how little a step changes it, if that is very little."""
    ratios = [p.ratio for p in known.asked if p.axes > 1 and not p.zero and p.norm]
    sizes = [ratio for ratio in ratios if ratio is not None]
    if not sizes or len(sizes) < len(ratios) or not 0 < max(sizes) < SLOW:
        return ""
    most, share = max(sizes), at_most(max(sizes), 1, scientific=True)
    return (
        f" But a step changes no weights by more than {share} of their size: in "
        f"{math.floor(0.01 / most):,} such steps none moves by more than a hundredth."
    )


FINDINGS: tuple[Callable[[Known], Finding | None], ...] = (
    *(non_finite, loss_sends_nothing, cut, not_stepped, stuck, symmetric, dead),
    *(stacked, in_time, sized, starved, large_step, frozen),
)
"""What may be wrong, in order of consequence."""


def findings_of(known: Known) -> tuple[Finding, ...]:
    """Return all that was found, what matters most first.

    Examples:
        >>> chain = tuple(Place(n, 0.1**(5 - i), before=("abcde"[i - 1],) if i else ())
        ...               for i, n in enumerate("abcde"))
        >>> [found.verdict.value for found in findings_of(Known(Record(chain)))]
        ['vanishing']
    """
    return tuple(_all(known))


def _all(known: Known) -> Iterator[Finding]:
    by_design = zero_start(known)
    seen = known if by_design is None else _without_zeros(known)
    found = [one for find in FINDINGS if (one := find(seen if find is sized else known))]
    yield from found
    reached = by_design is None or any(p.delta for p in _hidden(known))
    if not found and reached:
        yield every_step(known) or healthy(seen) or _nothing()
    if by_design is not None:
        yield by_design


def _without_zeros(known: Known) -> Known:
    """Leave out places that get exactly 0 for as long as something begins with 0."""
    places = (
        replace(p, state=False, weak=False) if p.delta == 0 else p for p in known.record.places
    )
    return replace(known, record=replace(known.record, places=tuple(places)))


def _hidden(known: Known) -> list[Place]:
    ends = {p.name for p in known.ends}
    return [p for p in known.record.places if p.asks and p.state and p.name not in ends]


def _nothing() -> Finding:
    return Finding(
        Verdict.CANNOT_TELL,
        "No gradient has come back: call gradbook.watch before the forward pass, then backward, "
        "then gradbook.diagnose before the gradients are cleared.",
    )
