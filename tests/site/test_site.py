"""Whole builds: every planted fault stops `make site`, with MkDocs and with Zensical."""

from __future__ import annotations

import re
import shutil
import socket
import zipfile
from pathlib import Path

import pytest

from gradbook.press.__main__ import GENERATORS, build, main, pack
from gradbook.press.ahead import workers
from gradbook.press.check import check_site
from gradbook.press.errors import PressError
from gradbook.press.places import ROOT

GOOD = """# One

```python exec="on"
x = 1 / 4
```

The value is `{python} f"{x:.2f}"`, in math $x = \\py{f"{x:.2f}"}$; see [the start](index.md#home).

![a bell curve](assets/favicon.svg)
"""

FAULTS = {
    "a raising block": ('```python exec="on"\n1 / 0\n```', "one.md: block 2 (line 11): ZeroDiv"),
    "a misspelled option": ('```python exec="on" source="abvoe"\n1\n```', "one.md:11: the fence"),
    "bad TeX": ("$\\nonsense$", "one.md: TeX: Unsupported function"),
    "a raising inline value": ("`{python} nothing`", "one.md: inline value 'nothing'"),
    "a dead link": ("[a](two.md)", "two.md"),
}
"""What stops the generators: a fault for each way in which the press hangs on them."""

FOUND = {
    "a missing alt text in HTML": ('<img src="assets/a.svg">', "assets/a.svg' has no alt text"),
    "a dead anchor": ("[a](index.md#nowhere)", "#nowhere' leads to an anchor"),
    "a dead link in HTML": ('<a href="two.html">a</a>', "two.html' leads nowhere"),
    "a dead anchor in HTML": ('<a href="#nobody">a</a>', "'#nobody' leads to an anchor"),
    "another host": ('<script src="https://example.com/x.js"></script>', "from another host"),
}
"""What is found in the built pages, one beside the other."""


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a little book with the real book's settings, and return its configuration."""
    monkeypatch.setenv("GRADBOOK_CACHE", str(tmp_path / "cache"))
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = re.sub(
        r"(?s)\nnav:.*?\n\n", "\nnav:\n  - Home: index.md\n  - One: one.md\n\n", settings
    )
    (tmp_path / "mkdocs.yml").write_text(settings, encoding="utf-8")
    shutil.copytree(ROOT / "docs" / "assets", tmp_path / "docs" / "assets")
    (tmp_path / "docs" / "index.md").write_text("# Home\n", encoding="utf-8")
    (tmp_path / "docs" / "one.md").write_text(GOOD, encoding="utf-8")
    return tmp_path / "mkdocs.yml"


@pytest.mark.parametrize("address", ["", "https://github.com/a/b/tree/pages/v1/notebooks"])
def test_both_generators_write_the_same_files_and_link_to_them(
    book: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("NOTEBOOKS_URL", address)
    book.write_text(book.read_text("utf-8").replace("toolbox.md, what", "one.md, what"), "utf-8")
    book.write_text(book.read_text("utf-8").replace("- One:", "- 7 One:"), "utf-8")
    figure = 'figures.lines([1], {"a": [2]}, x_label="x", y_label="y", alt="x", caption="x")'
    block = f'```python exec="on"\nfrom gradbook.show import figures\n{figure}\n```\n'
    (book.parent / "docs" / "one.md").write_text(f"{GOOD}\n{block}", encoding="utf-8")
    sites = [book.parent / generator for generator in GENERATORS]
    for generator, site in zip(GENERATORS, sites, strict=True):
        assert build(book, site, generator) == 0
        page = (site / "one" / "index.html").read_text(encoding="utf-8")
        assert '<a href="../notebooks/one.ipynb" download>' in page
        there = "https://colab.research.google.com/github/a/b/blob/pages/v1/notebooks/one.ipynb"
        assert page.count(there) == page.count("colab") == bool(address)
        assert "<b>Figure 7.1.</b>" in page
        assert '<a href="../figures/one-1.svg"' in page
        assert "gb-carry" not in (site / "index.html").read_text(encoding="utf-8")
    for name in ("notebooks/one.ipynb", "figures/one-1.svg", "figures/one-1.csv"):
        first, second = ((site / name).read_bytes() for site in sites)
        assert first == second
    assert "The value is 0.25" in (sites[0] / "notebooks" / "one.ipynb").read_text("utf-8")


def test_a_folder_that_colab_cannot_open_stops_the_build(
    book: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOTEBOOKS_URL", "https://github.com/a/b")
    assert build(book, book.parent / "site", "mkdocs") == 1
    told = "published is 'https://github.com/a/b'; expected a folder at GitHub, such as"
    assert told in "".join(capfd.readouterr())


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_stops_the_build_and_is_named(
    book: Path, generator: str, fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    planted, message = FAULTS[fault]
    (book.parent / "docs" / "one.md").write_text(f"{GOOD}\n{planted}\n", encoding="utf-8")
    assert build(book, book.parent / "site", generator) == 1
    # Zensical colors the parts of a path.
    printed = re.sub(r"\x1b\[[\d;]*m", "", "".join(capfd.readouterr()))
    assert message in printed
    assert "one" in printed


@pytest.mark.parametrize("generator", GENERATORS)
def test_faults_of_built_pages_stop_the_build_and_each_is_named(
    book: Path, generator: str, capfd: pytest.CaptureFixture[str]
) -> None:
    planted = "\n\n".join(text for text, _ in FOUND.values())
    (book.parent / "docs" / "one.md").write_text(f"{GOOD}\n{planted}\n", encoding="utf-8")
    assert build(book, book.parent / "site", generator) == 1
    printed = capfd.readouterr().err
    told = [line for line in printed.splitlines() if line.startswith("one/index.html: ")]
    untold = [name for name, (_, message) in FOUND.items() if message not in "\n".join(told)]
    assert not untold, printed


MANY = """# Many

```python exec="on"
import numpy as np
from gradbook.show import figures
from gradbook.show.tables import Table

x = np.random.default_rng({seed}).normal(size=(20, 30)) @ np.ones((30, 2))
```

```python exec="on"
n = np.arange(20)
figures.lines(n, {{"a": x[:, 0]}}, x_label="n", y_label="x", alt="x", caption="$x$ is noise")
```

```python exec="on"
Table(["n"], [[f"{{v:.6f}}"] for v in x[:, 1]], caption="noise")
```

The sum is `{{python}} f"{{x.sum():.12f}}"`.
"""


def test_the_site_is_the_same_byte_for_byte_whatever_the_number_of_workers(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(4):
        (book.parent / "docs" / f"many{seed}.md").write_text(MANY.format(seed=seed), "utf-8")
    book.write_text(book.read_text("utf-8").replace("omitted_files: warn", "omitted_files: info"))
    sites = {count: book.parent / f"by-{count}" for count in (1, 3)}
    for count, site in sites.items():
        monkeypatch.setenv("GRADBOOK_WORKERS", str(count))
        assert build(book, site, "mkdocs", fresh=True) == 0
    first, second = (
        {path.relative_to(site): path.read_bytes() for path in site.rglob("*") if path.is_file()}
        for site in sites.values()
    )
    assert b"<svg" in first[Path("many3/index.html")]
    assert [name for name in first if first[name] != second.get(name)] == []
    assert len(first) == len(second)


def test_what_is_kept_is_not_run_again_unless_asked_for(
    book: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (book.parent / "docs" / "one.md").write_text(GOOD.replace("1 / 4", "0.25"), encoding="utf-8")
    told = []
    for fresh in (True, False, False, True):
        assert build(book, book.parent / "site", "mkdocs", fresh=fresh) == 0
        told.append("one.md, 1 blocks in" in capfd.readouterr().err)
    assert told == [True, True, False, True]


def test_a_number_of_workers_that_is_none_gets_one_clear_line(
    book: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    told = "GRADBOOK_WORKERS is '{}'; expected a positive number"
    for asked in ("many", "-1", "0"):
        monkeypatch.setenv("GRADBOOK_WORKERS", asked)
        with pytest.raises(PressError, match=told.format(asked)):
            workers()
    assert build(book, book.parent / "site", "mkdocs") == 1
    assert told.format("0") in capfd.readouterr().err


def test_an_offline_book_has_its_search_index_in_a_script(book: Path) -> None:
    site = book.parent / "offline"
    assert build(book, site, "mkdocs", offline=True) == 0
    assert (site / "search" / "search_index.js").exists()
    assert (site / "one.html").exists()
    archive = pack(site, book.parent / "dist" / "book.zip")
    assert "gradbook/one.html" in zipfile.ZipFile(archive).namelist()


def test_what_a_site_shall_carry_has_to_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["site", "--carry", "nowhere.pdf"])
    assert "'nowhere.pdf' is no file" in capsys.readouterr().err


def test_a_sound_book_is_built_and_bound_whoever_builds_it(
    book: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SITE_URL", "https://a.b/c/")
    sources = "repo_url: https://a.b/r\nedit_uri: edit/main/docs/\n"
    book.write_text(f"{sources}{book.read_text('utf-8')}", "utf-8")
    told = {}
    for generator in GENERATORS:
        site = book.parent / "site"
        assert build(book, site, generator) == 0, capfd.readouterr().err
        page = (site / "one" / "index.html").read_text(encoding="utf-8")
        assert "The value is 0.25" in page
        assert "<mn>0.25</mn>" in page
        assert 'href="https://a.b/r/edit/main/docs/one.md"' in page
        head = page.partition("</head>")[0]
        told[generator] = re.findall(r'<meta [^>]*"(?:og:\w+|description)" content="([^"]*)"', head)
        assert page.count('"description" content=') == 1
        assert re.findall(r'rel="canonical" href="([^"]*)"', page) == ["https://a.b/c/one/"]
        assert "script-src 'self' 'sha256-" in head
        assert (site / "assets" / "cards" / "one.png").is_file()
        assert "The value is 0.25" in (site / "llms-full.txt").read_text(encoding="utf-8")
    assert told["mkdocs"] == told["zensical"]
    assert "https://a.b/c/assets/cards/one.png" in told["mkdocs"]


def write(folder: Path, body: str) -> Path:
    """Write a page and return its folder."""
    (folder / "index.html").write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<svg role="img"></svg>', "no accessible name"),
        ("<p>\\py{x}</p>", "left unprocessed"),
        ("<p>`{python} x`</p>", "left unprocessed"),
        ("<math><mi>\N{SNOWMAN}</mi></math>", "no glyph for"),
        ('<p id="a"></p><p id="a"></p>', "'a' is used twice"),
        ("<table><tr><th>a</th><td>1</td></tr></table>", "one word for the search"),
        ("<p>the product <W, dL/dW></p>", "<w,> is not closed"),
        ('<link rel="stylesheet" href="missing.css">', "not in the site"),
        ('<link rel="stylesheet" href="//example.com/x.css">', "another host"),
        ('<a href="/nowhere/">x</a>', "leads nowhere"),
    ],
)
def test_the_checker_names_what_a_reader_would_trip_over(
    tmp_path: Path, body: str, fault: str
) -> None:
    (found,) = check_site(write(tmp_path, body))
    assert found.startswith("index.html: ")
    assert fault in found


def test_the_checker_reads_style_sheets_too(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("b{src:url(no.woff2)} c{x:url(data:,)}", encoding="utf-8")
    (found,) = check_site(write(tmp_path, "<p>x</p>"))
    assert found == "a.css: it fetches 'no.woff2', which is not in the site"


def test_code_that_shows_the_syntax_is_no_fault(tmp_path: Path) -> None:
    body = '<code>`{python} x`</code><svg role="img" aria-label="x"></svg><a href="#">up</a>'
    assert check_site(write(tmp_path, body)) == []


def test_a_folder_without_pages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a folder with built pages"):
        check_site(tmp_path)


def test_a_busy_port_gets_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 1
    assert capsys.readouterr().err == f"port {port} is busy: try make serve PORT={port + 1}\n"


def test_the_assets_command_finds_them_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["assets"]) == 0
    assert capsys.readouterr().err == ""
