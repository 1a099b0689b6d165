"""What is kept of claims is what was measured, to the last bit, by this code on this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.book import sources
from gradbook.book.chain_rule import claims as chain_rule
from gradbook.book.claims import (
    Claim,
    ClaimKind,
    Measurement,
    Outcome,
    board,
    check,
    checking,
    of,
)
from gradbook.book.claims.checking import measured
from gradbook.book.claims.provenance import code_from, code_of
from gradbook.book.claims.record import judge
from gradbook.book.claims.store import CACHE_VARIABLE, ClaimStore
from gradbook.book.clipping import claims as clipping
from gradbook.book.update_rule import claims as update_rule
from gradbook.press import results

SIZE = 2000


def planted(cases: int = 1, name: str = "planted") -> Claim:
    return Claim(
        name=name,
        chapter="nowhere",
        statement="Zero is zero",
        setting="planted",
        source=sources.ALL[0],
        kind=ClaimKind.ASYMPTOTIC,
        cases=tuple(map(str, range(cases))),
        theory=lambda: np.zeros(cases),
        measure=lambda rng, draws: Measurement.of(rng.standard_normal(cases)),
    )


def store_in(folder: Path) -> ClaimStore:
    return ClaimStore(folder, code_of=lambda claim: "planted")


def bits(outcome: Outcome) -> list[bytes]:
    arrays = (outcome.theory, outcome.measured.values, outcome.measured.errors, outcome.allowance)
    return [array.tobytes() + array.dtype.str.encode() for array in arrays]


DOUBLES = st.floats(allow_nan=False, allow_infinity=False)


@given(theory=DOUBLES, value=DOUBLES, error=st.floats(0, 1e300))
def test_any_number_comes_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, theory: float, value: float, error: float
) -> None:
    store = store_in(tmp_path_factory.getbasetemp() / "any number")
    outcome = judge(planted(), theory, Measurement.of(value, error))
    store.write(outcome)
    again = store.read(outcome.claim)
    assert again is not None
    assert bits(again) == bits(outcome)


@pytest.mark.parametrize("chapter", [chain_rule, clipping, update_rule])
def test_a_board_is_the_same_with_and_without_a_cache(
    chapter: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = of(chapter)
    fresh = [measured(claim) for claim in claims]
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    first = board(claims)
    monkeypatch.setattr(checking, "measured", unwanted)
    checking._checked.cache_clear()
    again = board(claims)
    assert len(list((tmp_path / "claims").iterdir())) == len(claims)
    for found in (first, again):
        assert list(map(bits, found.outcomes)) == list(map(bits, fresh))


def unwanted(claim: Claim, *, full: bool) -> Outcome:
    raise AssertionError(f"{claim.name} was measured again")


def test_another_process_takes_what_one_has_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
from gradbook.book.claims import board, of
from gradbook.book.update_rule import claims as update_rule
print(board(of(update_rule)))
"""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    monkeypatch.setattr(checking, "measured", unwanted)
    assert f"{board(of(update_rule))}\n" == done.stdout


def test_without_a_cache_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    checking._checked.cache_clear()
    assert check(update_rule.MULTIPLIER).stands
    assert not list(tmp_path.iterdir())


def test_the_cache_is_that_of_the_build() -> None:
    assert CACHE_VARIABLE == results.CACHE_VARIABLE


def test_a_claim_that_no_chapter_holds_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its functions may hold anything: two of one name would be taken for each other.
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    copied = replace(update_rule.MULTIPLIER)
    assert code_of(copied) is code_of(planted()) is None
    check(copied)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The file of a planted claim."""
    store_in(tmp_path).write(measured(planted(3)))
    (file,) = tmp_path.iterdir()
    return file


@pytest.mark.parametrize("text", ["", "{}", "[1]", "null", "1", '{"sum": ""}', '{"numbers": {'])
def test_a_file_with_something_else_in_it_is_not_read(kept: Path, text: str) -> None:
    kept.write_text(text, encoding="utf-8")
    assert store_in(kept.parent).read(planted(3)) is None


def test_whatever_character_is_changed_no_other_number_is_read(kept: Path) -> None:
    text, good = kept.read_text(encoding="utf-8"), store_in(kept.parent).read(planted(3))
    assert good is not None
    refused = 0
    for place, old in enumerate(text):
        new = "7" if old != "7" else "8"
        kept.write_text(text[:place] + new + text[place + 1 :], encoding="utf-8")
        found = store_in(kept.parent).read(planted(3))
        refused += found is None
        assert found is None or bits(found) == bits(good)
    assert refused == len(text)


def test_a_file_that_was_cut_off_is_not_read(kept: Path) -> None:
    text = kept.read_text(encoding="utf-8")
    for length in range(len(text)):
        kept.write_text(text[:length], encoding="utf-8")
        assert store_in(kept.parent).read(planted(3)) is None


def test_the_numbers_of_another_claim_are_not_read(kept: Path) -> None:
    store, other = store_in(kept.parent), planted(3, "another")
    (path,) = store.paths(other)
    shutil.copy(kept, path)
    assert store.read(other) is None


def test_a_cluster_adds_its_machines_to_those_whose_numbers_count(tmp_path: Path) -> None:
    here, there = store_in(tmp_path), replace(store_in(tmp_path), machines=("there",))
    there.write(measured(planted()))
    assert here.read(planted()) is None
    assert replace(here, machines=(*here.machines, "there")).read(planted()) is not None


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        store_in(tmp_path).write(measured(planted()))
    assert not list(tmp_path.iterdir())


def write_often(folder: Path, seed: int) -> None:
    store, claim = store_in(folder), planted(SIZE)
    values = np.full(SIZE, float(seed))
    for _ in range(50):
        store.write(judge(claim, np.zeros(SIZE), Measurement.of(values)))


def test_processes_that_write_one_file_at_once_leave_it_whole(tmp_path: Path) -> None:
    store, claim = store_in(tmp_path), planted(SIZE)
    store.write(judge(claim, np.zeros(SIZE), Measurement.of(np.zeros(SIZE))))
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        writers = [pool.submit(write_often, tmp_path, seed) for seed in range(1, 4)]
        while not all(writer.done() for writer in writers):
            found = store.read(claim)
            assert found is not None
            assert len(set(found.measured.values.tolist())) == 1
        for writer in writers:
            writer.result()
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]


FILES = {
    "__init__.py": "",
    "asked.py": "from package.used import number\n",
    "used.py": "number = 1\n",
    "unused.py": "number = 2\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """A package of which one module reaches another, and does not reach a third."""
    folder = tmp_path / "package"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    yield folder
    code_from.cache_clear()


def print_of(package: Path) -> str:
    code_from.cache_clear()
    found = code_from(frozenset({"package.asked"}), package, time.time() + 60)
    assert found is not None
    return found


@pytest.mark.parametrize(("name", "matters"), [("asked", True), ("used", True), ("unused", False)])
def test_only_code_that_can_be_reached_makes_numbers_void(
    package: Path, name: str, matters: bool
) -> None:
    before = print_of(package)
    with (package / f"{name}.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert (print_of(package) != before) is matters


def test_a_module_of_another_name_is_other_code(package: Path) -> None:
    before = print_of(package)
    (package / "used.py").rename(package / "renamed.py")
    (package / "asked.py").write_text("from package.renamed import number\n", encoding="utf-8")
    renamed = print_of(package)
    (package / "asked.py").write_text(FILES["asked.py"], encoding="utf-8")
    (package / "renamed.py").rename(package / "used.py")
    assert renamed != before == print_of(package)


def test_code_that_was_changed_after_it_was_loaded_is_not_known(package: Path) -> None:
    assert code_from(frozenset({"package.asked"}), package, time.time() - 60) is None


def test_the_claims_of_two_chapters_come_from_different_code() -> None:
    prints = {code_of(claim) for chapter in (chain_rule, clipping) for claim in of(chapter)}
    assert None not in prints
    assert len(prints) == 2


def test_a_kept_file_is_plain_text_that_anybody_can_read(kept: Path) -> None:
    numbers = json.loads(kept.read_text(encoding="utf-8"))["numbers"]
    assert numbers["theory"] == [0, 0, 0]
    assert numbers["values"] == planted(3).generator().standard_normal(3).tolist()
