"""What of a page has to be computed, and the process that computes it."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from functools import lru_cache

from gradbook.press.pages import Page
from gradbook.press.places import PACKAGE
from gradbook.press.reach import Package
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


@lru_cache(maxsize=256)  # an edit changes one page, and all are asked for
def work_of(page: str, text: str) -> Work:
    r"""Return what of a page has to be computed.

    Args:
        page: What the page is called.
        text: Its Markdown.

    Examples:
        >>> work_of("a.md", '```python exec="on"\nx = 1\n```\nIt is `{python} x`.')
        Work(page='a.md', blocks=('x = 1',), expressions=('x',))
    """
    read = Page(text, page)
    blocks = tuple(fence.source for fence in read.fences if fence.executed)
    expressions = dict.fromkeys(value.expr for value in read.values)
    return Work(page, blocks, tuple(expressions))


def compute(work: Work, results: Results) -> Done:
    """Run what is missing of a page, and keep it.

    Args:
        work: The page's blocks and expressions.
        results: Where results are kept.
    """
    began = time.monotonic()
    session = Session(results)
    failed: dict[str, str] = {}
    try:
        for block in work.blocks:
            session.run(block)
        for expression in work.expressions:
            try:
                session.value(expression)
            except BlockError as error:
                failed[session.key(expression)] = str(error)
    except (BlockError, ValueError, TypeError) as error:
        failed[session.key()] = str(error)
    return Done(len(session.executed), time.monotonic() - began, failed)


def main() -> None:
    """Answer each line of the standard input, a page's work, by a line that says it is done.

    A process that runs other sources than those asked for says so: it has to be started anew.
    """
    answers, sys.stdout = sys.stdout, sys.stderr
    package = Package(PACKAGE)
    for line in sys.stdin:
        given = json.loads(line)
        work = Work(given["page"], tuple(given["blocks"]), tuple(given["expressions"]))
        current = given["package"] == package.stamp
        done = asdict(compute(work, Results(folder(), package))) if current else None
        try:
            print(json.dumps(done), file=answers, flush=True)
        except BrokenPipeError:  # whoever asked is gone
            return
