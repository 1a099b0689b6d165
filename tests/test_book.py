"""The book's own pages hold together: terms, symbols, form, links between them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gradbook.press.fences import find_fences

DOCS = Path(__file__).parents[1] / "docs"
CHAPTERS = sorted((DOCS / "chapters").glob("*.md"))
VISIBLE_LINES = 8
LINE_WIDTH = 80
SECTIONS = ("Remember", "Exercises", "Claims of this chapter", "Sources")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def without_fences(text: str) -> str:
    """Drop every fenced block, so that what is left is prose."""
    return re.sub(r"(?ms)^ *(```+).*?^ *\1\s*$", "", text)


def glossary() -> dict[str, str]:
    """Return each term of the glossary with its definition."""
    entries = re.findall(r"(?m)^(\S[^\n]*)\n:   ((?:.+\n?)+)", text_of(DOCS / "glossary.md"))
    return {term.lower(): definition for term, definition in entries}


def defined_terms(text: str) -> set[str]:
    """Return what a page sets in bold within a sentence: the terms it defines there."""
    bold = re.findall(r"\*\*(.+?)\*\*", without_fences(text).replace("\n", " "))
    words = {term.lower() for term in bold if re.fullmatch(r"[A-Za-z][\w' -]*", term)}
    return {term for term in words if len(term.split()) <= 4}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
class TestEveryChapter:
    def test_asks_first_and_answers_in_one_sentence(self, path: Path) -> None:
        head = text_of(path).split("\n## ")[0]
        assert "?" in head
        assert '!!! abstract "In one sentence"' in head

    def test_ends_as_every_chapter_does(self, path: Path) -> None:
        headings = re.findall(r"(?m)^## (.+)$", without_fences(text_of(path)))
        assert tuple(headings[-len(SECTIONS) :]) == SECTIONS

    def test_has_executed_answers_to_its_exercises(self, path: Path) -> None:
        exercises = text_of(path).split("## Exercises")[1].split("## Claims")[0]
        questions = re.findall(r"(?m)^\*\*\d+\.", exercises)
        answers = exercises.split('??? success "Answer"')[1:]
        assert len(questions) == len(answers) >= 4
        for answer in answers:
            assert ">>>" in answer or "exec=" in answer

    def test_shows_blocks_that_fit_a_page(self, path: Path) -> None:
        for fence in find_fences(text_of(path)):
            if fence.executed and ("source", "none") not in fence.options:
                lines = fence.source.splitlines()
                assert len(lines) <= VISIBLE_LINES, f"line {fence.line}: {len(lines)} lines"
                assert max(map(len, lines)) <= LINE_WIDTH, f"line {fence.line} is too wide"

    def test_shows_a_figure_and_a_table(self, path: Path) -> None:
        text = text_of(path)
        assert "alt=" in text
        assert "Table(" in text or "board(" in text

    def test_explains_its_terms_in_the_glossary(self, path: Path) -> None:
        missing = defined_terms(text_of(path)) - set(glossary())
        assert not missing


def test_the_glossary_is_sorted_and_says_where_each_term_is_introduced() -> None:
    terms = list(glossary())
    assert terms == sorted(terms)
    for term, definition in glossary().items():
        linked = re.findall(r"\]\(([\w/-]+\.md)[^)]*\)", definition)
        assert linked, f"{term} names no page"
        assert any(term in defined_terms(text_of(DOCS / page)) for page in linked), term


def math_symbols(text: str) -> set[str]:
    """Return the letters and Greek letters that a page's formulas use as symbols."""
    formulas = re.findall(r"(?s)\$\$(.+?)\$\$|\$([^$\n]+(?:\n[^$\n]+)?)\$", without_fences(text))
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


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_symbol_of_a_chapter_is_in_the_notation(path: Path) -> None:
    known = math_symbols(text_of(DOCS / "notation.md"))
    # Indices and the base of the natural logarithm mean what they mean everywhere.
    missing = math_symbols(text_of(path)) - known - set("eijkdmpqrt")
    assert not missing


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
    assert len(entries) == navigation.count(": chapters/")
    for _, title, name in entries:
        assert text_of(DOCS / "chapters" / f"{name}.md").startswith(f"# {title}\n")


def test_every_chapter_is_in_the_navigation() -> None:
    navigation = text_of(DOCS.parent / "mkdocs.yml")
    for path in CHAPTERS:
        assert f"chapters/{path.name}" in navigation


def test_every_module_is_in_the_reference() -> None:
    pages = "".join(text_of(path) for path in (DOCS / "reference").glob("*.md"))
    package = DOCS.parent / "gradbook"
    for path in sorted(package.glob("[a-z]*.py")):
        assert f"::: gradbook.{path.stem}\n" in pages, path.stem
