"""From what a user hands over to a report."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.findings import findings_of
from gradbook.diagnosis.findings.about import notes_of
from gradbook.diagnosis.findings.by_sizes import decide
from gradbook.diagnosis.findings.known import Known, Parameter
from gradbook.diagnosis.findings.missing import cut, not_stepped, without_any
from gradbook.diagnosis.findings.steps import breaking, large_step
from gradbook.diagnosis.findings.zeros import symmetric
from gradbook.diagnosis.measuring import examination
from gradbook.diagnosis.measuring.parameters import Net, innermost, parameters_of, stepped
from gradbook.diagnosis.reporting.compose import in_order, report_of
from gradbook.diagnosis.reporting.report import Report
from gradbook.diagnosis.verdicts import Finding
from gradbook.diagnosis.watching.modules import is_network, weights_of
from gradbook.diagnosis.watching.record import Record
from gradbook.diagnosis.watching.watched import Watched


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
    progress: examination.Progress | None = None,
) -> Report:
    r"""Say what is wrong with a network's gradients, how strongly, since where, and what to try.

    Args:
        grads: A network of PyTorch after the backward pass. Or name → gradient
            $\partial L/\partial w$ in the order of the network: a mapping, pairs of both, or a nest
            of dicts and lists as in JAX; None for a parameter that the loss does not use.
        weights: The weights under the same names; those of a network are known.
        lr: The learning rate of plain descent, for the updates and the frozen share.
        optimizer: The network's optimizer, instead: of PyTorch's own, as Adam, it knows the steps.
        deltas: What `gradbook.watch` has found. Or $\partial L/\partial h_l$ or
            $\partial L/\partial z_l$, one array or norm for each layer: a list, hidden layers first
            to last, or a mapping by the layers' names. The output layer is set apart by its name,
            or if there are as many arrays as layers and the last is as wide as its bias. For
            a recurrent network $\partial L/\partial x_t$, first step to last. With these the
            diagnosis is most certain.
        activations: The outputs of each hidden layer, likewise.
        loss_scale: What the loss was multiplied by, if the gradients are not unscaled yet.
        snapshots: The gradients of earlier steps, under the same names.
        progress: Passes on what is to be measured, of so many, and may show how far it is.

    Examples:
        >>> import numpy as np
        >>> grads = {f"{layer}.W": np.full((4, 4), 0.1 ** (8 - layer)) for layer in range(1, 9)}
        >>> report = diagnose(grads)
        >>> report.verdict.value, f"{report.rate.factor:.2f}", report.since
        ('vanishing', '0.10', '6')
    """
    if isinstance(grads, Watched):
        text = "grads must be the network, got what watches it: call diagnose(net, deltas=deltas)"
        raise BadInput(text)
    record, versions, elsewhere = None, dict[str, int](), frozenset[int]()
    if isinstance(deltas, Watched):
        record, versions, elsewhere = deltas.record, deltas.versions, deltas.elsewhere
    net = Net({})
    if whole := is_network(grads):
        named = weights_of(grads)
        if record is not None and not deltas.has_any(named.values()):
            text = "deltas must be those of the network that is diagnosed, got another one's: call "
            raise BadInput(f"{text}gradbook.watch(net) again where the network is made anew")
        tables = frozenset(
            id(weight)
            for module in grads.modules()
            if hasattr(module, "num_embeddings")  # as a codebook's own module may have, too
            for weight in module.parameters(recurse=False)
        )
        net = Net(named, innermost(optimizer), loss_scale, versions, tables, elsewhere)
        weights = net.weights if weights is None else weights
        grads = {name: parameter.grad for name, parameter in net.weights.items()}
    elif optimizer is not None:
        raise BadInput("grads must be the network if its optimizer is given: diagnose(net, ...)")
    if lr is not None and weights is None:
        raise BadInput("weights must be given with lr, got none")
    found = examination.measured_of(
        grads,
        weights=weights,
        lr=lr,
        loss_scale=loss_scale,
        snapshots=snapshots,
        progress=progress,
        of_net=whole,
        look=record is None,
    )
    if net.optimizer is not None:
        found = stepped(found, net)
    parameters = parameters_of(found, net)
    if record is None:
        found = examination.with_signals(found, deltas=deltas, activations=activations)
        return report_of(found, _judged(found, parameters, whole))
    _refuse_later(deltas, parameters, grads.values() if whole else ())
    found = examination.with_signals(found)
    frozen, held = found.evidence.frozen, frozenset(net.groups)
    known = Known(record, parameters, loss_scale, frozen, deltas.came, held, deltas.begun)
    findings = findings_of(_came(known))
    found = replace(found, notes=(*notes_of(known, findings[0].verdict), *found.notes))
    deltas.came.update(p.name for p in parameters if p.norm)
    deltas.elsewhere = net.elsewhere
    return report_of(found, findings, known)


def _refuse_later(deltas: Watched, parameters: tuple[Parameter, ...], grads: Iterable[Any]) -> None:
    """Refuse gradients that came when nobody watched any more; those that were cleared did not."""
    norms = [parameter.norm for parameter in parameters]
    asked = deltas.returns, str(norms)  # as text: NaN is not equal to itself
    nothing_seen = deltas.removed and deltas.returns == deltas.asked[0]
    held = [grad for grad in grads if grad is not None]
    others = deltas.removed and bool(held) and deltas.left_none_of(held)
    if others or (nothing_seen and deltas.asked != asked and any(norms)):
        text = "deltas must be those of these gradients, got a watch that was removed before: call "
        raise BadInput(f"{text}gradbook.watch(net) again before the forward pass")
    deltas.asked = asked


def _came(known: Known) -> Known:
    """Refuse gradients that are there although nothing came back of what was watched."""
    places = known.record.places
    came = any(place.delta is not None for place in places)
    held = any(p.norm is not None for p in known.asked) and any(place.asks for place in places)
    if places and (came or not held):
        return known
    text = "deltas must hold what the backward pass found, got none: "
    text += "call gradbook.watch before the forward pass of the same network, then backward (and "
    text += "torch.compiler.reset() behind gradbook.watch, if it has run compiled)"
    if not known.record.called:
        text += "; no module was called since: call net(x), not a copy of it or its weights by hand"
    raise BadInput(text)


def _judged(
    found: examination.Examined, parameters: tuple[Parameter, ...], whole: bool
) -> tuple[Finding, ...]:
    """Judge what was not watched by its sizes, and by what is known of its weights."""
    known = Known(Record(), parameters)
    finders = (*((cut, not_stepped) if whole else ()), breaking, symmetric, large_step)
    first = (without_any(known) if whole else None) or decide(found.evidence)
    return in_order(filter(None, [first, *(find(known) for find in finders)]))
