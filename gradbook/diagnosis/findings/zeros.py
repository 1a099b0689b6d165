"""Weights that are 0 or alike: what can never move, and what only looks so at the first step."""

from gradbook.diagnosis.findings.known import MOST, Known, Parameter
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.diagnosis.words import listed


def stuck(known: Known) -> Finding | None:
    """Find weights that begin with 0 behind others that do: none of them can ever move."""
    zero = [p for p in known.asked if p.zero and p.axes > 1]
    still = [p for p in zero if p.norm == 0]
    driven = [
        p.name for p in still if (found := known.place_of.get(p.name)) is not None and found.delta
    ]
    matrices = [p for p in known.asked if p.axes > 1]
    if len(still) > 1 and driven:
        none = [p for p in known.asked if p.norm == 0]
        return Finding(
            Verdict.STUCK,
            f"{len(none)} of {len(known.asked)} trainable tensors have a gradient of exactly 0, "
            f"and no step will change that: {listed(driven)} begin with 0, and so do weights in "
            "front of them.",
            since=driven[0],
        )
    if len(matrices) > 1 and len(zero) == len(matrices):
        return Finding(Verdict.STUCK, "All weights are 0, so that no gradient gets past them.")
    return None


def symmetric(known: Known) -> Finding | None:
    """Find layers whose units all have the same weights, and so will stay alike."""
    matrices = [p for p in known.asked if p.axes > 1]
    alike = [p.name for p in matrices if p.alike]
    if not alike or len(alike) < MOST * len(matrices):
        return None
    return Finding(
        Verdict.SYMMETRIC,
        f"In {len(alike)} of {len(matrices)} layers all units have the same weights: they compute "
        f"the same, get the same gradient and stay alike ({listed(alike)}).",
        since=alike[0],
    )


def zero_start(known: Known) -> Finding | None:
    """Say what begins with 0 by design, which hides others at the first step alone."""
    zero = [p for p in known.asked if p.zero and p.norm and not _is_added(p)]
    still = [p for p in known.asked if p.norm == 0]
    if not zero or not still:
        return None
    names = [p.name for p in zero if p.axes > 1] or [p.name for p in zero]
    lora = all("lora" in name.lower() for name in names)
    what = "the second matrices of LoRA" if lora else listed(names)
    return Finding(
        Verdict.ZERO_START,
        f"{what} begin with 0: so {len(still)} of {len(known.asked)} trainable tensors have a "
        "gradient of exactly 0, which is true of the first step alone. Nothing is dead.",
        since=names[0],
    )


def _is_added(parameter: Parameter) -> bool:
    """Tell that a weight is added, as biases are: a 0 of it keeps nothing back."""
    return parameter.axes < 2 and "bias" in parameter.name.rpartition(".")[2]
