"""What pages get behind the build: description, preview, policy, foot, text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from matplotlib.image import imread

from gradbook.press.binding import as_text, listing, pace
from gradbook.press.binding.binder import Binder
from gradbook.press.binding.cards import HEIGHT, WIDTH, card
from gradbook.press.binding.first_paint import bundled, unhindered
from gradbook.press.binding.footer import bibtex, foot, footed
from gradbook.press.binding.heads import card_of, headed
from gradbook.press.binding.lost import led_on
from gradbook.press.binding.policies import FROM_A_FOLDER, guarded, hashes, headers, policy
from gradbook.press.binding.sheet import MOST, Sheet, built, shortened
from gradbook.press.binding.slimming import slim
from gradbook.press.pages import Page
from gradbook.press.places import ROOT
from gradbook.press.results import Results
from gradbook.press.session import Session

PAGE = """<!doctype html>
<html><head>
  <meta charset="utf-8">
  <meta name="description" content="everybody's">
  <link rel="canonical" href="http://old.invalid/">
  <title>One - book</title>
  <script>var a = 1</script>
  <script src="a.js"></script>
  <script id="__config" type="application/json">{}</script>
</head><body><article>
<h1 id="one">One<a class="headerlink" href="#one">¶</a></h1>
<p class="gb-pace">2 min</p><p>The first &amp; best.</p>
<div class="admonition abstract"><p class="admonition-title">In one sentence</p>
<p>It <a href="#x">is</a>
so.</p></div></article>
<div class="md-copyright__highlight">Free. </div>
</body></html>"""


def sheet(html: str = PAGE, source: str = "", name: str = "chapters/one/index.html") -> Sheet:
    return Sheet(name, html, source)


SHEETS = """<head><link rel="stylesheet" href="../assets/a.css">
<link rel="stylesheet" href="../assets/fonts/b.css"></head><p>1</p>"""


class TestWhatAPageWaitsFor:
    @pytest.fixture
    def site(self, tmp_path: Path) -> Path:
        (tmp_path / "assets" / "fonts").mkdir(parents=True)
        (tmp_path / "assets" / "a.css").write_text("a {}\n/*# sourceMappingURL=a.css.map */")
        text = "b { src: url('b.woff') } c { src: url(data:,x) } d { mask: url(#d) }"
        (tmp_path / "assets" / "fonts" / "b.css").write_text(text)
        return tmp_path

    def test_is_one_style_sheet_that_finds_its_files(self, site: Path) -> None:
        pages, made = bundled({"one/index.html": SHEETS}, site)
        [(path, text)] = made.items()
        expected = f'<head><link rel="stylesheet" href="../{path}">\n</head><p>1</p>'
        assert pages == {"one/index.html": expected}
        address = 'url("fonts/b.woff")'
        assert (
            text
            == f"a {{}}\nb {{ src: {address} }} c {{ src: url(data:,x) }} d {{ mask: url(#d) }}"
        )

    def test_is_no_rule_that_styles_all_elements_twice_more(self, site: Path) -> None:
        rule = "[data-md-color-switching] *,[data-md-color-switching] ::after{transition: none}"
        (site / "assets" / "a.css").write_text(f"a{{b:c}}{rule}d{{e:f}}")
        [text] = bundled({"one/index.html": SHEETS}, site)[1].values()
        assert text.startswith("a{b:c}d{e:f}\n")

    def test_is_the_same_sheet_for_pages_that_ask_for_the_same(self, site: Path) -> None:
        home = SHEETS.replace("../", "")
        pages, made = bundled({"one/index.html": SHEETS, "index.html": home}, site)
        assert len(made) == 1
        assert f'href="{next(iter(made))}"' in pages["index.html"]

    def test_stays_where_addresses_begin_at_the_host(self, site: Path) -> None:
        lost = SHEETS.replace("../", "/")
        assert bundled({"404.html": lost}, site) == ({"404.html": lost}, {})

    def test_is_no_script_and_their_order_stays(self) -> None:
        head = '<head><script src="a.js"></script>\n<script src="b.js"></script><script>1</script>'
        page = unhindered(f'{head}</head><p>1</p><script src="c.js"></script>')
        assert re.findall(r"<(?:p|/head|script)[^>]*>", page) == [
            "<script>",
            "</head>",
            "<p>",
            *(f'<script src="{name}.js">' for name in "abc"),
        ]


class TestADescription:
    def test_is_what_the_page_says_of_itself(self) -> None:
        assert sheet(source="---\ndescription: Said.\n---\n# One").description == "Said."

    def test_is_the_answer_in_one_sentence_or_the_first_words(self) -> None:
        assert sheet().description == "It is so."
        assert sheet(PAGE.replace(" abstract", "")).description == "The first & best."

    def test_has_an_end_where_previews_cut_it(self) -> None:
        long = "word " * 50
        assert shortened(long).endswith("word…")
        assert len(shortened(long)) <= MOST
        assert shortened(f"A whole one. {long}") == "A whole one."
        assert shortened("e.g. 0.25 is short") == "e.g. 0.25 is short"

    def test_stands_in_the_head_in_place_of_everybodys(self) -> None:
        page = headed(sheet(), PAGE, name="book", home="")
        assert page.count('name="description"') == 1
        assert '<meta name="description" content="It is so.">' in page
        assert '<meta property="og:title" content="One">' in page
        assert "og:image" not in page
        assert "canonical" not in page

    def test_has_an_address_and_a_picture_where_the_book_has_one(self) -> None:
        page = headed(sheet(), PAGE, name="book", home="https://a.b/c/")
        assert '<link rel="canonical" href="https://a.b/c/chapters/one/">' in page
        assert '"og:url" content="https://a.b/c/chapters/one/"' in page
        assert '"og:image" content="https://a.b/c/assets/cards/chapters-one.png"' in page
        assert '"og:type" content="article"' in page
        assert "old.invalid" not in page

    def test_quotes_what_html_would_take_for_its_own(self) -> None:
        page = headed(sheet(source='---\ndescription: a "b" <c>\n---\n'), PAGE, name="b", home="")
        assert 'content="a &quot;b&quot; &lt;c&gt;"' in page


def test_a_page_finds_its_source_as_a_folder_or_as_a_file(tmp_path: Path) -> None:
    assert built(Path("index.md"), tmp_path) == "index.html"
    assert built(Path("reference/index.md"), tmp_path) == "reference/index.html"
    assert built(Path("a/b.md"), tmp_path) == "a/b/index.html"
    (tmp_path / "c.html").touch()
    assert built(Path("c.md"), tmp_path) == "c.html"
    assert card_of(sheet(name="index.html")) == "assets/cards/home.png"


def test_a_card_has_the_size_of_a_preview_and_the_same_bytes_every_time(tmp_path: Path) -> None:
    first, second = (card("A $title", "What it says.", "book") for _ in range(2))
    assert first == second != card("Another", "What it says.", "book")
    (tmp_path / "card.png").write_bytes(first)
    assert imread(tmp_path / "card.png").shape[:2] == (HEIGHT, WIDTH)


def test_the_page_for_unknown_addresses_leads_home() -> None:
    page = '<a href="/b/." title="book" class="md-header__button md-logo"></a><h1>404</h1>'
    assert '<a href="/b/.">the first page</a>' in led_on(page)
    assert "<title>No such page - b</title>" in led_on(f"<title>b</title>{page}")
    assert led_on("<h1>404</h1>") == "<h1>404</h1>"


class TestThePolicy:
    def test_knows_the_scripts_that_a_page_holds_and_no_data(self) -> None:
        assert len(hashes(PAGE, "script")) == 1
        assert hashes(PAGE, "style") == []
        assert hashes("<style>a{}</style>", "style") != []

    def test_lets_in_nothing_else(self) -> None:
        rules = dict(rule.split(" ", 1) for rule in policy([PAGE]).split("; "))
        assert rules["default-src"] == "'self'"
        assert rules["script-src"] == f"'self' {hashes(PAGE, 'script')[0]}"
        assert rules["style-src"] == "'self'"
        assert rules["style-src-attr"] == "'unsafe-inline'"
        assert rules["img-src"] == "'self' data:"

    def test_binds_all_that_follows(self) -> None:
        page = guarded(PAGE, policy([PAGE]))
        assert page.index("Content-Security-Policy") < page.index("<title>")
        assert page.index("charset") < page.index("Content-Security-Policy")
        assert page.count("Content-Security-Policy") == 1

    def test_of_a_host_is_that_of_all_pages(self) -> None:
        other = PAGE.replace("var a = 1", "var a = 2")
        (line,) = re.findall("  Content-Security-Policy: (.*)", headers([PAGE, other]))
        for page in (PAGE, other):
            assert hashes(page, "script")[0] in line
        assert "frame-ancestors" in line


class TestTheFoot:
    CITATION = {"title": "book", "authors": [{"family-names": "A", "given-names": "B"}]} | {
        "version": "1.2",
        "date-released": "2025-01-02",
    }

    def test_cites_a_person_by_name_and_a_release_by_year(self) -> None:
        assert "author = {A, B}" in bibtex(self.CITATION)
        assert "year = {2025}" in bibtex(self.CITATION)

    def test_stands_below_the_line_about_licenses(self) -> None:
        given = foot(self.CITATION, "chapters/one/index.html", {"a.pdf": "PDF", "log/": "Log"})
        page = footed(PAGE, given)
        assert page.index("Free.") < page.index("Version 1.2") < page.index("</body>")
        assert '<a href="../../a.pdf">PDF</a>' in page
        assert '<a href="../../log/">Log</a>' in page


def test_a_chapter_says_how_long_it_takes() -> None:
    main = "# One\n" + "word " * 450
    rest = "\n## Remember\n" + "word " * 999 + "\n$$\ny\n$$\n\n**1. ★** Why?"
    line = re.search('<p class="gb-pace".*', pace.timed("<h1>One</h1>", Page(main + rest)))
    assert line is not None
    assert ">about 3 min to read, 1 exercise on top<" in line[0]
    assert "exercise" not in pace.timed("<h1>One</h1>", Page("few words"))


@pytest.mark.parametrize(
    ("more", "minutes"),
    [
        ("\n\n$$\nx\n$$\n\n$$\ny\n$$\n", 5),
        ("\n\n" + "$x$ " * 12 + "\n", 5),
        ("\n\n```text\n" + "a line of code\n" * 12 + "```\n", 5),
        ("\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", 4),
        ('\n\n```python exec="on" source="none"\nlines(x, alt="a rise")\n```\n', 4),
    ],
)
def test_formulas_code_tables_and_figures_take_their_time(more: str, minutes: int) -> None:
    assert pace.minutes_of(Page("# One\n" + "word " * 449 + more)) == minutes


MARKDOWN = """---
description: said
---
# One
<!-- a note -->
```python exec="on" source="none"
x = 1 / 4
```

```python exec="on"
print("shown", x)
```

```pycon pin
>>> x
0.25
```

It is `{python} f"{x:.2f}"`, $x = \\py{x * 4:.0f}$.
"""


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(Results(tmp_path))


def test_the_text_of_a_page_has_what_blocks_show_and_neither_pins_nor_notes(
    session: Session,
) -> None:
    markdown = MARKDOWN.replace("x * 4:.0f", 'f"{x * 4:.0f}"')
    text = as_text.filled(Page(markdown), session)
    assert text == (
        '# One\n\n```python\nprint("shown", x)\n```\n```text\nshown 0.25\n```\n\n'
        "It is 0.25, $x = 1$.\n"
    )


def test_the_text_of_the_reference_has_what_functions_say(session: Session) -> None:
    text = as_text.filled(Page("# API\n\n::: gradbook.measure\n"), session)
    assert "## gradbook.measure" in text
    assert re.search(r"(?m)^### `\w+\(.*\)`$", text)


def test_the_text_of_a_package_has_what_it_gathers_as_a_whole_in_part_or_by_name(
    session: Session,
) -> None:
    whole = as_text.filled(Page("::: gradbook.layers\n"), session)
    assert "### `Dense`" in whole
    assert "### `sum_to(" in whole
    only = "::: gradbook.layers\n    options:\n      members: [Dense, LSTM]\n"
    assert re.findall("### `(.*)`", as_text.filled(Page(only), session)) == ["Dense", "LSTM"]
    one = as_text.filled(Page("# A\n\n::: gradbook.layers.LSTM\n"), session)
    assert one.startswith("# A\n\n### `LSTM`\n\n")
    assert as_text.filled(Page("::: no.such\n"), session) == "::: no.such\n"


def test_a_slim_page_has_fewer_elements_and_the_same_text() -> None:
    name = '<span class="n"><a title="   A\n  b" href="#a">A</a></span>'
    place = '<span title="int">'
    said = '<div class="doc-md-description">\n<p>A <code>b</code>.</p>\n</div>'
    page = f'<pre><span></span><code>{name}<span class="p">(</span>{place}int</span></code></pre>'
    expected = '<pre><code><a title="A b" href="#a">A</a>(int</code></pre>'
    assert slim(page + said) == f"{expected}A <code>b</code>."
    for kept in (
        '<span class="k">def</span>',
        '<span title="collections.abc.Sequence">Sequence</span>',
        '<div class="doc-md-description"><p>One.</p><p>Two.</p></div>',
        "<pre><span></span>text</pre>",
    ):
        assert slim(kept) == kept


def test_the_text_of_a_page_leads_to_the_text_of_others() -> None:
    here, there = sheet(name="a/one/index.html"), sheet(name="b/index.html")
    given = {"a/one.md": here, "b.md": there}
    text = "[b](../b.md#part) [c](c.md) [out](https://a.b/c.md)"
    near = listing.linked(text, "a/one.md", given, "")
    assert near == "[b](../../b/index.html.md) [c](c.md) [out](https://a.b/c.md)"
    assert "[b](https://h.i/b/index.html.md)" in listing.linked(
        text, "a/one.md", given, "https://h.i/"
    )


def test_the_text_of_a_page_has_what_it_includes_and_nothing_of_its_look(session: Session) -> None:
    text = as_text.filled(
        Page('<div class="a" markdown>\n[a](b.md){ .md-button }\n</div>\n\n--8<-- "CITATION.cff"'),
        session,
    )
    assert text.startswith("[a](b.md)\n\ncff-version: ")
    assert "div" not in text


def test_a_table_is_text_row_by_row() -> None:
    table = "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td><b>2</b></td></tr></table>"
    assert as_text.plain(table) == "a | b\n1 | 2"


@pytest.fixture
def book(tmp_path: Path) -> Binder:
    (tmp_path / "docs" / "chapters").mkdir(parents=True)
    (tmp_path / "docs" / "index.md").write_text("# Home\n", "utf-8")
    (tmp_path / "docs" / "chapters" / "one.md").write_text("# One\n", "utf-8")
    site = tmp_path / "site"
    (site / "chapters" / "one").mkdir(parents=True)
    for name in ("index.html", "404.html", "chapters/one/index.html"):
        (site / name).write_text(PAGE, "utf-8")
    (tmp_path / "CITATION.cff").write_bytes((ROOT / "CITATION.cff").read_bytes())
    (tmp_path / "mkdocs.yml").write_text(
        "site_name: book\nsite_description: About.\nsite_url: https://a.b/c\n"
        "nav: [{Home: index.md}, {Chapters: [{1 One: chapters/one.md}]}]\n",
        "utf-8",
    )
    return Binder(tmp_path / "mkdocs.yml", site)


def test_a_book_is_bound(book: Binder) -> None:
    (book.config.parent / "book.pdf").write_bytes(b"%PDF")
    Binder(book.config, book.site, carried=[book.config.parent / "book.pdf"]).bind()
    page = (book.site / "chapters" / "one" / "index.html").read_text("utf-8")
    assert "@software{gradbook," in page
    assert 'href="../../book.pdf"' in page
    assert (book.site / "book.pdf").read_bytes() == b"%PDF"
    assert (book.site / "assets" / "cards" / "chapters-one.png").stat().st_size > 10_000
    assert "script-src 'self' 'sha256-" in (book.site / "_headers").read_text("utf-8")
    assert "Content-Security-Policy" in (book.site / "404.html").read_text("utf-8")


def test_its_text_names_the_pages_and_gives_them(book: Binder) -> None:
    book.bind()
    link = "[1 One](https://a.b/c/chapters/one/index.html.md): It is so."
    assert (book.site / "llms.txt").read_text("utf-8").splitlines() == [
        *("# book", "", "> About.", "", "## Pages"),
        "- [Home](https://a.b/c/index.html.md): It is so.",
        *("", "## Chapters", f"- {link}"),
    ]
    full = (book.site / "llms-full.txt").read_text("utf-8")
    assert full == "# book\n\n> About.\n\n# Home\n\n# One\n"
    assert (book.site / "chapters" / "one" / "index.html.md").read_text("utf-8") == "# One\n"


def test_pages_for_a_folder_know_no_host_and_may_use_files_alone(book: Binder) -> None:
    Binder(book.config, book.site, offline=True).bind()
    page = (book.site / "index.html").read_text("utf-8")
    assert FROM_A_FOLDER in page
    assert "og:image" not in page
    assert not (book.site / "llms.txt").exists()
