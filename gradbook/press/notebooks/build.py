"""Put a page's prose and code together as a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gradbook.press.fences import Fence
from gradbook.press.notebooks.carried import Book
from gradbook.press.notebooks.cells import Cell, notebook
from gradbook.press.notebooks.code import Code, Runnable, runnable
from gradbook.press.notebooks.pieces import Piece, pieces_of
from gradbook.press.notebooks.prose import Site, parts
from gradbook.press.notebooks.shown import as_markdown
from gradbook.press.pages import Page

INSTALL = 'pip install "gradbook[figures]"'

SET_UP = f"""\
# Once: %{INSTALL}
%config PlainTextFormatter.pprint = False  # show values as the page does"""

MODULES = '''\
# The page uses code that is not in the package. It is written out below, a cell for each module.
import linecache
import sys
import types

import gradbook
from IPython.core.magic import register_cell_magic


@register_cell_magic
def module(name, source):
    """Make the rest of a cell a module that can be imported."""
    made = sys.modules.setdefault(name, types.ModuleType(name))
    made.__path__ = []
    package, _, leaf = name.rpartition(".")
    if package not in sys.modules:
        module(package, "")
    setattr(sys.modules[package], leaf, made)
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    exec(compile(source, name, "exec"), made.__dict__)'''


def notebook_of(
    page: Page, value: Callable[[str], str], shown: Sequence[str], site: Site, book: Book
) -> str:
    """Return a page as the text of a notebook.

    Args:
        page: The page.
        value: Gives the text of an inline expression.
        shown: What each executed block shows, as HTML.
        site: Where the page's links lead to.
        book: The modules that are not installed where the notebook runs.
    """
    pieces = list(pieces_of(page, shown))
    code = runnable([piece.source for piece in pieces], book)
    told = list(parts(page, value, site))
    maker = _Maker(page, pieces, code, site, [Cell(SET_UP, is_code=True)])
    heading, _, rest = str(told[0]).strip().partition("\n")
    for part in [rest, *told[1:]]:
        maker.add(part)
    about = "\n\n".join([heading, *_about(maker)])
    return notebook([Cell(about), *maker.cells])


@dataclass
class _Maker:
    """Makes the cells of a page, one part after the other."""

    page: Page
    pieces: list[Piece]
    code: Runnable
    site: Site
    cells: list[Cell]

    def add(self, part: str | int) -> None:
        """Add prose, or all that stands in a fence."""
        if isinstance(part, str):
            self.cells += [Cell(part.strip("\n"))] if part.strip() else []
            return
        fence = self.page.fences[part]
        if not (fence.executed or fence.language == "pycon"):
            lines = fence.source.rstrip("\n")
            self.cells.append(Cell(f"```{fence.language}\n{lines}\n```"))
        for piece, code in zip(self.pieces, self.code.codes, strict=True):
            if piece.fence == part:
                self._write_out(code)
                self.cells += self._of(piece, code, fence)

    def _write_out(self, code: Code) -> None:
        """Write the book's modules out before the first code that imports one."""
        if code.imports_book and self.code.modules:
            self.cells.append(Cell(MODULES, is_code=True, hidden=True))
            for name, text in self.code.modules.items():
                self.cells.append(Cell(f"%%module {name}\n{text}", is_code=True, hidden=True))
            self.code.modules.clear()

    def _of(self, piece: Piece, code: Code, fence: Fence) -> Iterator[Cell]:
        if "data-explorer" in piece.html:
            yield Cell(f"On [its page]({self.site.address('')}) you can move what this shows:")
        if code.source.strip():
            folded = ("source", "none") in fence.options
            outputs = piece.outputs if code.shows else ()
            raises = bool(piece.example and piece.example.exc_msg)
            in_answer = bool(fence.indent)
            yield Cell(code.source.strip("\n"), True, folded, in_answer, outputs, raises)
        if not code.shows:
            yield from self._left_out(piece, fence)

    def _left_out(self, piece: Piece, fence: Fence) -> Iterator[Cell]:
        """Show what code would show that does not run here; and the code, if the page does."""
        if piece.example or ("source", "none") not in fence.options:
            yield Cell(f"Not run here:\n\n```python\n{piece.source.strip()}\n```")
        if piece.example:
            yield Cell(f"```text\n{piece.example.want}```")
        elif piece.html:
            yield Cell(as_markdown(piece.html))


def _about(maker: _Maker) -> Iterator[str]:
    """Yield what a reader of the notebook should know before anything else."""
    address = maker.site.address("")
    yield f"*This is the page [{address}]({address}) as a notebook. It runs with `{INSTALL}`.*"
    htmls = [piece.html for piece in maker.pieces]
    left = ["the checks of its own numbers"]
    left += (
        ["the answers that it checks"]
        if any(v.expr.startswith("ask(") for v in maker.page.values)
        else []
    )
    left += ["the motion of its explorers"] if any("data-explorer" in h for h in htmls) else []
    if not all(code.is_whole for code in maker.code.codes):
        left.append("the code that measures its claims (what it shows stands here as on the page)")
    yield f"*Of the page, it leaves out: {'; '.join(left)}.*"
