"""Which blocks of a page another block needs, found without running any."""

from __future__ import annotations

import ast
import symtable
from collections import Counter
from collections.abc import Iterator, Sequence
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
    """

    touched: frozenset[str]
    bound: frozenset[str]
    imported: frozenset[str]
    fixed: frozenset[str]


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
    times = Counter(name for block in blocks for name in block.bound - block.imported)
    fixed = {n for block in blocks for n in block.fixed if times[n] == 1}
    fixed |= {n for block in blocks for n in block.imported if not times[n]}
    found = {len(blocks) - 1}
    while True:
        wanted = frozenset[str]().union(*(blocks[n].touched for n in found))
        new = {
            n
            for n, block in enumerate(blocks)
            if n not in found and (block.bound | (block.touched - fixed)) & wanted
        }
        if not new:
            return sorted(found)
        found |= new


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
        return Names(frozenset(), frozenset(), frozenset(), frozenset())
    top = table.get_symbols()
    inner = {s.get_name() for child in _below(table) for s in child.get_symbols() if s.is_global()}
    imported = frozenset(s.get_name() for s in top if s.is_imported())
    return Names(
        touched=frozenset(s.get_name() for s in top) | inner,
        bound=frozenset(s.get_name() for s in top if s.is_assigned() or s.is_imported()),
        imported=imported,
        fixed=frozenset(_fixed(tree)),
    )


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
