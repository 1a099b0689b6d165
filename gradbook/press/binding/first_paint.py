"""What a browser waits for before it shows a page: one style sheet, and no script.

A theme, its extensions and a book each bring style sheets, and scripts that only have to come
before the theme's own stand in the head. Each is a request that a phone waits for.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path

_SHEET = re.compile(r'<link rel="?stylesheet"? href="?([^">\s:]+\.css)"?\s*/?>\s*')
_SCRIPT = re.compile(r'<script src="?[^">\s:]+"?></script>\s*')
_URL = re.compile(r"""url\((["']?)(?!data:|#|/|[a-z]+:)([^"')]+)\1\)""")
_MAP = re.compile(r"\s*/\*# sourceMappingURL=[^*]*\*/")
_SWITCHING = re.compile(r"(?<=\})\[data-md-color-switching\] \*[^{}]*\{[^{}]*\}")
"""The theme's rule that nothing fades while colors change. Colors are set when a page loads, too:
for this rule all elements are then styled twice more, which on a long page takes half a second."""
FOLDER = "assets"
MATH_FONT = f"{FOLDER}/vendor/math/stix-two-math.woff"


def bundled(pages: Mapping[str, str], site: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return pages with one style sheet each instead of several, and these sheets by their files.

    Args:
        pages: Their HTML, by their files.
        site: The folder with the sheets.
    """
    made, found, one = dict[str, str](), dict[str, str](), cache(partial(_one, site))
    for name, page in pages.items():
        folder = posixpath.dirname(name)
        paths = [posixpath.normpath(posixpath.join(folder, x)) for x in _SHEET.findall(page)]
        found[name] = page
        if paths and all((site / path).is_file() for path in paths):  # an unknown address has none
            path, text = one(tuple(paths))  # all pages of a book ask for the same
            made[path] = text
            link = posixpath.relpath(path, folder or ".")
            start = min(match.start() for match in _SHEET.finditer(page))
            rest = _SHEET.sub("", page[start:])
            found[name] = f'{page[:start]}<link rel="stylesheet" href="{link}">\n{rest}'
    return found, made


def _one(site: Path, paths: tuple[str, ...]) -> tuple[str, str]:
    """Return some sheets as one, with its file."""
    text = "\n".join(_moved((site / path).read_text("utf-8"), path) for path in paths)
    return f"{FOLDER}/all.{hashlib.sha256(text.encode()).hexdigest()[:8]}.css", text


def _moved(sheet: str, path: str) -> str:
    """Return a sheet for the folder of bundles, where it finds its files from there."""

    def address(match: re.Match[str]) -> str:
        file = posixpath.join(posixpath.dirname(path), match[2])
        return f'url("{posixpath.relpath(file, FOLDER)}")'

    return _URL.sub(address, _SWITCHING.sub("", _MAP.sub("", sheet)))


def hastened(page: str, name: str) -> str:
    """Return a page that asks at once for the font of its mathematics, or lines jump later.

    Args:
        page: Its HTML.
        name: Its file.

    Examples:
        >>> sheet = '<link rel="stylesheet" href="a.css">'
        >>> hastened(f"{sheet}<math>", "a/index.html").partition(" crossorigin ")[2]
        'href="../assets/vendor/math/stix-two-math.woff"><link rel="stylesheet" href="a.css"><math>'
        >>> hastened(f"{sheet}<p>", "a/index.html")
        '<link rel="stylesheet" href="a.css"><p>'
    """
    if "<math" not in page:
        return page
    link = posixpath.relpath(MATH_FONT, posixpath.dirname(name) or ".")
    ask = f'<link rel="preload" as="font" type="font/woff" crossorigin href="{link}">'
    return page.replace('<link rel="stylesheet"', f'{ask}<link rel="stylesheet"', 1)


def unhindered(page: str) -> str:
    """Return a page whose scripts stand behind what it shows, in their order.

    Args:
        page: Its HTML.

    Examples:
        >>> head, foot = '<script src="a.js"></script>', '<script src="b.js"></script>'
        >>> unhindered(f"<head>{head}</head><p>1</p>{foot}")
        '<head></head><p>1</p><script src="a.js"></script><script src="b.js"></script>'
    """
    head, end, body = page.partition("</head>")
    waiting = "".join(match[0] for match in _SCRIPT.finditer(head))
    first = _SCRIPT.search(body)
    if not waiting or first is None:
        return page
    at = first.start()
    return _SCRIPT.sub("", head) + end + body[:at] + waiting + body[at:]
