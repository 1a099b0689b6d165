"""How the built pages are found and passed on: descriptions, addresses, text; and their policy."""

from __future__ import annotations

import html
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from visits import OFFLINE, SITE, ZENSICAL, built_pages

from gradbook.press.binding.policies import FROM_A_FOLDER, hashes
from gradbook.press.binding.sheet import MOST

PAGES = [name for name in built_pages(SITE) if name != "404.html"]
SHORT = 40
"""Fewer characters say nothing about a page."""


@cache
def told(name: str) -> dict[str, str]:
    """Return a page's title and what its tags say, by their names."""
    page = (SITE / name).read_text(encoding="utf-8")
    tags = re.findall(r'<meta (?:name|property|http-equiv)="([^"]+)" content="([^"]*)"', page)
    title = re.search(r"<title>(.*?)</title>", page, re.S)
    assert title is not None
    return {key: html.unescape(text) for key, text in tags} | {"title": title[1]}


@pytest.mark.parametrize("key", ["title", "description", "og:description"])
def test_no_two_pages_are_told_alike(key: str) -> None:
    """Those of the reference included."""
    counts = Counter(told(name)[key] for name in PAGES)
    assert [text for text, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_it_is_about_in_the_room_that_there_is(name: str) -> None:
    """Below the link of a search, and in a preview."""
    given = told(name)
    assert SHORT <= len(given["description"]) <= MOST, "write `description:` at the page's top"
    assert given["og:description"] == given["description"]
    assert given["og:title"]
    assert given["og:type"] == ("website" if name == "index.html" else "article")


SAYS_NOTHING = re.compile(
    "(click )?(here|this|this page)|right here|go|link|start|((learn|read|see) )?more|(more )?info"
    "|(more )?information"
)
"""What a link must not be called, as who hears or searches for links alone learns nothing of it."""


@pytest.mark.parametrize("name", PAGES)
def test_a_link_says_where_it_leads(name: str) -> None:
    """Lighthouse looks at links to other pages alone, too."""
    page = (SITE / name).read_text(encoding="utf-8")
    # Within its own page a link may be called as the code is that it leads to.
    links = re.findall(r'<a\b(?![^>]*\bhref="#)[^>]*>(.*?)</a>', page, re.S)
    texts = (html.unescape(re.sub(r"<[^>]*>", "", link)).strip().lower() for link in links)
    assert not [text for text in texts if SAYS_NOTHING.fullmatch(text)]


@pytest.mark.parametrize("site", [SITE, ZENSICAL], ids=["MkDocs", "Zensical"])
def test_every_page_allows_the_scripts_that_it_holds_and_none_else(site: Path) -> None:
    """Also the one for unknown addresses; the file for hosts allows those of all pages."""
    for_hosts = (site / "_headers").read_text(encoding="utf-8")
    for name in built_pages(site):
        page = (site / name).read_text(encoding="utf-8")
        (rules,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
        held = hashes(page, "script")
        assert "default-src 'self'; script-src 'self'" in rules
        assert all(code in rules and code in for_hosts for code in held), name
        assert "'unsafe-inline'" not in rules.replace("style-src-attr 'unsafe-inline'", "")


def test_pages_from_a_folder_may_use_files_and_no_network() -> None:
    """There is no host that could be theirs."""
    for name in built_pages(OFFLINE):
        assert FROM_A_FOLDER in (OFFLINE / name).read_text(encoding="utf-8"), name


def test_the_text_names_every_page_and_leaves_nothing_unfilled() -> None:
    """As https://llmstxt.org describes it: a title, a summary, and links in sections."""
    lines = (SITE / "llms.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert lines[2].startswith("> ")
    links = re.findall(r"(?m)^- \[[^\]]+\]\((.*?)\): .+$", "\n".join(lines))
    assert sorted(re.sub(r"^https?://[^/]+/(?:[^/]+/)?", "", link) for link in links) == sorted(
        f"{name}.md" for name in PAGES
    )
    full = (SITE / "llms-full.txt").read_text(encoding="utf-8")
    assert "{python}" not in re.sub(r"``+.*?``+", "", full)
    assert "\\py{" not in full.split("## gradbook")[0]
    assert 'exec="on"' not in full
    for name in PAGES:
        assert (SITE / f"{name}.md").read_text(encoding="utf-8") in full, name


SHOWN = re.compile(r"\s*([-*|`$>0-9!:]|\\\[|\?\?\?|#{6}|[a-z])|    ")
"""How begins what a colon announces: a list, a table, code, a figure, or the sentence goes on."""


def dangling(text: str) -> list[str]:
    """Return the sentences of a text that end at a colon behind which nothing comes."""
    parts = re.split(r"\n\s*\n", text)
    pairs = zip(parts, [*parts[1:], ""], strict=True)
    return [part for part, after in pairs if part.endswith(":") and not SHOWN.match(after)]


@pytest.mark.parametrize("name", PAGES)
def test_what_a_colon_announces_comes(name: str) -> None:
    """A block that prints nothing here or there would leave the sentence before it hanging."""
    assert dangling((SITE / f"{name}.md").read_text(encoding="utf-8").strip()) == []


def test_a_colon_with_nothing_behind_is_told() -> None:
    """At a heading, at another sentence and at the end."""
    assert dangling("One:\n\n# Two\n\nThree:\n\nFour.\n\n- five:\n\n    six\n\nSeven:") == [
        "One:",
        "Three:",
        "Seven:",
    ]
