"""What stands out of the reader's way, one click away: set-up, plotting code, checks."""

from __future__ import annotations

import doctest
import html
from collections.abc import Sequence

from gradbook.press.fences import Fence


def unpinned(lines: Sequence[str], pins: Sequence[Fence]) -> list[str]:
    """Return a page's lines without those of its pins.

    Args:
        lines: All lines.
        pins: The pins, as they lie in these lines.
    """
    kept = list(lines)
    for pin in reversed(pins):
        del kept[pin.line - 1 : pin.line + len(pin.source.split("\n")) + 1]
    return kept


def checks(pins: Sequence[Fence]) -> str:
    """Return the pins of a page, closed, under their number.

    Args:
        pins: Doctests that pin what the page says; each example is a check.
    """
    parser = doctest.DocTestParser()
    count = sum(bool(example.want) for pin in pins for example in parser.get_examples(pin.source))
    title = "✓ 1 check" if count == 1 else f"✓ {count} checks"
    return folded(title, [pin.source for pin in pins])


def folded(title: str, sources: Sequence[str], anchor: str = "") -> str:
    r"""Return code that is closed until it is asked for: plain, so that it weighs nothing.

    Args:
        title: What to click on.
        sources: Pieces of code; without any there is nothing to return.
        anchor: The address of the code: a link to it opens what is closed.

    Examples:
        >>> folded("Code", ["1 < 2"]).splitlines()[1]
        '<pre><code>1 &lt; 2</code></pre>'
    """
    if not sources:
        return ""
    code = html.escape("\n\n".join(source.strip("\n") for source in sources), quote=False)
    name = f' id="{anchor}"' if anchor else ""
    return (
        f'<details class="gb-folded" data-search-exclude><summary>{title}</summary>\n'
        f"<pre><code{name}>{code}</code></pre>\n</details>\n"
    )
