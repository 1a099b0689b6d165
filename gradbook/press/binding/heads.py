"""What stands in a page's head for those who find it and those who pass it on."""

from __future__ import annotations

import html
import re

from gradbook.press.binding.sheet import Sheet, slug

_DESCRIPTION = re.compile(r'[ \t]*<meta name="description"[^>]*>\n?')
_CANONICAL = re.compile(r'[ \t]*<link rel="canonical"[^>]*>\n?')
_HEAD_ENDS = "</head>"


def headed(sheet: Sheet, page: str, *, name: str, home: str) -> str:
    """Return a page with its description, its address, and the tags that a preview is made of.

    Args:
        sheet: The page as built.
        page: Its HTML so far.
        name: What the book is called.
        home: Where the book will be; empty if nobody knows.
    """
    page = _CANONICAL.sub("", _DESCRIPTION.sub("", page))
    return page.replace(_HEAD_ENDS, "".join(_tags(sheet, name, home)) + _HEAD_ENDS, 1)


def _tags(sheet: Sheet, name: str, home: str) -> list[str]:
    named = {"description": sheet.description}
    graph = {
        "title": sheet.opening.headline or sheet.opening.title,
        "description": sheet.description,
        "type": "article" if sheet.address else "website",
        "site_name": name,
    }
    tags = []
    if home:  # a preview is asked for from elsewhere: its addresses are whole
        address = html.escape(home + sheet.address)
        tags.append(f'<link rel="canonical" href="{address}">\n')
        graph |= {"url": home + sheet.address, "image": home + card_of(sheet)}
        graph |= {"image:alt": graph["title"]}
        named["twitter:card"] = "summary_large_image"
    tags += [f'<meta name="{key}" content="{html.escape(text)}">\n' for key, text in named.items()]
    tags += [
        f'<meta property="og:{key}" content="{html.escape(text)}">\n' for key, text in graph.items()
    ]
    return tags


def card_of(sheet: Sheet) -> str:
    """Return where a page's picture lies, as seen from home."""
    return f"assets/cards/{slug(sheet.name)}.png"
