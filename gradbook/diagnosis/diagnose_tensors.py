"""From what a user hands over to a report."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gradbook.diagnosis.advice import next_steps
from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.evidence import Profile
from gradbook.diagnosis.examine import Examined, Progress, examine, silently
from gradbook.diagnosis.rates import Rate, one_layer, rate
from gradbook.diagnosis.report import Report
from gradbook.diagnosis.rows import compared, row_of, shown
from gradbook.diagnosis.verdict import Finding, decide
from gradbook.diagnosis.verdicts import Verdict
from gradbook.diagnosis.watch import gradients_of, is_network, weights_of
from gradbook.precision import float32, predicted_freeze_depth

STARTS = 1.0
"""How many decades the size has moved where a fault starts."""


def diagnose(
    grads: Any,
    *,
    weights: Any = None,
    lr: float | None = None,
    deltas: Any = None,
    activations: Any = None,
    loss_scale: float = 1.0,
    snapshots: Sequence[Any] = (),
    progress: Progress = silently,
) -> Report:
    r"""Say what is wrong with a network's gradients, how strongly, since where, and what to try.

    Args:
        grads: Name → gradient $\partial L/\partial w$ in the order of the network: a mapping, pairs
            of both, or a nest of dicts and lists as in JAX. Arrays of any framework; None for a
            parameter that the loss does not use. Or a network of PyTorch, after the backward pass,
            whose weights are looked at, too.
        weights: The weights under the same names.
        lr: The learning rate, for the updates and the frozen fraction; needs `weights`.
        deltas: $\partial L/\partial h_l$ or $\partial L/\partial z_l$, one array or norm for each
            layer: what `gradbook.watch` has found, a list, hidden layers first to last, or a
            mapping by the layers' names, in which the output layer is set apart. For a recurrent
            network $\partial L/\partial x_t$, first step to last. With these the diagnosis is most
            certain.
        activations: The outputs of each hidden layer, likewise.
        loss_scale: What the loss was multiplied by, if the gradients are not unscaled yet.
        snapshots: The gradients of earlier steps, under the same names.
        progress: Called with what is to be measured and how much it is, passes it on, and may show
            how far it is.

    Returns:
        The report.

    Raises:
        BadInput: If something cannot be used; it is a ValueError.
        TypeError: If a number is not one.
        ValueError: If a number is out of range.

    Examples:
        >>> import numpy as np
        >>> grads = {f"{layer}.W": np.full((4, 4), 0.1 ** (8 - layer)) for layer in range(1, 9)}
        >>> report = diagnose(grads)
        >>> report.verdict.value, f"{report.rate.factor:.2f}", report.since
        ('vanishing', '0.10', '6')
    """
    if is_network(grads):
        weights = weights_of(grads) if weights is None else weights
        grads = gradients_of(grads)
    if lr is not None and weights is None:
        raise BadInput("weights must be given with lr, got none")
    found = examine(
        grads,
        weights=weights,
        lr=lr,
        deltas=deltas,
        activations=activations,
        loss_scale=loss_scale,
        snapshots=snapshots,
        progress=progress,
    )
    return report_of(found, lr=lr, loss_scale=loss_scale)


def report_of(found: Examined, *, lr: float | None = None, loss_scale: float = 1.0) -> Report:
    """Decide what is wrong, and put the report together.

    Args:
        found: What was measured.
        lr: The learning rate.
        loss_scale: What the gradients are divided by.

    Returns:
        The report.

    Examples:
        >>> import numpy as np
        >>> report_of(examine({"W": np.zeros((2, 2))})).verdict.value
        'cannot tell'
    """
    finding = decide(found.evidence)
    profile = finding.profile
    per_layer = None if profile is None else rate(profile.rms)
    rows = [row_of(layer, found.measured, found.updates, loss_scale) for layer in found.layers]
    since = _since(found, finding)
    return Report(
        verdict=finding.verdict,
        reason=shown(finding.reason),
        since=None if since is None else shown(since),
        rate=per_layer,
        profile=profile and replace(profile, names=tuple(map(shown, profile.names))),
        freeze_depth=None if per_layer is None else _freeze_depth(found, per_layer, lr),
        rows=compared(rows),
        steps=next_steps(
            finding.verdict,
            found.evidence.recurrent,
            normalized=found.evidence.normalized,
            single=profile is not None and one_layer(profile.rms),
        ),
        notes=tuple(map(shown, found.notes)),
    )


def _since(found: Examined, finding: Finding) -> str | None:
    """Return the layer nearest the output from which on, going back, it is `STARTS` decades off."""
    profile = finding.profile
    if finding.verdict is Verdict.NON_FINITE:
        return found.evidence.nonfinite[-1]
    if profile is None or finding.verdict not in (Verdict.VANISHING, Verdict.EXPLODING):
        return None
    sign = -1 if finding.verdict is Verdict.VANISHING else 1
    start = None
    for index, name in enumerate(profile.names[:-1]):
        part = Profile(profile.source, profile.names, (profile.rms[index], profile.rms[-1]))
        if not sign * part.decades >= STARTS:
            break
        start = name
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
