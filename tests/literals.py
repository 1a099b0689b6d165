"""What is typed into code: numeric literals, strings and comments."""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from collections.abc import Iterator
from functools import cache

from gradbook import formats
from pages import Cell, PageError

FORMATS = "formats"
"""The argument that takes format specifications as strings, one for each column of a table."""

DIGITS = "digits"
"""The argument by which a function of `gradbook.formats` takes how many digits to print."""


def parse(cell: Cell) -> ast.Module:
    """Parse a cell; a page that holds no Python is an error with its line."""
    try:
        return ast.parse(cell.source)
    except SyntaxError as error:
        line = cell.line + (error.lineno or 1) - 1
        raise PageError(f"{line}: this code cannot be read: {error.msg}") from error


def is_number(node: ast.AST) -> bool:
    """Whether a node is a numeric literal; True and False are none."""
    return isinstance(node, ast.Constant) and type(node.value) in (int, float, complex)


def format_specifications(tree: ast.AST) -> set[ast.AST]:
    """Return the nodes that only say how a number is printed."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FormattedValue) and node.format_spec:
            found |= set(ast.walk(node.format_spec))
        elif isinstance(node, ast.keyword) and node.arg in (FORMATS, DIGITS):
            found |= {child for child in ast.walk(node.value) if isinstance(child, ast.Constant)}
        elif isinstance(node, ast.Call):
            position = formatters().get(called(node), len(node.args))
            found |= {*node.args[position : position + 1]}
    return found


@cache
def formatters() -> dict[str, int]:
    """Return the functions that print a number, and which of their arguments is the digits."""
    found = {"format": 1}
    for name, function in inspect.getmembers(formats, inspect.isfunction):
        parameters = list(inspect.signature(function).parameters)
        if DIGITS in parameters:
            found[name] = parameters.index(DIGITS)
    return found


def called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        # text.format(x) is a method of strings, whose arguments are printed.
        return "" if node.func.attr == "format" else node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def indices(tree: ast.AST) -> set[ast.AST]:
    """Return the literals that are themselves an index: 0, -1, 1:3, but not the 1 of n + 1."""
    subscripts = (node.slice for node in ast.walk(tree) if isinstance(node, ast.Subscript))
    return set().union(*map(_bare, subscripts))


def _bare(node: ast.expr | None) -> set[ast.AST]:
    if isinstance(node, ast.Tuple):
        return set().union(*map(_bare, node.elts))
    if isinstance(node, ast.Slice):
        return set().union(*map(_bare, (node.lower, node.upper, node.step)))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _bare(node.operand)
    return {node} if isinstance(node, ast.Constant) and type(node.value) is int else set()


def literals(tree: ast.AST) -> list[ast.Constant]:
    """List the numeric literals that are neither an index nor in a format specification."""
    quiet = format_specifications(tree) | indices(tree)
    return [node for node in ast.walk(tree) if is_number(node) and node not in quiet]


def texts(cell: Cell) -> Iterator[tuple[str, int]]:
    """Yield the strings and comments of a cell, which a reader reads too, with their lines."""
    tree = parse(cell)
    quiet = format_specifications(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in quiet:
            yield node.value, cell.line + node.lineno - 1
    for item in tokenize.generate_tokens(io.StringIO(cell.source).readline):
        if item.type == tokenize.COMMENT:
            yield item.string, cell.line + item.start[0] - 1


def interpolated(cell: Cell, names: tuple[str, ...]) -> Iterator[tuple[str, ast.Constant]]:
    """Yield the literals typed into the values of the named arguments and variables of a cell."""
    for node in ast.walk(parse(cell)):
        if isinstance(node, ast.keyword):
            bound = {node.arg}
        elif isinstance(node, ast.Assign):
            bound = {target.id for target in node.targets if isinstance(target, ast.Name)}
        else:
            continue
        for name in bound & set(names):
            yield from ((name, literal) for literal in literals(node.value))
