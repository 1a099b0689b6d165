"""From evidence to a verdict, by thresholds that the suite of known networks has fitted."""

import math
from dataclasses import dataclass

from gradbook.diagnosis.measuring.evidence import Evidence
from gradbook.diagnosis.paths import Profile
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.diagnosis.words import factor, listed


@dataclass(frozen=True)
class Limits:
    r"""The thresholds of a verdict; `python -m gradbook.book.diagnose.suite --fit` prints them.

    Those that are fitted lie in the middle between the largest value of a healthy network and the
    next larger one of a faulty network, in the half of the suite that they are fitted on.

    Attributes:
        deltas: Fitted. Decades of δ between any two layers, the largest fall or rise. Truth calls
            2 a fault and up to 1 healthy, and δ differs a little from the gradient that truth is
            measured on.
        ratios: Fitted. The same of weights' gradients over the activations that entered, with which
            networks are healthy up to `flat` only, as with all that stands in for δ.
        norms: Fitted. The same of normalizations' shifts, where no path leads around them: in a
            branch they see the share of δ that enters it.
        biases: Fitted. The same of biases. Below it they say nothing: in a batch of balanced
            classes, what the examples send back cancels where the network is nearly linear. Within
            blocks they must reach the threshold of weights, if that is larger.
        weights: Fitted. The same of weights. Below it they say nothing: activations that shrink
            make up for a δ that does.
        silent: Fitted. The share of hidden units with a gradient of exactly 0; a healthy deep ReLU
            network comes near a half, for all its examples become alike.
        small: Stated. Decades by which the weights alone, with slopes of 1, shrink a gradient.
        flat: Stated. Decades up to which what stands in for δ is flat, as in the definition of
            truth. Between this and its threshold it says nothing.
        pulls: Stated. Decades by which the layers' <W, dL/dW> may differ if they are equal but for
            rounding in float32. Then all bends are at 0, and biases follow δ, unless all examples
            have become alike.
        similar: Stated. The same where they are equal but for slopes between 1/2 and 1 or so; a
            path around the layers makes them differ by far more.
        frozen: Stated. The share of weights that stand still: half, as in the definition of truth.
    """

    deltas: float = 1.84
    ratios: float = 1.42
    norms: float = 1.73
    biases: float = 1.34
    weights: float = 1.67
    silent: float = 0.66
    small: float = 1.5
    flat: float = 1.0
    pulls: float = 0.005
    similar: float = 0.5
    frozen: float = 0.5


LIMITS = Limits()
"""The thresholds in use."""

CLEAR = 1e-4
"""The least δ at the output of which a hidden δ of 0 cannot be what is left after underflow.

It is a thousand times the smallest number of float16, and one layer does not shrink it so far.
"""


def decide(evidence: Evidence, limits: Limits = LIMITS) -> Finding:
    """Say what is wrong with a network.

    What hides other things comes first: NaN hides all, and dead units make a gradient vanish.

    Examples:
        >>> fall = Profile("δ", ("1", "2", "3"), (1e-4, 1e-2, 1.0))
        >>> found = decide(Evidence(deltas=fall))
        >>> found.verdict.value, found.reason
        ('vanishing', 'From 3 back to 1 the sizes of δ fall by a factor of 10^4.0.')
    """
    steps = (_broken, _silent, _sized, _sound, _open)
    return next(found for step in steps if (found := step(evidence, limits)) is not None)


def _broken(e: Evidence, limits: Limits) -> Finding | None:
    if not e.nonfinite:
        return None
    names = listed(e.nonfinite[::-1], 1)
    return Finding(Verdict.NON_FINITE, f"NaN or infinity in {names}.", since=e.nonfinite[-1])


def _silent(e: Evidence, limits: Limits) -> Finding | None:
    if e.off is not None and e.off >= limits.silent:
        return Finding(Verdict.DEAD, f"{e.off:.0%} of the hidden units are off for every example.")
    if e.output is not None and e.output > CLEAR and e.deltas and not any(e.deltas.rms):
        return Finding(
            Verdict.DEAD,
            "The loss has a gradient at the output, and that of every hidden layer is exactly 0.",
        )
    if e.output == 0 and e.deltas and not any(e.deltas.rms) and not e.reached:
        return Finding(
            Verdict.LOSS,
            "Nothing comes from the loss: δ at the output is exactly 0. It is not your layers; "
            "look at what stands between the last one and the loss.",
        )
    if not e.reached and not (e.deltas and any(e.deltas.rms)):
        return Finding(
            Verdict.CANNOT_TELL,
            "All gradients are exactly 0: all units may be off, the loss may be at its minimum or "
            "not depend on these parameters, or the gradients were cleared before they were read. "
            "Give the activations.",
        )
    if e.silent is None or e.silent < limits.silent or e.underflow:
        return None
    return Finding(
        Verdict.DEAD,
        f"{e.silent:.0%} of the hidden units get a gradient of exactly 0 from every example.",
    )


def _judged(profile: Profile, limit: float) -> Finding | None:
    found = _extent(profile)
    if math.isnan(found) or abs(found) < limit:
        return None
    verdict, sign = (Verdict.VANISHING, -1) if found < 0 else (Verdict.EXPLODING, 1)
    return Finding(verdict, f"{change(profile)}.", profile, profile.path.since(sign))


def _extent(profile: Profile) -> float:
    """Return the largest change of δ, and of what stands in for it that of its ends."""
    return profile.largest if profile.source == "δ" else profile.decades


def change(profile: Profile) -> str:
    """Say how sizes change on the way back.

    Examples:
        >>> change(Profile("δ", ("1", "2", "3"), (1.0, 1.0, 1.0)))
        'From 3 back to 1 the sizes of δ stay as they are'
    """
    extent = _extent(profile)
    way = "fall" if extent < 0 else "grow"
    size = abs(extent)
    by = f"by {factor(size)}" if math.isfinite(size) else "without end: some are 0"
    start, end = profile.names[-1], profile.names[0]
    if size < 0.05:
        way, by = "stay as they", "are"
    elif profile.source == "δ":
        _, start, end = profile.path.fall if extent < 0 else profile.path.rise
    ends = f"From {start} back to {end}"
    return f"{ends} the sizes of {profile.source} {way} {by}"


def trusted(e: Evidence, limits: Limits) -> tuple[Profile, float] | None:
    """Return the sizes that follow the gradient whatever the network, with their threshold.

    Returns:
        The best sizes there are; None if only such are there as may be flat while δ vanishes.

    Examples:
        >>> trusted(Evidence(), LIMITS) is None
        True
    """
    found = [(e.deltas, limits.deltas)]
    if not e.recurrent:  # what stands beside recurrent weights says nothing about time
        found += [(e.ratios, limits.ratios), (e.norms, limits.norms)]
    known = ((p, limit) for p, limit in found if p is not None and len(p.rms) > 1)
    return next((pair for pair in known if not math.isnan(pair[0].decades)), None)


def _sized(e: Evidence, limits: Limits) -> Finding | None:
    """Judge by sizes: trusted ones, or such as cannot be flat by accident because they are not."""
    for stack in e.apart:
        if (found := _judged(stack, limits.deltas)) is not None:
            return found
    if e.apart:
        return None
    best = trusted(e, limits)
    if best is not None:
        return _judged(*best)
    if e.blocks:  # a branch of a healthy network may get any share, and no two the same
        return None
    for weaker, limit in ((e.biases, limits.biases), (e.weights, limits.weights)):
        if weaker is not None and (found := _judged(weaker, limit)) is not None:
            return found
    return _scaled(e, limits)


def _scaled(e: Evidence, limits: Limits) -> Finding | None:
    """Judge by the scale of the weights, where it bounds what the slopes can do."""
    if e.gain is None or not _chained(e, limits):
        return None
    if e.gain <= -limits.small:
        return Finding(
            Verdict.VANISHING,
            f"The weights alone shrink a gradient to 10^{e.gain:.1f} of what it was, with slopes "
            "of 1; a path around the layers would show in how much each pulls at the loss.",
        )
    if _pull_alike(e, limits.pulls) and e.gain - e.bends >= limits.small:
        return Finding(
            Verdict.EXPLODING,
            f"The weights multiply a gradient by at least 10^{e.gain - e.bends:.1f}: slopes that "
            "are 0 for half of all inputs take no more from it.",
        )
    return None


def _pull_alike(e: Evidence, most: float) -> bool:
    return e.pulls is not None and not e.normalized and not e.recurrent and e.pulls <= most


def _chained(e: Evidence, limits: Limits) -> bool:
    """Tell whether all layers pull alike; within blocks that may be chance unless it is exact."""
    return _pull_alike(e, limits.pulls if e.blocks else limits.similar)


def _flat(e: Evidence, limits: Limits) -> Finding | None:
    """Say that nothing vanishes or explodes, if that is known."""
    if e.apart:
        return None
    best = trusted(e, limits)
    if best is not None:
        return _level(best[0], math.inf if best[0] is e.deltas else limits.flat)
    if e.gain is None or not _chained(e, limits):
        return None
    exact = _pull_alike(e, limits.pulls)
    # In a deep ReLU network all examples become alike, and then biases, too, cancel.
    if exact and e.biases is not None and abs(e.gain - e.bends) < limits.small:
        return _level(e.biases, limits.flat)
    least = e.gain - 2 * e.bends
    if least < -limits.small or e.gain > limits.small:
        return None
    return Finding(
        Verdict.HEALTHY,
        f"With slopes between 1/2 and 1 the weights multiply a gradient by 10^{least:.1f} to "
        f"10^{e.gain:.1f}.",
    )


def _level(profile: Profile, flat: float) -> Finding | None:
    if not abs(profile.decades) <= flat:
        return None
    return Finding(Verdict.HEALTHY, f"{change(profile)}.", profile)


def _stand_still(e: Evidence, limits: Limits) -> str | None:
    if e.frozen is None or e.frozen < limits.frozen:
        return None
    return f"{e.frozen:.0%} of the weights are the same after the update, bit for bit"


def _sound(e: Evidence, limits: Limits) -> Finding | None:
    """Say frozen only of networks of which healthy would be said: vanishing ones freeze as well."""
    found, still = _flat(e, limits), _stand_still(e, limits)
    if found is None or still is None:
        return found
    return Finding(
        Verdict.FROZEN, f"{still}: the step is too small for the gaps of their number format."
    )


_WATCH = "Give δ, the gradient at the layers' outputs; in PyTorch gradbook.watch(net) records it."


def _open(e: Evidence, limits: Limits) -> Finding:
    still = _stand_still(e, limits)
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
