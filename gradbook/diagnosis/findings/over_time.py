"""The gradient at recurrent layers, step by step, and from one stacked layer to the next."""

import math
from collections.abc import Sequence

from gradbook.diagnosis.findings.known import Known
from gradbook.diagnosis.paths import Path, Profile, measured_path
from gradbook.diagnosis.places import Place
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.diagnosis.watching.record import Steps
from gradbook.diagnosis.words import factor

IN_TIME = 1.84
"""As in `LIMITS`: decades over the steps of time."""

STACKED = 1.3
"""Decades between the biases' gradients of stacked recurrent layers."""


def stacked(known: Known) -> Finding | None:
    """Compare the layers of a recurrent stack by their weights' gradients: depth alone."""
    for steps in known.record.steps:
        found = _stack(known, steps)
        if found is not None and found.fall[0] >= STACKED:
            size, start, end = found.fall
            return Finding(
                Verdict.VANISHING,
                f"Over the {steps.depth} layers of {steps.name or 'the network'} the gradient "
                f"falls by {factor(size)} from {start} down to {end}.",
                Profile.of("gradients of biases", found),
                since=end,
                hint="stack",
            )
    return None


def _stack(known: Known, steps: Steps) -> Path | None:
    prefix = f"{steps.name}." if steps.name else ""
    sizes = {p.name: p.norm for p in known.asked if p.norm}
    for kind in ("bias_ih_l", "weight_hh_l"):
        names = [f"{prefix}{kind}{k}" for k in range(steps.depth)]
        if steps.depth > 1 and all(name in sizes for name in names):
            return measured_path(names, [math.log10(sizes[name]) for name in names])
    return None


def in_time(known: Known) -> Finding | None:
    """Judge the gradient at the inputs of recurrent layers, step by step."""
    for steps in known.record.steps:
        own = _own_losses(known, steps)
        # With a loss of its own at each step the sizes are those of the losses, not of time.
        path = _levels(steps.lags) if own and steps.lags else over_steps(steps)
        if path is None:
            continue
        if not own and (down := _down(path, steps)) >= IN_TIME:
            return _falls(path, steps, down)
        if path.rise[0] >= IN_TIME and steps.depth < 3 and not steps.both:
            size, start, end = path.rise
            return Finding(
                Verdict.EXPLODING,
                f"Over the steps the gradient grows by {factor(size)} from {start} back to {end}.",
                Profile.of("δ", path),
                path.since(1),
                hint="time",
            )
    return None


def _down(path: Path, steps: Steps) -> float:
    """Return the fall, of a layer that reads in both directions the smaller one of the two."""
    if not steps.both:
        return path.fall[0]
    back = measured_path(path.names[::-1], path.levels[::-1])
    return min(path.fall[0], back.fall[0])


def _falls(path: Path, steps: Steps, down: float) -> Finding:
    where = f" of {steps.name}" if steps.name else ""
    both = " in either direction" if steps.both else ""
    _, start, end = path.fall
    part = path
    if steps.both:
        low, high = path.names.index(end), path.names.index(start) + 1
        part = measured_path(path.names[low:high], path.levels[low:high])
    return Finding(
        Verdict.VANISHING,
        f"Over the steps{where} the gradient falls{both} by {factor(down)} from {start} back to "
        f"{end}.",
        Profile.of("δ", part),
        path.since(-1),
        hint="time",
    )


def over_steps(steps: Steps) -> Path | None:
    """Return the sizes over time of the sequences that go on the longest.

    Examples:
        >>> ragged = Steps("", ((1e-4, 1.0), (1e-2,), (1.0,)))
        >>> over_steps(ragged).fall
        (4.0, 't=3', 't=1')
    """
    last = _last_steps(steps.sizes)
    longest = max(last, default=0)
    if longest < 2:
        return None
    kept = [i for i, end in enumerate(last) if end == longest]
    return _levels([_rms([row[i] for i in kept]) for row in steps.sizes[:longest]])


def _levels(sizes: Sequence[float]) -> Path:
    return Profile("δ", tuple(f"t={t}" for t in range(1, len(sizes) + 1)), tuple(sizes)).path


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
        if not _own_losses(known, steps):
            continue
        start = "Each step has a loss of its own, so that δ at the inputs is flat whatever is "
        if not steps.lags:
            text = f"{start}forgotten. Ask once with the last step's loss alone."
            return Finding(Verdict.CANNOT_TELL, text, hint="lag")
        path = _levels(steps.lags)
        if path.fall[0] >= IN_TIME:
            text = (
                f"{start}forgotten. What the last step's loss sends falls by "
                f"{factor(path.fall[0])} over {len(steps.lags) - 1} steps: a hundredth is left "
                f"{_lag(path)} steps back."
            )
            profile = Profile.of("δ", path)
            return Finding(Verdict.CANNOT_TELL, text, profile, path.fall[2], "lag")
    return None


def _lag(path: Path) -> int:
    levels = path.levels[::-1]
    return next((i for i, level in enumerate(levels) if level <= levels[0] - 2), len(levels))


def _own_losses(known: Known, steps: Steps) -> bool:
    """Tell whether each step has a loss of its own, and does not see the whole sequence."""
    return steps.every and _at_once(known) >= sum(len(row) for row in steps.sizes)


def _at_once(known: Known) -> int:
    """Return how many positions the outputs have that come from one call of a layer.

    A decoder that is called for each word has as many in all, and each sees the whole sequence.
    """
    rows = []
    for end in known.ends:
        before = (known.by_name.get(name) for name in end.before)
        last = [place for place in before if place is not None and place.layer]
        rows.append(max(p.rows for p in (last if last and not end.layer else [end])))
    return max(rows, default=0)


CALLS = 4
"""How many calls of one module make steps of time."""


def forgotten(known: Known) -> Finding | None:
    """Find that of a module that is called step by step only the last step gets a gradient."""
    calls: dict[str, list[Place]] = {}
    for place in known.record.places:
        if place.layer and place.asks and place.module:
            calls.setdefault(place.module, []).append(place)
    for module, places in calls.items():
        *before, last = places
        if len(places) < CALLS or last.delta is None or any(p.delta is not None for p in before):
            continue
        text = f"{module} was called {len(places)} times, and nothing comes back to any call but "
        text += "the last: what it hands on is detached, so that nothing is learned over the steps."
        return Finding(Verdict.CUT, text, since=last.name, hint="steps")
    return None
