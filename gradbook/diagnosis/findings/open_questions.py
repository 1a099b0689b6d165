"""What the sizes leave open, and what would settle it."""

from gradbook.diagnosis.findings.changes import change, stand_still, trusted
from gradbook.diagnosis.findings.limits import Limits
from gradbook.diagnosis.measuring.evidence import Evidence
from gradbook.diagnosis.verdicts import Finding, Verdict


def left_open(e: Evidence, limits: Limits) -> Finding:
    """Say that it cannot be told, and what to give."""
    still = stand_still(e, limits)
    frozen = f"{still}, because the step is small or because δ vanishes. " if still else ""
    best = None if e.apart else trusted(e, limits)
    if best is not None:
        between = f"{change(best[0])}: too little for a fault and too much for none. {_WATCH}"
        return Finding(Verdict.CANNOT_TELL, frozen + between, best[0])
    return Finding(Verdict.CANNOT_TELL, frozen + _question(e), None if e.recurrent else e.weights)


def _question(e: Evidence) -> str:
    if e.apart:
        return (
            f"{' and '.join(p.names[-1] for p in e.apart[:3])} end stacks of layers, and the "
            "names, which came in the order of the alphabet, do not tell which is "
            "first. Give δ in the order of the network, or use gradbook.watch(net), which sees it."
        )
    if e.recurrent:
        return (
            "The gradient of a recurrent weight is a sum over all steps and says nothing about "
            "time. Give the norms of ∂L/∂x_t: x.requires_grad_() before the forward pass, then "
            "x.grad after the backward pass."
        )
    if e.deltas is not None and len(e.deltas.rms) == 1:
        return "δ is known of one hidden layer alone, and there is none to compare it with."
    if e.weights is None:
        return f"There are fewer than three layers of one kind to compare. {_WATCH}"
    if e.blocks or e.normalized:
        return (
            "If paths lead around blocks, what stands in a block gets a share of the gradient, and "
            f"the names do not exclude it. {_WATCH}"
        )
    return (
        "The gradients of the weights are flat, and they can be while δ vanishes or explodes: "
        "what δ loses on its way back, the activations may have lost on their way forward. "
        f"{_WATCH}"
    )


_WATCH = "Give δ, the gradient at the layers' outputs; in PyTorch gradbook.watch(net) records it."
