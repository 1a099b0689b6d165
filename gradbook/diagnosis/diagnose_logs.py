"""Diagnose a log of norms: what is left of the gradients of a whole training."""

import math
import re
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.findings.by_sizes import decide
from gradbook.diagnosis.findings.over_steps import (
    FIFTH,
    burst,
    ceasing,
    falls,
    growing,
    has_ended,
    learned,
    passing,
    peaks,
    surging,
    takes_turns,
)
from gradbook.diagnosis.measuring.deltas import read_deltas
from gradbook.diagnosis.measuring.evidence import Facts
from gradbook.diagnosis.measuring.examination import Examined
from gradbook.diagnosis.measuring.gathering import gather
from gradbook.diagnosis.measuring.names import NO_MATRIX, Kind, Layer, group
from gradbook.diagnosis.measuring.orders import are_sorted_words, network_order
from gradbook.diagnosis.measuring.sizes import Measured, Statistics
from gradbook.diagnosis.reading.decimals import without_rounded_zeros
from gradbook.diagnosis.reading.logs import Entry, Log
from gradbook.diagnosis.reporting.advice import HINTS
from gradbook.diagnosis.reporting.compose import in_order, report_of
from gradbook.diagnosis.reporting.report import Report
from gradbook.diagnosis.verdicts import Finding, Verdict, listed

ROUNDING = 1e-4
"""The share of its weight's norm below which that of a bias is rounding."""

NEARLY = 0.9
"""The share of steps at which it is."""


def diagnose_log(entries: Iterable[Entry], *, deltas: Iterable[Entry] | None = None) -> Report:
    """Diagnose a log of norms over steps: along the layers, and along the time of training.

    A log has no shapes: norms of layers of different sizes are compared as they are. The entries
    are those of the weights' gradients, those of δ are given beside them.

    Examples:
        >>> log = [Entry(0.0, f"fc{layer}", 0.01 ** (6 - layer)) for layer in range(1, 7)]
        >>> diagnose_log(log).verdict.value
        'vanishing'
        >>> diagnose_log([Entry(i, "", 10.0**i) for i in range(4)]).verdict.value
        'growing'
    """
    kept = list(entries)
    done = learned(_totals(kept), entries.losses) if isinstance(entries, Log) else set[float]()
    kept, again = _resumed([entry for entry in kept if entry.step not in done])
    kept, rounded, below = without_rounded_zeros(kept)
    norms, total = _norms_of(kept), _totals(kept)
    norms.pop("", None)
    order = network_order(norms)
    # They say in which order layers come, and not whether something comes there.
    norms = {name: of_name for name, of_name in norms.items() if name not in below}
    layers = group(dict.fromkeys(name for name in order.names if name not in below))
    every = (m for layer in group(dict.fromkeys(order.names)) for m in layer.members)
    hidden = [m.name for m in every if m.name in below and m.kind not in NO_MATRIX]
    measured = {name: _as_measured(name, _mean(of_name)) for name, of_name in norms.items()}
    rounding, doubtful = _rounding(layers, kept), _doubtful(layers)
    facts = tuple(_facts(layer, measured, {*rounding, *doubtful}) for layer in layers)
    loose = are_sorted_words([name for name in norms if name], layers)
    seen = None if deltas is None else (entry for entry in deltas if entry.step not in done)
    sizes, unsent = (None, hidden) if seen is None else _sizes(seen)
    given = read_deltas(sizes, layers, loose=loose or None, logged=True)
    skipped = passing(total)
    lost = (e for e in kept if not math.isfinite(e.norm))
    # Of all gradients the last at a step counts, as of a resumed run that came there again.
    stays = [e for e in lost if e.name or not math.isfinite(total[e.step])]
    bad = [] if skipped else stays[:1]
    given = replace(given, nonfinite=(*given.nonfinite, *map(_when, bad)))
    evidence = gather(facts, given, loose=loose)
    notes = [note for note in (_at_zero(done, total), again, rounded, skipped, order.note) if note]
    notes += [*_turns(norms), *_notes(kept, total), *_not_compared(rounding, doubtful)]
    notes += _notes_of_file(entries) if isinstance(entries, Log) else ()
    found = Examined(layers, measured, {}, facts, tuple(notes), evidence=evidence)
    first = decide(evidence) if norms or evidence.nonfinite else _of_total(total)
    first = _as_written(first, unsent, hidden)
    if first.verdict is Verdict.CANNOT_TELL:
        first = _idle({n: of for n, of in norms.items() if n not in rounding}, total) or first
    grows = growing(total) or surging(total)
    findings = in_order(filter(None, [first, grows, ceasing(total)]))
    report = report_of(found, findings)
    said = {finding.verdict for finding in findings}
    if not said.issuperset((Verdict.NON_FINITE, Verdict.GROWING)):
        return report
    return replace(report, steps=(HINTS["grew"], *report.steps))


def _resumed(entries: list[Entry]) -> tuple[list[Entry], str]:
    """Leave out what ended a run that was resumed once, if all is finite from there on."""
    turns = [n for n, (a, b) in enumerate(pairwise(entries), 1) if b.step < a.step]
    if len(turns) != 1:
        return entries, ""
    before, later = entries[: turns[0]], entries[turns[0] :]
    bad = sorted({e.step for e in before if not math.isfinite(e.norm)})
    if not bad or not all(math.isfinite(e.norm) for e in later):
        return entries, ""
    since, names = later[0].step, {e.name for e in later}
    lost = [e for e in before if e.step >= since and not math.isfinite(e.norm)]
    # To its end, and the run that was resumed has come past it; else another thing made it so.
    to_end = bad == sorted({e.step for e in before if e.step >= bad[0]}) and bad[0] >= since
    if not to_end or later[-1].step < bad[-1] or not names.issuperset(e.name for e in lost):
        return entries, ""
    text = f"From step {bad[0]:g} on norms were not finite, until the run was resumed at step "
    text += f"{since:g}; since then they are. They were left out: it may come again."
    return [e for e in before if math.isfinite(e.norm)] + later, text


def _as_written(first: Finding, unsent: Sequence[str], hidden: Sequence[str]) -> Finding:
    """Say of what nothing is written but 0, where that may be small ones as well.

    Args:
        unsent: What the verdict hangs on.
        hidden: The weights.
    """
    if unsent and first.verdict in (Verdict.HEALTHY, Verdict.CANNOT_TELL):
        text = f"Of {listed(unsent)} nothing is written but 0: they may be small, or exactly 0."
        return Finding(Verdict.CANNOT_TELL, text, hint="digits")
    if not hidden or first.verdict is not Verdict.HEALTHY:
        return first
    text = f"{first.reason} But of the weights of {listed(hidden)} nothing is written but 0."
    return replace(first, reason=text, hint="digits")


def _notes_of_file(log: Log) -> Iterator[str]:
    """Say how a file was read, where it could be meant otherwise."""
    if log.missing:
        steps = f"{log.missing} step{'s' * (log.missing > 1)}"
        text = f"At {steps} all norms are NaN, as where a tool has no number, and later "
        yield f"{text}ones are finite: they were left out."
    if log.numbered:
        yield "Many lines are of one epoch: each is a step of its own, numbered from 0."
    if log.squares:
        named = listed(list(log.squares), 3)
        yield f"By their names these columns hold squares, and their roots were taken: {named}."
    if log.beside:
        yield f"These columns are no layers: {listed(list(log.beside), 8)}."


def sizes_of(entries: Iterable[Entry]) -> dict[str, float]:
    """Return the geometric means of a log over its steps, in the order of the network."""
    sizes, below = _sizes(entries)
    if below:
        text = f"deltas must be written with all digits, got nothing but 0 of {listed(below)}"
        raise BadInput(f"{text} where others are small, too: log them so, or leave deltas out")
    return sizes


def _sizes(entries: Iterable[Entry]) -> tuple[dict[str, float], list[str]]:
    """Return them, and the names of those of which nothing is written but 0."""
    read = without_rounded_zeros(entries)
    norms, below = _norms_of(read.entries), [*read.below]
    return {n: _mean(norms[n]) for n in network_order(norms).names if n not in below}, below


def _not_compared(rounding: Sequence[str], doubtful: Sequence[str]) -> Iterator[str]:
    """Name the biases of which nothing can be told."""
    if rounding:
        text = "These biases hold 0 or rounding, as in front of a normalization; not compared: "
        yield f"{text}{listed(rounding)}."
    if doubtful:
        text = "These biases may be those of normalizations, and were not compared: "
        yield f"{text}{listed(doubtful)}."


def _totals(entries: Sequence[Entry]) -> dict[float, float]:
    """Return the norm of all gradients for each step, in order."""
    whole = {entry.step: entry.norm for entry in entries if not entry.name}
    found: dict[float, float] = dict(whole)
    for entry in entries:
        if entry.name and entry.step not in whole:
            found[entry.step] = math.hypot(found.get(entry.step, 0.0), entry.norm)
    return dict(sorted(found.items()))


def _norms_of(entries: Iterable[Entry]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for entry in entries:
        found.setdefault(entry.name, []).append(entry.norm)
    if not found:
        raise BadInput("the log must hold at least one norm, got none")
    return found


def _mean(norms: Sequence[float]) -> float:
    """Return the geometric mean of the norms that have a logarithm; 0 if most stay 0."""
    logs = [math.log(norm) for norm in norms if 0 < norm < math.inf]
    if not logs or (norms.count(0.0) > len(logs) and not takes_turns(norms)):
        return 0.0 if 0.0 in norms else math.nan
    return math.exp(sum(logs) / len(logs))


def _as_measured(name: str, norm: float) -> Measured:
    lost = math.isnan(norm)
    size = 0.0 if lost else norm
    return Measured(name, None, None, Statistics(1, size, size, int(norm == 0), int(lost)), None)


def _doubtful(layers: Sequence[Layer]) -> list[str]:
    """Return the biases right behind weights without one, where each but the last stands so.

    In a sequence they may be those of normalizations, which are called as layers are.
    """
    biases = [[m.name for m in layer.members if m.kind is Kind.BIAS] for layer in layers]
    behind = [
        not biases[n] and bool(biases[n + 1]) and _is_next(a.name, b.name)
        for n, (a, b) in enumerate(pairwise(layers))
    ]
    if sum(behind) < 2 or [*map(bool, biases[:-1])] != [False, *behind][:-1]:
        return []
    return [name for of in biases for name in of]


def _is_next(name: str, later: str) -> bool:
    """Tell whether a name counts on from another by one."""
    *before, number = re.split(r"(\d+)$", name)[:2]
    return number.isdigit() and later == f"{''.join(before)}{int(number) + 1}"


def _rounding(layers: Iterable[Layer], entries: Iterable[Entry]) -> list[str]:
    """Return the biases that hold rounding alone, as in front of a normalization.

    There they get exactly 0 but for that, and nobody sees the normalization in its name.
    """
    pairs = {}
    for layer in layers:
        first = {m.kind is Kind.BIAS: m.name for m in reversed(layer.members)}
        if len(first) == 2:
            pairs[first[True]] = first[False]
    sizes: dict[str, dict[float, float]] = {name: {} for pair in pairs.items() for name in pair}
    for entry in entries:
        if entry.name in sizes:
            sizes[entry.name][entry.step] = entry.norm
    below = {
        bias: [norm < ROUNDING * sizes[weight].get(s, 0.0) for s, norm in sizes[bias].items()]
        for bias, weight in pairs.items()
    }
    return [bias for bias, at in below.items() if sum(at) > NEARLY * len(at)]


def _facts(layer: Layer, measured: Mapping[str, Measured], rounding: Container[str]) -> Facts:
    told = (m for m in reversed(layer.members) if m.name not in rounding)
    first = {m.kind is Kind.BIAS: measured[m.name] for m in told}
    return Facts(layer.name, layer.kind, weight=first.get(False), bias=first.get(True))


def _when(entry: Entry) -> str:
    at = f"step {entry.step:g}"
    return f"{at} of {entry.name}" if entry.name else f"{at}: the norm of all gradients"


def _idle(norms: Mapping[str, Sequence[float]], total: Mapping[float, float]) -> Finding | None:
    """Find that some layers get nothing at most steps, or any more, and others something."""
    still = [name for name, found in norms.items() if len(found) > 1 and _mean(found) == 0]
    never = [name for name in still if not any(norms[name])]
    ended = [] if still else [name for name, found in norms.items() if has_ended(found)]
    still = never or still or ended
    if not still or len(still) == len(norms):
        return None
    when = "from some step on" if ended else "at most steps"
    text = f"{len(still)} of {len(norms)} norms are exactly 0 {when}: {listed(still)}."
    if never:
        text += " No gradient comes there."
        return Finding(Verdict.CUT, text, since=still[-1], hint="idle 0")
    text += f" At {'first' if norms[still[0]][0] else 'other steps'} they were not."
    if grew := burst(total):
        return Finding(Verdict.GROWING, f"{grew} {text}", since=still[-1], hint="grew")
    return Finding(Verdict.CUT, text, since=still[-1], hint="idle 0" if ended else "ceased")


def _at_zero(done: Collection[float], total: Mapping[float, float]) -> str:
    """Say that steps were left out at which the loss is 0."""
    steps = len(done) + len(total)
    text = f"At {len(done)} of {steps} steps, the first of them {min(done, default=0):g}, the loss "
    text += "is at 0, and so are all gradients: there is nothing to learn there. "
    return f"{text}They were left out." if done else ""


def _turns(norms: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Say which layers get something at some steps alone, again and again."""
    idle = {n: found for n, found in norms.items() if found.count(0.0) * 2 > len(found)}
    some = {n: sum(map(bool, found)) for n, found in idle.items() if takes_turns(found)}
    if some:
        least, most = min(some.values()), max(some.values())
        steps = f"{least}" if least == most else f"from {least} to {most}"
        text = f"At {steps} of {max(map(len, norms.values()))} steps alone something comes to "
        yield f"{text}{listed(list(some))}, as where layers take turns: sizes are of those steps."


def _of_total(total: Mapping[float, float]) -> Finding:
    """Judge a log that has no layers."""
    sizes = [norm for norm in total.values() if math.isfinite(norm)]
    if not any(sizes):
        text = f"The norm of all gradients is exactly 0 at all {len(sizes)} steps: no weight moves."
        return Finding(Verdict.FROZEN, text, hint="idle 0")
    text = f"Only the norm of all gradients is logged, from {sizes[0]:.3g} to {sizes[-1]:.3g}: it "
    text += "says nothing of layers. Log the norm of each, or use gradbook.watch(net)."
    return Finding(Verdict.CANNOT_TELL, falls(total) + text)


def _notes(entries: Sequence[Entry], total: Mapping[float, float]) -> Iterator[str]:
    whole = [entry.step for entry in entries if not entry.name]
    back = next((b for a, b in pairwise(entries) if b.step < a.step), None)
    if back is not None:
        text = f"Steps go back to {back.step:g}, as where a run is resumed: both parts count"
        yield text + (", of norms of all gradients the later one at a step." if whole else ".")
    elif count := len(whole) - len(set(whole)):
        yield f"At {count} of {len(whole)} lines the step is an earlier one's: the last counts."
    lost = (e.step for e in entries if not (e.name or math.isfinite(e.norm)))
    if over := [f"{step:g}" for step in dict.fromkeys(lost) if math.isfinite(total[step])]:
        yield f"At step {listed(over)} a norm is not finite, and a later one of that step counts."
    sizes = [norm for norm in total.values() if math.isfinite(norm)]
    top = max(sizes, default=0.0)
    same = sum(math.isclose(size, top, rel_tol=1e-3) for size in sizes)
    often = top > 0 and len(sizes) > FIFTH and same * 2 > len(sizes)
    if often and (whole or min(sizes) < top / 2):
        yield f"Most norms are {top:.3g}: they were logged behind a clip. Log them before it."
    yield from peaks(total)
    text = f"Sizes are as logged, geometric means over {len(total)} steps; a log tells no shapes, "
    yield f"{text}so layers of different sizes are compared as they are."
