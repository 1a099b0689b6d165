"""Running pytest on the pages runs all that a page runs, and fails where the page would lie."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gradbook.press import inline
from gradbook.press.pages import read
from gradbook.press.places import ROOT, paths

SOUND = """\
# A page

```python exec="on" source="none"
from dataclasses import dataclass

import numpy as np

rng = np.random.default_rng(1)
slope = 0.5

@dataclass(frozen=True)
class Point:
    x: float
```

!!! note "Indented"

    ```pycon
    >>> slope**2, Point(slope)
    (0.25, Point(x=0.5))
    >>> for n in range(2):
    ...     print(n)
    0
    1
    ```

    === "Deeper"

        ```python exec="on"
        def double():
            return 2 * slope

        slope = 0.75
        ```

The value is `{python} f"{double():.2f}"`, or $\\py{sum(x * slope for x in [1, 2])}$.

```pycon
>>> double()
1.5
>>> double() / 0
Traceback (most recent call last):
    ...
ZeroDivisionError: float division by zero
```
"""


RIGHT = {
    "sound": SOUND,
    "another": '```python exec="on"\nonly_here = 1\n```\n',
}

CHANGES = [
    ("(0.25, Point(", "(0.26, Point(", ">>> slope**2", "(0.25, Point(x=0.5))"),
    ("    0\n    1\n", "    0\n    2\n", ">>> for", "Expected:"),
    ("\n1.5\n", "\n1.50\n", ">>> double()\n", "Expected:"),
    ("division by zero", "division by one", ">>> double() / 0", "ZeroDivisionError"),
    ("slope = 0.75", "slope = 0.76", ">>> double()\n", "1.52"),
    ("slope = 0.75", "slope = slop", "slope = slop", "NameError"),
    ("slope = 0.75", "slope = np.float64(1) / 0", "slope = np", "RuntimeWarning"),
    ("double():.2f", "dbl():.2f", "The value", "the inline value"),
    ("sum(x * slope", "sum(y * slope", "The value", "the inline value"),
    (">>> double()\n", ">>>double()\n", ">>>double", "cannot be read"),
    (">>> double()\n1.5", ">>> 3.1416\n3.14", ">>> 3.1416", "Expected:"),
    (">>> double()\n1.5", ">>> 3.1416\n3.1...", ">>> 3.1416", "Expected:"),
    (">>> double()\n1.5", ">>> True\n1", ">>> True", "Expected:"),
    (">>> double()\n1.5", ">>> only_here\n1", ">>> only_here", "NameError"),
]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> ElementTree.Element:
    """What this project's own configuration makes of a book with all pages above."""
    book = tmp_path_factory.mktemp("book")
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, book)
    pages = RIGHT | {f"wrong-{n}": SOUND.replace(*c[:2]) for n, c in enumerate(CHANGES)}
    for name, text in pages.items():
        path = book / "docs" / "chapters" / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "docs", "-p", "no:cacheprovider"]
    command += ["--junitxml=outcome.xml", "--continue-on-collection-errors"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    subprocess.run(command, cwd=book, env=environment, capture_output=True, check=False)
    return ElementTree.parse(book / "outcome.xml").getroot()


def test_every_block_doctest_and_inline_value_of_a_page_runs(outcome: ElementTree.Element) -> None:
    cases = [case for case in outcome.iter("testcase") if "sound" in case.get("classname", "")]
    # Two blocks, two and two doctests, and the inline values together.
    assert len(cases) == 7
    assert not any(len(case) for case in cases)


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_a_page_that_lies_fails_at_its_line(outcome: ElementTree.Element, number: int) -> None:
    right, wrong, where, says = CHANGES[number]
    assert SOUND.count(right) == 1
    page = SOUND.replace(right, wrong)
    line = page.count("\n", 0, page.index(where)) + 1
    failures = [
        "".join(case.itertext())
        for case in outcome.iter("testcase")
        if f"wrong-{number}.md" in case.attrib["classname"] + case.attrib["name"] and len(case)
    ]
    assert any(f"wrong-{number}.md:{line}" in text and says in text for text in failures)


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_inline_values_that_are_read_are_those_that_markdown_replaces(path: Path) -> None:
    page = read(path)
    replaced = [found.strip() for found in re.findall(inline.INLINE, page.unfenced)]
    assert [value.expr for value in page.values if not value.math] == replaced
    computed = [value for value in page.values if value.math]
    assert len(computed) == page.unfenced.count(r"\py{")


def test_collecting_pages_needs_nothing_that_builds_them() -> None:
    """`make test-frameworks` collects with the same conftest.py, where no MkDocs is."""
    code = "import sys, gradbook.press.pages, gradbook.press.results; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"click", "markdown", "mkdocs", "pymdownx", "yaml"} & set(done.stdout.split())
