"""What a page asks of its reader: words, code, pins, pictures, terms before they are defined."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradbook.press.__main__ import main
from gradbook.press.early_terms import early, glossary, plain
from gradbook.press.pages import Page
from gradbook.press.reading import Reading, measured, reading_order, readings, report

GLOSSARY = """# Glossary

Delta
:   A derivative. ([Two](chapters/two.md))

Learning rate
:   A factor. ([One](chapters/one.md))

Matrix
:   A table. ([Two](chapters/two.md))
"""


def page(text: str, path: str = "docs/chapters/one.md") -> Page:
    return Page(text, path)


def reading_of(text: str) -> Reading:
    return measured("chapters/one.md", page(text), ())


def found(one: str, two: str = "A **delta** and a **matrix**.") -> list[tuple[str, int]]:
    pages = {
        "chapters/one.md": page(f"The **learning rate**.\n{one}"),
        "chapters/two.md": page(two, "docs/chapters/two.md"),
    }
    return [(use.term, use.line) for use in early(pages, glossary(GLOSSARY))]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# A title\n\nThree short words.", 3),
        ("A formula $a + b$ is one,\n\n$$\nx = y + z\n$$\n\ntwo.", 7),
        ('The value `{python} f"{a} {b}"` and `x = 1 + 2`.', 5),
        ("A [link of words](a-long/address.md#with-an-anchor).", 4),
        ('```python exec="on"\nsome(code)\n```\n\nWords.\n\n| a | table |\n|---|---|\n', 1),
        ('!!! abstract "In one sentence"\n    The answer counts.\n', 3),
        ("<!-- not this --> that\n", 1),
        ("Well-known words.\n\n## Remember\n\n- Not these.\n", 2),
    ],
)
def test_words_are_those_of_the_main_line(text: str, words: int) -> None:
    assert reading_of(text).words == words


def test_prose_stands_where_it_stands_on_the_page() -> None:
    text = "Let $x$ be `y`.\n\n```pycon\n>>> 1\n1\n```\n\nSee [here](there.md) what holds.\n"
    shown = plain(page(text))
    assert len(shown) == len(text)
    assert shown.index("holds") == text.index("holds")


def test_code_counts_where_it_is_seen_without_opening_anything() -> None:
    shown = '```python exec="on"\na = 1\n\nb = 2\n```\n\n```pycon\n>>> a\n1\n```\n'
    folded = (
        '```python exec="on" source="none"\nc = 3\n```\n\n```pycon pin\n>>> c\n3\n>>> d = 1\n```\n'
    )
    answer = '??? success "Answer"\n    Words.\n\n    ```pycon\n    >>> b\n    2\n    ```\n'
    opened = '!!! note "Open"\n    Words.\n\n    ```text\n    a line\n    ```\n'
    reading = reading_of(f"{shown}\n{folded}\n{answer}\n{opened}")
    assert (reading.code, reading.pins) == (5, 1)


def test_tables_and_figures_are_those_that_blocks_make() -> None:
    block = 'Table(["a"], [["b"]])\nfigures.lines(x, y, alt="A line.")\nexplorers.wall()'
    block += "\nreport.figure()\ncompared.table()"
    text = f'```python exec="on" source="none"\n{block}\n```\n\n| a | b |\n|---|:-:|\n| c | d |\n'
    reading = reading_of(text)
    assert (reading.tables, reading.figures) == (3, 3)


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("Two deltas.", [("delta", 2)]),
        ("The\nDelta of a delta.", [("delta", 3)]),
        ("Matrices.", [("matrix", 2)]),
        ("Learning\nrates.", []),
        ("A deltaic delta-like thing.", []),
        ("The code `delta`, a $delta$.", []),
        ("# Delta", []),
        ("The [delta](two.md) here.", []),
        ("A delta, which is [defined later](two.md#deltas).", []),
        ("A [delta](../glossary.md).", []),
        ("Another [page](three.md) has deltas.", [("delta", 2)]),
        ("See [there](two.md). A delta is used.", [("delta", 2)]),
    ],
)
def test_a_term_is_early_where_it_is_used_before_its_definition(
    text: str, used: list[tuple[str, int]]
) -> None:
    assert found(text) == used


def test_a_term_is_early_above_its_own_definition_and_never_below_it() -> None:
    assert found("", "A delta is a **delta**. One **matrix**.") == [("delta", 1)]
    assert found("", "A **delta** is a delta. One **matrix**, two matrices.") == []


@pytest.mark.parametrize(
    ("own", "used"),
    [
        ("**All deltas are small.** A **delta** is one.", []),
        ('!!! abstract "In one sentence"\n    A delta.\n\nA **delta**.', []),
        ('!!! abstract "In one sentence"\n    A delta.\n\nA delta. A **delta**.', [("delta", 4)]),
        ('!!! note "A note"\n    A delta.\n\nA **delta**.', [("delta", 2)]),
    ],
    ids=["bold", "answer", "behind the answer", "another box"],
)
def test_bold_type_and_the_answer_on_top_may_run_ahead(
    own: str, used: list[tuple[str, int]]
) -> None:
    assert found("", f"{own} One **matrix**.") == used


def test_a_row_marks_what_is_beyond_its_aim() -> None:
    fine = Reading("chapters/one.md", 1800, 48, 7, 2, 2, ())
    assert fine.cells() == ("chapters/one.md", "1800", "48", "7", "2", "2", "0")
    long = Reading("chapters/one.md", 1801, 49, 7, 3, 2, ())
    assert long.cells()[1:] == ("1801!", "49!", "7", "3!", "2", "0")
    deeper = Reading("chapters/one-deeper.md", 1801, 49, 7, 2, 2, ())
    assert deeper.cells()[1:] == ("1801", "49", "7", "2", "2", "0")


def test_rows_are_those_of_what_is_read_from_top_to_bottom() -> None:
    names = ("index.md", "chapters/two.md", "results.md", "toolbox.md")
    rows = readings({name: page("A delta.", name) for name in names}, GLOSSARY)
    assert [row.page for row in rows] == ["index.md", "chapters/two.md", "toolbox.md"]


def book(folder: Path) -> Path:
    """Write a book of two chapters."""
    (folder / "docs" / "chapters").mkdir(parents=True)
    pages = {"index": "A delta.", "chapters/one": "Words.", "chapters/two": "A **delta**."}
    for name, text in (pages | {"glossary": GLOSSARY}).items():
        (folder / "docs" / f"{name}.md").write_text(text, encoding="utf-8")
    config = folder / "mkdocs.yml"
    config.write_text(
        "nav:\n  - Home: index.md\n  - Chapters:\n      - 1 One: chapters/one.md\n"
        "      - 2 Two: chapters/two.md\n  - Glossary: glossary.md\n",
        encoding="utf-8",
    )
    return config


def test_the_report_has_a_row_per_page_and_a_line_per_early_term(tmp_path: Path) -> None:
    config = book(tmp_path)
    assert reading_order(config) == [
        "index.md", "chapters/one.md", "chapters/two.md", "glossary.md"
    ]  # fmt: skip
    lines = report(config).split("\n")
    assert [line.split()[0] for line in lines[:4]] == [
        "page", "index.md", "chapters/one.md", "chapters/two.md"
    ]  # fmt: skip
    assert lines[1].split()[1:] == ["2", "0", "0", "0", "0", "1!"]
    assert lines[-1] == "index.md:1: 'delta' is defined in chapters/two.md"


def test_the_command_prints_the_table_of_this_book(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reading"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("page")
    assert "chapters/exploding.md" in printed
