"""The reference as text: what modules say of themselves, and of their functions and classes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_SHOWN = re.compile(r"(?m)^::: (?P<name>[\w.]+)(?:\n {4}options:\n {6}members: \[(?P<only>.*)\])?$")

Defined = ast.FunctionDef | ast.ClassDef


def told(text: str, root: Path) -> str:
    """Return a page with what mkdocstrings would show in place of the lines that ask for it.

    Args:
        text: Its Markdown.
        root: Where the packages lie.
    """

    def shown(match: re.Match[str]) -> str:
        only = tuple((match["only"] or "").split(", ")) if match["only"] else None
        return _object(match["name"], root, only) or match[0]

    return _SHOWN.sub(shown, text)


def _object(name: str, root: Path, only: tuple[str, ...] | None) -> str:
    """Return what a module, or one name of a package, is said to be; nothing for what is none."""
    if path := _file(name, root):
        tree = _tree(path)
        nodes = [node for node in _public(tree, path) if only is None or node.name in only]
        return _joined(f"## {name}", tree, nodes)
    parent, _, own = name.rpartition(".")
    path = _file(parent, root)
    found = [node for node in _public(_tree(path), path) if node.name == own] if path else []
    return _joined("", ast.Module([], []), found)


def _joined(heading: str, tree: ast.Module, nodes: list[Defined]) -> str:
    parts = [heading, ast.get_docstring(tree) or ""]
    for node in nodes:
        parts += [f"### {_signature(node)}", ast.get_docstring(node) or ""]
    return "\n\n".join(part for part in parts if part)


def _public(tree: ast.Module, path: Path) -> Iterator[Defined]:
    """Yield the public functions and classes of a module; a package's are those it gathers."""
    for node in tree.body:
        if isinstance(node, Defined) and not node.name.startswith("_"):
            yield node
        elif isinstance(node, ast.ImportFrom) and path.name == "__init__.py":
            names = {alias.name for alias in node.names}
            beside = path.with_name(f"{(node.module or '').rpartition('.')[2]}.py")
            if beside.is_file():
                yield from (one for one in _public(_tree(beside), beside) if one.name in names)


def _file(name: str, root: Path) -> Path | None:
    stem = root.joinpath(*name.split("."))
    path = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
    return path if path.is_file() else None


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _signature(node: Defined) -> str:
    if isinstance(node, ast.ClassDef):
        return f"`{node.name}`"
    return f"`{node.name}({ast.unparse(node.args)})`"
