"""What a page says with other draws: a sentence that holds in one draw alone may be no sentence."""

from __future__ import annotations

import ast
import multiprocessing
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import numpy as np

from gradbook.press.ahead import workers
from gradbook.press.pages import NAME, Page, read
from gradbook.press.places import paths
from gradbook.press.replay import compiled, execute
from gradbook.press.results import CACHE_VARIABLE

SHIFTS = (0, 1000, 2000)
"""What is added to every seed: nothing, and twice another draw."""

MOVES = 0.2
"""A number that moves by less than this share of itself is told by the page well enough."""

_NUMBER = re.compile(r"[-−+]?\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class Redrawn:
    """A doctest or an inline value that other draws change, and what it said in each."""

    line: int
    source: str
    said: tuple[str, ...]

    def __str__(self) -> str:
        """Say where it is, and put what it said below each other."""
        said = "\n".join(text.strip() for text in self.said)
        return f"{self.line}: {self.source.strip()}\n{said}\n"


def redrawn_pages(asked: Iterable[Path] = ()) -> Iterator[str]:
    """Yield what `redrawn` finds on pages, all of the book by default, each with its page.

    Args:
        asked: The pages.
    """
    for path in asked or paths():
        page = read(path.resolve())
        yield from (f"{page.path}:{found}" for found in redrawn(page))


def redrawn(page: Page, shifts: Sequence[int] = SHIFTS) -> Iterator[Redrawn]:
    """Yield the doctests and inline values whose words change from draw to draw, or numbers much.

    Each draw is made in a process of its own, so that no module remembers another one.

    Args:
        page: The page.
        shifts: What is added to every seed, once for each draw.
    """
    with multiprocessing.get_context("spawn").Pool(workers(), maxtasksperchild=1) as pool:
        draws = pool.starmap(_said, [(page, shift) for shift in shifts], chunksize=1)
    tests = [(cell.line, cell.source) for cell in page.cells if cell.example]
    values = [(value.line, value.expr) for value in page.values]
    for (line, source), *said in zip(tests + values, *draws, strict=True):
        if differ(said):
            yield Redrawn(line, source, tuple(said))


def differ(said: Sequence[str]) -> bool:
    """Whether texts differ in a word, or in a number by more than `MOVES` of the largest.

    Examples:
        >>> differ(["0.81 of 4", "0.84 of 4"]), differ(["0.81", "0.41"]), differ(["True", "False"])
        (False, True, True)
    """
    if len({_NUMBER.sub("#", text) for text in said}) > 1:
        return True
    rows = np.array([[_as_number(n) for n in _NUMBER.findall(text)] for text in said])
    largest, spread = np.abs(rows).max(axis=0), np.ptp(rows, axis=0)
    return bool((spread > MOVES * largest).any())


def _as_number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def _said(page: Page, shift: int) -> list[str]:
    """Run a page with its seeds moved; an error is what a cell says, too."""
    namespace: dict[str, Any] = {"__name__": NAME}
    said = []
    with _moved_seeds(shift), TemporaryDirectory() as kept:
        os.environ[CACHE_VARIABLE] = kept  # what this process measures is no result of the book's
        for cell in page.cells:
            outcome = execute(compiled(ast.parse(cell.source), cell), namespace)
            if cell.example:
                said.append(outcome.printed or repr(outcome.error))
        said += [_value(value.expr, namespace) for value in page.values]
    return said


def _value(expression: str, namespace: dict[str, Any]) -> str:
    try:
        return str(eval(expression, dict(namespace)))
    except Exception as error:
        return repr(error)


@contextmanager
def _moved_seeds(shift: int) -> Iterator[None]:
    draw = np.random.default_rng

    def moved(seed: Any = None) -> np.random.Generator:
        if isinstance(seed, int | np.integer):
            return draw(int(seed) + shift)
        if isinstance(seed, Sequence):
            return draw([int(seed[0]) + shift, *seed[1:]])
        return draw(seed)

    with mock.patch.object(np.random, "default_rng", moved):
        yield
