"""What a page may load and run: its own files, and the scripts that it holds, by their hashes.

A browser that meets anything else stops it, and says so. Styles stand in files; attributes may
style, since figures and formulas place their parts so. Pages from a folder have no host that could
be theirs: there all files may be used, and none from a network, unless the folder is served.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable

_INLINE = re.compile(r"<(script|style)\b([^>]*)>(.*?)</\1>", re.DOTALL)
_DATA = re.compile(r'\bsrc=|type="application/(?:ld\+)?json"')
_FIRST = re.compile(r"<head[^>]*>\s*(?:<meta charset[^>]*>)?", re.IGNORECASE)
FROM_A_FOLDER = "default-src 'self' file: data: blob: 'unsafe-inline'; object-src 'none'"


def hashes(page: str, tag: str) -> list[str]:
    """Return the hashes of the scripts, or of the style sheets, that a page holds.

    Args:
        page: Its HTML.
        tag: `script` or `style`.

    Examples:
        >>> hashes("<script>1</script><script src='a.js'></script>", "script")
        ["'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='"]
    """
    held = (m[3] for m in _INLINE.finditer(page) if m[1] == tag and not _DATA.search(m[2]))
    found = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in held)
    return sorted({f"'sha256-{code}'" for code in found})


def policy(pages: Iterable[str]) -> str:
    """Return what some pages may load and run.

    Args:
        pages: Their HTML.
    """
    held = list(pages)
    scripts, styles = (
        " ".join(["'self'", *sorted({code for page in held for code in hashes(page, tag)})])
        for tag in ("script", "style")
    )
    rules = {
        "default-src": "'self'",
        "script-src": scripts,
        "style-src": styles,
        "style-src-attr": "'unsafe-inline'",
        "img-src": "'self' data:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def guarded(page: str, rules: str) -> str:
    """Return a page that states its policy before anything else, where it binds all that follows.

    Args:
        page: Its HTML.
        rules: The policy.
    """
    tag = f'<meta http-equiv="Content-Security-Policy" content="{html.escape(rules, quote=False)}">'
    return _FIRST.sub(lambda match: f"{match[0]}\n      {tag}", page, count=1)


def headers(pages: Iterable[str]) -> str:
    """Return the file `_headers`, for hosts that read it: the same, and what only a header can.

    Args:
        pages: The HTML of all pages.
    """
    lines = {
        "Content-Security-Policy": f"{policy(pages)}; frame-ancestors 'self'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
    }
    return "/*\n" + "".join(f"  {name}: {value}\n" for name, value in lines.items())
