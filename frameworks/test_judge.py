"""What `make judge` counts: the networks, their truth, and a part of the counts found again."""

from __future__ import annotations

from collections import Counter
from typing import Any

import judge
import pytest
from generated_asked import Asked
from generated_met import FAULTS_MET, FIXED, later, met, partly_off
from generated_networks import FAULTS, generated
from generated_parts import SIZES
from generated_sound import sound
from planted_off import off
from planted_truth import Case

from gradbook.book.diagnose import generated as book
from gradbook.diagnosis.findings import Known, Parameter, over_depth
from gradbook.diagnosis.places import Place
from gradbook.diagnosis.watching import Record


def shapes(case: Case) -> tuple[Any, ...]:
    return tuple(tuple(p.shape) for p in case.made()[0].parameters())


def test_no_network_that_is_judged_has_the_shape_of_one_that_was_fitted_on() -> None:
    fitted = {shapes(case) for size in SIZES[::2] for case in (*sound(size), *met(size))}
    judged = {shapes(case) for size in SIZES[1::2] for case in (*sound(size), *met(size))}
    assert not fitted & judged
    assert {size for size, _, _ in judge.FITTED} == {*SIZES[::2]}
    for pieces in judge.JUDGED.values():
        assert {size for size, _, _ in pieces} == {*SIZES[1::2]}


@pytest.mark.parametrize("size", SIZES)
def test_every_fault_breaks_some_architecture(size: int) -> None:
    for cases, faults in (([*sound(size)], FAULTS), ([*met(size)], FAULTS_MET)):
        for fault in faults:
            assert any(True for case in cases for _ in fault(case, size)), fault
    names = Counter(case.name for case in generated(size))
    assert max(names.values()) == 1


def test_a_share_of_the_units_is_off_whichever_way_the_relu_is_called() -> None:
    for case in (each for each in met(1) if "ReLU" in each.name):
        for ill in partly_off(case, 1):
            share = off(ill.build(), case.draw()[0])
            assert (share > 0.5) == (ill.illness == "dead"), ill


def test_a_step_later_nothing_is_0_and_no_gradient_is_left() -> None:
    fixed = [case for case in met(1) if case.name in FIXED]
    for case in fixed:
        before, after = case.build(), next(later(case, 1)).build()
        asking = [p for p in before.parameters() if p.requires_grad and p.ndim > 1]
        assert any(not p.any() for p in asking)
        assert all(p.any() and p.grad is None for p in after.parameters() if p.ndim > 1)


def test_the_pieces_hold_every_second_network_once() -> None:
    for size in (1, 3, 5):
        of = {(part, parts) for s, part, parts in judge.JUDGED["PyTorch"] if s == size}
        held = sorted(i for i in range(24) for part, parts in of if i % parts == part)
        assert held == [*range((size + 1) // 2 % 2, 24, 2)]


def alone(truth: str, *, fall: float) -> Asked:
    """Return a chain of three layers in which δ falls by so many decades."""
    first, last = 10.0**-fall, 1.0
    places = Place("a", first), Place("b", (first * last) ** 0.5, before=("a",))
    places = *places, Place("c", last, before=("b",))
    weights = tuple(Parameter(f"{place.name}.weight", norm=1.0) for place in places)
    return Asked("", truth, Known(Record(places), weights))


@pytest.mark.parametrize(
    ("truth", "fall", "answer"),
    [
        ("vanishing", 4, "right"),
        ("healthy", 0, "right"),
        ("healthy", 4, "harmful"),
        ("vanishing", 0, "harmful"),
        ("exploding", 4, "harmful"),
    ],
)
def test_an_answer_is_right_or_harmful(truth: str, fall: float, answer: str) -> None:
    assert judge.judged(truth, alone(truth, fall=fall).says()) == answer


def test_who_cannot_tell_is_neither() -> None:
    assert judge.judged("healthy", Asked("", "healthy", Known(Record())).says()) == "open"


def test_a_limit_is_fitted_between_what_is_healthy_and_what_is_not() -> None:
    half = [alone("healthy", fall=1.32), alone("vanishing", fall=2.22)]
    low, high = judge.best(half, "FALL")
    assert low == pytest.approx(1.35)
    assert high == pytest.approx(2.2)
    assert over_depth.FALL == 1.95
    assert "FALL      best from 1.35 to 2.2, in use 1.95" in [*judge.fit(half)]


def test_what_has_no_truth_is_counted_and_not_asked() -> None:
    half = [Asked("", book.BETWEEN, None), alone("healthy", fall=0), alone("healthy", fall=4)]
    answered = [(str(i), one.truth, one.says()) for i, one in enumerate(half)]
    rows = [*judge.records("PyTorch", (1, 3, 12), answered)]
    assert rows == [
        ("PyTorch", 1, 3, book.BETWEEN, 1, 0, 0),
        ("PyTorch", 1, 3, "healthy", 2, 1, 1),
    ]
    assert judge.told([half]) == half[1:]
    assert [*judge.wrong(answered)] == ["harmful: 2: healthy, not vanishing"]


@pytest.mark.parametrize("library", judge.WAYS)
def test_the_book_shows_what_the_command_counts(library: str) -> None:
    piece = judge.JUDGED[library][0]
    written = [row for row in book.counted() if row[:3] == (library, *piece[:2])]
    found = judge.WAYS[library](piece)
    assert [*judge.records(library, piece, found)] == written, "run make judge, and read the page"


@pytest.mark.parametrize("library", judge.WAYS)
def test_the_table_holds_all_that_was_counted(library: str) -> None:
    rows = {row[0]: row[1:] for row in book.table(library).rows}
    assert rows["all"][0] == sum(row[0] for kind, row in rows.items() if kind != "all")
    kept = [row for row in book.counted() if row[0] == library]
    assert {row[1:3] for row in kept} == {piece[:2] for piece in judge.JUDGED[library]}
    assert book.left_out(library) + rows["all"][0] == sum(row[4] for row in kept)
