"""The book as text, for programs that read: Markdown, with what blocks show and values filled in.

`llms.txt` names the pages, as https://llmstxt.org describes; each page lies beside its HTML, with
`.md` behind its name; `llms-full.txt` is all of them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from mkdocs.utils.meta import get_data

from gradbook.press.binding.docstrings import told
from gradbook.press.fences import Fence
from gradbook.press.pages import Page, is_element, spliced
from gradbook.press.places import PACKAGE, ROOT
from gradbook.press.session import Session

_LEFT_OUT = re.compile(r"<(svg|script|style)\b.*?</\1>", re.DOTALL)
_ALT = re.compile(r'<svg\b[^>]*><desc id="[^"]*">(.*?)</desc>', re.DOTALL)
_LOOK = re.compile(r"(?m)^</?div\b[^>]*>\n|(?<=\))\{ ?\.[\w -]+\}")
_INCLUDED = re.compile(r'(?m)^--8<-- "([\w.]+)"$')
_MATH = re.compile(r"<math\b[^>]*>.*?</math>", re.DOTALL)
_LINE = re.compile(r"</(?:tr|p|figcaption|caption|li|div)>")


def filled(page: Page, session: Session) -> str:
    """Return a page's Markdown: pins and folded code left out, outputs and values put in.

    Args:
        page: The page.
        session: Where its blocks run, or rather, where their results are kept.
    """
    shown = [(*fence.outer, _shown(fence, session)) for fence in page.fences if _is_changed(fence)]
    # Values are those at the end of the page: behind all blocks.
    values = [(v.start, v.end, _value(session, v.expr)) for v in page.values]
    comments = [(*span, "") for span in page.comments]
    body = get_data(spliced(page.text, [*shown, *values, *comments]))[0]
    body = _INCLUDED.sub(lambda match: (ROOT / match[1]).read_text(encoding="utf-8"), body)
    body = told(_LOOK.sub("", body), PACKAGE.parent)
    return re.sub(r"\n{3,}", "\n\n", body).strip() + "\n"


def _value(session: Session, expression: str) -> str:
    value = session.value(expression)
    return "" if is_element(value) else value  # what a page asks needs scripts


def _is_changed(fence: Fence) -> bool:
    return fence.executed or fence.pinned


def _shown(fence: Fence, session: Session) -> str:
    """Return a block's code, if it is shown, and what it shows, as text."""
    if fence.pinned:
        return ""
    output = plain(session.run(fence.source))
    hidden = ("source", "none") in fence.options
    code = "" if hidden else f"```python\n{fence.source.rstrip()}\n```\n"
    both = code + (f"```text\n{output}\n```\n" if output else "")
    return "".join(f"{fence.indent}{line}\n" for line in both.splitlines())


def plain(markup: str) -> str:
    r"""Return HTML as text; of a figure, what its alternative text says, then its caption.

    Args:
        markup: What a block shows.

    Examples:
        >>> plain('<figure><svg><desc id="a">A bell.</desc><path/></svg><b>One</b></figure>')
        'A bell.\nOne'
        >>> plain("by a factor of 10<sup>3.1</sup>")
        'by a factor of 10^3.1'
        >>> plain("<math><msqrt><mi>a</mi><msup><mi>b</mi><mn>2</mn></msup></msqrt></math>")
        '√(ab^2)'
    """
    text = _ALT.sub(lambda match: f"{match[1]}\n{match[0]}", markup)
    text = _MATH.sub(lambda match: html.escape(_formula(match[0])), text)
    text = _LINE.sub("\n", re.sub(r"</t[dh]>\s*", " | ", _LEFT_OUT.sub("", text)))
    text = text.replace("<sup>", "^").replace("<sub>", "_")  # 10 to the 3 is not 103
    lines = html.unescape(re.sub(r"<[^>]+>", "", text)).split("\n")
    return "\n".join(line.rstrip(" |") for line in lines if line.strip())


def _formula(markup: str) -> str:
    # Between a function and what it is of stands a sign that nobody sees.
    said = re.sub("\N{FUNCTION APPLICATION}(?=[(])", "", _said(ElementTree.fromstring(markup)))
    return said.replace("\N{FUNCTION APPLICATION}", " ")


def _said(part: ElementTree.Element) -> str:
    """Return what a part of a formula says in one line."""
    inner = [_said(one) for one in part]
    if part.tag == "msqrt":
        root = "".join(inner)
        return f"√{root}" if len(root) == 1 else f"√({root})"
    if part.tag == "mfrac":
        return "/".join(map(_grouped, inner))
    if part.tag not in ("msup", "msub", "msubsup"):
        return (part.text or "") + "".join(inner)
    marks = {"msup": "^", "msub": "_", "msubsup": "_^"}[part.tag]
    above = inner[-1].lstrip("′") if marks[-1] == "^" else inner[-1]
    primes = inner[-1].removesuffix(above)
    ends = [*inner[1:-1], above]
    pairs = zip(marks, ends, strict=True)
    return inner[0] + primes + "".join(mark + _grouped(end) for mark, end in pairs if end)


def _grouped(text: str) -> str:
    return text if len(text) < 2 or text.isalnum() else f"({text})"


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files of text.

    Args:
        folder: The site's folder.
        texts: What goes into which file.
    """
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
