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

_GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+)/tree/([^?#\s]+)")
_COLAB = r"https://colab.research.google.com/github/\1/blob/\2"


@dataclass(frozen=True)
class Settings:
    """What a book's settings say of notebooks.

    Attributes:
        notebooks: Which pages become one, as patterns such as `chapters/*.md`.
        address: Where the site will be found; without, notebooks link to where they lie beside it.
        published: The folder at GitHub that holds the notebooks, from which Colab opens them.
    """

    notebooks: Sequence[str] = ()
    address: str = ""
    published: str = ""

    def __post_init__(self) -> None:
        """Refuse a folder that Colab could not open."""
        if self.published and not _GITHUB.fullmatch(self.published):
            raise PressError(
                f"mkdocs.yml: published is {self.published!r}; expected a folder at GitHub, such "
                "as https://github.com/OWNER/NAME/tree/BRANCH/notebooks"
            )

    def colab(self, file: str) -> str:
        """Return where Colab opens a notebook; nothing if nobody knows where it is published."""
        folder = _GITHUB.sub(_COLAB, self.published.rstrip("/"))
        return folder and f"{folder}/{file}"

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
        if address := self.settings.colab(PurePosixPath(file).name):
            links.append(f'<a href="{html.escape(address)}">the same in Colab</a>')
        told = " · ".join(links)
        return f'<p class="gb-carry" data-search-exclude>Run it yourself: {told}</p>\n'


@lru_cache(maxsize=1)
def _book(_: str) -> Book:
    texts = package_now().texts.items()
    return Book({k: text for k, text in texts if f"{k}.".startswith(f"{BOOK}.")}, PACKAGE.name)
