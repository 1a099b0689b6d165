"""The board: every claim, its theory beside its measurement, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable

from gradbook.claims.record import Claim, Kind, Outcome, check
from gradbook.formats import plus_minus_text
from gradbook.tables import Table

HEADERS = ("claim", "case", "theory", "measured", "allowed", "verdict")


def board(claims: Iterable[Claim], caption: str, *, full: bool = False) -> Table:
    """Run claims and return their outcomes as a table, a row per case.

    Args:
        claims: The claims, in the order of the rows.
        caption: What the table shows.
        full: Take more draws, for tighter error bars.

    Examples:
        >>> from gradbook.claims import ALL
        >>> print(board(ALL[:1], "One claim").headers[2])
        theory
    """
    return table_of([check(claim, full=full) for claim in claims], caption)


def table_of(outcomes: Iterable[Outcome], caption: str) -> Table:
    """Return outcomes as a table, a row per case.

    Args:
        outcomes: What the checks gave.
        caption: What the table shows.
    """
    rows = [row for outcome in outcomes for row in rows_of(outcome)]
    return Table(HEADERS, rows, caption=caption, align="llrrrl")


def rows_of(outcome: Outcome) -> list[list[str]]:
    """Return one row of text per case of an outcome.

    Args:
        outcome: What a check gave.
    """
    claim, measured = outcome.claim, outcome.measured
    return [
        [
            claim.statement if index == 0 else "",
            case,
            format(float(outcome.theory[index]), claim.format),
            _measured(float(measured.values[index]), float(measured.errors[index]), claim.format),
            _allowed(outcome, index),
            _verdict(outcome, index),
        ]
        for index, case in enumerate(claim.cases)
    ]


def _measured(value: float, error: float, spec: str) -> str:
    return plus_minus_text(value, error) if error > 0 else format(value, spec)


def _allowed(outcome: Outcome, index: int) -> str:
    allowance = format(float(outcome.allowance[index]), ".1g")
    return f"±{allowance} ({outcome.claim.kind.value})"


def _verdict(outcome: Outcome, index: int) -> str:
    if outcome.agrees[index]:
        return "agrees" if outcome.claim.holds else "reproduces after all"
    return "differs" if outcome.claim.holds else "does not reproduce"


def kinds() -> tuple[str, ...]:
    """Return the names of the kinds of comparison, for the page that explains them."""
    return tuple(kind.value for kind in Kind)
