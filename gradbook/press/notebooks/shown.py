"""What code that a notebook leaves out shows, as Markdown: a table, a paragraph, or text."""

from __future__ import annotations

import re
from html.parser import HTMLParser


def as_markdown(html: str) -> str:
    """Return a table, a paragraph or printed text as Markdown.

    Args:
        html: What a block shows on its page.

    Raises:
        ValueError: It is something else, such as a figure.

    Examples:
        >>> as_markdown('<pre class="gb-output">5 layers</pre>')
        '    5 layers'
        >>> as_markdown('<p>Asked <a href="https://a.b/c">here</a>.</p>')
        'Asked [here](https://a.b/c).'
    """
    if "<figure" in html or not any(f"<{tag}" in html for tag in ("table", "pre", "p>")):
        raise ValueError(
            "a block needs what a notebook has not, and only tables and text can be shown without "
            f"running it, got {html[:60]!r}"
        )
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return "\n\n".join(
        part for part in [reader.caption, reader.table(), reader.paragraph, reader.printed] if part
    )


class _Reader(HTMLParser):
    """The texts of a table's cells, of its caption, of a paragraph, and of what was printed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self.texts: dict[str, str] = {"caption": "", "p": "", "pre": ""}
        self.inside = self.address = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = "cell"
        elif tag in self.texts:
            self.inside = tag
        elif tag == "a" and self.inside == "p":
            self.address = dict(attrs)["href"] or ""
            self.texts["p"] += "["

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self.inside == "p":
            self.texts["p"] += f"]({self.address})"
        if tag in ("td", "th", *self.texts):
            self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "cell":
            self.rows[-1][-1] += data
        elif self.inside:
            self.texts[self.inside] += data

    @property
    def caption(self) -> str:
        text = _one_line(self.texts["caption"])
        return f"*{text}*" if text else ""

    @property
    def paragraph(self) -> str:
        return _one_line(self.texts["p"])

    @property
    def printed(self) -> str:
        return "\n".join(f"    {line}" for line in self.texts["pre"].splitlines())

    def table(self) -> str:
        rows = [[_one_line(text).replace("|", r"\|") for text in row] for row in self.rows]
        rows[1:1] = [["---"] * len(row) for row in rows[:1]]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
