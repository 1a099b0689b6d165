"""What stands at the foot of every page: how to cite the book, its version, what to keep."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Mapping
from typing import Any

_COPYRIGHT = re.compile(r'(<div class="md-copyright__highlight">)(.*?)(</div>)', re.DOTALL)


def bibtex(citation: Mapping[str, Any]) -> str:
    """Return a citation as BibTeX.

    Args:
        citation: What `CITATION.cff` says.

    Examples:
        >>> print(bibtex({"title": "a", "version": 2, "authors": [{"name": "b"}], "url": "c"}))
        @software{a,
          title = {{a}},
          author = {{b}},
          version = {2},
          url = {c}
        }
    """
    authors = " and ".join(_author(author) for author in citation["authors"])
    fields = {"title": f"{{{citation['title']}}}", "author": authors}
    fields |= {name: citation[name] for name in ("version", "doi", "url") if name in citation}
    if "date-released" in citation:
        fields["year"] = str(citation["date-released"])[:4]
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@software{{{citation['title']},\n{lines}\n}}"


def _author(author: Mapping[str, str]) -> str:
    """Return a person, or a group, whose name BibTeX must not take apart."""
    if "name" in author:
        return f"{{{author['name']}}}"
    return f"{author['family-names']}, {author['given-names']}"


def footed(page: str, foot: str) -> str:
    """Return a page with a foot below the line about its licenses.

    Args:
        page: Its HTML.
        foot: More HTML.
    """
    return _COPYRIGHT.sub(lambda match: match[1] + match[2].rstrip() + match[3] + foot, page)


def foot(citation: Mapping[str, Any], page: str, kept: Mapping[str, str]) -> str:
    """Return the foot of a page.

    Args:
        citation: What `CITATION.cff` says.
        page: The page's file, as seen from home.
        kept: Addresses as seen from home, and what they are called.
    """
    here = posixpath.dirname(page) or "."
    links = {_relative(address, here): name for address, name in kept.items()}
    parts = [f"<span>Version {html.escape(str(citation['version']))}</span>"]
    parts += [f'<a href="{html.escape(link)}">{name}</a>' for link, name in links.items()]
    cite = html.escape(bibtex(citation), quote=False)
    return (
        f'<div class="gb-foot">{" ".join(parts)}'
        '<details class="gb-folded gb-cite"><summary>Cite this</summary>'
        f'<pre tabindex="0">{cite}</pre></details></div>'
    )


def _relative(address: str, here: str) -> str:
    return posixpath.relpath(address, here) + "/" * address.endswith("/")
