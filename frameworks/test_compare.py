"""What `make compare` compares: the truth is what was planted, and every tool answers."""

from __future__ import annotations

from collections import Counter

import compare
import pytest
from planted_networks import CASES
from planted_truth import TRAINED, Case, truth_of
from rival_tools import TOOLS, Tool

from gradbook.book.diagnose import compared


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_network_is_in_float64_what_it_is_planted_to_be(case: Case) -> None:
    truth = truth_of(case)
    assert truth.illness == case.illness, truth
    # What is cut off does not learn, and what is not may learn the batch by heart.
    if case.illness not in ("healthy", "cut"):
        assert not truth.trained < TRAINED, truth


def test_half_of_the_networks_are_healthy() -> None:
    assert [case.illness for case in CASES].count("healthy") == len(CASES) / 2
    assert len({case.name for case in CASES}) == len(CASES)


def named(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


@pytest.mark.parametrize("tool", TOOLS, ids=str)
def test_every_tool_answers_on_a_sound_and_on_an_ill_network(tool: Tool) -> None:
    assert compare.answer(tool, named("GRU in both directions")) == ("right", "nothing")
    verdict, said = compare.answer(tool, named("sigmoid, 20 layers"))
    assert verdict == "right"
    assert "vanishing" in said


@pytest.mark.parametrize(
    ("kinds", "illness", "answer"),
    [
        (set(), "healthy", "right"),
        ({"dead"}, "healthy", "false alarm"),
        (set(), "cut", "missed"),
        ({"dead", "cut"}, "cut", "right"),
        ({"dead"}, "cut", "wrong illness"),
    ],
)
def test_an_answer_is_held_against_the_truth(kinds: set[str], illness: str, answer: str) -> None:
    assert compare.judged(kinds, illness) == answer


def test_what_breaks_in_a_tool_is_its_answer() -> None:
    def ask(case: Case, seed: int) -> list[tuple[float, str]]:
        raise ValueError

    assert compare.answer(Tool("broken", ask, {}), CASES[0]) == ("failed", "ValueError")


def test_the_table_ends_with_the_sums() -> None:
    sums = [Counter[str]()]
    lines = [*compare.table([named("a state detached")], TOOLS[1:2], sums)]
    assert "right: cut" in lines[1]
    assert lines[-1].split()[1:] == ["0.1.0", "1", "0", "0", "0", "0"]
    assert compare.records(TOOLS[1:2], sums) == [lines[-1].split()]


def test_the_book_shows_what_the_command_finds() -> None:
    sums = [Counter[str]() for _ in TOOLS]
    assert [*compare.table(CASES, TOOLS, sums)]
    assert compare.records(TOOLS, sums) == compared.rows(), "run make compare, and read the page"
