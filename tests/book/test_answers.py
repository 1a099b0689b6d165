"""The fields for answers: what a page tells its script."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest

from gradbook.book.answers import ask
from gradbook.press.pages import read
from gradbook.press.places import paths


def told(*arguments: Any, **options: Any) -> dict[str, Any]:
    """Return what the script is given."""
    (data,) = re.findall(r"data-answer='([^']*)'", ask(*arguments, **options))
    found: dict[str, Any] = json.loads(unescape(data))
    return found


def test_two_digits_are_enough_and_a_whole_number_is_met() -> None:
    assert told(0.036, digits=2)["within"] == pytest.approx(0.05)
    assert told(0.036, digits=3)["within"] == pytest.approx(0.005)
    assert told(120)["within"] == 0


def test_words_may_hold_any_sign() -> None:
    data = told(1.5, {"it's <b>": 2}, what="n > 1")
    assert data["slips"] == [["it's <b>", 2.0]]
    assert data["what"] == "n > 1"


def test_a_slip_that_counts_as_right_is_refused() -> None:
    with pytest.raises(ValueError, match=r"slips: 'forgotten' gives 1\.53.*counts as 1\.5"):
        ask(1.5, {"forgotten": 1.53})
    with pytest.raises(ValueError, match="value"):
        ask(float("nan"))


def test_chapters_ask_for_numbers() -> None:
    """At least one exercise of each chapter with a deeper page can be answered on the page."""
    pages = {path.stem: read(path) for path in paths() if path.parent.name == "chapters"}
    asked = {name for name, page in pages.items() if any("ask(" in v.expr for v in page.values)}
    assert asked >= {name.removesuffix("-deeper") for name in pages if name.endswith("-deeper")}
