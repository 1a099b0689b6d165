"""From evidence to a verdict, by thresholds that the suite of known networks has fitted."""

import math
from dataclasses import replace
from itertools import pairwise

from gradbook.diagnosis.measuring.evidence import LIMITS, Evidence, Limits
from gradbook.diagnosis.paths import Profile
from gradbook.diagnosis.verdicts import Finding, Verdict, factor, listed

CLEAR = 1e-4
"""The least δ at the output of which a hidden δ of 0 cannot be what is left after underflow.

It is a thousand times the smallest number of float16, and one layer does not shrink it so far.
"""

_WATCH = "Give δ, the gradient at the layers' outputs; in PyTorch gradbook.watch(net) records it."

_LATER = "What else there is cannot be known before."


def decide(evidence: Evidence, limits: Limits = LIMITS) -> Finding:
    """Say what is wrong with a network.

    What hides other things comes first: NaN hides all, and dead units make a gradient vanish.

    Examples:
        >>> fall = Profile("δ", ("1", "2", "3"), (1e-4, 1e-2, 1.0))
        >>> found = decide(Evidence(deltas=fall))
        >>> found.verdict.value, found.reason
        ('vanishing', 'From 3 back to 1 the sizes of δ fall by a factor of 10^4.0.')
    """
    steps = (_broken, _stuck, _silent, _sized, _begun, _sound)
    found = (step(evidence, limits) for step in steps)
    return next(filter(None, found), None) or _left_open(evidence, limits)


def _broken(e: Evidence, limits: Limits) -> Finding | None:
    if not e.nonfinite:
        return None
    names = listed(e.nonfinite[::-1], 1)
    return Finding(Verdict.NON_FINITE, f"NaN or infinity in {names}.", since=e.nonfinite[-1])


def _stuck(e: Evidence, limits: Limits) -> Finding | None:
    """Find weights of 0 that no step will move: what they do to others hides the rest."""
    if not e.zeros.stuck:
        return None
    why = "each of them keeps the gradient from the others."
    if e.zeros.flat:
        why = "what reads them has no slope there, as ReLU has none at 0, or units behind are off."
    text = f"{e.zeros.share}, and no step will change that: {listed(e.zeros.stuck)} begin with 0, "
    return Finding(Verdict.STUCK, f"{text}and {why}", since=e.zeros.stuck[-1], hint="zeros")


def _begun(e: Evidence, limits: Limits) -> Finding | None:
    """Say what begins with 0 by design, where nothing else can be known for that."""
    if not (e.zeros.alone and (begun := _by_design(e))):
        return None
    return Finding(Verdict.ZERO_START, f"{begun} {_LATER}", since=e.zeros.begun[0])


def _by_design(e: Evidence) -> str:
    """Say of weights of 0, if there are any, that they keep a gradient from others at first."""
    text = f"{listed(e.zeros.begun)} begin with 0: so {e.zeros.share}, which is true of the first "
    return f"{text}steps alone." if e.zeros.held else ""


def _silent(e: Evidence, limits: Limits) -> Finding | None:
    if e.off is not None and e.off >= limits.silent:
        return Finding(Verdict.DEAD, f"{e.off:.0%} of the hidden units are off for every example.")
    hidden = e.deltas and any(e.deltas.rms)
    if e.deltas and not hidden and (found := _nothing_hidden(e)):
        return found
    if not e.reached and not hidden:
        text = "All gradients are exactly 0: all units may be off, the loss may be at its minimum "
        text += "or not depend on these parameters, or the gradients were cleared before they were "
        hint = None if e.deltas is None else "nothing came"
        text += "read." if e.off is not None else "read. Give the activations."
        return Finding(Verdict.CANNOT_TELL, text, hint=hint)
    if e.silent is None or e.silent < limits.silent or e.underflow:
        return None
    # Units that are off leave nothing to read, and where paths lead around they hold not all back.
    if e.stop or (e.silent == 1 and (e.blocks or e.normalized)):
        text = f"Up to {e.stop or 'the last layer'} all gradients are exactly 0, and what reads it "
        return _in_front(e, f"{text}gets some")
    text = f"{e.silent:.0%} of the hidden units get a gradient of exactly 0 from every example: "
    text += "they are off, or what lies behind them is flat or cut. Their activations would tell."
    return Finding(Verdict.DEAD, text)


def _nothing_hidden(e: Evidence) -> Finding | None:
    """Judge the output where the δ of all hidden layers are 0."""
    if e.output is not None and e.output > CLEAR:
        text = "The loss has a gradient at the output, and that of every hidden layer is exactly 0"
        # What units that are off put out is 0, and gives the weights that read it nothing.
        off = Finding(Verdict.DEAD, f"{text}.")
        return _in_front(e, f"{text}, and its weights get some") if e.head_alone else off
    if e.output != 0 or e.reached:
        return None
    text = "Nothing comes from the loss: δ at the output is exactly 0. It is mostly not your "
    text += "layers; look at what stands between the last one and the loss."
    return Finding(Verdict.LOSS, text)


def _in_front(e: Evidence, text: str) -> Finding:
    """Say what keeps a gradient from all in front, which a head of weights of 0 does as well."""
    if e.head_alone and not e.weighed:
        text += (
            ": the output layer's weights are 0, as at the start of some networks, the graph is "
        )
        text += "cut in front of it, or what lies there is flat. The weights would tell."
        return Finding(Verdict.CANNOT_TELL, text, since=e.stop or None, hint="exactly")
    text += ": the graph is cut there, or what lies there is flat."
    return Finding(Verdict.CUT, text, since=e.stop or None, hint="exactly")


def _trusted(e: Evidence, limits: Limits) -> tuple[Profile, float] | None:
    """Return the sizes that follow the gradient whatever the network, with their threshold.

    It is None if only such are there as may be flat while δ vanishes.
    """
    found = [(e.deltas, limits.deltas)]
    if not e.recurrent:  # what stands beside recurrent weights says nothing about time
        found += [(e.ratios, limits.ratios), (e.norms, limits.norms)]
    known = ((p, limit) for p, limit in found if p is not None and len(p.rms) > 1)
    return next((pair for pair in known if not math.isnan(pair[0].decades)), None)


def _sized(e: Evidence, limits: Limits) -> Finding | None:
    """Judge by sizes: trusted ones, or such as cannot be flat by accident because they are not."""
    if e.apart:
        return next(filter(None, (_judged(stack, limits.deltas) for stack in e.apart)), None)
    best = _trusted(e, limits)
    if best is not None:
        return _judged(*best)
    if e.blocks:  # a branch of a healthy network may get any share, and no two the same
        return None
    weaker = ((e.biases, limits.biases), (e.weights, limits.weights))
    found = (_judged(profile, limit) for profile, limit in weaker if profile is not None)
    return next(filter(None, found), None)


def _unmoved(e: Evidence) -> str:
    """Say of weights that get exactly 0 where δ is sound, which would hide them."""
    begun = _by_design(e)
    begun = begun and f" {begun}"
    if not e.unmoved or e.deltas is None:
        return begun
    text = f"{begun} But the weights of {listed(e.unmoved)} get a gradient of exactly 0: they are "
    return f"{text}frozen, what enters them is 0, a 0 stands behind them, or it was not written."


def _judged(profile: Profile, limit: float) -> Finding | None:
    extent = profile.extent
    if math.isnan(extent) or abs(extent) < limit:
        return None
    if math.isinf(extent) and (lost := _lost(profile)):
        return lost
    verdict, sign = (Verdict.VANISHING, -1) if extent < 0 else (Verdict.EXPLODING, 1)
    return Finding(verdict, f"{_change(profile)}.", profile, profile.since(sign))


def _lost(profile: Profile) -> Finding | None:
    """Find that some sizes are exactly 0, and not because one layer after another shrinks them."""
    still = [name for name, size in zip(profile.names, profile.rms, strict=True) if size == 0]
    beside = [max(a, b) for a, b in pairwise(profile.rms) if (a == 0) != (b == 0)]
    # Where nothing has shrunk to a tenth on the way, a hundredth of that is clear, too.
    even = min(beside, default=0.0) > max(profile.rms) / 10
    if not still or min(beside, default=0.0) < (CLEAR / 100 if even else CLEAR):
        return None
    text = f"At {listed(still)} the sizes of {profile.source} are exactly 0, next to it they are "
    text += "not: the graph is cut there, what lies there is flat, or all units are off."
    return Finding(Verdict.CUT, text, profile, still[-1], "exactly")


def _change(profile: Profile) -> str:
    """Say how sizes change on the way back."""
    extent = profile.extent
    start, end = profile.names[-1], profile.names[0]
    how = "stay as they are"
    if abs(extent) >= 0.05:
        by = f"by {factor(abs(extent))}" if math.isfinite(extent) else "without end: some are 0"
        how = f"{'fall' if extent < 0 else 'grow'} {by}"
        if profile.source == "δ":
            _, start, end = profile.fall if extent < 0 else profile.rise
    return f"From {start} back to {end} the sizes of {profile.source} {how}"


def _sound(e: Evidence, limits: Limits) -> Finding | None:
    """Say frozen only of networks of which healthy would be said: vanishing ones freeze as well."""
    best = _trusted(e, limits)
    if e.apart or best is None:  # where δ is 0 weights alone tell nothing
        lost = e.apart or (e.deltas is not None and len(e.deltas.rms) > 1)
        found = None if lost else _by_weights(e, limits)
    else:
        found = _level(best[0], math.inf if best[0] is e.deltas else limits.flat)
    still = _stand_still(e, limits)
    if found is None or found.verdict is not Verdict.HEALTHY or not still:
        return found and replace(found, reason=found.reason + _unmoved(e))
    text = f"{still}: the step is too small for the gaps of their number format."
    return Finding(Verdict.FROZEN, text)


def _by_weights(e: Evidence, limits: Limits) -> Finding | None:
    """Judge by the scale of the weights, where all layers pull alike: that bounds the slopes."""
    pulls = math.inf if e.pulls is None or e.normalized or e.recurrent else e.pulls
    exact = pulls <= limits.pulls
    # Within blocks it may be chance unless it is exact.
    if e.gain is None or not (exact or (pulls <= limits.similar and not e.blocks)):
        return None
    least = e.gain - e.bends
    if not e.blocks and e.gain <= -limits.small:
        text = f"The weights alone shrink a gradient to 10^{e.gain:.1f} of what it was, with slopes"
        text += " of 1; a path around the layers would show in how much each pulls at the loss."
        return Finding(Verdict.VANISHING, text)
    if not e.blocks and exact and least >= limits.small:
        text = f"The weights multiply a gradient by at least 10^{least:.1f}: slopes that are 0 for "
        return Finding(Verdict.EXPLODING, f"{text}half of all inputs take no more from it.")
    # In a deep ReLU network all examples become alike, and then biases, too, cancel.
    if exact and e.biases is not None and abs(least) < limits.small:
        return _level(e.biases, limits.flat)
    least -= e.bends
    if least < -limits.small or e.gain > limits.small:
        return None
    text = f"With slopes between 1/2 and 1 the weights multiply a gradient by 10^{least:.1f} to "
    return Finding(Verdict.HEALTHY, f"{text}10^{e.gain:.1f}.")


def _level(profile: Profile, flat: float) -> Finding | None:
    level = abs(profile.decades) <= flat
    return Finding(Verdict.HEALTHY, f"{_change(profile)}.", profile) if level else None


def _stand_still(e: Evidence, limits: Limits) -> str:
    """Say that most weights stand still, if they do."""
    if e.frozen is None or e.frozen < limits.frozen:
        return ""
    return f"{e.frozen:.0%} of the weights are the same after the update, bit for bit"


def _left_open(e: Evidence, limits: Limits) -> Finding:
    """Say that it cannot be told, and what to give."""
    still = _stand_still(e, limits)
    text = f"{still}, because the step is small or because δ vanishes. " if still else ""
    best = None if e.apart else _trusted(e, limits)
    if best is not None:
        text += f"{_change(best[0])}: too little for a fault and too much for none. "
        text += _question(e) if e.deltas else _WATCH
        return Finding(Verdict.CANNOT_TELL, text, best[0], hint=_missing(e))
    profile = None if e.recurrent else e.weights
    return Finding(Verdict.CANNOT_TELL, text + _question(e), profile, hint=_missing(e))


def _missing(e: Evidence) -> str | None:
    """Return the hint for what would settle it where δ is given, and does not."""
    if e.apart or e.deltas is None:
        return "names" if e.apart else None
    return "one alone" if len(e.deltas.rms) == 1 else "nothing came"


def _of_delta(deltas: Profile | None) -> str:
    """Say why δ does not settle it, though it is given."""
    if deltas is None:
        text = "δ is given of what stands side by side in blocks, as queries and keys do: each gets"
        text += " a share of it, which may be any. Give δ of the blocks' outputs alone, or use "
        return f"{text}gradbook.watch(net), which sees the paths."
    if len(deltas.rms) == 1:
        return "δ is known of one hidden layer alone, and there is none to compare it with."
    of = "the first and the last" if any(deltas.rms) else "all"
    text = f"δ of {of} hidden layers is exactly 0: their units may be off, or what reads them is "
    return f"{text}flat, cut or 0. Give activations and weights, or use gradbook.watch(net)."


def _question(e: Evidence) -> str:
    if e.apart or e.unordered:
        ends = " and ".join(p.names[-1] for p in e.apart[:3])
        text = f"{ends} end stacks of layers, and the names," if ends else "The names,"
        text += " which came in the order of the alphabet, do not tell which is first. Give δ in "
        return f"{text}the order of the network, or use gradbook.watch(net), which sees it."
    if e.recurrent:
        text = "The gradient of a recurrent weight is a sum over all steps and says nothing about "
        text += "time. Give the norms of ∂L/∂x_t: x.requires_grad_() before the forward pass, then "
        return f"{text}x.grad after the backward pass."
    few = e.deltas is not None and (len(e.deltas.rms) == 1 or math.isnan(e.deltas.decades))
    if few or e.branches:
        return _of_delta(e.deltas)
    begun = _by_design(e)
    if e.weights is None or begun:
        too_few = "There are fewer than three layers of one kind to compare."
        return f"{f'{begun} {_LATER}' if begun else too_few} {_WATCH}"
    if e.blocks or e.normalized:
        text = "If paths lead around blocks, what stands in a block gets a share of the gradient, "
        return f"{text}and the names do not exclude it. {_WATCH}"
    text = "The gradients of the weights are flat, and they can be while δ vanishes or explodes: "
    text += "what δ loses on its way back, the activations may have lost on their way forward. "
    return text + _WATCH
