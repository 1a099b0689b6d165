"""Show how often the diagnosis is right, and where its thresholds lie between what they part."""

import math
from typing import Any

import numpy as np

from gradbook.book.diagnose.suite import (
    BARE,
    DELTA_SIZES,
    DELTAS,
    SIZED,
    SIZES,
    SOUND,
    TRUTHS,
    Matrix,
    Seen,
    values,
)
from gradbook.diagnosis.findings import LIMITS, Limits
from gradbook.diagnosis.verdicts import Verdict
from gradbook.show.tables import Cell, Table

TWO_SIDED = 1.96
"""How many standard deviations hold 95 % of a normal variable."""


def interval(count: int, of: int, z: float = TWO_SIDED) -> tuple[float, float]:
    r"""Return the 95 % interval of a share: all p with $|\hat p - p| \le z \sqrt{p(1 - p)/n}$.

    Unlike that of the estimated deviation it has a width where all or none are right.

    Source: Wilson 1927.

    Examples:
        >>> "{:.2f} to {:.2f}".format(*interval(10, 10))
        '0.72 to 1.00'
    """
    share, weight = count / of, z * z / of
    half = math.sqrt(weight * (share * (1 - share) + weight / 4))
    low, high = ((share + weight / 2 + sign * half) / (1 + weight) for sign in (-1, 1))
    # It holds the share itself, also where rounding would leave out the last bit.
    return min(low, share), max(high, share)


def _shown(count: int, of: int) -> str:
    """Write a share with its interval, whose ends are rounded outward."""
    low, high = interval(count, of)
    ends = f"{math.floor(100 * low + 1e-9)}–{math.ceil(100 * high - 1e-9)}%"
    return f"{count / of:.0%} ({ends})"


def kinds(seen: Seen) -> Table:
    """List for each truth how often the answer is right, and how often it does harm."""
    found = [Matrix.of(seen.judged[given]).counts for given in (DELTAS, BARE)]
    rows: list[list[Cell]] = []
    for truth in TRUTHS:
        row: list[Cell] = [truth.value]
        for counts in found:
            said = {one: n for (was, one), n in counts.items() if was is truth}
            of, right = sum(said.values()), said.get(truth, 0)
            harm = of - right - said.get(Verdict.CANNOT_TELL, 0)
            row += [of, *(_shown(count, of) for count in (right, harm))]
        # The networks are the same, whatever is given of them.
        rows.append([*row[:4], *row[5:]])
    return Table(
        [
            "truth",
            "networks",
            "with all: right",
            "harmful",
            "weights' gradients alone: right",
            "harmful",
        ],
        rows,
        caption="Shares of networks on which nothing was fitted, with 95 % intervals. All: δ, all "
        "gradients, weights and the rate; alone: without those of biases. Harmful: "
        "ill called healthy, healthy called ill, or the wrong illness. What is left is "
        "cannot tell.",
        align="lrrrrr",
    )


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
        ["decades of", "sound, at most", "threshold", "faulty, at least", "faulty above it"],
        rows,
        caption="The thresholds, fitted on one half of the suite, among the networks of the other. "
        "Sound: healthy or frozen.",
        formats=["", ".2f", ".2f", ".2f", ".0%"],
    )


def figure(seen: Seen, limits: Limits = LIMITS) -> Any:
    """Draw the decades of δ of healthy and faulty networks; needs Matplotlib."""
    from gradbook.show.figures import lines  # noqa: PLC0415 - Matplotlib is not always there

    judged = seen.judged[DELTA_SIZES.given]
    sound, faulty = (values(judged, truths, DELTA_SIZES.decades) for truths in (SOUND, SIZED))
    share = np.linspace(0, 1, 101)
    drawn = {"arrives": np.quantile(sound, share), "does not": np.quantile(faulty, share)}
    between = (
        f"the former end at {sound[-1]:.2f} decades, the latter begin at "
        f"{faulty[0]:.2f}, and the threshold is {limits.deltas:.2f}"
    )
    return lines(
        share,
        {name: np.where(sizes > 0, sizes, np.nan) for name, sizes in drawn.items()},
        levels={"threshold": limits.deltas},
        log_y=True,
        x_label="share of the networks, sorted",
        y_label="decades of δ, without sign",
        alt="Two sorted curves that do not overlap, of networks whose gradient arrives and of "
        f"those whose gradient does not: {between}.",
        caption="The largest fall or rise of δ between any two layers or steps, in decades, of "
        f"{len(sound)} networks, healthy or frozen, whose gradient arrives and {len(faulty)} "
        f"whose gradient does not: {between}.",
    )
