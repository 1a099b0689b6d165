"""The builds of one source: twice the same bytes, and the same text with another generator."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import zip_longest
from pathlib import Path

import pytest
from visits import AGAIN, SITE, ZENSICAL, built_pages

PAGES = [name for name in built_pages(SITE) if name != "404.html"]
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}


def files(site: Path) -> dict[str, bytes]:
    """Return every file of a site."""
    return {
        path.relative_to(site).as_posix(): path.read_bytes()
        for path in sorted(site.rglob("*"))
        if path.is_file()
    }


def test_two_builds_are_identical_byte_for_byte() -> None:
    """No time, no random id and no order of a set gets into a page."""
    first, second = files(SITE), files(AGAIN)
    assert list(first) == list(second)
    assert [name for name in first if first[name] != second[name]] == []


class Article(HTMLParser):
    """The words of a page's article, without the links that stand beside headings."""

    def __init__(self) -> None:
        """Start outside the article."""
        super().__init__(convert_charrefs=True)
        self.depth = 0
        self.skipped = 0
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter an element of the article."""
        if tag in VOID:
            return
        classes = (dict(attrs).get("class") or "").split()
        if self.depth or tag == "article":
            self.depth += 1
        if self.skipped or "headerlink" in classes:
            self.skipped += 1

    def handle_endtag(self, tag: str) -> None:
        """Leave it."""
        if tag not in VOID:
            self.depth -= self.depth > 0
            self.skipped -= self.skipped > 0

    def handle_data(self, data: str) -> None:
        """Keep the words."""
        if self.depth and not self.skipped:
            self.words += data.split()


def words(site: Path, name: str) -> list[str]:
    """Return the words of one page's article."""
    article = Article()
    article.feed((site / name).read_text(encoding="utf-8"))
    return article.words


def test_both_generators_build_the_same_pages() -> None:
    """Zensical reads the same `mkdocs.yml` and leaves nothing out."""
    built = [name for name in built_pages(ZENSICAL) if name != "404.html"]
    assert built == PAGES


@pytest.mark.parametrize("name", PAGES)
def test_zensical_gives_an_article_the_same_words(name: str) -> None:
    """Numbers, formulas and captions do not depend on who builds the book."""
    ours, theirs = words(SITE, name), words(ZENSICAL, name)
    assert ours
    pairs = enumerate(zip_longest(ours, theirs))
    different = next((at for at, (a, b) in pairs if a != b), None)
    if different is not None:
        near = slice(max(different - 8, 0), different + 8)
        assert " ".join(theirs[near]) == " ".join(ours[near])
