"""The gradient at recurrent layers, step by step, and from one stacked layer to the next."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, zip_longest

from gradbook.diagnosis.findings.known import Known
from gradbook.diagnosis.paths import Profile
from gradbook.diagnosis.places import CALLS, Place
from gradbook.diagnosis.verdicts import Finding, Verdict, factor
from gradbook.diagnosis.watching.record import Steps

IN_TIME = 1.84
"""As in `LIMITS`: decades over the steps of time."""

STACKED = 1.3
"""Decades between the biases' gradients of stacked recurrent layers."""


def stacked(known: Known) -> Finding | None:
    """Compare the layers of a recurrent stack by their weights' gradients: depth alone."""
    for steps in known.record.steps:
        found = _stack(known, steps)
        size, start, end = found.fall
        if size >= STACKED:
            text = f"Over the {steps.depth} layers of {steps.name or 'the network'} the gradient "
            read = ", over what they read" if "weight" in start else ""
            text += f"falls by {factor(size)} from {start} down to {end}{read}."
            return Finding(Verdict.VANISHING, text, found, found.since(-1), "stack")
    return None


def _stack(known: Known, steps: Steps) -> Profile:
    prefix = f"{steps.name}." if steps.name else ""
    sizes = {p.name: p.norm for p in known.asked if p.norm}
    # A weight's gradient is δ times what it reads, which may shrink as δ grows.
    read = {"bias_ih_l": (1.0,) * steps.depth, "weight_hh_l": steps.ends}
    for kind, states in read.items():
        names = [f"{prefix}{kind}{k}" for k in range(steps.depth)]
        if len(states) == steps.depth and all(states) and all(name in sizes for name in names):
            rms = tuple(sizes[name] / state for name, state in zip(names, states, strict=True))
            return Profile("gradients of biases", tuple(names), rms)
    return Profile()


def in_time(known: Known) -> Finding | None:
    """Judge the gradient at the inputs of recurrent layers, step by step."""
    for steps in known.record.steps:
        own = _own_losses(known, steps)
        # With a loss of its own at each step the sizes are those of the losses, not of time.
        path = _over(steps.lags) if own and steps.lags else over_steps(steps)
        if path is None:
            continue
        if steps.picked:  # between two steps that a maximum picks little comes, whatever is kept
            path = _above_the_last_half(path)
        size, start, end = path.rise
        # A layer that reads in both directions forgets where both fall.
        down = min(path.fall[0], size) if steps.both else path.fall[0]
        if not own and down >= IN_TIME:
            return _falls(path, steps, down, steps.both and _grows(known, path, steps))
        # Read at every step, as by a mean, a state that is kept sums up what each step sends.
        summed = math.log10(len(path.names)) if steps.every and not own else 0.0
        if size >= IN_TIME * max(steps.depth - 1, 1) + summed and not steps.both:
            text = f"Over the steps the gradient grows by {factor(size)} from {start} back to "
            return Finding(Verdict.EXPLODING, f"{text}{end}.", path, path.since(1), "time")
    return None


def _above_the_last_half(path: Profile) -> Profile:
    """Return the largest size from each step of the first half on."""
    from_here = [*accumulate(reversed(path.rms), max)][::-1]
    return _over(from_here[: len(from_here) // 2 + 1])


def _falls(path: Profile, steps: Steps, down: float, grows: bool) -> Finding:
    where = f" of {steps.name}" if steps.name else ""
    both = " in either direction" if steps.both else ""
    _, start, end = path.fall
    low, high = path.names.index(end), path.names.index(start)
    part = slice(0, low + 1) if grows else slice(low, high + 1)
    shown = replace(path, names=path.names[part], rms=path.rms[part]) if steps.both else path
    text = f"Over the steps{where} the gradient "
    if grows:
        text += f"grows{both}, by {factor(down)} or more from {end} on."
        return Finding(Verdict.EXPLODING, text, shown, shown.since(1), "time")
    text += f"falls{both} by {factor(down)} from {start} back to {end}."
    alone = one_sequence(steps)
    hint = "order" if alone else "time"
    return Finding(Verdict.VANISHING, f"{text}{alone}", shown, path.since(-1), hint)


def _grows(known: Known, path: Profile, steps: Steps) -> bool:
    """Tell whether more comes out at both ends than one step can make of what comes to the layer.

    What grows from both ends on looks as what falls to both: it is least in the middle.
    """
    own = [p for p in known.places if p.module == steps.name]
    front = {p.name for place in own for p in (place, *known.upstream(place))}
    came = [(p.delta or 0.0) * math.sqrt(p.count) for p in known.places if p.name not in front]
    most = steps.reach * max(came, default=math.inf) / math.sqrt(len(steps.sizes[0]))
    return min(path.rms[0], path.rms[-1]) > most


def over_steps(steps: Steps) -> Profile | None:
    """Return the sizes over time of the sequences that go on the longest."""
    examples = list(zip_longest(*steps.sizes, fillvalue=0.0))
    last = [max((t for t, s in enumerate(one, 1) if s > 0), default=0) for one in examples]
    longest = max(last, default=0)
    if longest < 2:
        return None
    kept = [one[:longest] for one, end in zip(examples, last, strict=True) if end == longest]
    return _over([math.hypot(*row) / math.sqrt(len(row)) for row in zip(*kept, strict=True)])


def _over(sizes: Sequence[float]) -> Profile:
    return Profile("δ", tuple(f"t={t}" for t in range(1, len(sizes) + 1)), tuple(sizes))


def every_step(known: Known) -> Finding | None:
    """Say from which lag on little arrives where each step has a loss of its own."""
    for steps in known.record.steps:
        if not _own_losses(known, steps):
            continue
        start = "Each step has a loss of its own, so that δ at the inputs is flat whatever is "
        if not steps.lags:
            text = f"{start}forgotten. Ask once with the last step's loss alone."
            return Finding(Verdict.CANNOT_TELL, text, hint="lag")
        path = _over(steps.lags)
        size = path.fall[0]
        if size >= IN_TIME:
            text = f"{start}forgotten. What the last step's loss sends falls by {factor(size)} "
            back = [level - path.levels[-1] for level in path.levels[::-1]]
            lag = next((i for i, level in enumerate(back) if level <= -2), len(back))
            text += f"over {len(steps.lags) - 1} steps: a hundredth is left {lag} steps back."
            return Finding(Verdict.CANNOT_TELL, text, path, path.since(-1), "lag")
    return None


def one_alone(known: Known) -> str:
    """Say that one sequence, or the first step, alone gets a gradient in a recurrent layer."""
    found = (one_sequence(steps) or first_step(steps) for steps in known.record.steps)
    return next(filter(None, found), "")


def one_sequence(steps: Steps) -> str:
    """Say that of many sequences one alone gets a gradient, as where the wrong axis is read."""
    counts = {len(row) for row in steps.sizes}
    reached = sum(any(sizes) for sizes in zip(*steps.sizes, strict=False))
    if not counts or reached != 1 or not min(counts) == max(counts) >= CALLS:
        return ""
    text = f" But of {max(counts)} sequences that {steps.name or 'the network'} reads one "
    return f"{text}alone gets a gradient."


def first_step(steps: Steps) -> str:
    """Say that of many steps the first alone gets one, as where it is read for the last."""
    reached = [any(row) for row in steps.sizes]
    if len(reached) < CALLS or not reached[0] or any(reached[1:]):
        return ""
    text = f" But of {len(reached)} steps that {steps.name or 'the network'} reads the first alone "
    return f"{text}gets a gradient."


def _own_losses(known: Known, steps: Steps) -> bool:
    """Tell whether each step has a loss of its own, and does not see the whole sequence."""
    return steps.every and _at_once(known) >= sum(len(row) for row in steps.sizes)


def _at_once(known: Known) -> int:
    """Return how many positions the outputs have that come from one call of a layer.

    A decoder that is called for each word has as many in all, and each sees the whole sequence.
    """
    rows = [0]
    for end in known.ends:
        last = [p for p in map(known.by_name.get, end.before) if p is not None and p.layer]
        rows += [p.rows for p in (last if last and not end.layer else [end])]
    return max(rows)


def forgotten(known: Known) -> Finding | None:
    """Find that of a module that is called step by step only the last step gets a gradient."""
    calls: dict[str, list[Place]] = {}
    for place in known.places:
        if place.layer and place.asks and place.module:
            calls.setdefault(place.module, []).append(place)
    alone = {module: places for module, places in calls.items() if _last_alone(known, places)}
    # What reads a state of 0 gets exactly 0, and what reads a detached one something.
    empty = (p.layer for p in known.matrices if p.norm == 0 and p.layer in alone)
    anew = next((module for module in empty if alone[module][-1].delta), None)
    module = anew or next(iter(alone), None)
    if module is None:
        return None
    why = "whose state is 0, or none: nothing is handed on" if anew else ""
    why = why or "as the state is detached, or made anew, at each"
    text = f"{module} was called {len(alone[module])} times, and nothing comes back to any call "
    text += f"but the last, {why}, so that nothing is learned over the steps."
    since, hint = alone[module][-1].name, "anew state" if anew else "steps"
    return Finding(Verdict.CUT, text, since=since, hint=hint)


def _last_alone(known: Known, places: Sequence[Place]) -> bool:
    """Tell whether of a module's calls only the last gets a gradient, and what they read none."""
    *before, last = places
    # A head within the loop hands nothing on: what it reads gets a gradient at earlier calls.
    read = {name for place in before for name in place.before}.difference(last.before)
    came = any(p.delta is not None for p in (*before, *map(known.by_name.__getitem__, read)))
    return len(places) >= CALLS and last.delta is not None and not came
