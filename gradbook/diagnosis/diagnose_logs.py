"""Diagnose a log of norms: what is left of the gradients of a whole training."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.findings.by_sizes import decide
from gradbook.diagnosis.findings.over_steps import FIFTH, ceasing, falls, growing, passing, peaks
from gradbook.diagnosis.measuring.deltas import NOT_GIVEN, read_deltas
from gradbook.diagnosis.measuring.evidence import Evidence, Facts
from gradbook.diagnosis.measuring.examination import Examined
from gradbook.diagnosis.measuring.gathering import gather
from gradbook.diagnosis.measuring.names import Kind, Layer, group, network_order
from gradbook.diagnosis.measuring.sizes import Measured, Statistics
from gradbook.diagnosis.reading.log_cells import Entry
from gradbook.diagnosis.reading.logs import Log
from gradbook.diagnosis.reporting.compose import in_order, report_of, traits_of
from gradbook.diagnosis.reporting.report import Report
from gradbook.diagnosis.verdicts import Finding, Verdict, listed


@dataclass
class _Logged:
    """Add up the norms of one layer over the steps of a log."""

    steps: int = 0
    logs: float = 0.0
    zeros: int = 0
    bad: int = 0

    def add(self, norm: float) -> None:
        self.steps += 1
        if not math.isfinite(norm):
            self.bad += 1
        elif norm == 0:
            self.zeros += 1
        else:
            self.logs += math.log(norm)

    @property
    def norm(self) -> float:
        """The geometric mean of the norms that have a logarithm; 0 if most are 0."""
        usable = self.steps - self.zeros - self.bad
        if usable == 0 or self.zeros > usable:
            return 0.0 if self.zeros else math.nan
        return math.exp(self.logs / usable)


def diagnose_log(entries: Iterable[Entry], *, deltas: Iterable[Entry] | None = None) -> Report:
    """Diagnose a log of norms over steps: along the layers, and along the time of training.

    A log has no shapes: norms of layers of different sizes are compared as they are.

    Args:
        entries: The norms of the weights' gradients.
        deltas: The norms of δ, likewise.

    Examples:
        >>> log = [Entry(0.0, f"fc{layer}", 0.01 ** (6 - layer)) for layer in range(1, 7)]
        >>> diagnose_log(log).verdict.value
        'vanishing'
        >>> diagnose_log([Entry(i, "", 10.0**i) for i in range(4)]).verdict.value
        'growing'
    """
    kept = list(entries)
    of_layers = [entry for entry in kept if entry.name]
    logged, first_bad = _add_up(kept)
    logged.pop("", None)
    total = totals(kept)
    layers = group(dict.fromkeys(network_order(logged).names))
    measured = {name: _as_measured(name, found) for name, found in logged.items()}
    facts = [Facts(layer.name, layer.kind, *_weight_and_bias(layer, measured)) for layer in layers]
    given = NOT_GIVEN if deltas is None else read_deltas(sizes_of(deltas), layers)
    skipped = passing(total)
    bad = [] if skipped else [_when(name, step) for name, step in list(first_bad.items())[:1]]
    evidence = gather(facts, given, nonfinite=bad)
    notes = (*filter(None, [skipped]), *_notes(kept, total), *_beside(entries))
    found = Examined(layers, measured, {}, tuple(facts), notes, evidence=evidence)
    first = decide(evidence) if of_layers else _of_total(evidence, total)
    if first.verdict is Verdict.CANNOT_TELL:
        first = _idle(logged) or first
    later = [one for find in (growing, ceasing) if (one := find(total)) is not None]
    findings = in_order([first, *later])
    return report_of(found, findings, traits_of(found))


def _beside(entries: Iterable[Entry]) -> Iterator[str]:
    if isinstance(entries, Log) and entries.beside:
        yield f"These columns are no layers: {listed(list(entries.beside), 8)}."


def _when(name: str, step: float) -> str:
    return f"step {step:g} of {name}" if name else f"step {step:g}: the norm of all gradients"


def totals(entries: Sequence[Entry]) -> dict[float, float]:
    """Return the norm of all gradients for each step, in order.

    Examples:
        >>> totals([Entry(0.0, "fc1", 3.0), Entry(0.0, "fc2", 4.0)])
        {0.0: 5.0}
    """
    whole = {entry.step: entry.norm for entry in entries if not entry.name}
    found: dict[float, float] = dict(whole)
    for entry in entries:
        if entry.name and entry.step not in whole:
            found[entry.step] = math.hypot(found.get(entry.step, 0.0), entry.norm)
    return dict(sorted(found.items()))


def _idle(logged: Mapping[str, _Logged]) -> Finding | None:
    """Find that some layers get nothing at most steps, and others something."""
    still = [name for name, found in logged.items() if found.norm == 0 and found.steps > 1]
    if not still or len(still) == len(logged):
        return None
    text = f"{len(still)} of {len(logged)} norms are exactly 0 at most steps: {listed(still)}."
    return Finding(Verdict.CUT, f"{text} No gradient comes there.", since=still[-1], hint="idle 0")


def _of_total(evidence: Evidence, total: Mapping[float, float]) -> Finding:
    """Judge a log that has no layers."""
    if evidence.nonfinite:
        return decide(evidence)
    sizes = list(total.values())
    if not any(sizes):
        text = f"The norm of all gradients is exactly 0 at all {len(sizes)} steps: no weight moves."
        return Finding(Verdict.FROZEN, text, hint="idle 0")
    text = f"Only the norm of all gradients is logged, from {sizes[0]:.3g} to {sizes[-1]:.3g}: it "
    text += "says nothing of layers. Log the norm of each, or use gradbook.watch(net)."
    return Finding(Verdict.CANNOT_TELL, falls(total) + text)


def _notes(entries: Sequence[Entry], total: Mapping[float, float]) -> Iterator[str]:
    back = next((b for a, b in pairwise(entries) if b.step < a.step), None)
    if back is not None:
        yield f"Steps go back to {back.step:g}: a run was resumed, and both parts count."
    sizes = [norm for norm in total.values() if math.isfinite(norm)]
    top = max(sizes, default=0.0)
    same = [s for s in sizes if math.isclose(s, top, rel_tol=1e-3)]
    whole = any(not entry.name for entry in entries)
    if (
        top > 0
        and len(sizes) > FIFTH
        and len(same) * 2 > len(sizes)
        and (whole or min(sizes) < top / 2)
    ):
        yield f"Most norms are {top:.3g}: they were logged behind a clip. Log them before it."
    yield from peaks(total)
    yield (
        f"Sizes are norms, geometric means over {len(total)} steps; a log tells no shapes, so "
        "layers of different sizes are compared as they are."
    )


def _add_up(entries: Iterable[Entry]) -> tuple[dict[str, _Logged], dict[str, float]]:
    logged: dict[str, _Logged] = {}
    first_bad: dict[str, float] = {}
    for entry in entries:
        logged.setdefault(entry.name, _Logged()).add(entry.norm)
        if not math.isfinite(entry.norm):
            first_bad.setdefault(entry.name, entry.step)
    if not logged:
        raise BadInput("the log must hold at least one norm, got none")
    return logged, first_bad


def _as_measured(name: str, found: _Logged) -> Measured:
    norm = found.norm
    lost = math.isnan(norm)
    numbers = Statistics(1, 0.0 if lost else norm, 0.0 if lost else norm, int(norm == 0), int(lost))
    return Measured(name, None, None, numbers, None)


def _weight_and_bias(
    layer: Layer, measured: dict[str, Measured]
) -> tuple[Measured | None, Measured | None]:
    biases = [m for m in layer.members if m.kind is Kind.BIAS]
    weights = [m for m in layer.members if m.kind is not Kind.BIAS]
    weight = measured[weights[0].name] if weights else None
    return weight, measured[biases[0].name] if biases else None


def sizes_of(entries: Iterable[Entry]) -> dict[str, float]:
    """Return the geometric means of a log over its steps.

    Examples:
        >>> log = [Entry(0.0, "1", 0.1), Entry(1.0, "1", 10.0), Entry(1.0, "2", 3.0)]
        >>> {name: f"{size:.2f}" for name, size in sizes_of(log).items()}
        {'1': '1.00', '2': '3.00'}
    """
    logged, _ = _add_up(entries)
    return {name: logged[name].norm for name in network_order(logged).names}
