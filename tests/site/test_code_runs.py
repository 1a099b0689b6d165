"""What a page shows, typed from its top into a bare interpreter, runs."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from gradbook.press.pages import Cell, Page, read
from gradbook.press.places import DOCS

PAGES = [
    DOCS / "index.md",
    DOCS / "toolbox.md",
    *(path for path in sorted((DOCS / "chapters").glob("*.md")) if "-deeper" not in path.stem),
]


def is_shown(page: Page, cell: Cell) -> bool:
    """Whether a reader sees the code without opening what is folded."""
    (fence,) = [fence for fence in page.fences if fence.start <= cell.start < fence.end]
    if cell.example:
        return "pin" not in fence.info.split()
    return dict(fence.options).get("source") != "none"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_code_that_a_page_shows_runs_from_its_top(path: Path) -> None:
    """Nothing of it needs what is folded or hidden."""
    page, names, faults = read(path), dict[str, Any](), list[str]()
    for cell in page.cells:
        if not is_shown(page, cell):
            continue
        code = compile(cell.source, path.name, "single" if cell.example else "exec")
        try:
            with redirect_stdout(io.StringIO()):
                exec(code, names)
        except Exception as error:
            if not (cell.example and cell.example.exc_msg):
                faults.append(f"{path.name}:{cell.line}: {error!r}")
    assert not faults
