"""The fields for answers, in the browser: what they say, what they keep, who can use them."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect
from visits import PHONE, visit

PAGE = "chapters/chain-rule/"
DATA = {"what": "", "is": 0.25, "within": 0.05, "slips": [["a slope is missing", 0.75]]}
JUDGED = {
    "0.25": "Right.",
    "0.26": "Right.",
    "1/4": "Right.",
    "2.5e-1": "Right.",
    "25*10^-2": "Right.",
    "25 · 10−2": "Right.",
    "3/4": "a slope is missing",
    "−0.25": "the sign is not",
    "4": "one over it",
    "0.0625": "its square.",
    "0.5": "its square root",
    "2.5": "the point stands",
    "0.3": "too large",
    "0.1": "too small",
    "-3": "too small",
    "a quarter": "no number",
    "1,5": "no number",
    "1/0": "no number",
    "...": "no number",
}
RUN = """([data, text]) => {
  const Answer = customElements.get("gb-answer");
  return Answer.judge(data, Answer.number(text));
}"""


async def test_a_slip_is_told_by_its_name(browser: Browser, home: str) -> None:
    """Of every number that people type, and of what is none."""
    async with visit(browser, home, PAGE) as seen:
        await seen.page.wait_for_selector("gb-answer form")
        for text, said in JUDGED.items():
            told = await seen.page.evaluate(RUN, [DATA, text])
            assert said in told, text
        whole = DATA | {"is": 120, "within": 0, "slips": []}
        assert await seen.page.evaluate(RUN, [whole, "120"]) == "Right."
        assert "too large" in await seen.page.evaluate(RUN, [whole, "121"])
        none = DATA | {"is": 0, "within": 0, "slips": []}
        assert await seen.page.evaluate(RUN, [none, "0"]) == "Right."
        assert "too small" in await seen.page.evaluate(RUN, [none, "-2"])


async def test_an_answer_is_checked_kept_and_cleared_by_keyboard(
    browser: Browser, home: str
) -> None:
    """It is there when the reader comes back, and gone when it is cleared."""
    async with visit(browser, home, PAGE, width=PHONE) as seen:
        answer = seen.page.locator("gb-answer").first
        field, said = answer.get_by_label("Your answer"), answer.get_by_role("status")
        for _ in range(2):
            await field.fill("0.036")
            await field.press("Enter")
            await expect(said).to_have_text("Right.")
            await seen.page.reload()
            await expect(field).to_have_value("0.036")
            await expect(said).to_have_text("Right.")
        await answer.get_by_role("button", name="Clear").press("Enter")
        await expect(said).to_be_empty()
        await seen.page.reload()
        await expect(field).to_have_value("")


@pytest.mark.parametrize("scripts", [True, False], ids=["on paper", "without scripts"])
async def test_no_field_stands_where_nothing_checks(
    browser: Browser, home: str, scripts: bool
) -> None:
    """The answers themselves are there in any case."""
    async with visit(browser, home, PAGE, scripts=scripts) as seen:
        await seen.page.emulate_media(media="print")
        await expect(seen.page.locator("gb-answer input:visible")).to_have_count(0)
