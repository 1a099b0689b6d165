"""Every source leads its reader to the work itself, and no two to the same."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import urlsplit

import pytest

from gradbook.book import sources
from gradbook.book.sources import ALL, ReferenceList, Source

NOT_PUBLISHED = {sources.LECTURE_NOTE, sources.THIS_BOOK}
# No identifier of these could be checked against a second place that names the work.
NOT_FOUND = {sources.CHERNOFF, sources.DOYA, sources.GEMAN, sources.NEWMAN}
LINKED = [source for source in ALL if source.link]
FORMS = (r"doi:10\.\d{4,}/[^\s\"<>]+", r"arXiv:\d{4}\.\d{4,5}", r"https://[^\s\"<>]+")


def test_every_source_has_a_link_but_those_named_here() -> None:
    assert set(ALL) - set(LINKED) == NOT_PUBLISHED | NOT_FOUND


@pytest.mark.parametrize("source", LINKED, ids=lambda source: source.anchor)
def test_a_link_is_well_formed(source: Source) -> None:
    assert any(re.fullmatch(form, source.link) for form in FORMS), source.link
    parts = urlsplit(source.address)
    assert parts.scheme == "https"
    assert "." in parts.netloc
    # An address of one of these hosts is written as what it identifies.
    assert parts.netloc not in ("doi.org", "arxiv.org") or not source.link.startswith("https")


def test_no_two_sources_share_a_link() -> None:
    addresses = Counter(source.address.lower() for source in LINKED)
    assert [address for address, count in addresses.items() if count > 1] == []


@pytest.mark.parametrize("source", LINKED, ids=lambda source: source.anchor)
def test_an_arxiv_number_in_the_place_of_publication_is_the_link(source: Source) -> None:
    assert not source.where.startswith("arXiv:") or source.where == source.link


@pytest.mark.parametrize("source", ALL, ids=lambda source: source.anchor)
def test_a_place_of_publication_is_spelled_out(source: Source) -> None:
    assert source.where not in ("ICML", "ICLR", "NeurIPS", "arXiv preprint")


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("doi:10.1016/0041-5553(64)90137-5", "https://doi.org/10.1016/0041-5553(64)90137-5"),
        ("arXiv:1502.01852", "https://arxiv.org/abs/1502.01852"),
        ("https://numerical.recipes/", "https://numerical.recipes/"),
        ("", ""),
    ],
)
def test_an_address_follows_from_the_link(link: str, address: str) -> None:
    assert Source("A", 2000, "T", "W", "use", link).address == address


def test_the_list_links_the_titles_it_can() -> None:
    known, unknown = sources.HE, sources.LECTURE_NOTE
    shown = ReferenceList((known, unknown))._repr_html_()
    assert f'<a href="{known.address}" rel="noreferrer">{known.title}</a>' in shown
    assert f"<cite>{unknown.title}</cite>" in shown
    assert f'<a href="#{known.anchor}">H</a>' in shown
