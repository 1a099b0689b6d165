"""The book on paper: one chapter and the home page, printed."""

from __future__ import annotations

import re
from pathlib import Path

from leaves import Leaf, leaves
from paper import paper, printed
from playwright.async_api import Browser, expect
from visits import SITE

CHAPTER = "chapters/vanishing/index.html"
LINKED = """<article><h1 id="a">One<a class="headerlink" href="#a">¶</a></h1>
<p><a href="../two/#b">two</a> <a href="../../reference/x/">x</a> <a href="https://a.b/">out</a></p>
<svg aria-labelledby="t u"><use href="#t"></use><path fill="url(#g)"/></svg>
<details class="gb-folded"></details><details class="success"></details></article>"""


def test_links_lead_within_the_paper_or_out_of_it_and_never_to_what_is_not_printed() -> None:
    """Names are those of one page among many."""
    one, two = Leaf("chapters/one/index.html", LINKED), Leaf("chapters/two/index.html", "")
    text = paper([one, two], "Book", "About")
    assert '<section id="chapters-one"' in text
    assert '<h1 id="chapters-one--a">' in text
    assert '<a href="#chapters-two--b">two</a>' in text
    assert '<a class="gb-unprinted">x</a>' in text
    assert '<a href="https://a.b/">out</a>' in text
    assert 'aria-labelledby="chapters-one--t chapters-one--u"' in text
    assert '<use href="#chapters-one--t">' in text
    assert 'fill="url(#chapters-one--g)"' in text
    assert text.count("<details open") == 1
    assert '<li><a href="#chapters-one">One</a></li>' in text


def test_every_link_within_the_paper_leads_somewhere() -> None:
    """On all pages of the built site."""
    text = paper(leaves(SITE), "Book", "About")
    names = re.findall(r'\bid="([^"]+)"', text)
    assert len(names) == len(set(names))
    led = set(re.findall(r'<a [^>]*href="#([^"]+)"', text))
    assert sorted(led - set(names)) == []


async def test_answers_are_read_on_paper_too(browser: Browser, home: str) -> None:
    """Those of a page that is printed alone; folded code stays away."""
    page = await browser.new_page()
    await page.goto(home + CHAPTER)
    await page.emulate_media(media="print")
    shown = "(all) => all.map((one) => one.getBoundingClientRect().height)"
    answers = await page.locator("details.success > p:not(.admonition-title)").evaluate_all(shown)
    assert len(answers) >= 5
    assert min(answers) > 0
    assert max(await page.locator(".gb-folded pre").evaluate_all(shown)) == 0
    await page.close()


async def test_what_printing_opens_is_closed_again(browser: Browser, home: str) -> None:
    """Else all answers stand open before whoever has printed a page, and goes on to read."""
    page = await browser.new_page()
    await page.goto(home + CHAPTER)
    closed = page.locator("details:not([open])")
    before = await closed.count()
    made = await page.pdf()
    await expect(closed).to_have_count(before)
    assert before > 10
    assert len(re.findall(rb"/Type /Page\b(?!s)", made)) < 16, "set-up and checks are printed, too"
    await page.close()


async def test_a_chapter_is_printed_with_an_outline_and_links(browser: Browser, home: str) -> None:
    """Several pages, each numbered, in Chromium's own PDF."""
    parts = [leaf for leaf in leaves(SITE) if leaf.name in ("index.html", CHAPTER)]
    made = await printed(browser, home, paper(parts, "Book", "About"))
    assert made.startswith(b"%PDF-")
    assert made.rstrip().endswith(b"%%EOF")
    pages = len(re.findall(rb"/Type /Page\b(?!s)", made))
    assert pages > 8, f"{pages} pages: cover, contents, home and a chapter are more"
    assert b"/Outlines" in made
    assert len(re.findall(rb"/Subtype /Link", made)) >= 5
    assert b"STIX" in made, "the font of formulas is not in it"


def test_the_reference_is_not_printed() -> None:
    """It is for looking up; all else is, in the order of the navigation."""
    names = [leaf.name for leaf in leaves(SITE)]
    assert names[0] == "index.html"
    assert not any(name.startswith("reference/") for name in names)
    assert {Path(name).parts[0] for name in names} >= {"chapters", "glossary", "references"}
