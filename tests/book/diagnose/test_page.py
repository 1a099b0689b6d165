"""The page says all that the tool can say, in its order, and how often that is right."""

from __future__ import annotations

import math
import re

import pytest

from gradbook.book.diagnose import scoring
from gradbook.book.diagnose.suite import BARE, DELTAS, GIVEN, TEST, TRUTHS, Matrix, see
from gradbook.diagnosis.verdicts import Verdict
from gradbook.press.places import ROOT

PAGE = (ROOT / "docs" / "chapters" / "diagnose.md").read_text(encoding="utf-8")


def test_the_findings_stand_in_the_order_of_consequence_each_with_the_tools_first_advice() -> None:
    rows = re.findall(r"(?m)^\| \*([a-z -]+)\* \|.*`\{python\} do\[\"([a-z -]+)\"\]`", PAGE)
    assert rows == [(verdict.value, verdict.value) for verdict in Verdict]


@pytest.mark.parametrize(("count", "of"), [(0, 12), (12, 12), (1, 40), (81, 263), (160, 161)])
def test_the_ends_of_an_interval_are_as_far_off_as_a_share_that_is_true_allows(
    count: int, of: int
) -> None:
    low, high = scoring.interval(count, of)
    assert 0 <= low <= count / of <= high <= 1
    for end in {low, high} - {0.0, 1.0}:
        deviation = math.sqrt(end * (1 - end) / of)
        assert abs(count / of - end) == pytest.approx(scoring.TWO_SIDED * deviation)


def test_the_table_of_kinds_counts_right_and_harmful_answers() -> None:
    seen = see(TEST, *GIVEN)
    rows = {str(row[0]): row for row in scoring.kinds(seen).rows}
    assert list(rows) == [truth.value for truth in TRUTHS]
    for at, given in ((2, DELTAS), (4, BARE)):
        counts = Matrix.of(seen.judged[given]).counts
        for truth in TRUTHS:
            row = rows[truth.value]
            said = {one: n for (was, one), n in counts.items() if was is truth}
            right = said.get(truth, 0)
            harmful = sum(n for one, n in said.items() if one not in (truth, Verdict.CANNOT_TELL))
            assert row[1] == sum(said.values())
            assert str(row[at]).startswith(f"{right / sum(said.values()):.0%} (")
            assert str(row[at + 1]).startswith(f"{harmful / sum(said.values()):.0%} (")
