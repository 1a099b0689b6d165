"""Every claim stands, fails when its theory is moved, and is told on a page."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradbook.book import sources
from gradbook.book.claims import Claim, ClaimKind, Measurement, Outcome, Rival, board, check, of
from gradbook.book.claims.every import ALL
from gradbook.press.pages import read
from gradbook.press.places import DOCS, ROOT
from gradbook.press.reach import reached

HERE = Path(__file__).parent
CHAPTERS = sorted((DOCS / "chapters").glob("*.md"))
CLAIMS = {claim.name: claim for claim in ALL}


@pytest.fixture
def outcome(name: str) -> Outcome:
    """What a claim gives: measured when the first test asks, and shared through the cache."""
    return check(CLAIMS[name])


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_stands(outcome: Outcome) -> None:
    assert outcome.stands, f"theory {outcome.theory}, measured {outcome.measured}"


@pytest.mark.parametrize("moved", [-3.0, 3.0])
@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_fails_when_its_theory_is_moved_by_three_tolerances(
    outcome: Outcome, moved: float
) -> None:
    assert (outcome.allowance > 0).all(), "a claim with no tolerance cannot be moved by it"
    if outcome.claim.holds:
        assert not outcome.moved(moved).agrees.any()


@pytest.mark.parametrize("name", CLAIMS)
def test_a_tolerance_is_a_small_part_of_what_is_claimed(outcome: Outcome) -> None:
    # A quarter of the number itself: wider, and the claim would not say which number is meant.
    sized = np.maximum(np.abs(outcome.theory), outcome.claim.tolerance)
    assert (outcome.allowance <= 0.25 * sized).all() or (outcome.theory == 0).any()


def test_names_are_unique_and_every_chapter_exists() -> None:
    assert len(CLAIMS) == len(ALL)
    for claim in ALL:
        assert (DOCS / "chapters" / f"{claim.chapter}.md").exists(), claim.name


def boards(path: Path) -> Iterator[object]:
    """Yield what a page hands to each board that it shows, from its imports alone."""
    nodes = [node for cell in read(path).cells for node in ast.walk(ast.parse(cell.source))]
    imported: dict[str, object] = {}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            exec(ast.unparse(node), imported)
    for node in nodes:
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("board"):
            yield eval(ast.unparse(node.args[0]), imported)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_shows_one_board_with_all_its_claims_and_no_other(path: Path) -> None:
    own = tuple(claim for claim in ALL if claim.chapter == path.stem)
    assert list(boards(path)) == ([own] if own else [])


def test_the_results_page_shows_one_board_with_all_claims() -> None:
    assert list(boards(DOCS / "results.md")) == [ALL]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_reaches_the_claims_of_no_other(path: Path) -> None:
    files = reached([cell.source for cell in read(path).cells], ROOT / "gradbook")
    found = {file.parent.name for file in files if file.name == "claims.py"}
    chapters = {claim.chapter.replace("-", "_") for claim in ALL}
    own = {path.stem.removesuffix("-deeper").replace("-", "_")} & chapters
    assert found & chapters <= own
    assert found & chapters == own or path.stem.endswith("-deeper")


def printed(code: str) -> str:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE, env=env, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_records_are_imported_without_any_claim() -> None:
    loaded = printed("import sys, gradbook.book.claims; print(*sys.modules)").split()
    chapters = {claim.place[0] for claim in ALL if claim.place}
    assert len(chapters) == len({claim.chapter for claim in ALL})
    assert not chapters & set(loaded)


def test_nothing_is_measured_while_tests_are_collected() -> None:
    code = """
from gradbook.book.claims import record
record.Claim.draws_for = lambda claim, full: 1 / 0
import test_claims
try:
    test_claims.check(test_claims.ALL[0])
except ZeroDivisionError:
    print("not before")
"""
    assert printed(code) == "not before\n"


def test_every_source_is_a_record_and_every_record_is_used() -> None:
    pages = "\n".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))
    linked = set(re.findall(r"references\.md#([\w-]+)", pages))
    known = {source.anchor for source in sources.ALL}
    assert linked <= known
    assert known == linked | {claim.source.anchor for claim in ALL}


def a_claim(theory: float, kind: ClaimKind = ClaimKind.EXACT) -> Claim:
    return Claim(
        name="planted",
        chapter="nowhere",
        statement="The mean of a standard normal is what theory says",
        setting="planted",
        source=sources.ALL[0],
        kind=kind,
        cases=("mean",),
        theory=lambda: theory,
        measure=lambda rng, draws: Measurement.mean(rng.standard_normal((draws, 1))),
        tolerance=0.1,
        draws=100,
        full=10_000,
    )


def test_a_claim_in_expectation_is_held_to_four_standard_errors() -> None:
    outcome = check(a_claim(0.0, ClaimKind.EXPECTATION))
    # The standard error of the mean of 100 standard normals is 0.1 give or take a tenth of that.
    assert outcome.allowance == pytest.approx(0.4, rel=0.3)
    assert outcome.stands
    assert not check(a_claim(1.0, ClaimKind.EXPECTATION)).stands


def test_full_takes_more_draws_and_has_a_smaller_error() -> None:
    few, many = (check(a_claim(0.0, ClaimKind.EXPECTATION), full=full) for full in (False, True))
    assert many.measured.errors < few.measured.errors / 5


def test_an_asymptotic_claim_adds_what_theory_leaves_out_to_the_sampling_error() -> None:
    outcome = check(a_claim(2.0, ClaimKind.ASYMPTOTIC))
    assert outcome.allowance == pytest.approx(0.2 + 4 * outcome.measured.errors)


def test_a_published_statement_that_does_not_reproduce_is_printed_as_such() -> None:
    claim = replace(a_claim(1.0, ClaimKind.EXPECTATION), holds=False)
    assert check(claim).stands
    assert "does not reproduce" in str(board([claim]))
    now_holding = replace(a_claim(0.0, ClaimKind.EXPECTATION), holds=False)
    assert not check(now_holding).stands
    assert "reproduces after all" in str(board([now_holding]))


def test_a_claim_that_differs_says_so_in_text_and_in_html() -> None:
    found = board([a_claim(1.0)])
    assert "differs" in str(found)
    assert "These do not stand: planted." in found._repr_html_()


def test_a_verdict_on_every_case_is_said_once_and_others_stand_in_a_column() -> None:
    claim = replace(a_claim(0.0), cases=("one", "two"), kind=ClaimKind.EXPECTATION)
    claim = replace(claim, theory=lambda: [0.0, 0.0])
    both = replace(claim, measure=lambda rng, draws: Measurement.of([0.0, 0.0], 0.1))
    text = str(board([both]))
    assert "Verdict: agrees in every case." in text
    assert text.count("agrees") == 1
    assert "0 ± 0.4       0.00 ± 0.10\n" in text
    mixed = str(board([replace(claim, measure=lambda rng, draws: Measurement.of([0, 9], 0.1))]))
    assert [line.split()[-1] for line in mixed.splitlines()[2:6]] == [
        "verdict", "-------", "agrees", "differs"
    ]  # fmt: skip


def against(rival: float, theory: float = 0.0) -> Claim:
    says = Rival("The mean is another", lambda: rival)
    return replace(a_claim(theory, ClaimKind.EXPECTATION), rival=says)


def test_a_claim_stands_only_if_its_rival_is_ruled_out_at_its_own_tolerance() -> None:
    assert check(against(0.6)).stands
    # Four standard errors of 0.1 do not tell a mean of 0.2 from one of 0.
    near = check(against(0.2))
    assert near.agrees.all()
    assert not near.rejects.any()
    assert not near.stands


def test_a_board_prints_what_is_ruled_out_and_brackets_what_is_not() -> None:
    text = str(board([against(0.6)]))
    assert "Ruled out: The mean is another." in text
    assert text.splitlines()[-3].split()[-1] == "0.6"
    assert "(0.2)" in str(board([against(0.2)]))


def test_a_refuted_statement_is_counted_as_refuted() -> None:
    refuted = replace(a_claim(1.0, ClaimKind.EXPECTATION), holds=False, name="published")
    holding = a_claim(0.0, ClaimKind.EXPECTATION)
    said = board([refuted, holding]).summary
    assert said == "1 of 2 claims agree with their theory, 1 published is refuted."


def test_each_claim_draws_from_a_stream_of_its_own() -> None:
    one, other = a_claim(0.0), replace(a_claim(0.0), name="another")
    assert one.generator().random() != other.generator().random()
    assert one.generator().random() == one.generator().random()
    assert one.generator().random() != replace(one, seed=1).generator().random()


@pytest.mark.parametrize("change", [{"cases": ()}, {"tolerance": 0.0}, {"tolerance": 1.0}])
def test_a_claim_that_could_not_fail_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        replace(a_claim(1.0), **change)


def test_a_claim_with_other_numbers_than_cases_is_refused() -> None:
    claim = replace(a_claim(1.0), cases=("one", "two"))
    with pytest.raises(ValueError, match=r"planted.*one number per case"):
        check(claim)


def test_a_mean_of_one_draw_has_no_error_bar_and_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        Measurement.mean(np.ones((1, 1)))


def test_a_module_without_claims_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"chapter is 'gradbook\.book\.sources'.*a chapter's file"):
        of(sources)
