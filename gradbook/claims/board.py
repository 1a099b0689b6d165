"""The board: every claim, its theory beside its measurement, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gradbook.claims.checking import check
from gradbook.claims.record import Claim, Kind, Outcome
from gradbook.formats import inline_html, plus_minus_text, true_minus
from gradbook.tables import Table

HEADERS = ("case", "theory", "measured", "allowed", "verdict")


@dataclass(frozen=True)
class Board:
    """Show outcomes, one table per claim, and how many claims stand.

    Attributes:
        outcomes: What the checks gave.
    """

    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the claims that do not stand."""
        return tuple(outcome.claim.name for outcome in self.outcomes if not outcome.stands)

    @property
    def summary(self) -> str:
        """How many claims stand, in a sentence."""
        count = len(self.outcomes)
        stand = f"{count - len(self.failed)} of {count} claims stand."
        return f"{stand} These do not: {', '.join(self.failed)}." if self.failed else stand

    def __str__(self) -> str:
        """Return the board as plain text."""
        parts = [f"{_heading(o)}\n{_details(o)}\n{table_of(o)}\n" for o in self.outcomes]
        return "\n".join([*parts, self.summary])

    def _repr_html_(self) -> str:
        chapters = list(dict.fromkeys(outcome.claim.chapter for outcome in self.outcomes))
        parts = [f"<p>{self.summary}</p>"]
        for chapter in chapters:
            if len(chapters) > 1:
                parts.append(f"<h2>{chapter.replace('-', ' ').capitalize()}</h2>")
            parts += [_card(o) for o in self.outcomes if o.claim.chapter == chapter]
        return "\n".join(parts)


def _card(outcome: Outcome) -> str:
    return (
        f'<div class="gb-claim"><p><strong>{inline_html(_heading(outcome))}</strong><br>'
        f"{inline_html(_details(outcome))}</p>{table_of(outcome)._repr_html_()}</div>"
    )


def board(claims: Iterable[Claim], *, full: bool = False) -> Board:
    """Run claims and return their outcomes as a board.

    Args:
        claims: The claims, in the order of the board.
        full: Take more draws, for tighter error bars.

    Examples:
        >>> from gradbook.claims.update_rule import MULTIPLIER
        >>> board([MULTIPLIER]).summary
        '1 of 1 claims stand.'
    """
    # From the last to the first: the process that runs the chapters in their order meets this one
    # half way, and each finds in the cache what the other measured.
    outcomes = [check(claim, full=full) for claim in reversed(tuple(claims))]
    return Board(tuple(reversed(outcomes)))


def table_of(outcome: Outcome) -> Table:
    """Return one outcome as a table, a row per case.

    Args:
        outcome: What a check gave.
    """
    rows = [_row(outcome, index) for index in range(len(outcome.claim.cases))]
    return Table(HEADERS, rows, caption=f"Claim {outcome.claim.name}", align="lrrrl")


def _row(outcome: Outcome, index: int) -> list[str]:
    claim, measured = outcome.claim, outcome.measured
    value, error = float(measured.values[index]), float(measured.errors[index])
    return [
        claim.cases[index],
        true_minus(format(float(outcome.theory[index]), claim.format)),
        plus_minus_text(value, error) if error > 0 else true_minus(format(value, claim.format)),
        f"±{float(outcome.allowance[index]):.1g}",
        _verdict(outcome, index),
    ]


def _verdict(outcome: Outcome, index: int) -> str:
    if outcome.agrees[index]:
        return "agrees" if outcome.claim.holds else "reproduces after all"
    return "differs" if outcome.claim.holds else "does not reproduce"


def _heading(outcome: Outcome) -> str:
    return f"{outcome.claim.statement}."


def _details(outcome: Outcome) -> str:
    claim = outcome.claim
    allowed = {
        Kind.EXACT: f"within a relative {claim.tolerance:g}",
        Kind.EXPECTATION: "within four standard errors",
        Kind.ASYMPTOTIC: f"within a relative {claim.tolerance:g} and four standard errors",
    }
    return (
        f"Setting: {claim.setting}. Source: {claim.source.label}. "
        f"Comparison: {claim.kind.value}, {allowed[claim.kind]}."
    )
