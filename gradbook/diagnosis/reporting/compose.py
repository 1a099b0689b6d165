"""From what was measured and found to a report."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gradbook.diagnosis.findings.known import Known
from gradbook.diagnosis.measuring.deltas import size_of
from gradbook.diagnosis.measuring.examination import Examined
from gradbook.diagnosis.measuring.rates import Rate, one_layer, rate
from gradbook.diagnosis.places import enters
from gradbook.diagnosis.reporting.advice import Traits, next_steps
from gradbook.diagnosis.reporting.report import Report
from gradbook.diagnosis.reporting.rows import rows_of
from gradbook.diagnosis.verdicts import Finding, Verdict, shown
from gradbook.diagnosis.watching.modules import is_made
from gradbook.diagnosis.watching.numbers import RAW
from gradbook.precision import float32, predicted_freeze_depth

POINTS = 7
"""How many a convolution has on an axis, at most, where the like is a stack of layers else."""


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings by their consequence; healthy goes with none that is a problem."""
    order = list(Verdict)
    found = sorted(findings, key=lambda finding: order.index(finding.verdict))
    ill = any(finding.verdict.is_problem for finding in found)
    return tuple(f for f in found if not (ill and f.verdict is Verdict.HEALTHY))


def traits_of(found: Examined, known: Known | None = None) -> Traits:
    """Return what a network has: by names and formats, or, where it was watched, by its graph."""
    e = found.evidence
    formats = {m.format for m in found.measured.values() if m.format is not None}
    traits = Traits(normalized=e.normalized, small=bool(formats - {"float32", "float64"}))
    if known is None:
        # More δ than tensors are those of steps of time, and a list of more than matrices.
        names = () if e.deltas is None else e.deltas.names
        tensors = [m.shape or () for m in found.measured.values()]
        if all(name.isdigit() for name in names):
            tensors = [shape for shape in tensors if len(shape) > 1]
        # As jax.lax.scan or vmap stacks layers, all are one tensor, beside others at the ends. A
        # convolution's last axis, in PyTorch that of its few points, makes it no stack.
        stacks = (s for s in tensors if len(s) > 4 or (len(s) > 2 and s[-1] > POINTS))
        stacked = any(s[0] - 1 <= len(names) <= s[0] + 2 for s in stacks)
        in_time = len(names) > len(tensors) > 0 and not stacked
        return replace(traits, recurrent=e.recurrent or in_time, paths=e.blocks, sums=e.blocks)
    return replace(  # each finding tells whether it is about time
        traits,
        normalized=known.record.normalized,
        paths=known.splits,
        sums=any(len(place.before) > 1 and not place.joined for place in known.places),
        differentiated=known.record.differentiated,
        sigmoids=known.sigmoids,
        made=any(is_made(name) for name in found.measured),
    )


def report_of(found: Examined, findings: Sequence[Finding], known: Known | None = None) -> Report:
    """Put the report together; what is known beside it is that of a watched network."""
    first, traits = findings[0], traits_of(found, known)
    sizes = () if first.profile is None else first.profile.rms
    per_layer = rate(first.profile.of_steps) if first.profile and sizes else None
    in_time = first.hint in ("time", "lag", "order") or traits.recurrent
    raw = known is not None and _at_raw_data(first, known)
    light = known is not None and first.verdict is Verdict.EXPLODING and _are_light(found)
    single = bool(sizes) and one_layer(sizes)
    traits = replace(traits, recurrent=in_time, single=single, raw=raw, light=light)
    return Report(
        findings=tuple(map(_printable, findings)),
        rate=per_layer,
        freeze_depth=None if per_layer is None else _freeze_depth(found, per_layer),
        rows=rows_of(found),
        steps=next_steps(first, traits),
        notes=tuple(map(shown, found.notes)),
    )


def _at_raw_data(first: Finding, known: Known) -> bool:
    """Tell whether what was found starts at a layer that reads data, or what is made of them."""
    since = (first.since or "").removesuffix(" (z)")
    at = [p for p in known.places if p.name.removesuffix(" (z)") == since]
    data = (p for p in at if enters(p.name, p.module) and not p.before)
    large = any((p.out or 0.0) > RAW for p in data)
    return large or not {p.module for p in at}.isdisjoint(known.record.raw)


def _are_light(found: Examined) -> bool:
    """Tell whether most matrices have a smaller mean square than 1/n for n inputs.

    Libraries differ in which axis counts the units: the second largest one is taken for it.
    """
    shapes = {name: m.shape or () for name, m in found.measured.items() if m.tied_to is None}
    inputs = {name: math.prod(s) / sorted(s)[-2] for name, s in shapes.items() if len(s) > 1}
    weights = {} if found.weights is None else {n: found.weights.get(n) for n in inputs}
    light = [inputs[n] * size_of(w) ** 2 < 1 for n, w in weights.items() if w is not None]
    return 2 * sum(light) > len(inputs)


def _printable(finding: Finding) -> Finding:
    since, profile = finding.since, finding.profile
    return replace(
        finding,
        reason=shown(finding.reason),
        since=since and shown(since),
        profile=profile and replace(profile, names=tuple(map(shown, profile.names))),
    )


def _freeze_depth(found: Examined, per_layer: Rate) -> int | None:
    """Predict how many layers back the last layer's update would be lost in float32."""
    falls = (per_layer.high or per_layer.factor) < 1
    matrices = {name for name, m in found.measured.items() if len(m.shape or ()) > 1}
    steps = [step for name, step in found.updates.items() if name in matrices]
    steps = [step for step in steps if 0 < step.weight.rms < float32.largest]
    # The weights of a recurrent network are those of all steps and freeze together.
    if found.lr is None or not steps or not falls or found.evidence.recurrent:
        return None
    last, factor = steps[-1], min(per_layer.factor, 1 - float32.epsilon)
    if not 0 < last.gradient.rms < float32.largest:
        return None
    return predicted_freeze_depth(float32, last.weight.rms, last.gradient.rms, factor, last.lr)
