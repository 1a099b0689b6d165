"""Turn the value of a block into the HTML that a page shows."""

from __future__ import annotations

import html
import re
from typing import Any

from gradbook.formats import inline_html
from gradbook.press import katex, svg

_MARKED = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def display(value: Any, printed: str, figures: int) -> str:
    """Return the HTML of what a block printed, then of its value.

    Args:
        value: The value of the block's last expression, `None` for nothing.
        printed: What the block printed.
        figures: How many figures the page has shown before.

    Raises:
        TypeError: The value is a bare Matplotlib figure, which has no alt text.

    Examples:
        >>> display(None, "5 layers", 0)
        '<pre class="gb-output">5 layers</pre>'
    """
    shown = [_text(printed)] if printed else []
    if value is not None:
        shown.append(_value(value, figures))
    return "\n".join(shown)


def _value(value: Any, figures: int) -> str:
    if hasattr(value, "figure") and hasattr(value, "alt"):
        caption = f"<b>Figure {figures + 1}.</b> {inline_html(value.caption)}"
        return typeset(svg.to_html(value, f"figure-{figures + 1}", caption=caption))
    if hasattr(value, "savefig"):
        raise TypeError("a figure needs an alt text and a caption: wrap it in figures.Picture")
    if hasattr(value, "_repr_html_"):
        return typeset(str(value._repr_html_()))
    return _text(value if isinstance(value, str) else repr(value))


def _text(text: str) -> str:
    return f'<pre class="gb-output">{html.escape(text.rstrip())}</pre>'


def typeset(markup: str) -> str:
    r"""Return `markup` with every `arithmatex` element typeset.

    Args:
        markup: HTML in which math is marked as Arithmatex's generic mode marks it.
    """

    def replace(match: re.Match[str]) -> str:
        return math(html.unescape(match[2]).strip(), display=match[1] == "div")

    return _MARKED.sub(replace, markup)


def math(tex: str, *, display: bool) -> str:
    """Return a formula as KaTeX's HTML, kept out of the search index, which cannot read it.

    Args:
        tex: The formula.
        display: Whether it stands on a line of its own.
    """
    tag = "div" if display else "span"
    typeset = katex.render(tex, display=display)
    return f'<{tag} class="arithmatex" data-search-exclude>{typeset}</{tag}>'
