"""The pages of the site as parts of the printed book: which, and where their links lead there."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urldefrag

from visits import ROOT

from gradbook.press.binding.sheet import Opening, built, slug
from gradbook.press.reading import reading_order

ON_SCREEN = "reference/"
_ARTICLE = re.compile(r"<article[^>]*>(.*?)</article>", re.DOTALL)
_NAMED = re.compile(r'\b(id|for|aria-labelledby|aria-describedby)="([^"]*)"')
LINK = re.compile(r'(?<![\w-])((?:xlink:)?href)="([^"]*)"')
_PAINT = re.compile(r"url\(#([^)]+)\)")


@dataclass(frozen=True)
class Leaf:
    """One page of the site, as a part of the printed book.

    Attributes:
        name: Its file, as seen from home.
        html: Its HTML.
    """

    name: str
    html: str

    @property
    def slug(self) -> str:
        """What its part is called, and the names in it begin with."""
        return slug(self.name)

    @property
    def title(self) -> str:
        """Its headline."""
        opening = Opening()
        opening.feed(self.html)
        return opening.headline


def leaves(site: Path, config: Path = ROOT / "mkdocs.yml") -> list[Leaf]:
    """Return the pages that are printed, in their order."""
    names = [built(Path(name), site) for name in reading_order(config)]
    return [
        Leaf(name, (site / name).read_text(encoding="utf-8"))
        for name in names
        if not name.startswith(ON_SCREEN)
    ]


def section(leaf: Leaf, parts: Mapping[str, Leaf]) -> str:
    """Return a page's article as a section, whose names and links are those of the whole.

    Args:
        leaf: The page.
        parts: All that are printed, by their files.
    """
    found = _ARTICLE.search(leaf.html)
    article = found[1] if found else ""
    article = _NAMED.sub(lambda m: f'{m[1]}="{_own(leaf, m[2])}"', article)
    article = LINK.sub(lambda m: _led(leaf, parts, m), article)
    article = _PAINT.sub(lambda m: f"url(#{leaf.slug}--{m[1]})", article)
    article = re.sub(r"<details(?![^>]*gb-folded)", "<details open", article)
    return f'<section id="{leaf.slug}" class="md-content__inner">{article}</section>'


def _own(leaf: Leaf, names: str) -> str:
    return " ".join(f"{leaf.slug}--{name}" for name in names.split())


def _led(leaf: Leaf, parts: Mapping[str, Leaf], match: re.Match[str]) -> str:
    """Return a link within the paper, or one to elsewhere; what is not printed has none."""
    address, anchor = urldefrag(html.unescape(match[2]))
    if re.match(r"[a-z]+:", address):
        return match[0]
    target = parts.get(file_of(leaf.name, address)) if address else leaf
    if target is None:
        return 'class="gb-unprinted"'
    return f'{match[1]}="#{target.slug}{f"--{anchor}" if anchor else ""}"'


def file_of(page: str, address: str) -> str:
    """Return the file that an address on a page names, as seen from home."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), address))
    is_folder = address.endswith("/") or posixpath.basename(address) in ("", ".", "..")
    return posixpath.normpath(posixpath.join(path, "index.html")) if is_folder else path
