"""Write the notebook of a page into the site, and link to it from the page's end."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from markdown.preprocessors import Preprocessor

from gradbook.press.errors import Place, PressError, place_of
from gradbook.press.inline import evaluate
from gradbook.press.notebooks.build import notebook_of
from gradbook.press.notebooks.carried import Book
from gradbook.press.notebooks.prose import Site
from gradbook.press.pages import Page
from gradbook.press.places import PACKAGE
from gradbook.press.results import package_now

if TYPE_CHECKING:
    from markdown import Markdown

    from gradbook.press import blocks

FOLDER = "notebooks"
BOOK = f"{PACKAGE.name}.book"
"""What the wheel leaves out and pages import."""

_GITHUB = re.compile(r"https://github\.com/(?P<name>[\w.-]+/[\w.-]+?)(?:\.git)?/?$")
_COLAB = "https://colab.research.google.com/github/{name}/blob/gh-pages/{file}"


@dataclass(frozen=True)
class Settings:
    """What a book's settings say of notebooks.

    Attributes:
        notebooks: Which pages become one, as patterns such as `chapters/*.md`.
        address: Where the site will be found; without, notebooks link to where they lie beside it.
        repository: A repository at GitHub whose branch `gh-pages` holds the site; Colab opens a
            notebook from there.
    """

    notebooks: Sequence[str] = ()
    address: str = ""
    repository: str = ""

    def has(self, page: str) -> bool:
        """Whether a page becomes a notebook."""
        return any(fnmatchcase(page, pattern) for pattern in self.notebooks)


class Carry(Preprocessor):
    """Writes the page's notebook once its blocks have run, and adds a line that links to it."""

    def __init__(self, md: Markdown, page: blocks.Page, settings: Settings) -> None:
        """Hang on a converter."""
        super().__init__(md)
        self.page, self.settings = page, settings

    def run(self, lines: list[str]) -> list[str]:
        """Leave all lines as they are, and add one where the page has a notebook."""
        place = place_of(self.md)
        if place.site is None or not self.settings.has(place.page) or not self.page.text:
            return lines
        file = f"{FOLDER}/{PurePosixPath(place.page).stem}.ipynb"
        path = place.site / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._notebook(place), encoding="utf-8", newline="\n")
        return [*lines, "", self.md.htmlStash.store(self._links(place, file))]

    def _notebook(self, place: Place) -> str:
        base = f"{self.settings.address.rstrip('/')}/" if self.settings.address else "../"
        site = Site(place.page, base, folders=not place.url.endswith(".html"))
        page = Page(self.page.text, place.page)
        book = _book(package_now().stamp)
        try:
            return notebook_of(page, lambda e: evaluate(self.md, e), self.page.shown, site, book)
        except (SyntaxError, ValueError) as error:
            raise PressError(f"{place.page}: its notebook: {error}") from error

    def _links(self, place: Place, file: str) -> str:
        links = [f'<a href="{html.escape(place.up + file)}" download>this page as a notebook</a>']
        if found := _GITHUB.match(self.settings.repository):
            address = html.escape(_COLAB.format(name=found["name"], file=file))
            links.append(f'<a href="{address}">the same in Colab</a>')
        told = " · ".join(links)
        return f'<p class="gb-carry" data-search-exclude>Run it yourself: {told}</p>\n'


@lru_cache(maxsize=1)
def _book(_: str) -> Book:
    texts = package_now().texts.items()
    return Book({k: text for k, text in texts if f"{k}.".startswith(f"{BOOK}.")}, PACKAGE.name)
