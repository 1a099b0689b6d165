"""What is typed into code: numeric literals, strings and comments."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from typing import TypeGuard

from gradbook.press.fences import PageError
from gradbook.press.pages import Cell
from gradbook.press.places import PACKAGE

FORMATS = "formats"
"""The argument that takes format specifications as strings, one for each column of a table."""

DIGITS = "digits"
"""The argument by which a function of the package takes how many digits to print."""


class Number(ast.Constant):
    """A numeric literal, for type checkers."""

    value: int | float | complex


def parse(cell: Cell) -> ast.Module:
    """Parse a cell; a page that holds no Python is an error with its line."""
    try:
        return ast.parse(cell.source)
    except SyntaxError as error:
        line = cell.line + (error.lineno or 1) - 1
        raise PageError(line, f"this code cannot be read: {error.msg}") from error


def is_number(node: ast.AST) -> TypeGuard[Number]:
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
    texts = (path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    for tree in (ast.parse(text) for text in texts if f"{DIGITS}: int" in text):
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                names = [argument.arg for argument in node.args.args]
                found |= {node.name: names.index(DIGITS)} if DIGITS in names else {}
    return found


def called(node: ast.Call) -> str:
    """Return the name of what a call calls."""
    if isinstance(node.func, ast.Attribute):
        # text.format(x) is a method of strings, whose arguments are printed.
        return "" if node.func.attr == "format" else node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def indices(tree: ast.AST) -> set[ast.Constant]:
    """Return the literals that are themselves an index: 0, -1, 1:3, but not the 1 of n + 1."""
    subscripts = (node.slice for node in ast.walk(tree) if isinstance(node, ast.Subscript))
    return set[ast.Constant]().union(*map(_bare, subscripts))


def _bare(node: ast.expr | None) -> set[ast.Constant]:
    if isinstance(node, ast.Tuple):
        return set[ast.Constant]().union(*map(_bare, node.elts))
    if isinstance(node, ast.Slice):
        return set[ast.Constant]().union(*map(_bare, (node.lower, node.upper, node.step)))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _bare(node.operand)
    return {node} if isinstance(node, ast.Constant) and type(node.value) is int else set()


def numbers(tree: ast.AST) -> list[Number]:
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


def interpolated(cell: Cell, names: tuple[str, ...]) -> Iterator[tuple[str, Number]]:
    """Yield the literals typed into the values of the named arguments and variables of a cell."""
    for node in ast.walk(parse(cell)):
        if isinstance(node, ast.keyword):
            bound = {node.arg or ""}
        elif isinstance(node, ast.Assign):
            bound = {target.id for target in node.targets if isinstance(target, ast.Name)}
        else:
            continue
        for name in bound & set(names):
            yield from ((name, literal) for literal in numbers(node.value))
