"""From evidence to a verdict, by thresholds that the suite of known networks has fitted."""

import math
from itertools import pairwise

from gradbook.diagnosis.findings.changes import change, extent_of, stand_still, trusted
from gradbook.diagnosis.findings.limits import LIMITS, Limits
from gradbook.diagnosis.findings.open_questions import left_open
from gradbook.diagnosis.measuring.evidence import Evidence
from gradbook.diagnosis.paths import Profile
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.diagnosis.words import listed

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
    steps = (_broken, _silent, _sized, _sound, left_open)
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
    return _all_silent(e)


def _all_silent(e: Evidence) -> Finding:
    """Say what units may be that get exactly nothing."""
    if e.silent == 1 and (e.blocks or e.normalized):  # no units that are off hold all of it back
        text = "No hidden unit gets a gradient from any example, and the last layer does: the "
        text += "graph is cut between them, or what lies there is flat."
        return Finding(Verdict.CUT, text, hint="exactly")
    return Finding(
        Verdict.DEAD,
        f"{e.silent:.0%} of the hidden units get a gradient of exactly 0 from every example: they "
        "are off, or what lies behind them is flat or cut. Their activations would tell.",
    )


def _judged(profile: Profile, limit: float) -> Finding | None:
    found = extent_of(profile)
    if math.isnan(found) or abs(found) < limit:
        return None
    if math.isinf(found) and (lost := _lost(profile)):
        return lost
    verdict, sign = (Verdict.VANISHING, -1) if found < 0 else (Verdict.EXPLODING, 1)
    return Finding(verdict, f"{change(profile)}.", profile, profile.path.since(sign))


def _lost(profile: Profile) -> Finding | None:
    """Find that some sizes are exactly 0, and not because one layer after another shrinks them."""
    pairs = list(zip(profile.names, profile.rms, strict=True))
    still = [name for name, size in pairs if size == 0]
    beside = [max(a, b) for (_, a), (_, b) in pairwise(pairs) if (a == 0) != (b == 0)]
    if not still or min(beside, default=0.0) < CLEAR:
        return None
    text = f"At {listed(still)} the sizes of {profile.source} are exactly 0, next to it they are "
    text += "not: the graph is cut there, what lies there is flat, or all units are off."
    return Finding(Verdict.CUT, text, profile, still[-1], "exactly")


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


def _sound(e: Evidence, limits: Limits) -> Finding | None:
    """Say frozen only of networks of which healthy would be said: vanishing ones freeze as well."""
    found, still = _flat(e, limits), stand_still(e, limits)
    if found is None or still is None:
        return found
    return Finding(
        Verdict.FROZEN, f"{still}: the step is too small for the gaps of their number format."
    )
