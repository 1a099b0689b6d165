"""What axe-core finds on a page in the browser."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page
from visits import Scheme, script

STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLORS = ["color-contrast", "link-in-text-block"]
# Formulas are thousands of elements in the color of the text about them, which look.js compares.
CONTEXT = {"exclude": [["math"]]}
# axe-core does not count MathML as text; look.js finds the headers that are really empty.
RULES = {"empty-table-header": {"enabled": False}}
ALIKE = script("alike.js")
MOST = 4
"""How many texts that are alike are judged: one may be cut by the window, or be a single letter."""
RUN = """([context, options]) => {
  axe.configure({ rules: [{ id: "color-contrast", selector: "[data-alike]" }] });
  return axe.run(context, options);
}"""


async def accessibility(page: Page, scheme: Scheme) -> list[str]:
    """Return what axe-core finds, one line per element; in the dark only colors are others."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    await page.evaluate(ALIKE, MOST)
    only: Any = STANDARDS if scheme == "light" else {"type": "rule", "values": COLORS}
    options = {"runOnly": only, "rules": RULES, "resultTypes": ["violations"]}
    found = (await page.evaluate(RUN, [CONTEXT, options]))["violations"]
    return [
        f"{scheme}: {rule['id']}: {node['failureSummary']} in {node['html'][:200]} "
        f"(see {rule['helpUrl']})"
        for rule in found
        for node in rule["nodes"]
    ]
