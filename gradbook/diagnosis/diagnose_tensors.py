"""From what a user hands over to a report."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from gradbook.diagnosis.advice import Traits, next_steps
from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.examination import Examined, Progress, measured_of, silently, with_signals
from gradbook.diagnosis.findings import cut, findings_of, large_step, not_stepped, symmetric
from gradbook.diagnosis.findings.known import Known, Parameter
from gradbook.diagnosis.parameters import ENOUGH, Net, parameters_of, steps_of
from gradbook.diagnosis.rates import Rate, one_layer, rate
from gradbook.diagnosis.report import Report
from gradbook.diagnosis.rows import compared, row_of
from gradbook.diagnosis.verdict import decide
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.diagnosis.watching.modules import gradients_of, is_network, weights_of
from gradbook.diagnosis.watching.record import Record
from gradbook.diagnosis.watching.watched import Watched
from gradbook.diagnosis.words import shown
from gradbook.precision import float32, predicted_freeze_depth


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
        found = with_signals(found, deltas=deltas, activations=activations)
        findings, traits = _judged(found, parameters, net is not None), traits_of(found)
    else:
        found = with_signals(found)
        known = Known(
            record, parameters, loss_scale, found.evidence.frozen, found.evidence.normalized
        )
        found = replace(found, notes=(*_about(known), *found.notes))
        findings, traits = findings_of(known), _traits(found, known)
    return report_of(found, findings, traits, lr=lr, loss_scale=loss_scale)


def _record(deltas: Any) -> Record | None:
    if not isinstance(deltas, Watched):
        return None
    places = deltas.record.places
    found = any(place.delta is not None for place in places)
    if not found and (not places or any(place.asks for place in places)):
        raise BadInput(
            "deltas must hold what the backward pass found, got none: call gradbook.watch before "
            "the forward pass of the same network, then backward. If you did, the loss does not "
            "depend on what the network returns: it was detached, or computed under no_grad"
        )
    return deltas.record


def _with_steps(found: Examined, net: Net | None) -> Examined:
    if net is None or net.optimizer is None:
        return found
    updates = {step.name: step for step in steps_of(net, found.measured.values())}
    note = "Updates and frozen shares are those of the optimizer's next step."
    return replace(found, updates=updates, notes=(*found.notes, note))


def _judged(found: Examined, parameters: tuple[Parameter, ...], whole: bool) -> tuple[Finding, ...]:
    """Judge what was not watched by its sizes, and by what is known of its weights."""
    known = Known(Record(), parameters)
    finders = (cut, not_stepped, symmetric, large_step) if whole else (symmetric, large_step)
    others = [other for find in finders if (other := find(known)) is not None]
    return in_order([decide(found.evidence), *others])


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings by their consequence; healthy goes with none that is a problem."""
    order = list(Verdict)
    found = sorted(findings, key=lambda finding: order.index(finding.verdict))
    ill = any(finding.verdict.is_problem for finding in found)
    return tuple(f for f in found if not (ill and f.verdict is Verdict.HEALTHY))


def _about(known: Known) -> Iterator[str]:
    """Say what was watched, and what of it is to be known."""
    held = [p for p in known.parameters if not p.trainable]
    if held:
        yield f"{len(held)} of {len(known.parameters)} tensors are frozen on purpose."
    cleared = [p for p in known.asked if p.norm is None and known.passed(p)]
    if cleared and len(cleared) == len(known.asked):
        yield "No weight holds a gradient: they were cleared, or autograd.grad was used. δ is read."
    elif not any(p.norm is None for p in known.asked) and (wrong := _unlike(known)):
        yield (
            f"The gradient of {wrong} is not the sum of this pass's δ: gradients were summed "
            "over several passes, clipped, scaled or are stale."
        )


CLOSE = 0.01
"""How far the gradient of a bias may be off the sum of δ, as a share of it."""


def _unlike(known: Known) -> str | None:
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


def traits_of(found: Examined) -> Traits:
    """Return what a network has, as far as names and formats tell."""
    formats = {m.format for m in found.measured.values() if m.format is not None}
    return Traits(
        recurrent=found.evidence.recurrent,
        normalized=found.evidence.normalized,
        paths=found.evidence.blocks,
        small=bool(formats - {"float32", "float64"}),
    )


def _traits(found: Examined, known: Known) -> Traits:
    """Return what a network that was watched has; each finding tells whether it is about time."""
    return replace(
        traits_of(found),
        recurrent=False,
        paths=known.splits,
        differentiated=known.record.differentiated,
        sigmoids=known.sigmoids,
        made=any("weight_g" in n or "original" in n or "weight_orig" in n for n in found.measured),
    )


def report_of(
    found: Examined,
    findings: Sequence[Finding],
    traits: Traits,
    *,
    lr: float | None = None,
    loss_scale: float = 1.0,
) -> Report:
    """Put the report together."""
    first = findings[0]
    profile = first.profile
    per_layer = None if profile is None else rate(profile.rms)
    rows = [row_of(layer, found.measured, found.updates, loss_scale) for layer in found.layers]
    in_time = first.hint in ("time", "lag") or traits.recurrent
    single = profile is not None and one_layer(profile.rms)
    return Report(
        findings=tuple(map(_printable, findings)),
        rate=per_layer,
        freeze_depth=None if per_layer is None else _freeze_depth(found, per_layer, lr),
        rows=compared(rows),
        steps=next_steps(first, replace(traits, recurrent=in_time, single=single)),
        notes=tuple(map(shown, found.notes)),
    )


def _printable(finding: Finding) -> Finding:
    profile = finding.profile
    return replace(
        finding,
        reason=shown(finding.reason),
        since=None if finding.since is None else shown(finding.since),
        profile=profile and replace(profile, names=tuple(map(shown, profile.names))),
    )


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
