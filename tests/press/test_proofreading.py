"""`python -m gradbook.press check` says page, line and fault, and fails where there is one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gradbook.press.__main__ import main
from gradbook.press.proofreading import differing

TYPED = "# A page\n\nIt is 0.25.\n"
UNHELD = '# A page\n\n```python exec="on"\nx = 0.25\n```\n'
FALSE = "# A page\n\n```pycon\n>>> 2 + 2\n5\n```\n"
HELD = "# A page\n\n```pycon\n>>> 2 + 2\n4\n```\n"


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        (TYPED, [], "page.md:3: '0.25' is a typed decimal"),
        (UNHELD, ["--numbers"], "page.md:4: 0.25 became 0.2675 and nothing failed"),
        (UNHELD, ["--every-number"], "page.md:4: 0.25 became 0.2675 and nothing failed"),
        (FALSE, ["--numbers"], "page.md:4: fails unchanged: printed '4"),
    ],
)
def test_a_fault_is_told_with_its_page_and_line(
    text: str, options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    assert main(["check", str(page), *options]) == 1
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(("text", "options"), [(UNHELD, []), (HELD, ["--numbers"])])
def test_a_page_without_a_fault_says_nothing(
    text: str, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    assert main(["check", str(page), *options]) == 0
    assert capsys.readouterr().out == ""


def test_pages_that_differ_from_the_last_commit_are_told(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=n", "-c", "user.email=e"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    pages = [tmp_path / name for name in ("same.md", "edited.md", "new.md")]
    git("init")
    for page in pages[:2]:
        page.write_text("x", encoding="utf-8")
    git("add", ".")
    git("commit", "-m", "m")
    for page in pages[1:]:
        page.write_text("y", encoding="utf-8")
    assert differing(pages) == set(pages[1:])


def test_without_git_every_page_counts_as_changed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.touch()
    assert differing([page]) == {page}
