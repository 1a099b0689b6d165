"""Change any number in the code of a page, and the page's own checks must fail.

Every numeric literal of an executed block or a doctest is changed in turn, and every run of digits
that a doctest expects. A change that no doctest notices, and that makes no block raise, survives.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from doctest import DocTestParser

from gradbook.press import literals
from gradbook.press.pages import Cell, Page
from gradbook.press.replay import Replay, compiled, passes
from gradbook.press.slices import changeable


@dataclass(frozen=True)
class Cosmetic:
    """An argument whose numbers say nothing about the subject, and why.

    Without a `function` it is the argument of that name of any function; `*` is any argument.
    """

    argument: str
    reason: str
    function: str = ""


COSMETIC = (
    Cosmetic("seed", "what a page says must not hang on the seed"),
    Cosmetic("*", "what a page says must not hang on the seed", function="default_rng"),
    Cosmetic("figsize", "the size of a drawing"),
    Cosmetic("extent", "the part of a plane that is drawn"),
)
"""The arguments whose literals may change unnoticed. There is no other way to be excused."""

SMALL_INDICES = (0, 1, 2)
"""Subscripts that may change unnoticed, as they may in an inline value: `x[0]`, `x[:, -1]`."""


@dataclass(frozen=True)
class Survivor:
    """A change to a page that none of its checks notices."""

    path: str
    line: int
    token: str
    change: str
    source: str

    def __str__(self) -> str:
        """Say where it is and what to do."""
        return (
            f"{self.path}:{self.line}: {self.token} became {self.change} and nothing failed: "
            f"print what depends on it in a doctest, or compute it ({self.source})"
        )


def faults(page: Page) -> list[str]:
    """List what is wrong with the checks of a page."""
    replay = Replay(page)
    return [*disturbed(replay), *_behind(replay), *map(str, survivors(replay))]


def survivors(replay: Replay) -> list[Survivor]:
    """List the changes of one number in the code of a page that no check of the page notices."""
    found = [
        survivor
        for index, cell in enumerate(replay.page.cells)
        for survivor in (*_changed_code(replay, index), *_changed_output(replay, index, cell))
    ]
    replay.confirm()
    return sorted(found, key=lambda survivor: survivor.line)


def _changed_code(replay: Replay, index: int) -> Iterator[Survivor]:
    cell = replay.page.cells[index]
    tree = literals.parse(cell)
    for literal in mutable(tree):
        before, literal.value = literal.value, another(literal.value)
        if replay.survives(index, compiled(tree, cell)):
            line = cell.line + literal.lineno - 1
            yield _survivor(replay.page, line, repr(before), repr(literal.value))
        literal.value = before


def _changed_output(replay: Replay, index: int, cell: Cell) -> Iterator[Survivor]:
    want = cell.example.want if cell.example else ""
    for digits in re.finditer(r"\d+", want):
        change = str(another(int(digits[0])))
        changed = want[: digits.start()] + change + want[digits.end() :]
        (example,) = DocTestParser().get_examples(f">>> 0\n{changed}")
        if passes(replace(cell, example=example), replay.steps[index].outcome):
            line = cell.line + cell.source.count("\n") + want.count("\n", 0, digits.start())
            yield _survivor(replay.page, line, digits[0], change)


def _survivor(page: Page, line: int, token: str, change: str) -> Survivor:
    return Survivor(page.path, line, token, change, page.text.split("\n")[line - 1].strip())


def another(value: complex) -> complex:
    """Return the number that a slip of the hand makes of this one."""
    if isinstance(value, int):
        return value + 1
    return value * 1.07 if value else 0.07


def mutable(tree: ast.AST) -> list[literals.Number]:
    """List the numeric literals whose change some check must notice."""
    spared = literals.format_specifications(tree)
    spared.update(node for node in literals.indices(tree) if node.value in SMALL_INDICES)
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            for argument in (*call.args, *call.keywords):
                if any(_covers(entry, call, argument) for entry in COSMETIC):
                    spared |= set(ast.walk(argument))
    return [node for node in ast.walk(tree) if literals.is_number(node) and node not in spared]


def _covers(entry: Cosmetic, call: ast.Call, argument: ast.AST) -> bool:
    if entry.function and entry.function != literals.called(call):
        return False
    return entry.argument in ("*", getattr(argument, "arg", None))


def disturbed(checked: Replay) -> list[str]:
    """List what a page computes otherwise when its doctests run between its blocks.

    A doctest checks a page and must not change it: the press shows doctests without running them.
    """
    page, touched = checked.page, _touched(checked)
    values = [(value.line, checked.reads(value.expr)) for value in page.values]
    blocks = [step for step in checked.steps if not step.cell.example]
    if not any(touched & names for names in (*(s.reads for s in blocks), *dict(values).values())):
        return []
    shown = Replay(page, only_blocks=True).steps
    pairs = [(s.cell.line, s.writes, s, c) for s, c in zip(shown, blocks, strict=True)]
    pairs += [(line, names, shown[-1], checked.steps[-1]) for line, names in values]
    return [
        f"{page.path}:{line}: {name} has another value when the doctests above run"
        for line, names, alone, among in sorted(pairs, key=lambda pair: pair[0])
        for name in sorted(names & set(alone.after))
        if alone.after[name].comparable and alone.after[name] != among.after.get(name)
    ]


def _behind(replay: Replay) -> list[str]:
    """List what a block changes without naming it: the press runs only the blocks that it names."""
    sources = [cell.source for cell in replay.page.cells]
    return [
        f"{replay.page.path}:{step.cell.line}: changes {', '.join(hidden)} without naming it"
        for index, step in enumerate(replay.steps)
        if (hidden := sorted(step.writes - changeable(sources, index)))
    ]


def _touched(replay: Replay) -> set[str]:
    """Return the names of blocks that doctests write, too."""
    written: set[str] = set()
    touched: set[str] = set()
    for step in replay.steps:
        if step.cell.example:
            touched |= step.writes & written
        else:
            written |= step.writes
    return touched
