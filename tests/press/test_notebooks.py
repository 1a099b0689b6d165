"""A page becomes a notebook that runs where the package is, and nothing else of the book."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import nbformat
import pytest

from gradbook.press.__main__ import build
from gradbook.press.notebooks.build import notebook_of
from gradbook.press.notebooks.carried import Book, CannotBeCarried
from gradbook.press.notebooks.code import runnable
from gradbook.press.notebooks.modules import Module, Need
from gradbook.press.notebooks.prose import Site
from gradbook.press.notebooks.shown import as_markdown
from gradbook.press.notebooks.writing import BOOK
from gradbook.press.pages import Page
from gradbook.press.places import ROOT

TEXTS = {
    "shop.book.till": '"""Money."""\n\nfrom __future__ import annotations\n\n'
    "import math\n\nfrom shop.book.coins import PENNY, unused\n\n"
    "LIMIT = 3\n\n\n# Rounds up.\ndef pay(n):\n    return math.ceil(n / PENNY) * LIMIT\n\n\n"
    "def other():\n    return unused\n",
    "shop.book.coins": "PENNY = 2\nunused = 1\n",
    "shop.book.files": "from pathlib import Path\n\ndef rows():\n    return Path(__file__)\n",
    "shop.book.boards": "def board():\n    from joblib import Parallel\n    return Parallel()\n",
    "shop.book.stock": "from shop.book.claims.keeping import measured_once\n\n\n"
    "@measured_once\ndef count():\n    return 7\n",
    "shop.book.checked": "from shop.press.check import x\n\ndef checked():\n    return x()\n",
}
SHOP = Book(TEXTS, "shop")

PAGE = """---
tags: [a]
---

# A page

Of `{python} n` units, $\\py{n}$ are *on*; see [the next](two.md#here), [below](#below).

!!! abstract "In one sentence"
    It is `{python} n`.

```python exec="on" source="none"
from shop.book import till, boards
import math

n = till.pay(4)
table = boards.board()
```

```python exec="on"
table
```

```pycon pin
>>> n
6
```

```pycon
>>> k = 1
>>> k + 1
2
>>> print(k)
1
>>> 1 / 0
Traceback (most recent call last):
ZeroDivisionError: division by zero
```

`{python} ask(n)`

??? success "Answer"
    It is $n$:

    ```pycon
    >>> n + 1
    7
    ```

    As said.

```text
as it stands
```
"""


def made(text: str = PAGE, site: Site | None = None) -> list[dict[str, Any]]:
    """Return the cells of a page's notebook, which is valid."""
    values = {"n": "6_000", "ask(n)": "<gb-answer></gb-answer>"}
    table = "<table><caption>A board</caption><tr><th>a|b</th></tr><tr><td>1</td></tr></table>"
    shown = ["", table]
    told = notebook_of(Page(text), values.__getitem__, shown, site or Site("one.md"), SHOP)
    nbformat.validate(nbformat.reads(told, 4))
    cells: list[dict[str, Any]] = json.loads(told)["cells"]
    return cells


def sources(kind: str) -> list[str]:
    return [cell["source"] for cell in made() if cell["cell_type"] == kind]


def test_prose_has_its_values_and_links_that_lead_to_the_site() -> None:
    told = sources("markdown")
    assert told[0].startswith("# A page\n\n*This is the page [../one/](../one/) as a notebook.")
    assert told[1] == (
        "Of 6\\_000 units, $6_000$ are *on*; see [the next](../two/#here), [below](../one/#below)."
    )
    assert told[2] == "> **In one sentence**\n>\n> It is 6\\_000."


@pytest.mark.parametrize(
    ("site", "address"),
    [
        (Site("chapters/one.md"), "../chapters/two/#here"),
        (Site("one.md", folders=False), "../two.html#here"),
        (Site("one.md", "https://example.org/"), "https://example.org/two/#here"),
    ],
)
def test_links_lead_where_the_site_is(site: Site, address: str) -> None:
    assert f"[the next]({address})" in made(site=site)[2]["source"]


def test_code_is_without_prompts_and_ends_a_cell_where_something_is_shown() -> None:
    code = [cell for cell in made() if cell["cell_type"] == "code"][-4:]
    assert [cell["source"] for cell in code] == ["k = 1\nk + 1", "print(k)", "1 / 0", "n + 1"]
    value, printed, raised, _ = [cell["outputs"][0] for cell in code]
    assert value["data"] == {"text/plain": "2"}
    assert printed["text"] == "1\n"
    assert (raised["ename"], raised["evalue"]) == ("ZeroDivisionError", "division by zero")
    assert code[2]["metadata"]["tags"] == ["raises-exception"]


def test_checks_and_answers_that_the_page_checks_are_left_out_and_that_is_said() -> None:
    assert not any("gb-answer" in cell["source"] for cell in made())
    assert "n" not in sources("code")
    assert "its own numbers; the answers that it checks" in made()[0]["source"]


def test_an_answer_opens_around_its_code() -> None:
    texts = [cell["source"] for cell in made()]
    at = texts.index("n + 1")
    details = "<details><summary>{}</summary>\n\n{}\n\n</details>"
    assert texts[at - 1] == details.format("Answer", "It is $n$:")
    assert texts[at + 1] == details.format("Answer, continued", "As said.")
    assert texts[at + 2 :] == ["```text\nas it stands\n```"]


def test_an_answer_s_code_and_what_it_shows_are_folded_away_as_on_the_page() -> None:
    folds = {cell["source"]: cell["metadata"].get("jupyter") for cell in made()}
    assert folds["n + 1"] == {"source_hidden": True, "outputs_hidden": True}
    assert folds["print(k)"] is None  # which stands in the open on the page, too


def test_what_only_the_book_has_is_written_out_before_it_is_imported() -> None:
    code = sources("code")
    coins, till = (at for at, text in enumerate(code) if text.startswith("%%module shop.book."))
    assert code[coins] == "%%module shop.book.coins\nPENNY = 2\n"
    assert code[till + 1] == "from shop.book import till\nimport math\nn = till.pay(4)"
    assert "# Rounds up.\ndef pay(n):" in code[till]
    assert "\nfrom shop.book.coins import PENNY\n" in code[till]
    assert "other" not in code[till]


def test_what_the_book_keeps_of_its_measurements_a_notebook_measures() -> None:
    made = runnable(["from shop.book.stock import count\nn = count()"], SHOP)
    assert made.modules == {"shop.book.stock": "def count():\n    return 7\n"}


def test_what_cannot_be_written_out_is_shown_as_the_page_shows_it() -> None:
    told = sources("markdown")
    at = told.index("Not run here:\n\n```python\ntable\n```")
    assert told[at + 1] == "*A board*\n\n| a\\|b |\n| --- |\n| 1 |"
    assert "what it shows stands here as on the page" in told[0]


def test_two_notebooks_of_a_page_are_the_same_and_no_two_cells_have_one_name() -> None:
    twice = PAGE + "\n```pycon\n>>> k + 1\n2\n```\n\n```pycon\n>>> k + 1\n2\n```\n"
    cells = made(twice)
    assert cells == made(twice)
    assert len({cell["id"] for cell in cells}) == len(cells)


@pytest.mark.parametrize("module", ["files", "boards", "checked"])
def test_what_needs_a_file_or_what_builds_the_book_cannot_be_carried(module: str) -> None:
    with pytest.raises(CannotBeCarried):
        SHOP.carried([Need(f"shop.book.{module}")])


@pytest.mark.parametrize(
    ("left", "runs"),
    [
        ("d = {}\nd['a'] = boards.board()\nd", "d = {}"),
        ("x = boards.board()\ndef f():\n    return x\nf()", ""),
        ("x = boards.board()\nx = 1\nx", "x = 1\nx"),
        ("x = boards.board()\nimport x\nx", "import x\nx"),
        ("x = []\nx.append(boards.board())\nlen(x)", "x = []"),
    ],
)
def test_what_hangs_on_what_is_left_out_is_left_out(left: str, runs: str) -> None:
    (code,) = runnable([f"from shop.book import boards\n{left}"], SHOP).codes
    assert code.source == runs
    assert not code.is_whole
    assert code.shows == runs.endswith("x")


def test_a_module_keeps_what_documents_a_name_and_drops_remarks_to_tools() -> None:
    text = 'A = 1\n"""The first."""\nB = 2  # noqa: X\n"""The second."""\nC = 3\n'
    assert Module(text).only(frozenset("A")) == 'A = 1\n"""The first."""\n'
    assert Module(text).only(frozenset("B")) == 'B = 2\n"""The second."""\n'
    assert ast.parse(Module(text).only(frozenset("ABC")))


def test_a_figure_that_cannot_be_drawn_again_is_refused() -> None:
    with pytest.raises(ValueError, match="only tables and text"):
        as_markdown("<figure></figure>")


def test_what_is_written_out_is_what_the_wheel_leaves_out() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    left_out = told["tool"]["hatch"]["build"]["targets"]["wheel"]["exclude"]
    assert left_out == [f"/{BOOK.replace('.', '/')}", "/gradbook/press"]


def test_a_page_whose_figure_needs_what_a_notebook_has_not_stops_the_build(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    block = (
        "from gradbook.book.diagnose import compared\nfrom gradbook.show import figures\n"
        'figures.lines([1], {"a": [len(compared.COMPARED.name)]}, x_label="x", y_label="y", '
        'alt="x", caption="x")'
    )
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text(f'# A\n\n```python exec="on"\n{block}\n```\n', "utf-8")
    settings = (
        (ROOT / "mkdocs.yml").read_text("utf-8").replace("toolbox.md, what", "index.md, what")
    )
    settings = re.sub(r"(?s)\nnav:.*?\n\n", "\nnav:\n  - Home: index.md\n\n", settings)
    (tmp_path / "mkdocs.yml").write_text(settings, encoding="utf-8")
    assert build(tmp_path / "mkdocs.yml", tmp_path / "site", "mkdocs") == 1
    assert "index.md: its notebook: a block needs what a notebook" in capfd.readouterr().err
