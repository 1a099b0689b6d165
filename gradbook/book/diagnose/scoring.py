"""Show how often the diagnosis is right, and where its thresholds lie between what they part."""

from typing import Any

import numpy as np

from gradbook.book.diagnose.suite import DELTA_SIZES, SIZED, SIZES, SOUND, Matrix, Seen, values
from gradbook.diagnosis.verdict import LIMITS, Limits
from gradbook.show.tables import Cell, Table


def scores(seen: Seen) -> Table:
    """List how often the diagnosis is right, by what it is given."""
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


def thresholds(seen: Seen, limits: Limits = LIMITS) -> Table:
    """List each threshold of sizes between the networks that it is to part."""
    rows: list[list[Cell]] = []
    for kind in SIZES:
        judged = seen.judged[kind.given]
        sound, faulty = (values(judged, truths, kind.decades) for truths in (SOUND, SIZED))
        limit = getattr(limits, kind.name)
        above = float(np.mean(np.array(faulty) >= limit))
        rows.append([kind.label, sound[-1], limit, faulty[0], above])
    return Table(
        ["decades of", "healthy, at most", "threshold", "faulty, at least", "faulty above it"],
        rows,
        caption="The thresholds, fitted on one half of the suite, among the networks of the other.",
        formats=["", ".2f", ".2f", ".2f", ".0%"],
    )


def figure(seen: Seen, limits: Limits = LIMITS) -> Any:
    """Draw the decades of δ of healthy and faulty networks; needs Matplotlib."""
    from gradbook.show.figures import lines  # noqa: PLC0415 - Matplotlib is not always there

    judged = seen.judged[DELTA_SIZES.given]
    sound, faulty = (values(judged, truths, DELTA_SIZES.decades) for truths in (SOUND, SIZED))
    share = np.linspace(0, 1, 101)
    drawn = {"healthy": np.quantile(sound, share), "faulty": np.quantile(faulty, share)}
    between = (
        f"the healthy ones end at {sound[-1]:.2f} decades, the faulty ones begin at "
        f"{faulty[0]:.2f}, and the threshold is {limits.deltas:.2f}"
    )
    return lines(
        share,
        {name: np.where(sizes > 0, sizes, np.nan) for name, sizes in drawn.items()},
        levels={"threshold": limits.deltas},
        log_y=True,
        x_label="share of the networks, sorted",
        y_label="decades of δ, without sign",
        alt=f"Two sorted curves that do not overlap: {between}.",
        caption=f"Decades of δ between the first hidden layer and the last, of {len(sound)} "
        f"networks whose gradient arrives and {len(faulty)} whose gradient does not: {between}.",
    )
