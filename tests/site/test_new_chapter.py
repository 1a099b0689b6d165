"""A chapter that was laid out is green from the first minute."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gradbook.press.places import ROOT
from new_chapter import LayoutError, entered, lay_out, main

COPIED = ("gradbook", "docs", "tests", "tools", "conftest.py", "mkdocs.yml", "pyproject.toml")
COPIED += ("package-lock.json", "CHANGELOG.md")
NAME = "means-of-many"
ROOM = "means_of_many"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pyc*"))
        else:
            shutil.copyfile(ROOT / name, tmp_path / name)
    os.symlink(ROOT / "node_modules", tmp_path / "node_modules")
    return tmp_path


def run(copy: Path, *arguments: str) -> str:
    """Run a module in the copy, and return what it says; nothing if it is content."""
    path = os.pathsep.join([str(copy), str(copy / "tests")])
    env = {**os.environ, "PYTHONPATH": path, "GRADBOOK_CACHE": str(copy / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=copy, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_a_new_chapter_passes_what_every_chapter_must(copy: Path) -> None:
    written = lay_out(NAME, "Means of many", copy)
    assert all(path.is_file() for path in written)
    page = f"docs/chapters/{NAME}.md"
    tests = [page, f"tests/book/{ROOM}", f"gradbook/book/{ROOM}", "tests/site/test_plan.py"]
    tests += ["tests/site/test_book.py", "tests/book/claims/test_claims.py"]
    tests += ["tests/site/test_code_runs.py"]
    its_own = f"{NAME} or {ROOM} or test_plan or navigation or numbered or unique"
    assert not run(copy, "pytest", "-q", "-p", "no:cacheprovider", *tests, "-k", its_own)
    assert not run(copy, "gradbook.press", "check", page, "--numbers")
    assert not run(copy, "ruff", "check", f"gradbook/book/{ROOM}", f"tests/book/{ROOM}")
    assert not run(copy, "ruff", "format", "--check", f"gradbook/book/{ROOM}", f"tests/book/{ROOM}")


def test_it_stands_behind_the_last_chapter_with_the_next_number() -> None:
    navigation = "nav:\n  - 1 A: chapters/a.md\n  - A, deeper: chapters/a-deeper.md\n  - Z: z.md\n"
    assert entered("b", "B", navigation).splitlines()[3] == "  - 2 B: chapters/b.md"
    with pytest.raises(LayoutError, match="has no chapters"):
        entered("b", "B", "nav:\n  - Z: z.md\n")


@pytest.mark.parametrize(
    ("name", "message"),
    [("Weight Decay", "expected lower case"), ("", "expected lower case"), ("clipping", "is free")],
)
def test_a_name_that_is_none_or_is_taken_is_refused(
    name: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["new_chapter.py", name])
    before = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert main() == 1
    assert message in capsys.readouterr().err
    assert (ROOT / "mkdocs.yml").read_text(encoding="utf-8") == before
