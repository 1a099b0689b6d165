"""Run a page's blocks and expressions in one namespace, as a notebook runs its cells."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import linecache
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import CodeType
from typing import Any

CACHE_VARIABLE = "GRADBOOK_CACHE"
"""The environment variable that names the cache folder; without it every block runs."""

# Standard output and the warning filters belong to the process: one block at a time.
_LOCK = threading.RLock()


class BlockError(Exception):
    """A block or an expression of a page raised."""


class Session:
    """One page's namespace, its blocks so far, and their cached results.

    The key of a result is a hash of every block up to it, the package's sources and the versions
    of what it runs on. A hit runs nothing; the first miss replays what was skipped.
    """

    def __init__(self, display: Callable[[Any, str, int], str], folder: Path | None = None) -> None:
        """Start an empty session.

        Args:
            display: Turns a block's value, its printed text and the number of figures shown
                before it into HTML.
            folder: Where results are kept; none means that every block runs.
        """
        self.namespace: dict[str, Any] = {"__name__": "__page__"}
        self.display = display
        self.folder = folder
        self.sources: list[str] = []
        self.executed = 0
        self.figures = 0

    def run(self, source: str) -> str:
        """Run one block and return the HTML of what it shows.

        Args:
            source: The block's code.

        Raises:
            BlockError: With the traceback, as far as it lies in the block.
        """
        self.sources.append(source)
        html = self._recall("", self._catch_up)
        self.figures += html.count("<figure")
        return html

    def value(self, expression: str) -> str:
        """Evaluate an inline expression after all blocks; it must give text or a whole number.

        Args:
            expression: A Python expression.

        Raises:
            BlockError: The expression raised, or gave a number that nobody formatted.
        """
        return self._recall(expression, lambda: self._evaluate(expression))

    def _recall(self, expression: str, compute: Callable[[], str]) -> str:
        if self.folder is None:
            return compute()
        path = self.folder / f"{self._key(expression)}.html"
        if path.exists():
            return path.read_text(encoding="utf-8")
        html = compute()
        self.folder.mkdir(parents=True, exist_ok=True)
        # A name of its own, then a rename: a build that is cut off leaves no half a result.
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(html, encoding="utf-8", newline="\n")
        partial.replace(path)
        return html

    def _key(self, expression: str) -> str:
        parts = json.dumps([fingerprint(), self.sources, expression])
        return hashlib.sha256(parts.encode()).hexdigest()

    def _catch_up(self) -> str:
        html = ""
        while self.executed < len(self.sources):
            source = self.sources[self.executed]
            self.executed += 1
            value, printed = execute(source, self.namespace, f"<block {self.executed}>")
            if self.executed == len(self.sources):
                html = self.display(value, printed, self.figures)
        return html

    def _evaluate(self, expression: str) -> str:
        self._catch_up()
        value, _ = execute(expression, self.namespace, "<inline>")
        if isinstance(value, float):
            raise BlockError(f"{expression!r} gives {value!r}: format it, as in f'{{x:.3f}}'")
        if not isinstance(value, str | int):
            raise BlockError(
                f"{expression!r} gives a {type(value).__name__}; expected text or a whole number"
            )
        return str(value)


def execute(source: str, namespace: dict[str, Any], name: str) -> tuple[Any, str]:
    r"""Run `source` in `namespace` as a notebook cell: warnings raise, printing is captured.

    Args:
        source: Python statements.
        namespace: The globals they read and write.
        name: What a traceback calls this code.

    Returns:
        The value of the last statement if that is an expression, else `None`, and what was printed.

    Raises:
        BlockError: With the part of the traceback that lies in `source`.

    Examples:
        >>> execute("x = 20\nx + 1", {}, "<example>")
        (21, '')
    """
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    printed = io.StringIO()
    with _LOCK, warnings.catch_warnings(), redirect_stdout(printed):
        warnings.simplefilter("error")
        try:
            statements, last = _split(source, name)
            exec(statements, namespace)
            value = eval(last, namespace) if last else None
        except Exception as error:
            raise BlockError(_describe(error, name)) from error
    return value, printed.getvalue()


def _split(source: str, name: str) -> tuple[CodeType, CodeType | None]:
    tree = ast.parse(source, name)
    final = tree.body[-1] if tree.body else None
    if not isinstance(final, ast.Expr):
        return compile(tree, name, "exec"), None
    tree.body.pop()
    return compile(tree, name, "exec"), compile(ast.Expression(final.value), name, "eval")


def _describe(error: Exception, name: str) -> str:
    summary = traceback.TracebackException.from_exception(error)
    frames = [frame for frame in summary.stack if frame.filename == name]
    lines = [f"  line {frame.lineno}: {frame.line}" for frame in frames]
    return "\n".join([f"{type(error).__name__}: {error}", *lines])


@cache
def fingerprint() -> str:
    """Return a hash of the package's sources and of the versions that results depend on."""
    digest = hashlib.sha256(sys.version.encode())
    for name in ("numpy", "matplotlib"):
        digest.update(f"{name} {version(name)}".encode())
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
