"""A page's code as a notebook can run it: where nothing of the book is installed but the package.

What the code takes of the book's own modules is written out. A statement that needs what cannot be
written out, or a name that such a statement binds or changes, is left out.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

from gradbook.press.notebooks.carried import Book, CannotBeCarried
from gradbook.press.notebooks.modules import Need, bound, imported, uses, without


@dataclass(frozen=True)
class Code:
    """One cell's code.

    Attributes:
        source: What of it runs.
        is_whole: Whether that is all of it.
        shows: Whether what it shows is shown by what runs.
        imports_book: Whether it imports modules that have to be written out before.
    """

    source: str
    is_whole: bool = True
    shows: bool = True
    imports_book: bool = False


@dataclass
class Runnable:
    """The code of a page's cells in order, and the modules that they need.

    Attributes:
        codes: One for each cell.
        modules: The text of each module, in the order in which they can be made.
    """

    codes: list[Code] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)


def runnable(sources: Sequence[str], book: Book) -> Runnable:
    """Return what of a page's code runs in a notebook.

    Args:
        sources: The code of its cells.
        book: The modules that are not installed.
    """
    trees = [ast.parse(source).body for source in sources]
    sorter = _Sorter(book)
    kept = [[node for node in body if sorter.runs(node)] for body in trees]
    carried = book.carried(sorter.needs)
    cut = _Cut(book, frozenset(sorter.used))
    codes = [cut.code(*cell) for cell in zip(sources, trees, kept, strict=True)]
    texts = {name: book.modules[name].only(names) for name, names in carried.items()}
    return Runnable(codes, texts)


class _Sorter:
    """Tells, statement by statement, what runs."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.names: dict[str, Need] = {}
        self.missing: set[str] = set()
        self.needs: set[Need] = set()
        self.used: set[str] = set()

    def runs(self, node: ast.stmt) -> bool:
        """Whether a statement runs; an import always does, as far as it is used."""
        if isinstance(node, ast.Import | ast.ImportFrom):
            self.names |= imported(node)
            self.missing -= bound(node)
            return True
        read = {name for name, _ in uses(node)}
        needs = self._needs(node)
        if needs is None or read & self.missing:
            self.missing |= changed(node)
            return False
        self.missing -= bound(node)
        self.needs |= needs
        self.used |= read
        return True

    def _needs(self, node: ast.stmt) -> set[Need] | None:
        try:
            needs = {*self.book.needs(node, self.names)}
            self.book.carried(needs)
        except CannotBeCarried:
            return None
        return needs


def changed(node: ast.stmt) -> frozenset[str]:
    """Return the names whose values a statement binds or may change.

    Args:
        node: The statement.

    Examples:
        >>> sorted(changed(ast.parse("x[0], y = f(z)").body[0]))
        ['x', 'y']
    """
    inside = [n for n in ast.walk(node) if isinstance(n, ast.Attribute | ast.Subscript)]
    stored = [n.value for n in inside if isinstance(n.ctx, ast.Store)]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = node.value.func
        stored += [called.value] if isinstance(called, ast.Attribute) else []
    return bound(node) | {value.id for value in stored if isinstance(value, ast.Name)}


@dataclass(frozen=True)
class _Cut:
    """Cuts cells down to what runs; of the book's own modules, to the names that are used."""

    book: Book
    used: frozenset[str]

    def code(self, source: str, body: list[ast.stmt], kept: list[ast.stmt]) -> Code:
        pieces = [(node, self._piece(source, node)) for node in kept]
        left = [node for node in body if node not in kept]
        imports_book = any(text and self._is_own(node) for node, text in pieces)
        if not left and all(text == _segment(source, node) for node, text in pieces):
            return Code(source, imports_book=imports_book)
        told = "\n".join(text for _, text in pieces if text)
        shows = not any(_shows(node, is_last=node is body[-1]) for node in left)
        return Code(told, not left, shows, imports_book)

    def _piece(self, source: str, node: ast.stmt) -> str:
        if isinstance(node, ast.Import | ast.ImportFrom) and self._is_own(node):
            return _segment(source, node) if bound(node) <= self.used else without(node, self.used)
        return _segment(source, node)

    def _is_own(self, node: ast.stmt) -> bool:
        """Whether a statement imports what is not installed."""
        if not isinstance(node, ast.Import | ast.ImportFrom):
            return False
        return any(
            self.book.behind(need).module in self.book.modules for need in imported(node).values()
        )


def _segment(source: str, node: ast.stmt) -> str:
    first = min(n.lineno for n in (node, *getattr(node, "decorator_list", ())))
    return "\n".join(source.splitlines()[first - 1 : node.end_lineno])


def _shows(node: ast.stmt, *, is_last: bool) -> bool:
    return (is_last and isinstance(node, ast.Expr)) or "print(" in ast.unparse(node)
