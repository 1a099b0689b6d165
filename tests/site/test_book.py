"""The book's own pages hold together: terms, symbols, form, links between them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from gradbook import layers
from gradbook.press.binding import pace
from gradbook.press.early_terms import glossary
from gradbook.press.fences import find_fences
from gradbook.press.pages import Page, read
from gradbook.press.places import DOCS, ROOT
from gradbook.press.reading import AIMS, Reading, reading_order, readings

PAGES = sorted((DOCS / "chapters").glob("*.md"))
DEEPER = [path for path in PAGES if path.stem.endswith("-deeper")]
CHAPTERS = [path for path in PAGES if path not in DEEPER]
VISIBLE_LINES = 8
LINE_WIDTH = 80
MOST_WORDS_OF_THE_ANSWER = 25
SECTIONS = ("Remember", "Exercises", "Sources")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


TERMS = glossary(text_of(DOCS / "glossary.md"))


def defined_terms(text: str) -> set[str]:
    """Return what a page sets in bold within a sentence: the terms it defines there."""
    bold = re.findall(r"\*\*(.+?)\*\*", Page(text).unfenced.replace("\n", " "))
    words = {term.lower() for term in bold if re.fullmatch(r"[A-Za-z][\w' -]*", term)}
    return {term for term in words if len(term.split()) <= 4}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
class TestEveryChapter:
    def test_asks_first_and_answers_in_one_sentence(self, path: Path) -> None:
        head = text_of(path).split("\n## ")[0]
        assert "?" in head
        assert '!!! abstract "In one sentence"' in head

    def test_ends_as_every_chapter_does(self, path: Path) -> None:
        headings = re.findall(r"(?m)^## (.+)$", read(path).unfenced)
        assert tuple(headings[-len(SECTIONS) :]) == SECTIONS

    def test_has_exercises_of_marked_hardness_with_executed_answers(self, path: Path) -> None:
        exercises = text_of(path).split("## Exercises")[1].split("## Sources")[0]
        questions = re.findall(r"(?m)^\*\*\d+\.[^\n]*", exercises)
        answers = exercises.split('??? success "Answer"')[1:]
        assert len(questions) == len(answers) >= 7
        assert all(re.match(r"\*\*\d+\. ★{1,3}\*\*", question) for question in questions)
        for answer in answers:
            assert ">>>" in answer or "exec=" in answer

    def test_shows_blocks_that_fit_a_page(self, path: Path) -> None:
        for fence in find_fences(text_of(path)):
            if fence.executed and ("source", "none") not in fence.options and not fence.pinned:
                lines = fence.source.splitlines()
                assert len(lines) <= VISIBLE_LINES, f"line {fence.line}: {len(lines)} lines"
                assert max(map(len, lines)) <= LINE_WIDTH, f"line {fence.line} is too wide"

    def test_shows_a_figure(self, path: Path) -> None:
        assert any(drawn in text_of(path) for drawn in ("alt=", "explorers.", ".figure("))

    def test_explains_its_terms_in_the_glossary(self, path: Path) -> None:
        missing = defined_terms(text_of(path)) - set(TERMS)
        assert not missing

    def test_answers_its_question_in_a_short_sentence(self, path: Path) -> None:
        box = text_of(path).split('!!! abstract "In one sentence"')[1]
        answer = re.match(r"\n+((?:    .*\n)+)", box)
        assert answer is not None
        assert len(answer[1].split()) <= MOST_WORDS_OF_THE_ANSWER

    def test_leads_to_its_claims(self, path: Path) -> None:
        assert f"results.md#{path.stem}" in text_of(path).split("## Sources")[1]


@pytest.mark.parametrize("path", DEEPER, ids=lambda path: path.stem)
def test_a_deeper_page_is_led_to_by_its_chapter_and_leads_back(path: Path) -> None:
    chapter = path.with_name(f"{path.stem.removesuffix('-deeper')}.md")
    assert f"({path.name}" in text_of(chapter)
    assert f"({chapter.name}" in text_of(path)


@pytest.fixture(scope="module")
def measures() -> list[Reading]:
    pages = {
        name: read(DOCS / name)
        for name in reading_order(ROOT / "mkdocs.yml")
        if (DOCS / name).is_file()
    }
    return list(readings(pages, text_of(DOCS / "glossary.md")))


def test_no_term_is_used_before_a_page_defines_it(measures: list[Reading]) -> None:
    assert len(measures) > len(PAGES)
    assert [str(use) for row in measures for use in row.early] == []


def test_no_main_line_is_longer_than_its_aim(measures: list[Reading]) -> None:
    chapters = [row for row in measures if not row.page.endswith("-deeper.md")]
    assert [row.page for row in chapters if row.words > AIMS["words"]] == []
    assert [row.page for row in chapters if row.code > AIMS["code"]] == []


def test_each_of_the_first_six_chapters_takes_as_long_as_home_tells() -> None:
    assert "six chapters, each more than half an hour to read" in text_of(DOCS / "index.md")
    numbered = re.findall(r"- \d+ .+: (chapters/.+\.md)\n", text_of(ROOT / "mkdocs.yml"))[:6]
    minutes = {name: pace.minutes_of(read(DOCS / name)) for name in numbered}
    assert {name: took for name, took in minutes.items() if not 30 < took <= 48} == {}
    exercises = [len(re.findall(r"(?m)^\*\*\d+\.", text_of(DOCS / name))) for name in numbered]
    assert min(exercises) >= 7, "some four minutes each"


def test_the_glossary_is_sorted_and_says_where_each_term_is_introduced() -> None:
    assert list(TERMS) == sorted(TERMS)
    for term, linked in TERMS.items():
        assert linked, f"{term} names no page"
        assert any(term in defined_terms(text_of(DOCS / page)) for page in linked), term


def test_the_glossary_s_letters_lead_to_their_first_terms() -> None:
    first = dict[str, str]()
    for term in TERMS:
        first.setdefault(term[0].upper(), re.sub(r"[^a-z0-9]+", "-", term.lower()).strip("-"))
    letters = re.findall(r"\[([A-Z])\]\(#([\w-]+)\)", text_of(DOCS / "glossary.md"))
    assert dict(letters) == first


def math_symbols(text: str) -> set[str]:
    """Return the letters and Greek letters that a page's formulas use as symbols."""
    formulas = re.findall(r"(?s)\$\$(.+?)\$\$|\$([^$\n]+(?:\n[^$\n]+)?)\$", Page(text).unfenced)
    tex = " ".join(part for pair in formulas for part in pair)
    tex = re.sub(r"\\py\{(?:[^{}]|\{[^{}]*\})*\}", " ", tex)
    tex = re.sub(r"\\(?:text|operatorname|mathrm|begin|end|mathbf|texttt)\{[^}]*\}", " ", tex)
    greek = "alpha|beta|gamma|delta|Delta|epsilon|varepsilon|eta|kappa|lambda|mu|nabla|xi|pi|rho|"
    greek += "sigma|Sigma|tau|phi|varphi|chi|psi|omega|Omega|theta|partial|ell"
    named = set(re.findall(rf"\\({greek})(?![a-zA-Z])", tex))
    letters = set(
        re.findall(r"(?<![\\a-zA-Z])[a-zA-Z](?![a-zA-Z])", re.sub(r"\\[a-zA-Z]+", " ", tex))
    )
    return named | letters


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_symbol_of_a_chapter_is_in_the_notation(path: Path) -> None:
    known = math_symbols(text_of(DOCS / "notation.md"))
    # Indices and the base of the natural logarithm mean what they mean everywhere.
    missing = math_symbols(text_of(path)) - known - set("eijkdmpqrt")
    assert not missing


ALIKE = {"J", "b", "chi", "delta", "h", "w", "x", "y", "z"}
"""Letters that several tables explain, and that mean one thing in the chapters' main lines."""


def letters_of_tables(text: str) -> list[set[str]]:
    """Return the letters that each table of the notation explains, without their indices."""
    tables = [re.findall(r"(?m)^\| (\$.+?) \|", part) for part in re.split(r"(?m)^## ", text)]
    return [math_symbols(re.sub(r"_(\{[^}]*\}|\w)", "", " ".join(rows))) for rows in tables]


def test_the_notation_says_which_letters_change_their_meaning() -> None:
    notation = text_of(DOCS / "notation.md")
    told = math_symbols(" ".join(re.findall(r"(?m)^    \| (\$.+?) \|", notation)))
    explained = Counter(s for letters in letters_of_tables(notation) for s in letters)
    main = [math_symbols(text_of(path)) for path in CHAPTERS]
    used = Counter(symbol for symbols in main for symbol in symbols)
    twice = {symbol for symbol, count in explained.items() if count > 1 and used[symbol] > 1}
    assert twice - told == ALIKE


VERDICTS = ("right", "imprecise", "incomplete", "misleading", "wrong", "overclaim")


def test_the_audit_has_a_verdict_and_a_computation_for_each_of_the_notes_claims() -> None:
    rows = re.split(r"(?m)^### ", text_of(DOCS / "audit.md").split("\n## What to take")[0])[1:]
    assert len(rows) == 21, "the lecture note makes twenty-one claims"
    for row in rows:
        heading, _, body = row.partition("\n")
        verdict = re.search(r"\*\*(.+?)\*\*", body)
        assert verdict is not None, heading
        assert any(word in verdict[1].lower() for word in VERDICTS), heading
        assert ">>>" in body, f"{heading}: nothing is computed"


def test_the_chapters_are_numbered_in_order_and_called_by_their_headings() -> None:
    navigation = text_of(DOCS.parent / "mkdocs.yml")
    entries = re.findall(r"- (\d+) (.+): chapters/(.+)\.md\n", navigation)
    assert [int(number) for number, _, _ in entries] == list(range(1, len(entries) + 1))
    assert len(entries) + len(DEEPER) == navigation.count(": chapters/")
    for _, title, name in entries:
        page = text_of(DOCS / "chapters" / f"{name}.md")
        assert f"\n# {title}\n" in f"\n{page}"


def test_every_chapter_is_in_the_navigation() -> None:
    navigation = text_of(DOCS.parent / "mkdocs.yml")
    for path in PAGES:
        assert f"chapters/{path.name}" in navigation


def test_every_module_is_in_the_reference() -> None:
    pages = "".join(text_of(path) for path in (DOCS / "reference").glob("*.md"))
    package = DOCS.parent / "gradbook"
    for path in sorted(package.glob("[a-z]*.py")):
        assert f"::: gradbook.{path.stem}\n" in pages, path.stem


def test_every_module_of_the_library_is_on_one_page_of_the_reference() -> None:
    shown = [
        name
        for path in sorted((DOCS / "reference").glob("*.md"))
        for name in re.findall(r"(?m)^::: gradbook\.([\w.]+)$", text_of(path))
    ]
    assert len(shown) == len(set(shown))
    package = ROOT / "gradbook"
    modules = {
        ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
        for path in package.rglob("*.py")
        if not {"book", "press"} & set(path.relative_to(package).parts)
    }
    # A package that gathers names shows what its modules hold.
    gathering = {"diagnosis.findings", "diagnosis.watching", "layers", "networks"}
    gathering |= {"show.figures"}
    left = {m for m in modules if not any(m.startswith(f"{g}.") for g in gathering)}
    folders = {"diagnosis.measuring", "diagnosis.reading", "diagnosis.reporting"}
    folders |= {"diagnosis", "show", "theory"}
    assert left - set(shown) == {"__init__", "__main__", *folders}
    assert {m for m in shown if m.rpartition(".")[0] not in gathering} <= left


def test_every_layer_is_on_one_page_of_the_reference() -> None:
    pages = "".join(text_of(path) for path in sorted((DOCS / "reference").glob("*.md")))
    (members,) = re.findall(r"::: gradbook\.layers\n.*\n +members: \[(.*)\]", pages)
    alone = re.findall(r"(?m)^::: gradbook\.layers\.(\w+)$", pages)
    assert sorted([*members.split(", "), *alone]) == sorted(layers.__all__)
