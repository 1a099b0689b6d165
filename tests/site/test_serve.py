"""`make serve` as its reader meets it: a page is there when asked for, and follows every edit."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from gradbook.press.binding.policies import hashes
from gradbook.press.places import ROOT

PAGE = """# One

```python exec="on"
from gradbook.activations import {name}

shown = f"{{{name}.sup_df:.2f}}"
```

The bound is `{{python}} shown`.
"""
NAMES = ("index", "one", "checks", "changelog")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with a book of four pages, so that its sources can be edited."""
    copy = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "gradbook", copy / "gradbook", ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copytree(ROOT / "docs" / "assets", copy / "docs" / "assets")
    for name in ("package.json", "package-lock.json", "CITATION.cff"):
        shutil.copy(ROOT / name, copy)
    (copy / "node_modules").symlink_to(ROOT / "node_modules", target_is_directory=True)
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    nav = "".join(f"  - {name.title()}: {name}.md\n" for name in NAMES)
    settings = re.sub(r"(?s)\nnav:.*?\n\n", f"\nnav:\n{nav}\n", settings)
    (copy / "mkdocs.yml").write_text(settings, encoding="utf-8")
    (copy / "docs" / "index.md").write_text("# Home\n\nSee [one](one.md).\n", encoding="utf-8")
    (copy / "docs" / "one.md").write_text(PAGE.format(name="sigmoid"), encoding="utf-8")
    (copy / "docs" / "changelog.md").write_text("# Changelog\n\nA line.\n", encoding="utf-8")
    (copy / "docs" / "checks.md").write_text("# Checks\n\n::: gradbook.checks\n", encoding="utf-8")
    return copy


@pytest.fixture(scope="module")
def address(book: Path) -> Iterator[str]:
    """Serve the book."""
    port = free_port()
    environment = os.environ | {
        "PYTHONPATH": str(book), "GRADBOOK_CACHE": str(book / "cache"), "NO_MKDOCS_2_WARNING": "1"
    }  # fmt: skip
    command = [sys.executable, "-m", "gradbook.press", "serve", "--port", str(port)]
    server = subprocess.Popen(command, cwd=book, env=environment, stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}/"
    server.kill()
    server.wait()


def get(address: str) -> str:
    """Return what is served, once anything is."""
    for _ in range(400):
        try:
            with urlopen(address, timeout=60) as answer:
                return str(answer.read().decode())
        except HTTPError:
            raise
        except URLError:
            time.sleep(0.05)
    raise AssertionError(f"nobody answers at {address}")


def shows(address: str, text: str) -> bool:
    """Whether a page comes to show a text within what a busy machine may take."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if text in get(address):
            return True
        time.sleep(0.05)
    return False


def test_a_page_is_served_with_its_values_as_soon_as_it_is_asked_for(address: str) -> None:
    page = get(f"{address}one/")
    assert "The bound is 0.25." in page
    assert "livereload(" in page
    assert "--gb" in get(f"{address}assets/figures.css")
    assert "finite_array" in get(f"{address}checks/")
    assert "See <a" in get(address)


def test_a_page_is_served_as_it_is_published(address: str) -> None:
    """With a foot that names only what is there, and under a policy that lets it follow edits."""
    page = get(f"{address}one/")
    foot = page[page.index('<div class="gb-foot">') :]
    assert "Version" in foot
    assert "@software{gradbook" in foot
    assert re.findall(r'href="(.*?)"', foot[: foot.index("<details")]) == ["../changelog/"]
    assert "A line." in get(f"{address}changelog/")
    assert page.count('class="gb-foot"') == page.count("Content-Security-Policy") == 1
    assert page.count('name="description"') == 1
    told = page[page.index("Content-Security-Policy") :].partition('">')[0]
    assert all(code in told for code in hashes(page, "script"))
    assert "livereload(" in page


def test_an_unknown_address_gets_the_books_own_page(address: str) -> None:
    get(address)
    with pytest.raises(HTTPError) as caught:
        get(f"{address}nowhere/")
    page = caught.value.read().decode()
    assert caught.value.code == 404
    assert page.count("the first page") == 1
    assert "Content-Security-Policy" in page


def test_every_page_that_was_built_can_be_found(address: str) -> None:
    get(f"{address}one/")
    get(address)
    index = get(f"{address}search/search_index.json")
    assert '"one/"' in index
    assert '"title": "Home"' in index


def test_an_edited_page_is_served_anew(book: Path, address: str) -> None:
    get(f"{address}one/")
    (book / "docs" / "one.md").write_text(PAGE.format(name="tanh"), encoding="utf-8")
    assert shows(f"{address}one/", "The bound is 1.00.")


def test_a_page_with_a_fault_names_it_and_comes_back_when_it_is_mended(
    book: Path, address: str
) -> None:
    page = book / "docs" / "one.md"
    page.write_text(PAGE.format(name="nothing"), encoding="utf-8")
    assert shows(f"{address}one/", "one.md: block 1 (line 3): ImportError")
    assert "Home" in get(address)
    page.write_text(PAGE.format(name="sigmoid"), encoding="utf-8")
    assert shows(f"{address}one/", "The bound is 0.25.")


def test_an_edit_in_the_package_changes_the_pages_that_reach_it(book: Path, address: str) -> None:
    (book / "docs" / "one.md").write_text(PAGE.format(name="sigmoid"), encoding="utf-8")
    assert shows(f"{address}one/", "The bound is 0.25.")
    source = book / "gradbook" / "activations.py"
    text = source.read_text(encoding="utf-8")
    assert text.count('"sigmoid", _sigmoid, _sigmoid_df, 1 / 4') == 1
    source.write_text(text.replace("_sigmoid_df, 1 / 4", "_sigmoid_df, 1 / 2"), encoding="utf-8")
    assert shows(f"{address}one/", "The bound is 0.50.")
