"""The builds of one source: twice the same bytes, and the same text with another generator."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import zip_longest
from pathlib import Path

import pytest
from visits import AGAIN, SITE, ZENSICAL, built_pages

from gradbook.press.check import VOID

PAGES = [name for name in built_pages(SITE) if name != "404.html"]


def files(site: Path) -> dict[str, bytes]:
    """Return every file of a site."""
    return {
        path.relative_to(site).as_posix(): path.read_bytes()
        for path in sorted(site.rglob("*"))
        if path.is_file()
    }


def different(first: dict[str, bytes], second: dict[str, bytes]) -> list[str]:
    """Return what one build has and the other has not, or has otherwise."""
    faults = [f"{name} is only in one of them" for name in sorted(first.keys() ^ second.keys())]
    for name in sorted(first.keys() & second.keys()):
        if first[name] != second[name]:
            pairs = enumerate(zip_longest(first[name].split(b"\n"), second[name].split(b"\n")), 1)
            line, (a, b) = next((line, pair) for line, pair in pairs if pair[0] != pair[1])
            faults.append(f"{name} differs in line {line}: {a!s:.99} became {b!s:.99}")
    return faults


def test_two_builds_are_identical_byte_for_byte() -> None:
    """No time, no random id and no order of a set gets into a page."""
    first, second = files(SITE), files(AGAIN)
    assert first, f"{SITE} is empty: run `bash .ci/run`"
    faults = different(first, second)
    assert not faults, "\n".join([f"{SITE} and {AGAIN} differ: seed or sort it", *faults])


def test_a_byte_that_differs_and_a_file_that_is_missing_are_told() -> None:
    """With the file, the line, and what stands there."""
    first = {"a.html": b"same\n1", "b.html": b"same", "c.html": b""}
    second = {"a.html": b"same\n2", "b.html": b"same"}
    assert different(first, second) == [
        "c.html is only in one of them",
        "a.html differs in line 2: b'1' became b'2'",
    ]


class Article(HTMLParser):
    """The words of a page's article, without the links beside headings and tags for the search."""

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
        if self.skipped or {"headerlink", "md-tags"} & {*classes}:
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


def words(text: str) -> list[str]:
    """Return the words of one page's article."""
    article = Article()
    article.feed(text)
    return article.words


def deviation(ours: list[str], theirs: list[str]) -> str:
    """Return where two texts part, with the words around it; nothing if they are the same."""
    pairs = enumerate(zip_longest(ours, theirs))
    at = next((at for at, (a, b) in pairs if a != b), None)
    if at is None:
        return ""
    near = slice(max(at - 8, 0), at + 8)
    return f"MkDocs: {' '.join(ours[near])}\nZensical: {' '.join(theirs[near])}"


def test_both_generators_build_the_same_pages() -> None:
    """Zensical reads the same `mkdocs.yml` and leaves nothing out."""
    built = [name for name in built_pages(ZENSICAL) if name != "404.html"]
    assert sorted(built) == sorted(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_zensical_gives_an_article_the_same_words(name: str) -> None:
    """Numbers, formulas and captions do not depend on who builds the book."""
    ours, theirs = (words((site / name).read_text("utf-8")) for site in (SITE, ZENSICAL))
    assert ours, f"{name} has no article: see what became of it"
    parts = deviation(ours, theirs)
    assert not parts, (
        f"{name} is not the same with Zensical: write it so that both read it\n{parts}"
    )


def test_a_word_that_differs_is_told_with_its_neighbors() -> None:
    """Also one that is missing at the end; what stands beside a heading does not count."""
    page = "<article><h1>One<a class='headerlink'>¶</a></h1><p>two three</p></article><p>four</p>"
    assert words(page) == ["One", "two", "three"]
    assert deviation(words(page), words(page.replace("three", "3"))) == (
        "MkDocs: One two three\nZensical: One two 3"
    )
    assert deviation(words(page), words(page.replace("three", ""))).endswith("Zensical: One two")
    assert deviation(words(page), words(page)) == ""
