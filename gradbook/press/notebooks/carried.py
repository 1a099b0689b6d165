"""What of the book's own modules some code needs, written out: a wheel does not hold them.

A definition needs the names that it reads, of its own module and of others, and what those need.
What needs a file, or what the book alone is built with, cannot be carried away.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping

from gradbook.press.notebooks.modules import Module, Need, imported, uses

INSTALLED = frozenset({"numpy", "matplotlib", *sys.stdlib_module_names})
"""What is there beside the package where a notebook runs: the extra `figures`."""


# A notebook has no folder in which to keep what it measured: it measures.
_KEEPING = re.compile(r"^(@|from \S+ import )measured_once\n", re.MULTILINE)


class CannotBeCarried(Exception):
    """Code needs what a notebook has not."""


class Book:
    """The modules of the package that its wheel leaves out."""

    def __init__(self, texts: Mapping[str, str], package: str) -> None:
        """Take them.

        Args:
            texts: The modules that can be written out, by name.
            package: What they are part of; the rest of it is installed, but for the press.
        """
        self.modules = {name: Module(_KEEPING.sub("", text)) for name, text in texts.items()}
        self._package = package
        self._found: dict[Need, frozenset[Need] | CannotBeCarried] = {}

    def needs(self, code: ast.AST, names: Mapping[str, Need]) -> Iterator[Need]:
        """Yield what code takes from these modules.

        Args:
            code: A statement, or several.
            names: What names stand for that were imported before.

        Raises:
            CannotBeCarried: It imports what is not installed.
        """
        own = imported(code)
        for need in own.values():
            self._check(need)
        known = {**names, **own}
        for name, attribute in uses(code):
            if name in known and (need := self.behind(known[name])).module in self.modules:
                inner = Need(need.module, attribute) if attribute and not need.name else need
                yield self.behind(inner)

    def carried(self, needs: Iterable[Need]) -> dict[str, frozenset[str]]:
        """Return the names that are needed of each module, those that are needed first first.

        Args:
            needs: What is needed to begin with.

        Raises:
            CannotBeCarried: Something on the way needs what a notebook has not.
        """
        found: dict[str, set[str]] = {}
        waiting = [*needs]
        while waiting:
            need = waiting.pop()
            module = self.modules[need.module]
            names = {need.name} & {*module.binders} if need.name else {*module.binders}
            new = names - found.setdefault(need.module, set())
            found[need.module] |= new
            for name in new:
                waiting += self._kept(Need(need.module, name))
        return {name: frozenset(found[name]) for name in self._ordered(found)}

    def _kept(self, need: Need) -> frozenset[Need]:
        """Return what a definition needs, found out once."""
        if need not in self._found:
            try:
                self._found[need] = frozenset(self._inside(need.module, need.name))
            except CannotBeCarried as error:
                self._found[need] = error
        found = self._found[need]
        if isinstance(found, CannotBeCarried):
            raise found
        return found

    def _inside(self, module: str, name: str) -> Iterator[Need]:
        """Yield what the statements that bind a name need, of their module and of others."""
        whole = self.modules[module]
        imports = {key: need for node in whole.statements for key, need in _imports(node).items()}
        for node in whole.binders[name]:
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._check(imports[name])
                need = self.behind(imports[name])
                # A module that is imported is needed as far as others take from it.
                yield from (need,) if need.module in self.modules and need.name else ()
                continue
            if "__file__" in ast.unparse(node):
                raise CannotBeCarried(f"{module}.{name} reads a file")
            yield from self.needs(node, imports)
            yield from (Need(module, used) for used, _ in uses(node) if used in whole.binders)

    def _check(self, need: Need) -> None:
        top = need.module.partition(".")[0]
        press = f"{need.module}.".startswith(f"{self._package}.press.")
        if press or top not in INSTALLED | {self._package}:
            raise CannotBeCarried(f"it needs {need.module}")

    def behind(self, need: Need) -> Need:
        """Return what a name of a package stands for: perhaps a module in it.

        Args:
            need: The package and the name.
        """
        inner = f"{need.module}.{need.name}"
        return Need(inner) if need.name and inner in self.modules else need

    def _ordered(self, found: Mapping[str, set[str]]) -> Iterator[str]:
        done: set[str] = set()
        for name in sorted(found):
            yield from self._after(name, found, done)

    def _after(self, name: str, found: Mapping[str, set[str]], done: set[str]) -> Iterator[str]:
        if name in done:
            return
        done.add(name)
        for node in self.modules[name].statements:
            for need in _imports(node).values():
                other = self.behind(need).module
                yield from self._after(other, found, done) if other in found else ()
        yield name


def _imports(node: ast.stmt) -> dict[str, Need]:
    return imported(node) if isinstance(node, ast.Import | ast.ImportFrom) else {}
