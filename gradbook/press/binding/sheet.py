"""A page as built: its title, its headline, and the words with which it begins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path

from mkdocs.utils.meta import get_data

UNKNOWN = "404.html"
"""What a host serves for an unknown address: the one page without a source."""


@dataclass(frozen=True)
class Sheet:
    """One built page and its source.

    Attributes:
        name: Its file, as seen from the site's folder.
        html: Its HTML as the generator wrote it.
        source: Its Markdown; nothing for the page for unknown addresses.
        path: The file of its source, as seen from the sources' folder.
    """

    name: str
    html: str
    source: str = ""
    path: str = ""

    @property
    def address(self) -> str:
        """Where it is, as seen from home: a folder's page is the folder."""
        return re.sub(r"(^|/)index\.html$", r"\1", self.name)

    @cached_property
    def opening(self) -> Opening:
        """Its title, its headline and its first words."""
        found = Opening()
        found.feed(self.html)
        found.close()
        return found

    @cached_property
    def description(self) -> str:
        """What its source says it is about, else its answer in one sentence, or its first words."""
        given = get_data(self.source)[1].get("description")
        return str(given) if given else shortened(self.opening.answer or self.opening.first)


def slug(name: str) -> str:
    """Return what a page's file is called in one word, where all pages lie side by side.

    Examples:
        >>> slug("index.html"), slug("chapters/one/index.html"), slug("chapters/one.html")
        ('home', 'chapters-one', 'chapters-one')
    """
    return re.sub(r"/?index\.html$|\.html$", "", name).replace("/", "-") or "home"


def sheets(docs: Path, site: Path, names: Iterable[str] | None = None) -> Iterator[Sheet]:
    """Yield the pages of a built site, by their names.

    Args:
        docs: The folder of the sources.
        site: The folder that they were built into.
        names: The files of some pages; all by default.
    """
    sources = {built(path.relative_to(docs), site): path for path in docs.rglob("*.md")}
    if names is None:
        names = (page.relative_to(site).as_posix() for page in site.rglob("*.html"))
    for name in sorted(names):
        html = (site / name).read_text(encoding="utf-8")
        if name in sources:
            source = sources[name]
            yield Sheet(name, html, source.read_text("utf-8"), source.relative_to(docs).as_posix())
        else:
            yield Sheet(name, html)


def built(source: Path, site: Path) -> str:
    """Return which file a source is built into: with folders as addresses, or for `file://`."""
    flat = source.with_suffix(".html")
    if source.stem == "index" or (site / flat).is_file():
        return flat.as_posix()
    return (source.with_suffix("") / "index.html").as_posix()


MOST = 160
"""How many characters of a description are shown where pages are found."""


def shortened(text: str, most: int = MOST) -> str:
    """Return a text that is short enough: whole sentences, or what fits of the first one.

    Args:
        text: Any text.
        most: How many characters it may have.

    Examples:
        >>> shortened("One. Two three.", 10), shortened("One two three.", 10)
        ('One.', 'One two…')
    """
    if len(text) <= most:
        return text
    sentences = [text[: end.end()] for end in re.finditer(r"[.?!](?=\s)", text[: most + 1])]
    if sentences:
        return sentences[-1]
    return text[:most].rpartition(" ")[0].rstrip(" ,;:—–-") + "…"


class Opening(HTMLParser):
    """The title and the headline of a page, the answer in its first box, its first paragraph."""

    def __init__(self) -> None:
        """Begin above the article."""
        super().__init__(convert_charrefs=True)
        self.title = self.headline = self.answer = self.first = ""
        self._text: list[str] | None = None
        self._headed = self._boxed = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin to keep a title, a headline or a paragraph below it."""
        kinds = (dict(attrs).get("class") or "").split()
        self._boxed |= "abstract" in kinds
        kept = tag in ("title", "h1") or (self._headed and tag == "p" and not kinds)
        if kept and self._text is None:
            self._text = []
        if "headerlink" in kinds:  # the sign beside a headline is none of its words
            self._keep("h1")

    def handle_endtag(self, tag: str) -> None:
        """Keep what has ended."""
        if tag in ("title", "h1", "p"):
            self._keep(tag)

    def handle_data(self, data: str) -> None:
        """Collect words."""
        if self._text is not None:
            self._text.append(data)

    def _keep(self, tag: str) -> None:
        text = " ".join("".join(self._text or []).split())
        if not self._text:
            return
        self._text = None
        if tag == "title":
            self.title = self.title or text
        elif tag == "h1":
            self.headline, self._headed = self.headline or text, True
        elif self._boxed:
            self.answer = self.answer or text
        else:
            self.first = self.first or text
