"""Run a page's blocks and expressions in one namespace, as a notebook runs its cells."""

from __future__ import annotations

import ast
import io
import linecache
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from types import CodeType
from typing import Any

import numpy as np

from gradbook.press.pages import NAME
from gradbook.press.results import Results
from gradbook.press.shown import display
from gradbook.press.slices import needed

# Standard output and the warning filters belong to the process: one block at a time.
_LOCK = threading.RLock()


class BlockError(Exception):
    """A block or an expression of a page raised."""


class Session:
    """One page's namespace, its blocks so far, and their kept results.

    A kept result runs nothing; one that is missing runs the blocks it needs.
    """

    def __init__(self, results: Results) -> None:
        """Start an empty session.

        Args:
            results: Where results are kept.
        """
        self.namespace: dict[str, Any] = {"__name__": NAME}
        self.results = results
        self.failed: Mapping[str, str] = {}
        self.sources: list[str] = []
        self.executed: set[int] = set()
        self.figures = 0

    def run(self, source: str) -> str:
        """Run one block and return the HTML of what it shows.

        Args:
            source: The block's code.

        Raises:
            BlockError: With the traceback, as far as it lies in the block.
        """
        self.sources.append(source.rstrip())
        html = self._recall("", self._show)
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

    def key(self, expression: str = "") -> str:
        """Return the name of the last block's result, or of an expression's behind it.

        Args:
            expression: The expression.
        """
        return self.results.key(self.sources, self.figures, expression)

    def _recall(self, expression: str, compute: Callable[[], str]) -> str:
        key = self.key(expression)
        if key in self.failed:
            raise BlockError(self.failed[key])
        html = self.results.read(key)
        if html is None:
            html = compute()
            self.results.write(key, html)
        return html

    def _show(self) -> str:
        *before, last = needed(self.sources)
        self._catch_up(before)
        return display(*self._execute(last), self.figures)

    def _catch_up(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if number not in self.executed:
                self._execute(number)

    def _execute(self, number: int) -> tuple[Any, str]:
        self.executed.add(number)
        return execute(self.sources[number], self.namespace, f"<block {number + 1}>")

    def _evaluate(self, expression: str) -> str:
        self._catch_up(needed([*self.sources, expression])[:-1])
        value, _ = execute(expression, self.namespace, "<inline>")
        if isinstance(value, float):
            raise BlockError(f"{expression!r} gives {value!r}: format it, as in f'{{x:.3f}}'")
        if not isinstance(value, str | int | np.integer):
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
        before = _settings()
        try:
            statements, last = _split(source, name)
            namespace[_ASKED] = _refuse_lost
            exec(statements, namespace)
            value = eval(last, namespace) if last else None
        except Exception as error:
            raise BlockError(_describe(error, name)) from error
        finally:
            namespace.pop(_ASKED, None)
        if _settings() != before:
            raise BlockError(
                "it changes how NumPy prints, warns or draws from its global generator, for all "
                "blocks: use np.printoptions or np.errstate in a with statement, and default_rng"
            )
    return value, printed.getvalue()


_ASKED = "__asked__"


def _refuse_lost(value: object) -> None:
    """Refuse a figure or a table that another statement follows: only a last value is shown."""
    if hasattr(value, "_repr_html_") and not isinstance(value, type):
        raise ValueError(f"a {type(value).__name__} is shown where it is a block's last statement")


def _settings() -> tuple[object, ...]:
    """Return what one block could change for another behind its back."""
    drawn: Any = np.random.get_state(legacy=False)  # noqa: NPY002 - what blocks may not draw from
    state = drawn["state"]
    return np.get_printoptions(), np.geterr(), state["key"].tobytes(), state["pos"]


def _split(source: str, name: str) -> tuple[CodeType, CodeType | None]:
    tree = ast.parse(source, name)
    final = tree.body[-1] if tree.body else None
    tree.body = tree.body[:-1] if isinstance(final, ast.Expr) else tree.body
    for node in tree.body:
        if isinstance(node, ast.Expr):
            asked = ast.copy_location(ast.Name(_ASKED, ast.Load()), node.value)
            node.value = ast.copy_location(ast.Call(asked, [node.value], []), node.value)
    if not isinstance(final, ast.Expr):
        return compile(tree, name, "exec"), None
    return compile(tree, name, "exec"), compile(ast.Expression(final.value), name, "eval")


def _describe(error: Exception, name: str) -> str:
    summary = traceback.TracebackException.from_exception(error)
    frames = [frame for frame in summary.stack if frame.filename == name]
    lines = [f"  line {frame.lineno}: {frame.line}" for frame in frames]
    return "\n".join([f"{type(error).__name__}: {error}", *lines])
