"""The places of a source file where its arithmetic can be broken, one change at a time.

Left out by rule is what computes nothing: type hints, error messages, texts, `__all__`, decorators
(the size of a cache), the open size of a `reshape` and code for type checkers. A comment
`# mutant: why` leaves out its line, `# mutant(<,0): why` the signs and constants it names; alone,
it speaks of the next line.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

_OPERATORS: dict[type[ast.operator], tuple[str, type[ast.operator]]] = {
    ast.Add: ("+", ast.Sub),
    ast.Sub: ("-", ast.Add),
    ast.Mult: ("*", ast.Div),
    ast.Div: ("/", ast.Mult),
    ast.FloorDiv: ("//", ast.Mult),
    ast.Mod: ("%", ast.Mult),
    ast.Pow: ("**", ast.Mult),
}
_COMPARISONS: dict[type[ast.cmpop], tuple[str, type[ast.cmpop]]] = {
    ast.Lt: ("<", ast.LtE),
    ast.LtE: ("<=", ast.Lt),
    ast.Gt: (">", ast.GtE),
    ast.GtE: (">=", ast.Gt),
    ast.Eq: ("==", ast.NotEq),
    ast.NotEq: ("!=", ast.Eq),
}
_MARK = re.compile(r"#\s*mutant(?:\((?P<sign>\S+)\))?:\s*\S")


@dataclass(frozen=True)
class Mutation:
    """One change of one place: the `index`-th of its file."""

    index: int
    line: int
    old: str
    new: str


def mutations(source: str) -> list[Mutation]:
    """List the changes of a source, from top to bottom."""
    return [
        Mutation(index, old.lineno, ast.unparse(old), ast.unparse(new))
        for index, (old, new) in enumerate(_changes(source, ast.parse(source)))
    ]


def broken(source: str, index: int, path: str) -> CodeType:
    """Compile a source with one change."""
    tree = ast.parse(source)
    _Exchange(*_changes(source, tree)[index]).visit(tree)
    return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


class _Exchange(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is not self.old:
            return self.generic_visit(node)
        return ast.copy_location(self.new, node)


def _changes(source: str, tree: ast.Module) -> list[tuple[Any, ast.AST]]:
    """List the nodes that may be replaced, in order, each with what is put in its place."""
    lines = source.splitlines()
    found = [
        (node, new)
        for node in _computing(tree)
        for sign, new in _others(node)
        if not _is_excused(sign, lines[max(0, node.lineno - 2) : node.lineno])
    ]
    return sorted(found, key=lambda pair: (pair[0].lineno, pair[0].col_offset))


def _is_excused(sign: str, lines: list[str]) -> bool:
    """Whether a comment on the last line, or alone on the one before, excuses a sign."""
    *before, own = lines
    marks = (
        _MARK.search(line) for line in (own, *before) if line is own or line.lstrip()[:1] == "#"
    )
    return any(mark and (mark["sign"] is None or sign in mark["sign"].split(",")) for mark in marks)


def _computing(node: ast.AST) -> Iterator[Any]:
    """Yield the nodes that compute something."""
    yield node
    shape = node.args if isinstance(node, ast.Call) and _called(node) == "reshape" else ()
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            open_size = child in shape and ast.unparse(child) == "-1"  # -2 would say the same
            if isinstance(child, ast.AST) and not open_size and not _computes_nothing(child):
                yield from _computing(child)


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]


def _computes_nothing(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test) or "__name__" in ast.unparse(node.test)
    if isinstance(node, ast.FunctionDef):
        return node.name in ("__repr__", "__str__")
    if isinstance(node, ast.AnnAssign):
        return "TypeAlias" in ast.unparse(node.annotation)
    if isinstance(node, ast.Assign):
        return any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
    return isinstance(node, ast.Call) and _called(node) == "warn"


def _others(node: Any) -> Iterator[tuple[str, ast.AST]]:
    """Yield what could stand in the place of a node, each with the sign that is changed."""
    match node:
        case ast.BinOp(left, ast.MatMult() as op, right):
            yield "@", ast.BinOp(right, op, left)
        case ast.BinOp(left, op, right) if type(op) in _OPERATORS and not _is_text(left, right):
            sign, other = _OPERATORS[type(op)]
            yield sign, ast.BinOp(left, other(), right)
        case ast.AugAssign(target, op, value) if type(op) in _OPERATORS:
            sign, other = _OPERATORS[type(op)]
            yield sign, ast.AugAssign(target, other(), value)
        case ast.UnaryOp(ast.USub() | ast.Not() as sign, operand):
            yield "not" if isinstance(sign, ast.Not) else "-", operand
        case ast.Compare(left, ops, right):
            for n, kind in enumerate(map(type, ops)):
                if kind in _COMPARISONS:
                    sign, instead = _COMPARISONS[kind]
                    yield sign, ast.Compare(left, [*ops[:n], instead(), *ops[n + 1 :]], right)
        case ast.BoolOp(junction, values):
            both = isinstance(junction, ast.And)
            yield "and" if both else "or", ast.BoolOp(ast.Or() if both else ast.And(), values)
        case ast.Constant(int() | float() as number) if not isinstance(number, bool):
            yield repr(number), ast.Constant(number + 1 if number in (0, 1) else 2 * number)
        case ast.Attribute(value, "T" | "mT" as name, ast.Load()):
            yield name, value
        case ast.Call(
            ast.Attribute(value, "swapaxes" | "transpose" | "matrix_transpose" as name), args
        ):
            yield name, args[0] if isinstance(value, ast.Name) and value.id == "np" else value
        case ast.Call(ast.Attribute(value, "sum" | "mean" as name), args, keywords):
            average = ast.Attribute(value, "mean" if name == "sum" else "sum", ast.Load())
            yield name, ast.Call(average, args, keywords)


def _is_text(*nodes: ast.AST) -> bool:
    kinds = (str, bytes)
    texts = (isinstance(n, ast.Constant) and isinstance(n.value, kinds) for n in nodes)
    return any(texts) or any(isinstance(n, ast.JoinedStr) for n in nodes)
