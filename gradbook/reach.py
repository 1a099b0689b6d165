"""Which source files a piece of code can reach through its imports, found without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_DYNAMIC = {"import_module", "iter_modules", "__import__"}


@dataclass(frozen=True)
class _Imports:
    """What the text of a module imports: anywhere, and where the import of it alone runs."""

    anywhere: frozenset[tuple[str, str]]
    at_once: frozenset[tuple[str, str]]
    dynamic: bool


def reached(sources: Iterable[str], root: Path) -> frozenset[Path]:
    """Return the files of a package that some code reaches, by way of all that they reach.

    An import counts wherever it stands, in a function too, but for one case: a package that is
    imported only because one of its modules is runs its top level alone. A module that imports by
    computed names reaches every module beside it.

    Args:
        sources: Python code; what does not parse reaches nothing, for it does not run.
        root: The folder of the package.

    Examples:
        >>> package = Path(__file__).parent
        >>> files = reached(["from gradbook.checks import finite"], package)
        >>> sorted(path.name for path in files)
        ['__init__.py', 'checks.py']
    """
    package = _Package(root)
    waiting = [found for source in sources for found in package.targets(_imports(source), "")]
    seen: set[tuple[str, bool]] = set()
    while waiting:
        entry = waiting.pop()
        if entry not in seen:
            seen.add(entry)
            waiting += package.next(*entry)
    return frozenset(package.files[name] for name, _ in seen)


class _Package:
    """The modules of a package by name, and how an import finds them."""

    def __init__(self, root: Path) -> None:
        self.name = root.name
        self.files = {_module(path, root): path for path in root.rglob("*.py")}

    def next(self, name: str, whole: bool) -> Iterator[tuple[str, bool]]:
        """Yield what a module reaches at one step: as a whole, or by being run alone."""
        path = self.files[name]
        imports = _imports(path.read_text(encoding="utf-8"))
        yield from self.targets(imports, name, whole=whole)
        if imports.dynamic:
            beside = name if path.name == "__init__.py" else name.rpartition(".")[0]
            yield from ((other, True) for other in self.files if other.startswith(f"{beside}."))

    def targets(
        self, imports: _Imports, importer: str, *, whole: bool = True
    ) -> Iterator[tuple[str, bool]]:
        """Yield the modules behind import statements; those above them are run alone."""
        for module, name in imports.anywhere if whole else imports.at_once:
            for target, entire in self._behind(self._absolute(module, importer), name):
                yield target, entire
                parts = target.split(".")
                yield from ((".".join(parts[:n]), False) for n in range(1, len(parts)))

    def _behind(self, module: str, name: str) -> Iterator[tuple[str, bool]]:
        if f"{module}.{name}" in self.files:
            yield f"{module}.{name}", True
        elif module in self.files:
            # `from package import name` reaches the module that has the name, if that is told.
            text = _imports(self.files[module].read_text(encoding="utf-8"))
            told = {found for found in text.anywhere if found[1] == name} if name else set()
            yield module, not told
            for found, _ in told:
                yield from self._behind(self._absolute(found, module), name)

    def _absolute(self, module: str, importer: str) -> str:
        level = len(module) - len(module.lstrip("."))
        if not level:
            return module
        path = self.files.get(importer)
        drop = level - (path is not None and path.name == "__init__.py")
        parts = importer.split(".")
        return ".".join([*parts[: len(parts) - drop], *filter(None, [module[level:]])])


def _module(path: Path, root: Path) -> str:
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _imports(source: str) -> _Imports:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return _Imports(frozenset(), frozenset(), dynamic=False)
    nodes = list(ast.walk(tree))
    named = {getattr(node, "id", getattr(node, "attr", "")) for node in nodes}
    return _Imports(_pairs(nodes), _pairs(_run_at_once(tree)), bool(named & _DYNAMIC))


def _run_at_once(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when a module is imported: neither functions nor what is for types alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _run_at_once(node)


def _pairs(nodes: Iterable[ast.AST]) -> frozenset[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found |= {(module, "" if alias.name == "*" else alias.name) for alias in node.names}
    return frozenset(found)
