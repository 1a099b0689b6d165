r"""Computed values in prose, `` `{python} expr` ``, and in math, `\py{expr}`."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from markdown.extensions.toc import slugify
from markdown.inlinepatterns import InlineProcessor
from markdown.treeprocessors import Treeprocessor
from pymdownx.arithmatex import ArithmatexExtension

from gradbook.press.errors import PressError, page_of
from gradbook.press.mathml import ATTACHED, TexError, render
from gradbook.press.pages import NO_EXPRESSION, computed, is_element
from gradbook.press.session import BlockError

if TYPE_CHECKING:
    from markdown import Markdown

INLINE = r"`\{python\}\s+([^`]+)`"
# Above the backtick pattern (190), which would make code of it.
ABOVE_BACKTICK = 191
# Below the inline patterns (20), so that all text is final; above the unescaping (0).
BELOW_INLINE = 15
OUT_OF_SEARCH = "data-search-exclude"


class InlineValue(InlineProcessor):
    """Replace an inline expression by its value in the page's session."""

    def handleMatch(  # type: ignore[override]
        self, m: re.Match[str], data: str
    ) -> tuple[str, int, int]:
        """Return the value as text, or as it is if it is one of the book's own elements."""
        value = evaluate(self.md, m[1].strip())
        kept = self.md.htmlStash.store(value) if is_element(value) else value
        return kept, m.start(0), m.end(0)


def evaluate(md: Markdown, expression: str) -> str:
    """Return the value of an expression of a page.

    Args:
        md: The page's converter.
        expression: A Python expression.

    Raises:
        PressError: Naming page and expression.
    """
    try:
        value: str = md.gradbook.session.value(expression)  # type: ignore[attr-defined]
    except BlockError as error:
        raise PressError(f"{page_of(md)}: inline value {expression!r}: {error}") from error
    return value


def expand(md: Markdown, tex: str) -> str:
    r"""Replace every `\py{expr}` of a formula by its value.

    Args:
        md: The page's converter.
        tex: TeX; braces inside an expression must balance.

    Raises:
        PressError: A `\py` has no expression, or one that raises.
    """
    done, at = "", 0
    for start, begin, end in computed(tex):
        if end < 0:  # in what a page includes: of its own text the page has said so
            raise PressError(f"{page_of(md)}: {NO_EXPRESSION}, in the formula {tex!r}")
        done += tex[at:start] + evaluate(md, tex[begin:end].strip())
        at = end + 1
    return done + tex[at:]


class Typeset(Treeprocessor):
    """Typeset the math that Arithmatex found, and refuse an image without alt text."""

    def run(self, root: Element) -> None:
        """Change the tree in place."""
        for element in root.iter():
            if element.get("class") == "arithmatex" and element.get(OUT_OF_SEARCH) is None:
                self._typeset(element)
            if element.tag == "img" and not (element.get("alt") or "").strip():
                raise PressError(
                    f"{page_of(self.md)}: the image {element.get('src')!r} has no alt text"
                )

    def _typeset(self, element: Element) -> None:
        text = (element.text or "").strip()
        # Arithmatex escapes for HTML, and `\(` or `\[` is two characters wide.
        tex = html.unescape(text[2:-2])
        try:
            markup = render(expand(self.md, tex.strip()), display=element.tag == "div")
        except TexError as error:
            raise PressError(f"{page_of(self.md)}: {error}") from error
        # A browser may break a line behind a formula, even before a comma: what follows it stays.
        attached = ATTACHED.match(element.tail or "")
        closing = attached[0] if attached and element.tag == "span" else ""
        tail, tag = (element.tail or "")[len(closing) :], element.tag
        element.clear()
        element.tag, element.tail = tag, tail
        element.set("class", "arithmatex")
        element.set(OUT_OF_SEARCH, "")
        element.text = self.md.htmlStash.store(markup) + closing


class BuildTimeMath(ArithmatexExtension):  # type: ignore[misc]
    """Arithmatex's syntax, typeset while the book is built."""

    def __init__(self, **options: Any) -> None:
        """Choose the generic mode, which the tree processor reads."""
        super().__init__(generic=True, **options)


class Terms(Treeprocessor):
    """Give each term of a definition list an address: that of *Dead unit* is `#dead-unit`."""

    def run(self, root: Element) -> None:
        """Change the tree in place."""
        for term in root.iter("dt"):
            name = "".join(term.itertext()).strip()
            term.attrib.setdefault("id", slugify(name, "-"))
