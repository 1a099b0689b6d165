"""What a page does without: elements that say nothing, look like nothing and are most of a page."""

from __future__ import annotations

import re

_PLAIN = re.compile(r'<span class="[nopw]">((?:<(a|span)\b[^>]*>[^<]*</\2>|[^<])*)</span>')
"""Names, operators, punctuation and spaces in code: they have the color of code."""
_ECHO = re.compile(r'<span title="([^"<>]*)">\1</span>')
"""A tooltip that says what stands there."""
_EMPTY = re.compile(r"(?<=<pre>)<span></span>(?=<code>)")
_DESCRIBED = re.compile(
    r'<div class="doc-md-description">\s*<p>((?:(?!</?p[ >]).)*)</p>\s*</div>', re.DOTALL
)
"""The one paragraph of an argument or of a function in a list, which stands in its line."""
_BLANKS = re.compile(r'(?<= title=")[^"]*\s{2}[^"]*(?=")')


def slim(page: str) -> str:
    """Return a page with fewer elements, which reads and works as it did.

    Args:
        page: Its HTML.

    Examples:
        >>> slim('<code><span class="n">f</span><span class="p">(</span></code>')
        '<code>f(</code>'
    """
    page = _PLAIN.sub(r"\1", _EMPTY.sub("", page))
    page = _DESCRIBED.sub(r"\1", _ECHO.sub(r"\1", page))
    return _BLANKS.sub(lambda match: " ".join(match[0].split()), page)
