"""Which source files a piece of code can reach through its imports, found without running it."""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_DYNAMIC = ("import_module", "iter_modules", "__import__")
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


@dataclass(frozen=True)
class Imports:
    """What code imports: anywhere in it, and where running its top level alone imports.

    Attributes:
        anywhere: Pairs of a module and a name taken from it, which is empty for the module itself.
        at_once: Those of them that neither stand in a function nor serve types alone.
        computed_anywhere: Whether modules are imported by computed names, too.
        computed_at_once: Whether running the top level alone does so.
    """

    anywhere: frozenset[tuple[str, str]]
    at_once: frozenset[tuple[str, str]]
    computed_anywhere: bool = False
    computed_at_once: bool = False


DATA = ".csv"
"""What a module reads lies beside it, under its own name."""


def reached(sources: Iterable[str], root: Path) -> frozenset[Path]:
    """Return the files of a package that some code reaches, by way of all that they reach.

    Args:
        sources: Python code; what does not parse reaches nothing, for it does not run.
        root: The folder of the package.

    Examples:
        >>> package = Path(__file__).parents[1]
        >>> files = reached(["from gradbook.checks import finite"], package)
        >>> sorted(path.name for path in files)
        ['__init__.py', 'checks.py']
    """
    return Package(root).reached(sources)


class Package:
    """The files of a package as they are now.

    An import counts wherever it stands, in a function too, but for one case: a package that is
    imported only because one of its modules is runs its top level alone. A module that imports by
    computed names reaches every module beside it, and all of the packages that it imports; but one
    that loads its names lazily, in `__getattr__`, tells type checkers which they are.
    """

    def __init__(self, root: Path) -> None:
        """Read them all.

        Args:
            root: The package's folder.
        """
        self.stamp = stamp(root)
        self.files = {_module(path, root): path for path in sorted(root.rglob("*.py"))}
        self.texts = {name: path.read_text(encoding="utf-8") for name, path in self.files.items()}
        beside = {name: path.with_suffix(DATA) for name, path in self.files.items()}
        self.data = {name: path.read_bytes() for name, path in beside.items() if path.is_file()}
        self._digests: dict[frozenset[tuple[str, str]], str] = {}
        self._steps: dict[tuple[str, bool], tuple[tuple[str, bool], ...]] = {}

    def reached(self, sources: Iterable[str]) -> frozenset[Path]:
        """Return the files that code reaches.

        Args:
            sources: Python code.
        """
        pairs = frozenset[tuple[str, str]]().union(*(imports(text).anywhere for text in sources))
        return frozenset(self.files[name] for name in self._modules(pairs))

    def digest(self, pairs: frozenset[tuple[str, str]]) -> str:
        """Return a digest of the files that imports reach: it changes when one of them does.

        Args:
            pairs: The imports, as `Imports.anywhere` has them.
        """
        if pairs not in self._digests:
            digest = hashlib.sha256()
            for name in sorted(self._modules(pairs)):
                digest.update(f"{name}\0{self.texts[name]}\0".encode())
                digest.update(self.data.get(name, b""))
            self._digests[pairs] = digest.hexdigest()
        return self._digests[pairs]

    def _modules(self, pairs: frozenset[tuple[str, str]]) -> set[str]:
        waiting = [*self._targets(pairs, "")]
        seen: set[tuple[str, bool]] = set()
        while waiting:
            entry = waiting.pop()
            if entry not in seen:
                seen.add(entry)
                waiting += self._step(entry)
        return {name for name, _ in seen}

    def _step(self, entry: tuple[str, bool]) -> tuple[tuple[str, bool], ...]:
        if entry not in self._steps:
            self._steps[entry] = tuple(dict.fromkeys(self._next(*entry)))
        return self._steps[entry]

    def _next(self, name: str, whole: bool) -> Iterator[tuple[str, bool]]:
        """Yield what a module reaches at one step: as a whole, or by being run alone."""
        found = imports(self.texts[name])
        targets = [*self._targets(found.anywhere if whole else found.at_once, name)]
        yield from targets
        if found.computed_anywhere if whole else found.computed_at_once:
            beside = name if self._is_package(name) else name.rpartition(".")[0]
            packages = [beside, *(to for to, all_of_it in targets if all_of_it)]
            within = tuple(f"{package}." for package in packages if self._is_package(package))
            yield from ((other, True) for other in self.files if other.startswith(within))

    def _targets(
        self, pairs: Iterable[tuple[str, str]], importer: str
    ) -> Iterator[tuple[str, bool]]:
        """Yield the modules behind imports; the packages that hold them are run alone."""
        for module, name in pairs:
            for target, whole in self._behind(self._absolute(module, importer), name):
                yield target, whole
                parts = target.split(".")
                yield from ((".".join(parts[:n]), False) for n in range(1, len(parts)))

    def _behind(self, module: str, name: str) -> Iterator[tuple[str, bool]]:
        if f"{module}.{name}" in self.files:
            yield f"{module}.{name}", True
        elif module in self.files:
            # `from package import name` reaches the module that has the name, if that is told.
            pairs = imports(self.texts[module]).anywhere if name else ()
            told = [found for found, taken in pairs if taken == name]
            yield module, not told
            for found in told:
                yield from self._behind(self._absolute(found, module), name)

    def _absolute(self, module: str, importer: str) -> str:
        rest = module.lstrip(".")
        level = len(module) - len(rest)
        if not level:
            return module
        parts = importer.split(".")
        kept = parts[: len(parts) - level + self._is_package(importer)]
        return ".".join([*kept, rest] if rest else kept)

    def _is_package(self, name: str) -> bool:
        return name in self.files and self.files[name].name == "__init__.py"


def stamp(root: Path) -> str:
    """Return what changes as soon as a file of a package is edited, added or removed.

    Args:
        root: The folder of the package.
    """
    # Asked before each result is kept: `os.walk` takes a third of the time of two `rglob`.
    walked = (
        os.path.join(folder, name)
        for folder, _, names in os.walk(root)
        for name in names
        if name.endswith((".py", DATA))
    )
    files = sorted((path, os.stat(path)) for path in walked)
    return " ".join(f"{path}:{found.st_mtime_ns}:{found.st_size}" for path, found in files)


def _module(path: Path, root: Path) -> str:
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(source: str) -> Imports:
    """Return what code imports; code that does not parse imports nothing.

    Args:
        source: Python code.

    Examples:
        >>> sorted(imports("import os.path, sys").anywhere)
        [('os.path', ''), ('sys', '')]
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return Imports(frozenset(), frozenset())
    computed = any(word in source for word in _DYNAMIC)
    if "TYPE_CHECKING" in source:
        tree.body = [node for node in tree.body if getattr(node, "name", "") != "__getattr__"]
    return Imports(
        anywhere=_pairs(tree, at_once=False),
        at_once=_pairs(tree, at_once=True),
        computed_anywhere=computed and _computes(tree, at_once=False),
        computed_at_once=computed and _computes(tree, at_once=True),
    )


def _pairs(tree: ast.AST, *, at_once: bool) -> frozenset[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for node in _statements(tree, at_once=at_once):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found |= {(module, "" if alias.name == "*" else alias.name) for alias in node.names}
    return frozenset(found)


def _computes(node: ast.AST, *, at_once: bool) -> bool:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt) and at_once and _runs_later(child):
            continue
        named = getattr(child, "id", getattr(child, "attr", None))
        if named in _DYNAMIC or _computes(child, at_once=at_once):
            return True
    return False


def _statements(node: ast.AST, *, at_once: bool) -> Iterator[ast.AST]:
    for block in _BLOCKS:
        for child in getattr(node, block, ()):
            if not (at_once and _runs_later(child)):
                yield child
                yield from _statements(child, at_once=at_once)


def _runs_later(node: ast.AST) -> bool:
    for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    return for_types or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
