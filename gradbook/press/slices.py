"""Which blocks of a page another block needs, found without running any."""

from __future__ import annotations

import ast
import symtable
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Names:
    """The names of the page that a block touches.

    Attributes:
        touched: Those it reads or binds, in functions too.
        bound: Those it binds.
        imported: Those it binds by imports.
        fixed: Those it binds to functions, classes and literals: reading them changes nothing.
        used: What each of its functions and classes touches when it is called.
    """

    touched: frozenset[str]
    bound: frozenset[str]
    imported: frozenset[str]
    fixed: frozenset[str]
    used: tuple[tuple[str, frozenset[str]], ...]


def needed(sources: Sequence[str]) -> list[int]:
    """Return the blocks that the last one needs, itself among them, in order.

    A block needs those before it that bind a name it touches, and those that touch a name whose
    value they could change; and what those need. What has no name on the page, such as how NumPy
    prints, a block may not change.

    Args:
        sources: The blocks up to the one in question.

    Examples:
        >>> needed(["x = []", "y = 1", "x.append(2)", "z = y", "x"])
        [0, 2, 4]
    """
    blocks = [names(source) for source in sources]
    touched = _with_calls(blocks)
    changed = _changed(blocks, touched)
    found = {len(blocks) - 1}
    while True:
        wanted = frozenset[str]().union(*(touched[n] for n in found))
        new = {n for n in range(len(blocks)) if n not in found and changed[n] & wanted}
        if not new:
            return sorted(found)
        found |= new


def changeable(sources: Sequence[str], number: int) -> frozenset[str]:
    """Return the names whose values a block could change, of a page's blocks.

    Args:
        sources: The blocks.
        number: Which of them, from 0.

    Examples:
        >>> sorted(changeable(["x = []", "n = 2", "y = x[:n]"], 2))
        ['x', 'y']
    """
    blocks = [names(source) for source in sources]
    return _changed(blocks, _with_calls(blocks))[number]


def _changed(blocks: Sequence[Names], touched: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    times = Counter(name for block in blocks for name in block.bound - block.imported)
    fixed = {n for block in blocks for n in block.fixed if times[n] == 1}
    fixed |= {n for block in blocks for n in block.imported if not times[n]}
    return [block.bound | (touched[n] - fixed) for n, block in enumerate(blocks)]


def _with_calls(blocks: Sequence[Names]) -> list[frozenset[str]]:
    """Return what each block touches, also by what the functions of the page touch."""
    used: dict[str, frozenset[str]] = {}
    for name, inside in (pair for block in blocks for pair in block.used):
        used[name] = used.get(name, frozenset()) | inside
    return [closure(block.touched, used) for block in blocks]


def closure(start: frozenset[str], used: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return names, and all that those use which are used: `used` says what each does.

    Examples:
        >>> sorted(closure(frozenset("a"), {"a": frozenset("b"), "b": frozenset("c")}))
        ['a', 'b', 'c']
    """
    found, new = set(start), set(start)
    while new:
        new = set().union(*(used[name] for name in new & used.keys())) - found
        found |= new
    return frozenset(found)


@cache
def names(source: str) -> Names:
    """Return the names that a block touches; one that does not parse touches none.

    Args:
        source: The block's code.
    """
    try:
        tree = ast.parse(source)
        table = symtable.symtable(source, "<block>", "exec")
    except SyntaxError:
        return Names(*4 * (frozenset(),), ())
    top = table.get_symbols()
    inner = [symbol for child in _below(table) for symbol in child.get_symbols()]
    declared = frozenset(s.get_name() for s in inner if s.is_declared_global() and s.is_assigned())
    return Names(
        touched=frozenset(s.get_name() for s in top) | _globals(inner),
        bound=declared | frozenset(s.get_name() for s in top if s.is_assigned() or s.is_imported()),
        imported=frozenset(s.get_name() for s in top if s.is_imported()),
        fixed=frozenset(_fixed(tree)),
        used=tuple((child.get_name(), _inside(child)) for child in table.get_children()),
    )


def _inside(table: symtable.SymbolTable) -> frozenset[str]:
    return _globals(symbol for part in (table, *_below(table)) for symbol in part.get_symbols())


def _globals(symbols: Iterable[symtable.Symbol]) -> frozenset[str]:
    return frozenset(symbol.get_name() for symbol in symbols if symbol.is_global())


def _below(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _below(child)


def _fixed(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and _is_literal(node.value):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _is_literal(node: ast.expr) -> bool:
    parts = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.Tuple, ast.operator, ast.unaryop, ast.Load)
    return all(isinstance(part, parts) for part in ast.walk(node))
