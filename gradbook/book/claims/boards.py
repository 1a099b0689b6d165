"""The board: every claim, its theory beside its measurement, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gradbook.book.claims.checking import check
from gradbook.book.claims.record import Claim, ClaimKind, Outcome
from gradbook.show.formats import inline_html, plus_minus_text, true_minus
from gradbook.show.tables import Table


@dataclass(frozen=True)
class Board:
    """Show outcomes, one table per claim, and how many claims agree with their theory."""

    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the claims that do not stand."""
        return tuple(outcome.claim.name for outcome in self.outcomes if not outcome.stands)

    @property
    def summary(self) -> str:
        """How many claims agree with their theory, and how many are refuted, as it was said."""
        count = len(self.outcomes)
        refuted = sum(outcome.stands and not outcome.claim.holds for outcome in self.outcomes)
        text = f"{count - len(self.failed) - refuted} of {count} claims agree with their theory"
        if refuted:
            text += f", {refuted} published {'is' if refuted == 1 else 'are'} refuted"
        return (
            f"{text}. These do not stand: {', '.join(self.failed)}." if self.failed else f"{text}."
        )

    def __str__(self) -> str:
        """Return the board as plain text."""
        parts = [f"{_heading(o)}\n{_details(o)}\n{_table_of(o)}\n" for o in self.outcomes]
        return "\n".join([*parts, self.summary])

    def _repr_html_(self) -> str:
        chapters = list(dict.fromkeys(outcome.claim.chapter for outcome in self.outcomes))
        titles = {chapter: chapter.replace("-", " ").capitalize() for chapter in chapters}
        parts = [f"<p>{self.summary}</p>"]
        if len(chapters) > 1:
            links = (f'<a href="#{chapter}">{title}</a>' for chapter, title in titles.items())
            parts.append(f"<p>{' · '.join(links)}</p>")
        for chapter in chapters:
            if len(chapters) > 1:
                parts.append(f'<h2 id="{chapter}">{titles[chapter]}</h2>')
            parts += [_card(o) for o in self.outcomes if o.claim.chapter == chapter]
        return "\n".join(parts)


def _card(outcome: Outcome) -> str:
    heading, details = inline_html(_heading(outcome)), inline_html(_details(outcome))
    told = f'<p class="gb-claim"><strong>{heading}</strong> {details}</p>'
    return told + _table_of(outcome)._repr_html_()


def board(claims: Iterable[Claim], *, full: bool = False) -> Board:
    """Run claims and return their outcomes as a board.

    Examples:
        >>> from gradbook.book.update_rule.claims import MULTIPLIER
        >>> board([MULTIPLIER]).summary
        '1 of 1 claims agree with their theory.'
    """
    # From the last to the first: the process that runs the chapters in their order meets this one
    # half way, and each finds in the cache what the other measured.
    outcomes = [check(claim, full=full) for claim in reversed(tuple(claims))]
    return Board(tuple(reversed(outcomes)))


def _table_of(outcome: Outcome) -> Table:
    """Return one outcome as a table, a row per case; what all rows would say has no column."""
    said = {"theory ± allowed": _theory, "measured ± error": _measured}
    if outcome.rival is not None:
        said["ruled out"] = _rival
    if not _common(outcome):
        said["verdict"] = _verdict
    rows = [
        [case, *(write(outcome, index) for write in said.values())]
        for index, case in enumerate(outcome.claim.cases)
    ]
    align = "l" + "".join("l" if name == "verdict" else "r" for name in said)
    return Table(("case", *said), rows, caption=f"Claim {outcome.claim.name}", align=align)


def _theory(outcome: Outcome, index: int) -> str:
    number = format(float(outcome.theory[index]), outcome.claim.format)
    return true_minus(f"{number} ± {float(outcome.allowance[index]):.2g}")


def _measured(outcome: Outcome, index: int) -> str:
    value = float(outcome.measured.values[index])
    error = float(outcome.measured.errors[index])
    if error > 0:
        return plus_minus_text(value, error)
    return true_minus(format(value, outcome.claim.format))


def _rival(outcome: Outcome, index: int) -> str:
    assert outcome.rival is not None
    number = true_minus(format(float(outcome.rival[index]), outcome.claim.format))
    return number if outcome.rejects[index] else f"({number})"


def _verdict(outcome: Outcome, index: int) -> str:
    if outcome.agrees[index]:
        return "agrees" if outcome.claim.holds else "reproduces after all"
    return "differs" if outcome.claim.holds else "does not reproduce"


def _common(outcome: Outcome) -> str:
    """Return the verdict on all cases; nothing where they differ."""
    verdicts = {_verdict(outcome, index) for index in range(len(outcome.claim.cases))}
    return verdicts.pop() if len(verdicts) == 1 else ""


def _heading(outcome: Outcome) -> str:
    return f"{outcome.claim.statement}."


def _details(outcome: Outcome) -> str:
    claim = outcome.claim
    allowed = {
        ClaimKind.EXACT: f"within a relative {claim.tolerance:g}",
        ClaimKind.EXPECTATION: "within four standard errors",
    }
    wider = f"within a relative {claim.tolerance:g} and four standard errors"
    rival, of = "", len(claim.cases)
    everywhere = " in every case" * (of > 1)
    if claim.rival:
        out = int(outcome.rejects.sum())
        where = f" in {out} of {of} cases" if out < of else everywhere
        rival = f" Ruled out{where}: {claim.rival.statement}."
    common = _common(outcome)
    verdict = f" Verdict: {common}{everywhere}." if common else ""
    return (
        f"Setting: {claim.setting}. Source: {claim.source.label}. "
        f"Comparison: {claim.kind.value}, {allowed.get(claim.kind, wider)}.{rival}{verdict}"
    )
