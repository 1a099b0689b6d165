"""The sizes of δ along the paths of a network: vanishing, exploding, starved, or none of these."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise, takewhile
from operator import itemgetter

from gradbook.diagnosis.findings.about import held_before, hides, unready
from gradbook.diagnosis.findings.known import MOST, Known
from gradbook.diagnosis.findings.loss import (
    all_of,
    flat_at_end,
    in_part,
    masked,
    second_is_0,
    taken_amiss,
    way_in,
)
from gradbook.diagnosis.findings.missing import not_called, only_passed, shared
from gradbook.diagnosis.findings.over_time import one_alone
from gradbook.diagnosis.findings.steps import at_rest, too_slow, underflows
from gradbook.diagnosis.findings.zeros import (
    SAME,
    mostly_off,
    nothing_enters,
    saturates,
    still_small,
)
from gradbook.diagnosis.paths import STARTS, Profile
from gradbook.diagnosis.places import CALLS, Place, log_ratio
from gradbook.diagnosis.verdicts import Finding, Verdict, factor, listed
from gradbook.diagnosis.watching.modules import PARAMETRIZED
from gradbook.diagnosis.watching.numbers import BOUNDED

FALL = 1.95
"""Decades that δ falls by in a network that is ill; truth calls 2 a fault, 1 healthy."""

RISE = 1.95
"""Decades that it rises by, likewise."""

GROWTH = math.log10(math.pi / (math.pi - 1)) / 2
"""Decades that δ grows by in a layer of ReLU behind batch normalization: a factor of 1.21.

Source: Yang et al. 2019, section 4: its square, π/(π−1), in wide layers of large batches.
"""

BEARABLE = 34
"""How many such layers, with no path around any, can just be trained.

In sixty steps, with SGD and Adam at two rates each, 28 layers learn a batch and 50 do not.
"""

RISE_NORMALIZED = BEARABLE * GROWTH
"""Decades of a rise where normalizations are and no path leads around: 2.8.

Not the depth decides but the decades, whatever they come from: layers of GELU grow by less and bear
more of them, saturated tanh by more, and both cease to learn near the same size.
"""

RISE_OF_LAYER = 0.1
"""Decades for each layer by which a rise is none where normalizations are and paths lead around.

Layers are counted on the longest way. Published networks at their own initialization rise by up to
a tenth of a decade for each (LCNet; DLA-169 by 3.7 decades in 156 layers) and train: behind a
normalization the size of a gradient does not matter.
"""

RISE_AT_MOST = 5.0
"""Decades to which that leads at most: Inception v4 rises by 4.3, and ResNets by half of that."""

ROUNDING = 4.0
"""Decades by which δ changes where rounding alone passes a normalization, at the least."""

TIE = 0.1
"""Decades by which a fall is larger than a rise, at least, that is not what a normalization behind
makes up for.
"""

SAME_FACTOR = 0.01
"""By how many decades two factors differ at most that are one."""

MOST_OF = 4
"""How many positions for each branch there are at least, so that a router could serve all."""

DEEP, SHORT = 6, 3.0
"""Over how many steps a fall in a branch counts whole, as at the bottom of a U; over fewer so many
decades are one without its largest step: attention with small weights, or a small scale, may send
on any share.
"""

STARVED = 3.0
"""Decades below the largest share from which on a branch gets nothing."""


def sized(known: Known) -> Finding | None:
    """Judge the largest fall and the largest rise between any two places of a path."""
    # What every path crosses comes before what happens in a branch.
    found = _ill(known, trunk=True) or _ill(known, trunk=False)
    if found is None:
        return None
    falls, down, up = found
    rounds = max(down.fall[0], up.rise[0]) >= ROUNDING
    if known.record.normalized and rounds and (at := _made_alike(known, down if falls else up)):
        text = f"All examples are alike at {at}: no gradient but rounding passes a normalization."
        return Finding(Verdict.CUT, text, since=at, hint="alike")
    size, start, end = down.fall if falls else up.rise
    hint = _by_steps(known, start, end)
    if falls:
        text = f"From {start} back to {end} δ falls by {factor(size)}{_why(known, down)}."
        most, between = _without_weights(known, down)
        if most >= max(STARTS, MOST * size) and hint is None:
            text, hint = text + between, "between"
        if but := flat_at_end(known):
            text, hint = text + but, "at an end"
        return Finding(Verdict.VANISHING, text, down, down.since(-1), hint)
    size, start = _seen(known, up)
    text = f"From {start} back to {end} δ grows by {factor(size)}."
    return Finding(Verdict.EXPLODING, text, up, up.since(1), hint)


def _ill(known: Known, *, trunk: bool) -> tuple[bool, Profile, Profile] | None:
    """Return whether a fall is the fault, and the paths of the largest fall and rise."""
    worst = known.worst if trunk else partial(known.worst_within, least=DEEP, limit=SHORT)
    down, up = worst(-1), worst(1)
    normalized = known.record.normalized and _behind_norms(known, up).rise[0] < RISE
    rise, limit = _seen(known, up)[0], RISE_NORMALIZED if normalized else RISE
    if normalized and known.splits:
        by_layers = RISE_OF_LAYER * known.layers_between(*up.rise[1:])
        rise, limit = rise - _scaled(known, up), max(limit, min(by_layers, RISE_AT_MOST))
    falls = down.fall[0] >= max(FALL, min(up.rise[0] + TIE, limit))
    return (falls, down, up) if falls or rise >= limit else None


def _seen(known: Known, path: Profile) -> tuple[float, str]:
    """Return the largest rise, but no more than is seen between its ends, and where it begins.

    What is left out of falls on the way, as at ends of branches, would add up to a rise. In front
    of a normalization a gradient has another unit: what is next to the end is looked at, too.
    """
    size, start, end = path.rise
    if not start:
        return size, start
    at, front = path.names.index(start), known.by_name[end]

    def rise(name: str) -> float:
        behind = known.by_name[name]
        pairs = ((front.delta, behind.delta), (front.norm, behind.norm))
        return max(log_ratio(a or 0.0, b or 0.0) for a, b in pairs)

    names = path.names[max(at - 1, 0) : at + 1][::-1]  # of two that explain it all, the end itself
    seen, behind = max(((min(size, rise(name)), name) for name in names), key=itemgetter(0))
    return max(seen, 0.0), behind


def _behind_norms(known: Known, path: Profile) -> Profile:
    """Return the part of a path behind the last normalization, which bears no rise there."""
    behind = {p.name for p in takewhile(lambda p: not p.normed, reversed(known.places))}
    kept = [i for i, name in enumerate(path.names) if name in behind]
    if not kept or len(behind) == len(known.places):
        return Profile()
    part = slice(kept[0], None)
    return replace(path, names=path.names[part], rms=path.rms[part], sent=path.sent[part])


def _scaled(known: Known, path: Profile) -> float:
    """Return how many decades of a rise are those where a stream is multiplied, then normalized.

    What is multiplied by a number gets a gradient that is divided by it. In one place that is a
    matter of units; in many the stream grows.
    """
    _, start, end = path.rise
    names = path.names[path.names.index(end) : path.names.index(start)] if start else ()
    found = 0.0
    for place in (known.by_name[name] for name in names):
        source = known.by_name.get(place.before[0]) if len(place.before) == 1 else None
        if source is None or not (place.weak and place.out and source.out):
            continue
        by = log_ratio(place.out, source.out)
        change = log_ratio(source.delta or 0.0, place.delta or 0.0)
        found = max(found, by) if abs(by - change) < SAME_FACTOR else found
    return found


def _made_alike(known: Known, path: Profile) -> str:
    """Name the place of a path where examples become alike at once, or that data are alike at."""
    on = map(known.by_name.__getitem__, path.names)
    read = [("", 1.0), *((p.name, p.spread) for p in on if p.spread is not None)]
    return next((name for (_, a), (name, b) in pairwise(read) if b < SAME and a > 1e-3), "")


def _by_steps(known: Known, *ends: str) -> str | None:
    """Tell that a change is one over calls of one layer, as where a cell runs over time.

    Blocks that share their weights have normalizations.
    """
    calls = Counter(p.module for p in known.places if p.layer)
    often = any(calls[known.by_name[name].module] >= CALLS for name in ends)
    return "time" if often and not known.record.normalized else None


def _why(known: Known, path: Profile) -> str:
    on = [known.by_name[name] for name in path.names]
    ends = [p.saturated for p in on if p.saturated is not None]
    full = sum(ends) / max(len(ends), 1)
    if full > MOST:
        return f"; {full:.0%} of what enters the layers is saturated"
    spread = min((p.spread for p in on if p.spread is not None and p.spread >= 0), default=1.0)
    return f"; all examples come out alike, to {spread:.0e} of their size" if spread < 1e-3 else ""


def _without_weights(known: Known, path: Profile) -> tuple[float, str]:
    """Return the most that it falls by past no weights, as in a softmax, and that in words."""
    most, text = 0.0, ""
    for name in path.names:
        ways, last = way_in(known, known.by_name[name])
        sizes = [sum(map(all_of, ps)) for ps in (ways[:1], last)]
        plain = last and ways[0].bend not in BOUNDED and not any(p.normed for p in ways)
        if plain and all(sizes) and (fall := log_ratio(*sizes)) > most:
            at = f"from {name} back to {listed([p.name for p in last])}"
            most, text = fall, f" By {factor(fall)} it does so {at}, past no weights."
    return most, text


def starved(known: Known) -> Finding | None:
    """Find that of branches that stand side by side and come together half get next to nothing."""
    groups: dict[str, list[Place]] = {}
    for place in known.places:
        parts = (module.rpartition(".") for module in place.also if place.delta is not None)
        for parent in (parent for parent, _, last in parts if last.isdigit()):
            groups.setdefault(parent, []).append(place)
    for parent, places in groups.items():
        least = max(p.delta or 0.0 for p in places) * 10**-STARVED
        low = [p.name for p in places if (p.delta or 0.0) < least]
        enough = min(p.rows for p in places) >= MOST_OF * len(places) > 2 * MOST_OF
        if enough and 2 * len(low) >= len(places) and _side_by_side(known, places):
            text = f"Of {len(places)} branches in {parent} that stand side by side {len(low)} get "
            text += f"less than 10^-{STARVED:.1f} of the largest share: {listed(low)}."
            return Finding(Verdict.STARVED, text, since=low[0])
    return None


def _side_by_side(known: Known, places: Sequence[Place]) -> bool:
    """Tell whether none of the places goes into another, and all into one."""
    names = {p.name for p in places}
    after: dict[str, set[str]] = {}
    for place in known.places:
        mine = names.intersection(place.before).union(*(after.get(b, ()) for b in place.before))
        if place.name in names and mine:
            return False
        after[place.name] = mine
    return names in after.values()


def healthy(known: Known) -> Finding | None:
    """Say that the gradient arrives, if it does, or that most layers were not seen."""
    paths = known.paths
    found = max(paths, key=lambda p: (any(p.rms), paths[p], len(p.names)), default=Profile())
    if not known.ends or not (found.names or any(p.norm for p in known.asked)):
        return None
    if not any(p.delta for p in known.places):
        return None
    if (within := unseen(known)) is not None:
        return within
    buts = (
        ("enters", nothing_enters(known)),
        ("picks" if known.record.twice == "picks" else "twice", taken_amiss(known)),
        ("still", in_part(known)),
        ("second", second_is_0(known)),
        ("untrained", only_passed(known)),
        ("axis", one_alone(known)),
        ("unready", unready(known)),
        ("held", held_before(known)),
        ("idle", not_called(known)),
        ("underflow", underflows(known)),
        ("terms", hides(known)),
        ("loss", masked(known)),
        ("at an end", flat_at_end(known)),
        ("two optimizers", shared(known)),
        ("saturated", saturates(known)),
        ("few left", mostly_off(known)),
        ("rate", at_rest(known)),
        ("slow", too_slow(known)),
        ("begun", still_small(known)),
        ("branch", _in_a_branch(known)),
    )
    hint, but = next((pair for pair in buts if pair[1]), (None, ""))
    sizes = found if found.names else None
    return Finding(Verdict.HEALTHY, _arrives(known, found) + but, sizes, hint=hint)


def _arrives(known: Known, found: Profile) -> str:
    names = list(dict.fromkeys([*found.names, *(p.name for p in known.ends if p.delta)]))
    if len(found.names) < 2:
        return f"The gradient arrives at {listed(names)}: no deeper layer was seen."
    down, (up, _) = known.worst(-1).fall[0], _seen(known, known.worst(1))
    text = f"From {found.names[-1]} back to {found.names[0]} δ falls nowhere by more than "
    return f"{text}{factor(down)} and grows by no more than {factor(up)}."


def _in_a_branch(known: Known) -> str:
    """Say that δ falls far in a branch, over few layers, and in more than one step."""
    low = [path for path in known.branches if path.fall[0] >= FALL and path.but_one(-1) >= STARTS]
    if not low:
        return ""
    size, start, end = max((path.fall for path in low), key=itemgetter(0))
    more = f", and in {len(low) - 1} more by less" if len(low) > 1 else ""
    return f" But in a branch, from {start} back to {end}, it falls by {factor(size)}{more}."


def unseen(known: Known) -> Finding | None:
    """Say that most layers ran where no hook is called, as in what was compiled before."""
    got = [p for p in known.matrices if p.norm and p.name in known.place_of]
    modules = {p.name: f".{p.layer}".partition(PARAMETRIZED)[0][1:] for p in got}
    # What is done with a weight that no module is called for is a place of its name.
    apart = {p.name.removesuffix(".weight") for p in got}
    silent = [p for p in got if modules[p.name] not in known.record.called]
    silent = [p for p in silent if known.place_of[p.name].module not in apart]
    owners = Counter(known.place_of[p.name].name for p in silent)
    hidden = [p.layer for p in silent if owners[known.place_of[p.name].name] > 1]
    if not hidden or len(hidden) < MOST * len(got):
        return None
    text = f"{len(hidden)} of {len(got)} layers got a gradient, and no hook of theirs was called, "
    text += "as where a network has run compiled before it was watched: what is between them is "
    text += f"not seen ({listed(hidden)})."
    return Finding(Verdict.CANNOT_TELL, text, since=hidden[-1], hint="compiled")
