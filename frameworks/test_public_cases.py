"""The first finding on networks from public questions is what their threads settled."""

from __future__ import annotations

from pathlib import Path

import public_cases
import pytest
from public_cases import CASES, PublicCase

from gradbook.book.diagnose import public


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_first_finding_is_what_the_thread_settled(case: PublicCase) -> None:
    assert public_cases.said(case) is (case.says or case.truth)


def test_at_most_two_are_not_what_the_thread_settled() -> None:
    assert sum(case.says is not None for case in CASES) <= 2
    assert all(case.says is not case.truth for case in CASES)
    assert len({case.address for case in CASES}) == len(CASES) == 10


def test_the_book_shows_what_is_found() -> None:
    assert public.rows() == public_cases.records()


def test_the_page_links_to_every_thread_by_its_number() -> None:
    page = Path(__file__).parents[1] / "docs" / "chapters" / "diagnose-deeper.md"
    text = page.read_text(encoding="utf-8")
    for number, case in enumerate(CASES, start=1):
        assert f"[{number}]({case.address})" in text
