"""Diagnose a log of norms: what is left of the gradients of a whole training."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.deltas import Deltas, read_deltas
from gradbook.diagnosis.diagnose_tensors import report_of
from gradbook.diagnosis.evidence import Facts, gather
from gradbook.diagnosis.examine import Examined
from gradbook.diagnosis.logs import Entry
from gradbook.diagnosis.names import Kind, Layer, group, network_order
from gradbook.diagnosis.report import Report
from gradbook.diagnosis.statistics import Measured, Statistics


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
    """Diagnose a log of norms per layer over steps.

    A log has no shapes: norms of layers of different sizes are compared as they are.

    Args:
        entries: The norms of the weights' gradients.
        deltas: The norms of δ, likewise.

    Returns:
        The report; sizes are geometric means over the steps.

    Raises:
        BadInput: If the log is empty.

    Examples:
        >>> log = [Entry(0.0, f"fc{layer}", 0.01 ** (6 - layer)) for layer in range(1, 7)]
        >>> diagnose_log(log).verdict.value
        'vanishing'
    """
    logged, first_bad = _add_up(entries)
    layers = group(dict.fromkeys(network_order(logged).names))
    measured = {name: _as_measured(name, found) for name, found in logged.items()}
    facts = [Facts(layer.name, layer.kind, *_weight_and_bias(layer, measured)) for layer in layers]
    given = Deltas() if deltas is None else read_deltas(sizes_of(deltas), layers)
    bad = [f"step {step:g} of {name}" for name, step in list(first_bad.items())[:1]]
    evidence = gather(facts, deltas=given.profile, output=given.output, nonfinite=bad)
    steps = max(found.steps for found in logged.values())
    notes = (
        f"Sizes are norms, geometric means over {steps} steps; a log tells no shapes, so layers of "
        "different sizes are compared as they are.",
    )
    return report_of(Examined(layers, measured, {}, evidence, notes))


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

    Args:
        entries: The norms of each layer, or each step of time, over steps of training.

    Returns:
        The sizes by name, in order.

    Raises:
        BadInput: If the log is empty.

    Examples:
        >>> log = [Entry(0.0, "1", 0.1), Entry(1.0, "1", 10.0), Entry(1.0, "2", 3.0)]
        >>> {name: f"{size:.2f}" for name, size in sizes_of(log).items()}
        {'1': '1.00', '2': '3.00'}
    """
    logged, _ = _add_up(entries)
    return {name: logged[name].norm for name in network_order(logged).names}
