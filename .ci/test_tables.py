"""What is wide on a phone: a table's first column stays, an edge fades while there is more."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.image import imread
from playwright.async_api import Browser, ElementHandle
from visits import BODY, PHONE, Scheme, visit

FRAMES = ".gb-table, .md-typeset__scrollwrap"
STAYS = """(frames) => [...document.querySelectorAll(frames)]
  .filter((frame) => frame.scrollWidth > frame.clientWidth + 8).map((frame) => {
    const cell = frame.querySelector("tbody :is(th, td)");
    const before = cell.getBoundingClientRect().left;
    frame.scrollLeft = 60;
    return [cell.getBoundingClientRect().left - before, frame.tabIndex, frame.ariaLabel ?? ""];
  })"""

FADES = """(frame) => [
  frame.scrollWidth - frame.clientWidth,
  Number(getComputedStyle(frame).getPropertyValue("--gb-edge"))
]"""
"""How far a frame scrolls, and how much of its edge is seen."""

WORDS = """() => [...document.querySelectorAll("article :is(th, td)")]
  .filter((cell) => cell.textContent.trim().length > 40)
  .map((cell) => [cell.getBoundingClientRect().width, cell.textContent])"""

every_scheme = pytest.mark.parametrize("scheme", BODY)


@pytest.mark.parametrize(("name", "least"), [("what-do-i-try", 3), ("what-do-i-try-deeper", 5)])
async def test_on_a_phone_the_first_column_of_a_wide_table_stays(
    browser: Browser, home: str, name: str, least: int
) -> None:
    """And the table takes the focus, under a name."""
    async with visit(browser, home, f"{name}/index.html", width=PHONE) as seen:
        await seen.page.wait_for_load_state("networkidle")
        found = await seen.page.evaluate(STAYS, FRAMES)
        assert len(found) >= least
        assert [moved for moved, _, _ in found if abs(moved) > 1] == []
        assert all(stop == 0 and label for _, stop, label in found)


@every_scheme
async def test_an_edge_fades_while_there_is_more_to_scroll(
    browser: Browser, home: str, scheme: Scheme
) -> None:
    """Not where the table fits, nor at its end, nor where it has the focus and its ring."""
    name = "chapters/vanishing/index.html"
    async with visit(browser, home, name, scheme=scheme, width=PHONE, touch=True) as seen:
        await seen.page.wait_for_load_state("networkidle")
        frames = await seen.page.query_selector_all(f"{FRAMES}, div.arithmatex")
        found = [(frame, *await frame.evaluate(FADES)) for frame in frames]
        wide = [frame for frame, more, _ in found if more > 8]
        assert 0 < len(wide) < len(found)
        assert all((edge < 0.2) if more > 8 else (edge == 1) for _, more, edge in found)
        faint = await ink_of_edge(wide[0])
        await wide[0].evaluate("(frame) => { frame.style.maskImage = 'none'; }")
        assert faint < 0.5 * await ink_of_edge(wide[0])
        await wide[0].evaluate("(frame) => { frame.scrollLeft = frame.scrollWidth; }")
        await seen.page.wait_for_function(f"(frame) => ({FADES})(frame)[1] === 1", arg=wide[0])
        await seen.page.keyboard.press("Tab")
        await wide[1].focus()
        assert (await wide[1].evaluate(FADES))[1] == 1


@pytest.mark.parametrize("name", ["notation", "common-claims", "chapters/diagnose"])
async def test_no_column_of_words_is_as_narrow_as_a_single_one(
    browser: Browser, home: str, name: str
) -> None:
    """Nor is a word broken to make it so."""
    async with visit(browser, home, f"{name}/index.html", width=PHONE, touch=True) as seen:
        await seen.page.wait_for_load_state("networkidle")
        found = await seen.page.evaluate(WORDS)
        assert len(found) > 10
        assert [text for width, text in found if width < 0.3 * PHONE] == []


async def ink_of_edge(frame: ElementHandle) -> float:
    """Return how far the last pixels of a table differ from the background, at most."""
    shot = imread(io.BytesIO(await frame.screenshot()))[..., :3]
    edge = shot[:, -4:]
    return float(np.abs(edge - np.median(shot, axis=(0, 1))).max())


@pytest.mark.parametrize("name", ["what-do-i-try", "chapters/diagnose"])
async def test_a_table_of_sentences_is_a_list_on_a_phone(
    browser: Browser, home: str, name: str
) -> None:
    """Its cells stand one below another, as wide as the text, and say which column they are of."""
    labels = "cells => cells.map((cell) => getComputedStyle(cell, '::before').content)"
    async with visit(browser, home, f"{name}/index.html", width=PHONE) as seen:
        lists = seen.page.locator(".gb-stacked")
        assert await lists.count() == 2
        cells = lists.first.locator("tbody tr").first.locator("td")
        boxes = [await cell.bounding_box() for cell in await cells.all()]
        tops = [box["y"] for box in boxes if box]
        assert tops == sorted(set(tops))
        assert all(box and box["width"] > 0.8 * PHONE for box in boxes)
        told = await lists.last.locator("td:last-child").evaluate_all(labels)
        assert {"More in: " in one or "Do first: " in one for one in told} == {True}
    async with visit(browser, home, f"{name}/index.html") as seen:
        cells = seen.page.locator(".gb-stacked tbody tr").first.locator("td")
        boxes = [await cell.bounding_box() for cell in await cells.all()]
        assert len({box["y"] for box in boxes if box}) == 1
