"""Run a page's cells again from any of them, without running what does not depend on a change.

The page is run once, with its namespace kept before every cell. A changed cell then starts from
what was kept, and of the cells below only those run again that read something it changed; for the
others their known results are put in place.
"""

from __future__ import annotations

import ast
import hashlib
import io
import pickle
import re
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from doctest import OutputChecker
from types import BuiltinFunctionType, CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from gradbook.press import literals
from gradbook.press.pages import FLAGS, NAME, Cell, Page
from gradbook.press.slices import closure

# Not copied: they are what they are, or nothing on a page is computed from them.
_SHARED = (FunctionType, BuiltinFunctionType, ModuleType, type)

PATIENCE, GRACE = 10, 10.0
"""A changed page fails if it computes longer than so many times the page's time, and seconds."""


@dataclass(frozen=True)
class Outcome:
    """What a cell printed and raised."""

    printed: str
    error: Exception | None = None


def execute(code: CodeType, namespace: dict[str, Any]) -> Outcome:
    """Run compiled code as pytest runs a page: a warning is an error."""
    printed, error = io.StringIO(), None
    shown = mock.patch.object(sys, "displayhook", sys.__displayhook__)
    with redirect_stdout(printed), warnings.catch_warnings(), shown:
        warnings.simplefilter("error")
        try:
            exec(code, namespace)
        except Exception as raised:
            error = raised
    return Outcome(printed.getvalue(), error)


def compiled(tree: ast.Module, cell: Cell) -> CodeType:
    """Compile a cell: a doctest displays its values, a block does not."""
    if cell.example:
        return compile(ast.Interactive(tree.body), "<doctest>", "single")
    return compile(tree, "<block>", "exec")


def passes(cell: Cell, outcome: Outcome) -> bool:
    """Whether a block ran, or a doctest gave what it expects, to the last character."""
    example, error = cell.example, outcome.error
    if example is None:
        return error is None
    if error is None:
        return _same(example.want, outcome.printed)
    said = traceback.format_exception_only(error)[-1]
    return example.exc_msg is not None and _same(example.exc_msg, said)


def _same(want: str, got: str) -> bool:
    # Spaces at the end of a line cannot be seen on a page.
    want, got = (re.sub(r"(?m)[ \t]+$", "", text) for text in (want, got))
    return OutputChecker().check_output(want, got, FLAGS)


@dataclass(frozen=True)
class Kept:
    """A value as bytes, and the globals that functions of the page read when it is used.

    `comparable` says whether another run of the page would give the same bytes.
    """

    data: bytes
    globals: frozenset[str] = frozenset()
    comparable: bool = True


LARGE = 1 << 16
"""Arrays of so many bytes are kept once, however many cells are run after them."""


@dataclass
class Keeper:
    """Keeps copies of what can be copied and compared; all else is kept itself."""

    namespace: dict[str, Any]
    kept: dict[int, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    def keep(self, value: Any) -> Kept:
        """Return a value as bytes, with what of it lies outside them."""
        try:
            return self._pickle(value)
        except Exception:
            # It can neither be copied nor compared: changes to it are found by the full run only.
            self.kept[id(value)] = value
            return self._pickle(value)

    def _pickle(self, value: Any) -> Kept:
        file = io.BytesIO()
        pickler = _Pickler(file, self)
        pickler.dump(value)
        return Kept(file.getvalue(), frozenset(pickler.globals), pickler.comparable)

    def restore(self, data: bytes) -> Any:
        """Return a fresh copy of what was kept."""
        return _Unpickler(io.BytesIO(data), self).load()


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, keeper: Keeper) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.keeper = keeper
        self.globals: set[str] = set()
        self.comparable = True
        self.numbers: dict[int, int] = {}

    def persistent_id(self, obj: Any) -> int | tuple[int, str] | None:
        if type(obj) is np.ndarray and obj.nbytes >= LARGE and not obj.dtype.hasobject:
            return self._large(obj)
        if isinstance(obj, _SHARED):
            self.globals.update(_globals(obj, self.keeper.namespace))
            self.comparable &= not _made_by_run(obj)
        elif not _is_drawn(type(obj)) and id(obj) not in self.keeper.kept:
            return None
        else:
            self.comparable = False
        self.keeper.kept[id(obj)] = obj
        return id(obj)

    def _large(self, array: NDArray[Any]) -> tuple[int, str]:
        """Name an array by what it holds, and by a number where it stands in several places."""
        copy = np.array(array, order="K" if array.flags.forc else "C")
        kind = f"{copy.dtype.descr} {copy.shape} {copy.flags.f_contiguous}"
        content = hashlib.blake2b(copy.data.tobytes(order="A"), digest_size=16).hexdigest()
        name = f"{kind} {content}"
        self.keeper.arrays.setdefault(name, copy)
        return self.numbers.setdefault(id(array), len(self.numbers)), name

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, MappingProxyType):
            return MappingProxyType, (dict(obj),)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, keeper: Keeper) -> None:
        super().__init__(file)
        self.keeper = keeper
        self.arrays: dict[int, NDArray[Any]] = {}

    def persistent_load(self, pid: int | tuple[int, str]) -> Any:
        if isinstance(pid, int):
            return self.keeper.kept[pid]
        number, name = pid
        if number not in self.arrays:
            self.arrays[number] = self.keeper.arrays[name].copy(order="K")
        return self.arrays[number]


def _is_drawn(kind: type) -> bool:
    return kind.__module__.startswith("matplotlib.") or hasattr(kind, "svg")


def _made_by_run(shared: Any) -> bool:
    # A closure or a lambda is made anew by every call of what makes it, in the package too.
    return getattr(shared, "__module__", "") == NAME or "<" in getattr(shared, "__qualname__", "")


def _globals(shared: Any, namespace: dict[str, Any]) -> Iterator[str]:
    if isinstance(shared, FunctionType) and shared.__globals__ is namespace:
        yield from _names(shared.__code__)
    elif isinstance(shared, type) and shared.__module__ == NAME:
        for member in vars(shared).values():
            yield from _globals(getattr(member, "__func__", member), namespace)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


@dataclass(frozen=True)
class Step:
    """A cell that has run: what it gave, read and wrote; `after` is every name's value then."""

    cell: Cell
    code: CodeType
    outcome: Outcome
    before: bytes
    after: dict[str, Kept]
    reads: frozenset[str]
    writes: frozenset[str]


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what computes longer, by the process's own time."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"computed for more than {seconds:.0f} s")

    if not hasattr(signal, "setitimer"):  # Windows
        yield
        return
    before = signal.signal(signal.SIGVTALRM, stop)
    # It rings again every second: what copies a value, or a page, may have caught the first error.
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


class PageFails(AssertionError):
    """A page's own checks fail although nothing was changed."""


class Replay:
    """A page that has run, and can run again with one of its cells changed."""

    def __init__(self, page: Page, *, only_blocks: bool = False) -> None:
        """Run the page as it is.

        Raises:
            PageFails: A cell fails.
        """
        self.page = page
        self.namespace: dict[str, Any] = {"__name__": NAME}
        self.keeper = Keeper(self.namespace)
        self.steps: list[Step] = []
        began = time.process_time()
        for cell in page.cells:
            if not (only_blocks and cell.example):
                self._step(cell)
        self._needed = self._find_needed()
        self.seconds = GRACE + PATIENCE * (time.process_time() - began)

    def _step(self, cell: Cell) -> None:
        tree = literals.parse(cell)
        code = compiled(tree, cell)
        # What cannot be copied has to be known before the namespace is copied as a whole.
        known = self.steps[-1].after if self.steps else self._each()
        before = self.keeper.keep(self.namespace).data
        identities = {n: id(v) for n, v in self.namespace.items()}
        outcome = execute(code, self.namespace)
        if not passes(cell, outcome):
            told = outcome.error or f"printed {outcome.printed!r}"
            raise PageFails(f"{self.page.path}:{cell.line}: fails unchanged: {told}")
        after = self._each()
        writes = frozenset(
            name
            for name in {*known, *after}
            if known.get(name) != after.get(name)
            or identities.get(name) != id(self.namespace.get(name))
        )
        reads = _closure(_loads(tree), after)
        self.steps.append(Step(cell, code, outcome, before, after, reads, writes))

    def _each(self) -> dict[str, Kept]:
        self.namespace.pop("__builtins__", None)
        return {name: self.keeper.keep(value) for name, value in self.namespace.items()}

    def _find_needed(self) -> list[bool]:
        needed, wanted = [], set[str]()
        for step in reversed(self.steps):
            needed.append(step.cell.example is not None or bool(step.writes & wanted))
            wanted |= step.reads if needed[-1] else set()
        return needed[::-1]

    def survives(self, index: int, changed: CodeType) -> bool:
        """Whether every check passes, in time, with the code of one cell changed."""
        try:
            with within(self.seconds):
                matters = self._survives_where_it_matters(index, changed)
                return matters and self._survives(index, changed)
        except TimeoutError:  # between two cells: within one it is an error of the cell
            return False

    def confirm(self) -> None:
        """Run again what checks need: had a change leaked into what was kept, this would tell.

        Raises:
            PageFails: A cell fails.
        """
        for index, step in enumerate(self.steps):
            if not self._needed[index]:
                continue
            self._rewind(index)
            if not self._passes(index, step.code):
                told = "does not give the same when it runs again"
                raise PageFails(f"{self.page.path}:{step.cell.line}: {told}")

    def reads(self, expression: str) -> frozenset[str]:
        """Return the names on which an expression at the end of the page depends."""
        return _closure(_loads(ast.parse(expression)), self.steps[-1].after if self.steps else {})

    def _survives_where_it_matters(self, index: int, changed: CodeType) -> bool:
        self._rewind(index)
        if not self._passes(index, changed):
            return False
        tainted = self._differing(index)
        for later in range(index + 1, len(self.steps)):
            step = self.steps[later]
            if not tainted:
                break
            if self._needed[later] and step.reads & tainted:
                if not self._passes(later, step.code):
                    return False
                tainted = self._differing(later)
            else:
                self._put_in_place(step)
                tainted -= step.writes
        return True

    def _survives(self, index: int, changed: CodeType) -> bool:
        self._rewind(index)
        codes = [changed, *(step.code for step in self.steps[index + 1 :])]
        return all(self._passes(index + n, code) for n, code in enumerate(codes))

    def _passes(self, index: int, code: CodeType) -> bool:
        return passes(self.steps[index].cell, execute(code, self.namespace))

    def _rewind(self, index: int) -> None:
        kept = self.keeper.restore(self.steps[index].before)
        self.namespace.clear()
        self.namespace.update(kept)

    def _differing(self, index: int) -> set[str]:
        now, expected = self._each(), self.steps[index].after
        return {name for name in {*now, *expected} if now.get(name) != expected.get(name)}

    def _put_in_place(self, step: Step) -> None:
        for name in step.writes:
            if name in step.after:
                self.namespace[name] = self.keeper.restore(step.after[name].data)
            else:
                self.namespace.pop(name, None)


def _loads(tree: ast.AST) -> frozenset[str]:
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def _closure(names: frozenset[str], values: dict[str, Kept]) -> frozenset[str]:
    return closure(names, {name: kept.globals for name, kept in values.items()})
