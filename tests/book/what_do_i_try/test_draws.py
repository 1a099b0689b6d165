"""The table of three draws is what the networks say, as far as a test has time to ask them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from gradbook.book.what_do_i_try import draws, patients, remedies
from gradbook.book.what_do_i_try.patients import PATIENTS, Patient
from gradbook.book.what_do_i_try.remedies import REMEDIES, Remedy
from gradbook.book.what_do_i_try.treatment import COHORT, RemedyVerdict, treat

HELPS, NOT, DEPENDS = RemedyVerdict.HELPS, RemedyVerdict.NOT, RemedyVerdict.DEPENDS


def test_every_cell_is_there_once() -> None:
    with draws.TABLE.open(encoding="utf-8", newline="") as file:
        kept = [(row[0], row[1], len(row) - 2) for row in csv.reader(file)]
    cells = [(remedy.name, patient.name, len(draws.DRAWS)) for remedy, patient in draws.cells()]
    assert kept == cells


@pytest.mark.parametrize("patient", PATIENTS, ids=lambda patient: patient.name)
def test_the_first_draw_is_that_of_the_book(patient: Patient) -> None:
    assert draws.DRAWS[0] == COHORT
    for remedy in REMEDIES:
        if said := draws.of(patient, remedy):
            assert treat(patient, remedy).verdict is said[0], remedy.name


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: remedy.name)
def test_the_others_are_found_again_in_quick_networks(remedy: Remedy) -> None:
    for patient in (patients.DEAD, patients.HASTY):
        if said := draws.of(patient, remedy):
            assert draws.measured(patient, remedy) == said


@pytest.mark.parametrize(
    ("said", "agreed"),
    [
        ((HELPS, HELPS, HELPS), HELPS),
        ((HELPS, HELPS, DEPENDS), DEPENDS),
        ((NOT, HELPS, HELPS), DEPENDS),
        ((), RemedyVerdict.NONE),
    ],
)
def test_what_draws_do_not_agree_on_depends_on_the_draw(
    said: tuple[RemedyVerdict, ...], agreed: RemedyVerdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draws, "of", lambda patient, remedy: said)
    assert draws.agreed(patients.DEAD, remedies.adam) is agreed


def test_the_command_writes_what_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [(remedies.batch_norm, patients.DEAD)]
    monkeypatch.setattr(draws, "cells", lambda: iter(cells))
    monkeypatch.setattr(draws, "TABLE", tmp_path / "draws.csv")
    assert draws.main() == 0
    assert draws.TABLE.read_text() == 'BatchNorm,"ReLU, biases of -2",helps,helps,helps\n'
    assert "helps | helps | helps" in capsys.readouterr().out


def test_a_cell_that_the_table_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "_kept", dict)
    with pytest.raises(KeyError, match="must tell of 'Adam' for 'ReLU, biases of -2'"):
        draws.of(patients.DEAD, remedies.adam)
