"""From what a user hands over to a report."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from gradbook.diagnosis.advice import Traits, next_steps
from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.evidence import Profile, frozen_share
from gradbook.diagnosis.examination import (
    Examined,
    Known,
    Progress,
    measured_of,
    silently,
    with_signals,
)
from gradbook.diagnosis.findings import (
    Finding,
    Parameter,
    cut,
    findings_of,
    large_step,
    not_stepped,
    symmetric,
    without_any,
)
from gradbook.diagnosis.findings import Known as Watching
from gradbook.diagnosis.names import Kind
from gradbook.diagnosis.parameters import ENOUGH, Net, parameters_of, steps_of
from gradbook.diagnosis.rates import Rate, one_layer, rate
from gradbook.diagnosis.report import Report
from gradbook.diagnosis.rows import compared, row_of, shown
from gradbook.diagnosis.verdict import decide
from gradbook.diagnosis.verdicts import Verdict
from gradbook.diagnosis.watching import Record, Watched, gradients_of, is_network, weights_of
from gradbook.precision import float32, predicted_freeze_depth

STARTS = 1.0
"""How many decades the size has moved where a fault starts."""


def diagnose(
    grads: Any,
    *,
    weights: Any = None,
    lr: float | None = None,
    optimizer: Any = None,
    deltas: Any = None,
    activations: Any = None,
    loss_scale: float = 1.0,
    snapshots: Sequence[Any] = (),
    progress: Progress = silently,
) -> Report:
    r"""Say what is wrong with a network's gradients, how strongly, since where, and what to try.

    Args:
        grads: A network of PyTorch after the backward pass. Or name → gradient
            $\partial L/\partial w$ in the order of the network: a mapping, pairs of both, or a nest
            of dicts and lists as in JAX; None for a parameter that the loss does not use.
        weights: The weights under the same names; those of a network are known.
        lr: The learning rate of plain descent, for the updates and the frozen share.
        optimizer: The network's optimizer, instead: it knows its steps, also those of Adam.
        deltas: What `gradbook.watch` has found. Or $\partial L/\partial h_l$ or
            $\partial L/\partial z_l$, one array or norm for each layer: a list, hidden layers first
            to last, or a mapping by the layers' names, in which the output layer is set apart. For
            a recurrent network $\partial L/\partial x_t$, first step to last. With these the
            diagnosis is most certain.
        activations: The outputs of each hidden layer, likewise.
        loss_scale: What the loss was multiplied by, if the gradients are not unscaled yet.
        snapshots: The gradients of earlier steps, under the same names.
        progress: Called with what is to be measured and how much it is, passes it on, and may show
            how far it is.

    Examples:
        >>> import numpy as np
        >>> grads = {f"{layer}.W": np.full((4, 4), 0.1 ** (8 - layer)) for layer in range(1, 9)}
        >>> report = diagnose(grads)
        >>> report.verdict.value, f"{report.rate.factor:.2f}", report.since
        ('vanishing', '0.10', '6')
    """
    net = Net(weights_of(grads), optimizer) if is_network(grads) else None
    if net is not None:
        weights = net.weights if weights is None else weights
        grads = gradients_of(grads)
    if optimizer is not None and net is None:
        raise BadInput("grads must be the network if its optimizer is given: diagnose(net, ...)")
    if lr is not None and weights is None:
        raise BadInput("weights must be given with lr, got none")
    record = _record(deltas)
    found = measured_of(
        grads,
        weights=weights,
        lr=lr,
        loss_scale=loss_scale,
        snapshots=snapshots,
        progress=progress,
        most=None if net is None else ENOUGH,
        look=record is None,
    )
    found = _with_steps(found, net)
    parameters = parameters_of(found.measured, found.weights, found.updates, net)
    if record is None:
        examined = with_signals(found, deltas=deltas, activations=activations)
        findings = _judged(examined, parameters, net is not None)
        return report_of(examined, findings, lr=lr, loss_scale=loss_scale)
    examined = with_signals(found)
    watching = Watching(
        record=record,
        parameters=parameters,
        loss_scale=loss_scale,
        frozen=frozen_share(tuple(found.updates.values())),
        normalized=any(layer.kind is Kind.NORM for layer in found.layers),
    )
    _came_with_this_pass(watching)
    notes = (*_about(watching, net), *examined.notes)
    traits = _traits(examined, watching)
    return report_of(
        *(replace(examined, notes=notes), findings_of(watching)),
        lr=lr,
        loss_scale=loss_scale,
        traits=traits,
    )


def _record(deltas: Any) -> Record | None:
    if not isinstance(deltas, Watched):
        return None
    if not deltas.record.places:
        raise _unseen()
    return deltas.record


def _came_with_this_pass(known: Watching) -> None:
    """Refuse gradients that are there although nothing came back of what was watched."""
    places = known.record.places
    came = any(place.delta is not None for place in places)
    held = any(p.norm is not None for p in known.asked)
    if held and not came and any(place.asks for place in places):
        raise _unseen()


def _unseen() -> BadInput:
    return BadInput(
        "deltas must hold what the backward pass found, got none: call gradbook.watch before "
        "the forward pass of the same network, then backward"
    )


def _with_steps(found: Known, net: Net | None) -> Known:
    if net is None or net.optimizer is None:
        return found
    updates = {step.name: step for step in steps_of(net, found.measured.values())}
    note = "Updates and frozen shares are those of the optimizer's next step."
    return replace(found, updates=updates, notes=(*found.notes, note))


def _judged(found: Examined, parameters: Sequence[Parameter], whole: bool) -> tuple[Finding, ...]:
    """Judge what was not watched by its sizes, and by what is known of its weights."""
    known = Watching(Record(), tuple(parameters))
    finders = (cut, not_stepped, symmetric, large_step) if whole else (symmetric, large_step)
    others = [other for find in finders if (other := find(known)) is not None]
    first = (without_any(known) if whole else None) or decide(found.evidence)
    return in_order([first, *others])


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings by their consequence; healthy goes with none that is a problem."""
    order = list(Verdict)
    found = sorted(findings, key=lambda finding: order.index(finding.verdict))
    ill = any(finding.verdict.is_problem for finding in found)
    return tuple(f for f in found if not (ill and f.verdict is Verdict.HEALTHY))


def _about(known: Watching, net: Net | None) -> Iterable[str]:
    """Say what was watched, and what of it is to be known."""
    held = [p for p in known.parameters if not p.trainable]
    if held:
        yield f"{len(held)} of {len(known.parameters)} tensors are frozen on purpose."
    cleared = [p for p in known.asked if p.norm is None and _passed(known, p)]
    if cleared and len(cleared) == len(known.asked):
        yield "No weight holds a gradient: they were cleared, or autograd.grad was used. δ is read."
    elif not any(p.norm is None for p in known.asked):
        wrong = _unlike(known)
        if wrong:
            yield (
                f"The gradient of {wrong} is not the sum of this pass's δ: gradients were summed "
                "over several passes, clipped, scaled or are stale."
            )


def _passed(known: Watching, parameter: Parameter) -> bool:
    place = known.place_of.get(parameter.name)
    return place is not None and place.delta is not None


CLOSE = 0.01
"""How far the gradient of a bias may be off the sum of δ, as a share of it."""


def _unlike(known: Watching) -> str | None:
    """Return a bias whose gradient is not the sum of δ over the batch."""
    if known.record.differentiated:
        return None
    for parameter in known.asked:
        place = known.place_of.get(parameter.name)
        if parameter.axes != 1 or place is None or place.total is None or not parameter.norm:
            continue
        if place.total and place.module == parameter.layer and parameter.name.endswith("bias"):
            off = abs(parameter.norm - place.total)
            return parameter.name if off > CLOSE * max(place.total, parameter.norm) else None
    return None


def _traits(found: Examined, known: Watching) -> Traits:
    formats = {m.format for m in found.measured.values() if m.format is not None}
    return Traits(
        recurrent=found.evidence.recurrent,
        normalized=known.normalized,
        paths=known.splits,
        small=bool(formats - {"float32", "float64"}),
        differentiated=known.record.differentiated,
        sigmoids=known.sigmoids,
        made=any("weight_g" in n or "original" in n or "weight_orig" in n for n in found.measured),
    )


def traits_of(found: Examined) -> Traits:
    """Return what is known of a network that was not watched."""
    formats = {m.format for m in found.measured.values() if m.format is not None}
    return Traits(
        recurrent=found.evidence.recurrent,
        normalized=found.evidence.normalized,
        paths=found.evidence.blocks,
        small=bool(formats - {"float32", "float64"}),
    )


def report_of(
    found: Examined,
    findings: Sequence[Finding] = (),
    *,
    lr: float | None = None,
    loss_scale: float = 1.0,
    traits: Traits | None = None,
) -> Report:
    """Put the report together.

    Args:
        found: What was measured.
        findings: What was found; if nothing, it is judged by the sizes.
        lr: The learning rate.
        loss_scale: What the gradients are divided by.
        traits: What the network has.

    Examples:
        >>> import numpy as np
        >>> report_of(with_signals(measured_of({"W": np.zeros((2, 2))}))).verdict.value
        'cannot tell'
    """
    findings = findings or (decide(found.evidence),)
    first = findings[0]
    profile = first.profile
    per_layer = None if profile is None else rate(profile.rms)
    rows = [row_of(layer, found.measured, found.updates, loss_scale) for layer in found.layers]
    had = traits or traits_of(found)
    in_time = first.hint in ("time", "lag") or (traits is None and had.recurrent)
    single = profile is not None and one_layer(profile.rms)
    return Report(
        findings=tuple(_shown(f, found) for f in findings),
        rate=per_layer,
        freeze_depth=None if per_layer is None else _freeze_depth(found, per_layer, lr),
        rows=compared(rows),
        steps=next_steps(first, replace(had, recurrent=in_time, single=single)),
        notes=tuple(map(shown, found.notes)),
    )


def _shown(finding: Finding, found: Examined) -> Finding:
    """Return a finding whose names may be printed."""
    since = finding.since or _since(found, finding)
    profile = finding.profile
    return replace(
        finding,
        reason=shown(finding.reason),
        since=None if since is None else shown(since),
        profile=profile and replace(profile, names=tuple(map(shown, profile.names))),
    )


def _since(found: Examined, finding: Finding) -> str | None:
    """Return the layer nearest the output from which on, going back, it is `STARTS` decades off."""
    profile = finding.profile
    if finding.verdict is Verdict.NON_FINITE and found.evidence.nonfinite:
        return found.evidence.nonfinite[-1]
    if profile is None or finding.verdict not in (Verdict.VANISHING, Verdict.EXPLODING):
        return None
    sign = -1 if finding.verdict is Verdict.VANISHING else 1
    _, begin, end = profile.path.fall if sign < 0 else profile.path.rise
    names = profile.names
    last, first = (names.index(n) if n in names else 0 for n in (begin, end))
    if not last:
        last, first = len(names) - 1, 0
    start = None
    for index in range(first, last):
        part = Profile(profile.source, names, (profile.rms[index], profile.rms[last]))
        if not sign * part.decades >= STARTS:
            break
        start = names[index]
    return start


def _freeze_depth(found: Examined, per_layer: Rate, lr: float | None) -> int | None:
    """Predict how many layers back the last layer's update would be lost in float32."""
    falls = (per_layer.high or per_layer.factor) < 1
    steps = [step for step in found.updates.values() if 0 < step.weight.rms < float32.largest]
    # The weights of a recurrent network are those of all steps and freeze together.
    if lr is None or not steps or not falls or found.evidence.recurrent:
        return None
    last = steps[-1]
    if not 0 < last.gradient.rms < float32.largest:
        return None
    factor = min(per_layer.factor, 1 - float32.epsilon)
    return predicted_freeze_depth(float32, last.weight.rms, last.gradient.rms, factor, last.lr)
