"""What of a page has to be computed, and the process that computes it."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import asdict, dataclass

from gradbook.press.display import display
from gradbook.press.fences import find_fences
from gradbook.press.inline import INLINE, formula_expressions
from gradbook.press.results import Results, folder
from gradbook.press.session import BlockError, Session


@dataclass(frozen=True)
class Work:
    """The blocks of a page in order, and the expressions whose values its prose shows."""

    page: str
    blocks: tuple[str, ...]
    expressions: tuple[str, ...]


@dataclass(frozen=True)
class Done:
    """What became of a page: how much had to run, and what raised, by the result's key."""

    ran: int
    seconds: float
    failed: dict[str, str]


def work_of(page: str, text: str) -> Work:
    r"""Return what of a page has to be computed.

    Args:
        page: What the page is called.
        text: Its Markdown.

    Examples:
        >>> work_of("a.md", '```python exec="on"\nx = 1\n```\nIt is `{python} x`.')
        Work(page='a.md', blocks=('x = 1',), expressions=('x',))
    """
    fences = find_fences(text)
    lines = text.splitlines()
    for fence in reversed(fences):
        del lines[fence.line - 1 : fence.line + fence.source.count("\n") + 2]
    prose = "\n".join(lines)
    inline = [found.strip() for found in re.findall(INLINE, prose)]
    expressions = dict.fromkeys([*inline, *formula_expressions(prose)])
    blocks = tuple(fence.source for fence in fences if fence.executed)
    return Work(page, blocks, tuple(expressions))


def compute(work: Work, results: Results) -> Done:
    """Run what is missing of a page, and keep it.

    Args:
        work: The page's blocks and expressions.
        results: Where results are kept.
    """
    began = time.monotonic()
    session = Session(display, results)
    failed: dict[str, str] = {}
    try:
        for block in work.blocks:
            session.run(block)
        for expression in work.expressions:
            try:
                session.value(expression)
            except BlockError as error:
                failed[results.key(session.sources, expression)] = str(error)
    except (BlockError, ValueError, TypeError) as error:
        failed[results.key(session.sources)] = str(error)
    return Done(session.executed, time.monotonic() - began, failed)


def main() -> None:
    """Answer each line of the standard input, a page's work, by a line that says it is done."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        given = json.loads(line)
        work = Work(given["page"], tuple(given["blocks"]), tuple(given["expressions"]))
        print(json.dumps(asdict(compute(work, Results(folder())))), file=answers, flush=True)
