"""Show how often the diagnosis is right, and where its thresholds lie between what they part."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gradbook.diagnosis.evidence import Evidence, Profile
from gradbook.diagnosis.suite import DELTAS, OUTPUTS, Given, Judged, Matrix, Seen
from gradbook.diagnosis.verdict import LIMITS, Limits
from gradbook.diagnosis.verdicts import Verdict
from gradbook.tables import Cell, Table

SOUND = (Verdict.HEALTHY, Verdict.FROZEN)
"""Verdicts on networks whose gradient arrives."""

SIZED = (Verdict.VANISHING, Verdict.EXPLODING)
"""Those on networks whose gradient does not."""

SOURCES: tuple[tuple[str, Given, Callable[[Evidence], Profile | None]], ...] = (
    ("deltas", DELTAS, lambda e: e.deltas),
    ("ratios", OUTPUTS, lambda e: e.ratios),
    ("norms", DELTAS, lambda e: None if e.recurrent else e.norms),
    ("biases", DELTAS, lambda e: None if e.recurrent else e.biases),
    ("weights", DELTAS, lambda e: None if e.recurrent else e.weights),
)
"""The names of the thresholds of sizes, with where to find what they are compared with."""


def scores(seen: Seen) -> Table:
    """List how often the diagnosis is right, by what it is given.

    Args:
        seen: Networks as the diagnosis sees them.

    Returns:
        A row for each way of asking.
    """
    found = {given: Matrix.of(judged) for given, judged in seen.judged.items()}
    rows: list[list[Cell]] = [
        [given.name, m.right_on_faults, m.false_alarms, m.wrong, m.cannot_tell]
        for given, m in found.items()
    ]
    total = max(m.total for m in found.values())
    return Table(
        ["given", "right on faults", "false alarms", "wrong", "cannot tell"],
        rows,
        caption=f"{total} networks on which nothing was fitted. Right: of the faulty ones, those "
        "whose fault is named; false alarms: of the healthy ones. Wrong and cannot tell: of all.",
        formats=["", *[".1%"] * 4],
    )


def sizes(
    judged: tuple[Judged, ...],
    truths: tuple[Verdict, ...],
    profile: Callable[[Evidence], Profile | None],
) -> list[float]:
    """Return how many decades lie between first and last layer, without their sign, sorted.

    Args:
        judged: Networks.
        truths: Those of which the sizes are wanted.
        profile: Finds the sizes.

    Returns:
        The decades that are known.

    Examples:
        >>> fall = Profile("δ", ("1", "2", "3"), (1e-4, 1e-2, 1.0))
        >>> found = sizes(
        ...     (Judged("a", Verdict.VANISHING, Evidence(deltas=fall)),), SIZED, lambda e: e.deltas
        ... )
        >>> [f"{size:.1f}" for size in found]
        ['4.0']
    """
    found = [profile(case.evidence) for case in judged if case.truth in truths]
    known = (abs(p.decades) for p in found if p is not None)
    return sorted(size for size in known if not np.isnan(size))


def thresholds(seen: Seen, limits: Limits = LIMITS) -> Table:
    """List each threshold of sizes between the networks that it is to part.

    Args:
        seen: Networks as the diagnosis sees them.
        limits: The thresholds.

    Returns:
        A row for each.
    """
    names = {
        "deltas": "δ",
        "ratios": "weights' gradients over activations",
        "norms": "shifts of normalizations",
        "biases": "biases",
        "weights": "weights",
    }
    rows: list[list[Cell]] = []
    for name, given, profile in SOURCES:
        sound, faulty = (sizes(seen.judged[given], truths, profile) for truths in (SOUND, SIZED))
        limit = getattr(limits, name)
        above = float(np.mean(np.array(faulty) >= limit))
        rows.append([names[name], sound[-1], limit, faulty[0], above])
    return Table(
        ["decades of", "healthy, at most", "threshold", "faulty, at least", "faulty above it"],
        rows,
        caption="The thresholds, fitted on one half of the suite, among the networks of the other.",
        formats=["", ".2f", ".2f", ".2f", ".0%"],
    )


def figure(seen: Seen, limits: Limits = LIMITS) -> Any:
    """Draw the decades of δ of healthy and faulty networks around the threshold.

    Args:
        seen: Networks as the diagnosis sees them.
        limits: The thresholds.

    Returns:
        The `Picture`; needs Matplotlib.
    """
    from gradbook.figures import lines  # noqa: PLC0415 - Matplotlib is not always there

    judged = seen.judged[DELTAS]
    sound, faulty = (sizes(judged, truths, lambda e: e.deltas) for truths in (SOUND, SIZED))
    share = np.linspace(0, 1, 101)
    drawn = {"healthy": np.quantile(sound, share), "faulty": np.quantile(faulty, share)}
    between = (
        f"the healthy ones end at {sound[-1]:.2f} decades, the faulty ones begin at "
        f"{faulty[0]:.2f}, and the threshold is {limits.deltas:.2f}"
    )
    return lines(
        share,
        {name: np.where(values > 0, values, np.nan) for name, values in drawn.items()},
        levels={"threshold": limits.deltas},
        log_y=True,
        x_label="share of the networks, sorted",
        y_label="decades of δ, without sign",
        alt=f"Two sorted curves that do not overlap: {between}.",
        caption=f"Decades of δ between the first hidden layer and the last, of {len(sound)} "
        f"networks whose gradient arrives and {len(faulty)} whose gradient does not: {between}.",
    )
