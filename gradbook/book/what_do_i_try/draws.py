"""What three draws of the task and of the networks say of each remedy, as `make draws` found it.

The networks of one draw share their examples, so that five of them may agree on what another draw
does not show. Three draws take minutes, a build has seconds: the command writes what they say into
a table, and a test finds the first draw again, and a part of the others.
"""

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gradbook.book.what_do_i_try.patients import PATIENTS, Patient
from gradbook.book.what_do_i_try.remedies import REMEDIES, Remedy
from gradbook.book.what_do_i_try.treatment import Cohort, RemedyVerdict, treat
from gradbook.book.written import rows_of, write_rows

DRAWS = tuple(Cohort(seed=seed) for seed in range(3))
"""The draws, of which the book shows the first."""

TABLE = Path(__file__).with_name("draws.csv")


@cache
def _kept() -> dict[tuple[str, str], tuple[RemedyVerdict, ...]]:
    return {(row[0], row[1]): tuple(map(RemedyVerdict, row[2:])) for row in rows_of(TABLE)}


def cells() -> Iterator[tuple[Remedy, Patient]]:
    """Yield every remedy with every patient that it applies to."""
    pairs = ((remedy, patient) for remedy in REMEDIES for patient in PATIENTS)
    yield from (pair for pair in pairs if pair[0].treated(pair[1].plan) is not None)


def of(patient: Patient, remedy: Remedy) -> tuple[RemedyVerdict, ...]:
    """Return the verdict of each draw; none where the remedy does not apply."""
    if remedy.treated(patient.plan) is None:
        return ()
    try:
        return _kept()[remedy.name, patient.name]
    except KeyError:
        asked = f"{remedy.name!r} for {patient.name!r}"
        raise KeyError(f"{TABLE.name} must tell of {asked}; `make draws` writes it") from None


def agreed(patient: Patient, remedy: Remedy) -> RemedyVerdict:
    """Return what all draws say of a remedy; it depends on the draw where they differ.

    Examples:
        >>> from gradbook.book.what_do_i_try import patients, remedies
        >>> agreed(patients.SMALL, remedies.path).value
        'helps'
        >>> agreed(patients.SMALL, remedies.lstm).value
        'does not apply'
    """
    said = set(of(patient, remedy)) or {RemedyVerdict.NONE}
    return said.pop() if len(said) == 1 else RemedyVerdict.DEPENDS


def helped(patient: Patient, remedy: Remedy, *, a_little: bool = False) -> str:
    """Say in how many of the draws a remedy helps; if asked, also those where it does so a little.

    Examples:
        >>> from gradbook.book.what_do_i_try import patients, remedies
        >>> helped(patients.SMALL, remedies.pre_norm), helped(patients.SMALL, remedies.adam)
        ('all draws', 'no draw')
    """
    good = {RemedyVerdict.HELPS, *([RemedyVerdict.LITTLE] if a_little else [])}
    count = sum(verdict in good for verdict in of(patient, remedy))
    return ("no draw", "one draw", "two draws", "all draws")[count]


def measured(patient: Patient, remedy: Remedy) -> tuple[RemedyVerdict, ...]:
    """Train them all, and return the verdict of each draw."""
    return tuple(treat(patient, remedy, draw).verdict for draw in DRAWS)


def main() -> int:
    """Measure all, show it and write the table."""
    rows = []
    for remedy, patient in cells():
        verdicts = [verdict.value for verdict in measured(patient, remedy)]
        rows.append([remedy.name, patient.name, *verdicts])
        sys.stdout.write(f"{remedy.name:24}{patient.name:34}{' | '.join(verdicts)}\n")
    write_rows(TABLE, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
