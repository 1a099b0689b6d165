"""The first screen of the home page: what it is about, three ways in, and a picture."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser
from visits import visit

BEGUN = 60
"""How many pixels of the figure show that there is one."""


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
async def test_the_first_screen_has_three_doors_and_the_start_of_a_figure(
    browser: Browser, home: str, width: int, height: int
) -> None:
    """Nobody scrolls to find out where to go."""
    async with visit(browser, home, "index.html", width=width, height=height) as seen:
        doors = seen.page.locator(".gb-doors a")
        assert await doors.count() == 3
        boxes = [await door.bounding_box() for door in await doors.all()]
        boxes.append(await seen.page.locator("article figure").first.bounding_box())
        ends = [box["y"] + box["height"] for box in boxes[:3] if box]
        assert max(ends) <= height, f"a door ends at {max(ends):.0f} of {height} pixels"
        assert boxes[3] is not None
        assert boxes[3]["y"] + BEGUN <= height, f"the figure begins at {boxes[3]['y']:.0f}"
