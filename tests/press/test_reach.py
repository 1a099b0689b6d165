"""A page is said to reach what its imports load, and no more than its imports name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gradbook.press.pages import read
from gradbook.press.places import PACKAGE, ROOT, paths
from gradbook.press.reach import DATA, Package, imports, reached

FILES = {
    "__init__.py": "from typing import TYPE_CHECKING\n"
    "if TYPE_CHECKING:\n    from shop.till import Till\n"
    "def __getattr__(name):\n"
    "    return __import__('importlib').import_module(name)",
    "till.py": "from shop.cash import coin\nclass Till: ...",
    "cash.py": "coin = 1",
    "lazily.py": "",
    "alone.py": "",
    "inside.py": "def later():\n    import shop.cash",
    "cellar/__init__.py": "from .wine import red\nfrom importlib import import_module\n"
    "red = [import_module(name) for name in ()]",
    "cellar/wine.py": "from ..cash import coin\nred = coin",
    "cellar/hidden.py": "",
    "attic/__init__.py": "from shop.attic.box import lid\nimport shop.lazily",
    "attic/box.py": "lid = 1",
    "rooms/__init__.py": "",
    "rooms/one.py": "",
    "desk/__init__.py": "",
    "desk/all.py": "from importlib import import_module\nfrom shop import rooms\n"
    "ALL = [import_module(name) for name in ()]",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A package of a few modules."""
    for name, text in FILES.items():
        path = tmp_path / "shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "shop"


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import shop.alone", "__init__ alone"),
        ("from shop import alone", "__init__ alone"),
        ("import shop.till", "__init__ till cash"),
        ("from shop.till import Till", "__init__ till cash"),
        ("from shop import Till", "__init__ till cash"),
        ("import shop", "__init__ till cash"),
        ("from shop import *", "__init__ till cash"),
        ("import shop.inside", "__init__ inside cash"),
        ("def f():\n    import shop.alone", "__init__ alone"),
        ("try:\n    import shop.alone\nexcept ImportError:\n    pass", "__init__ alone"),
        ("import shop.cellar.wine", "__init__ cellar/__init__ cellar/wine cellar/hidden cash"),
        ("import shop.desk.all", "__init__ desk/__init__ desk/all rooms/__init__ rooms/one"),
        ("from shop.attic import lid", "__init__ attic/__init__ attic/box lazily"),
        ("import os, numpy", ""),
        ("import shop.alone (", ""),
    ],
)
def test_code_reaches_what_its_imports_lead_to(shop: Path, code: str, names: str) -> None:
    found = {path.relative_to(shop).with_suffix("").as_posix() for path in reached([code], shop)}
    assert found == set(names.split())


def test_a_digest_changes_with_what_is_reached_and_with_nothing_else(shop: Path) -> None:
    def digest() -> str:
        return Package(shop).digest(frozenset({("shop.till", "Till")}))

    before = digest()
    (shop / "alone.py").write_text("x = 1", encoding="utf-8")
    assert digest() == before
    (shop / "cash.py").write_text("coin = 2", encoding="utf-8")
    assert digest() != before


def test_a_stamp_changes_with_any_file(shop: Path) -> None:
    before = Package(shop).stamp
    (shop / "new.py").touch()
    assert Package(shop).stamp != before


LOAD = """
import ast, json, sys
loaded, known = [], set(sys.modules)
for source in json.load(sys.stdin):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            exec(ast.unparse(node))
    loaded.append([name for name in sys.modules if name.split(".")[0] == "gradbook"])
print(json.dumps(loaded))
"""


def test_what_the_imports_of_a_page_load_is_among_what_it_is_said_to_reach() -> None:
    pages = ["\n".join(c.source for c in read(path).cells if not c.example) for path in paths()]
    done = subprocess.run(
        [sys.executable, "-c", LOAD], input=json.dumps(pages), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    known: set[str] = set()
    package = Package(ROOT / "gradbook")
    for source, loaded in zip(pages, json.loads(done.stdout), strict=True):
        files = {package.files[name] for name in set(loaded) - known}
        assert files <= package.reached([source])
        known |= set(loaded)
    assert len(known) > 50


def test_what_lies_beside_a_module_is_part_of_it(shop: Path) -> None:
    def seen(code: str) -> tuple[str, str]:
        package = Package(shop)
        return package.digest(imports(code).anywhere), package.stamp

    code, other = "import shop.alone", "import shop.lazily"
    without, (elsewhere, _) = seen(code), seen(other)
    (shop / "alone.csv").write_text("1\n", encoding="utf-8")
    first = seen(code)
    (shop / "alone.csv").write_text("12\n", encoding="utf-8")
    for found in zip(without, first, seen(code), strict=True):
        assert len(set(found)) == 3
    assert seen(other)[0] == elsewhere


def test_the_books_data_lie_beside_the_modules_that_read_them() -> None:
    """Under another name a change of theirs would go unnoticed."""
    data = sorted(PACKAGE.rglob(f"*{DATA}"))
    assert data
    assert [path for path in data if not path.with_suffix(".py").is_file()] == []
    others = {path.suffix for path in PACKAGE.rglob("*") if path.is_file()} - {".pyc"}
    assert others == {".py", ".typed", DATA, ".md"}
