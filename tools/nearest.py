"""Which tests a broken file faces: its own doctests, then the test files that are nearest to it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from gradbook.press.reach import Package, imports
from mutations import Mutation, mutations

NEAREST = 5
"""A mutant faces its module's doctests and so many test files: those further off test others."""


@dataclass(frozen=True)
class Mutant:
    """A change of a file, and the runs of pytest that it faces."""

    path: Path
    source: str
    mutation: Mutation
    runs: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Book:
    """Where the package and its tests are."""

    root: Path
    package: Path
    tests: tuple[Path, ...]

    def mutants(self, files: Iterable[Path]) -> list[Mutant]:
        """List every mutant of some files."""
        reached = self._reached()
        return [
            Mutant(path, source, mutation, runs)
            for path in files
            for source in [path.read_text(encoding="utf-8")]
            for runs in [self._runs(path, reached)]
            for mutation in mutations(source)
        ]

    def has(self, module: ModuleType) -> bool:
        """Whether a module is one of the package or of its tests."""
        about = vars(module)
        places = [about.get("__file__") or "", *about.get("__path__", ())]
        own = (str(self.package), str(self.root / "tests"), str(self.root / "conftest.py"))
        return any(place.startswith(own) for place in places)

    def _reached(self) -> dict[Path, frozenset[Path]]:
        package = Package(self.package)
        found = {}
        for path in (path for folder in self.tests for path in sorted(folder.rglob("test_*.py"))):
            found[path] = package.reached(self._with_helpers(path.read_text(encoding="utf-8")))
        return found

    def _with_helpers(self, text: str) -> list[str]:
        """Return a test's source with those of the modules in `tests/` that it imports."""
        names = {module for module, _ in imports(text).anywhere}
        paths = (self.root / "tests" / f"{name}.py" for name in sorted(names))
        return [text, *(path.read_text(encoding="utf-8") for path in paths if path.is_file())]

    def _runs(
        self, path: Path, reached: dict[Path, frozenset[Path]]
    ) -> tuple[tuple[str, ...], ...]:
        """Return the tests of a file: its doctests with the nearest test file, then the others.

        Near is what is named as the file, then what names much of it, then what reaches little.
        """
        own = _names(path)
        near = sorted(
            (test for test in reached if path in reached[test]),
            key=lambda test: (
                path.stem not in test.stem,
                -len(own & {*re.findall(r"\w+", test.read_text(encoding="utf-8"))}),
                len(reached[test]),
                test,
            ),
        )
        names = [str(p.relative_to(self.root)) for p in (path, *near[:NEAREST])]
        return tuple(part for part in (tuple(names[:2]), tuple(names[2:])) if part)


def _names(path: Path) -> set[str]:
    """Return the names of a module's functions and classes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
