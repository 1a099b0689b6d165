"""The page and the diagnosis advise the same things in the same order."""

from __future__ import annotations

import re

import pytest

from gradbook.diagnosis.findings import Finding
from gradbook.diagnosis.reporting.advice import Traits, next_steps
from gradbook.diagnosis.verdicts import Verdict
from gradbook.press.places import DOCS

STACK, CELLS, SIGMOIDS = Traits(), Traits(recurrent=True), Traits(sigmoids=True)
BENT = {"replace them": "Replace the sigmoids", "BatchNorm": "BatchNorm"}
ROUNDED = {"a wide copy": "float32 copy", "a larger rate": "Raise", "Loss scaling": "Scale"}
TAMED = {"recurrent weights": "orthogonal", "gates": "If they have gates", "a clip": "Clip"}
ORDERS = {
    "deep": (4, Verdict.VANISHING, STACK, {"suited weights": "Draw the weights", "a path": "path"}),
    "explodes": (4, Verdict.EXPLODING, STACK, {"suited weights": "Draw the", "a path": "path"}),
    "in time": (5, Verdict.VANISHING, CELLS, {"recurrent weights": "orthogonal", "gates": "gates"}),
    "grows in time": (5, Verdict.EXPLODING, CELLS, TAMED),
    "sigmoids": (4, Verdict.VANISHING, SIGMOIDS, BENT),
    "frozen": (6, Verdict.FROZEN, Traits(small=True), ROUNDED),
    "dead": (3, Verdict.DEAD, STACK, {"biases": "biases of 0", "normalization": "Normalize"}),
}
"""The item of the page's list, a finding, what the network has, and how both name a remedy."""


def item(number: int) -> str:
    """Return an item of *In which order*."""
    page = (DOCS / "what-do-i-try.md").read_text(encoding="utf-8")
    order = page[page.index("## In which order") :]
    (text,) = re.findall(rf"(?ms)^{number}\. (.*?)(?=^\d\. |^```)", order)
    return str(text)


def places(names: list[str], texts: list[str]) -> list[int]:
    """Return where each name comes first, among texts in order."""
    return [next(n for n, text in enumerate(texts) if name in text) for name in names]


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_the_page_and_the_tool_give_one_order(
    order: tuple[int, Verdict, Traits, dict[str, str]],
) -> None:
    number, verdict, traits, names = order
    said = item(number)
    on_page = [said.index(name) for name in names]
    steps = [step.text for step in next_steps(Finding(verdict, "It is so."), traits)]
    assert on_page == sorted(on_page)
    found = places(list(names.values()), steps)
    assert found == sorted(found)
    assert max(found) < len(set(found)), "what the page does not name comes behind what it names"


def test_a_rate_and_a_clip_come_last_in_a_stack() -> None:
    """As the page says; unless the loss is not finite, or a step is too large."""
    assert "clipping and Adam last" in item(7)
    for verdict in (Verdict.VANISHING, Verdict.EXPLODING, Verdict.DEAD):
        assert not [s for s in next_steps(Finding(verdict, "So."), STACK) if "Clip" in s.text]
