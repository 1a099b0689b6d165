"""A module's statements: what each binds and uses, so that those which are not needed can go."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_NOQA = re.compile(r"  # noqa\b.*")
_GAP = re.compile(r"\n{4,}")


@dataclass(frozen=True)
class Need:
    """Something of a module: the thing of that name, or all of it for the empty name."""

    module: str
    name: str = ""


def uses(node: ast.AST) -> frozenset[tuple[str, str]]:
    """Return the names that code reads, each with the attribute that is taken from it, if one is.

    Args:
        node: The code.

    Examples:
        >>> sorted(uses(ast.parse("np.exp(x)")))
        [('np', 'exp'), ('x', '')]
    """
    attributes = [node for node in ast.walk(node) if isinstance(node, ast.Attribute)]
    taken = [(a.value, a.attr) for a in attributes if isinstance(a.value, ast.Name)]
    inside = {id(value) for value, _ in taken}
    names = [n for n in _read(node) if id(n) not in inside]
    return frozenset({(value.id, attr) for value, attr in taken} | {(n.id, "") for n in names})


def _read(node: ast.AST) -> Iterator[ast.Name]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Store):
            yield part
        elif isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name):
            yield part.target


def imported(node: ast.AST) -> dict[str, Need]:
    """Return what the imports of some code bind, in its functions too.

    Args:
        node: The code.
    """
    found: dict[str, Need] = {}
    for part in ast.walk(node):
        if isinstance(part, ast.ImportFrom):
            module = part.module or ""
            found |= {a.asname or a.name: Need(module, a.name) for a in part.names}
        elif isinstance(part, ast.Import):
            names = {a.asname or a.name.partition(".")[0]: a for a in part.names}
            found |= {bound: Need(a.name if a.asname else bound) for bound, a in names.items()}
    return found


def bound(node: ast.stmt) -> frozenset[str]:
    """Return the names that a statement binds in its module.

    Args:
        node: The statement.
    """
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return frozenset({node.name})
    if isinstance(node, ast.Import | ast.ImportFrom):
        return frozenset(imported(node))
    stored = (n for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    return frozenset(name.id for name in stored)


def without(node: ast.Import | ast.ImportFrom, wanted: frozenset[str]) -> str:
    """Return an import of the wanted names alone; nothing if none is left.

    Args:
        node: The import.
        wanted: Names that it binds.
    """
    names = [a for a in node.names if (a.asname or a.name.partition(".")[0]) in wanted]
    if len(names) == len(node.names):
        return ast.unparse(node)
    if not names:
        return ""
    kept = (
        ast.ImportFrom(node.module, names, node.level)
        if isinstance(node, ast.ImportFrom)
        else (ast.Import(names))
    )
    return ast.unparse(kept)


@dataclass(frozen=True)
class Module:
    """A module's text, to be cut down to some of its statements."""

    text: str

    @cached_property
    def statements(self) -> tuple[ast.stmt, ...]:
        """Its statements, top level alone."""
        return tuple(ast.parse(self.text).body)

    @cached_property
    def binders(self) -> dict[str, tuple[ast.stmt, ...]]:
        """The statements that bind each name."""
        found: dict[str, tuple[ast.stmt, ...]] = {}
        for node in self.statements:
            for name in bound(node):
                found[name] = (*found.get(name, ()), node)
        return found

    def only(self, names: frozenset[str]) -> str:
        """Return the text of the statements that bind some names, and of what documents them.

        Args:
            names: The names; all of a statement is kept that binds one of them.
        """
        pieces = list(self._pieces(names))
        text = _GAP.sub("\n\n\n", "".join(pieces))
        return "\n".join(_NOQA.sub("", line) for line in text.split("\n")).strip("\n") + "\n"

    def _pieces(self, names: frozenset[str]) -> Iterator[str]:
        lines = self.text.splitlines(keepends=True)
        end, kept = 0, True
        for node in self.statements:
            first = min(n.lineno for n in (node, *getattr(node, "decorator_list", ())))
            told = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
            kept = kept if told else future or bool(bound(node) & names)
            if kept and isinstance(node, ast.Import | ast.ImportFrom) and not future:
                gap = "\n" if first - 1 > end else ""
                yield f"{gap}{without(node, names)}\n"
            elif kept:
                yield "".join(lines[end : node.end_lineno])
            elif first - 1 > end:
                yield "\n"
            end = node.end_lineno or end
