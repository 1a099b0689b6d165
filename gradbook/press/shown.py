"""Turn the value of a block into the HTML that a page shows."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from gradbook.press import mathml, svg

_MARKED = re.compile(
    r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>'
    rf"((?:(?<=</span>){mathml.ATTACHED.pattern})?)",
    re.DOTALL,
)


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
    if hasattr(value, "element") and hasattr(value, "picture"):
        return _explorer(value, _picture(value.picture, figures + 1))
    if hasattr(value, "figure") and hasattr(value, "alt"):
        return _picture(value, figures + 1)
    if hasattr(value, "savefig"):
        raise TypeError("a figure needs an alt text and a caption: wrap it in one that has them")
    if hasattr(value, "_repr_html_"):
        return typeset(str(value._repr_html_()))
    return _text(value if isinstance(value, str) else repr(value))


def _picture(picture: Any, number: int) -> str:
    from gradbook.press.plotted import to_csv  # noqa: PLC0415 - who draws has Matplotlib

    caption = f"<b>Figure {number}.</b> {picture.caption_html}"
    figure = typeset(svg.to_html(picture, f"figure-{number}", caption=caption))
    csv = to_csv(picture.figure)
    return figure + (f"<!--gb-csv\n{_in_comment(csv)}-->" if csv else "")


def _in_comment(csv: str) -> str:
    """Return numbers as they stand behind a figure until `gradbook.press.downloads` takes them."""
    return html.escape(csv, quote=False).replace("-", "&#45;")  # two of them end a comment


STILL = "Here it stands still: the controls that the text speaks of need a screen, and scripts."
"""What is said of an explorer where it does not move."""


def _explorer(value: Any, figure: str) -> str:
    """Put a figure into the element whose script brings it to life, with the data it needs."""
    figure = figure.replace("</figcaption>", f'<span class="gb-still"> {STILL}</span></figcaption>')
    data = json.dumps(value.data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    # Between single quotes, so that the many double ones of the data stay single characters.
    quoted = html.escape(data, quote=False).replace("'", "&#39;")
    # Markdown takes an element that it does not know for a part of a paragraph: hence the frame.
    return f"<div><{value.element} data-explorer='{quoted}'>{figure}</{value.element}></div>"


LONG = 72
"""How many characters a printed line has from which on it may be wider than the page."""


def _text(text: str) -> str:
    lines = "\n".join(map(_line, text.rstrip().split("\n")))
    return f'<pre class="gb-output">{lines}</pre>'


def _line(line: str) -> str:
    """Return a printed line; a long sentence goes on below, and the row of a table scrolls."""
    prose = len(line) > LONG and "  " not in line.strip()
    text = html.escape(line)
    return f'<span class="gb-prose">{text}</span>' if prose else text


def typeset(markup: str) -> str:
    r"""Return `markup` with every `arithmatex` element typeset.

    Args:
        markup: HTML in which math is marked as Arithmatex's generic mode marks it.
    """

    def replace(match: re.Match[str]) -> str:
        return math(html.unescape(match[2]).strip(), display=match[1] == "div", attached=match[3])

    return _MARKED.sub(replace, markup)


def math(tex: str, *, display: bool, attached: str = "") -> str:
    """Return a formula as MathML, kept out of the search index, which cannot read it.

    Args:
        tex: The formula.
        display: Whether it stands on a line of its own.
        attached: HTML that stands behind it without a space, and stays on its line.
    """
    tag = "div" if display else "span"
    typeset = mathml.render(tex, display=display)
    return f'<{tag} class="arithmatex" data-search-exclude>{typeset}{attached}</{tag}>'
