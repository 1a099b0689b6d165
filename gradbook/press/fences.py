"""Find the fenced blocks of a page, independently of the extension that runs them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gradbook.press.errors import PressError

_OPENING = re.compile(r"^(?P<indent>[ >]*)(?P<ticks>`{3,}|~{3,})(?P<info>[^`]*)$")
_OPTION = re.compile(r"""\s*(?P<key>[\w-]+)(?:=(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s"]+)))?""")

SOURCES = ("above", "below", "none", "block", "tabbed-left", "tabbed-right")
"""Where an executed block may show its source; `above` unless the fence says otherwise."""

LANGUAGES: dict[str, dict[str, tuple[str, ...]]] = {
    "python": {"exec": ("on",), "source": SOURCES},
    "pycon": {},
    "console": {},
    "text": {},
}
"""The fences a page may hold and, for each, the options and values it understands."""


@dataclass(frozen=True)
class Fence:
    """One fenced block: where it opens, what it is called, what it says."""

    line: int
    language: str
    options: tuple[tuple[str, str | None], ...]
    source: str

    @property
    def executed(self) -> bool:
        """Whether the block is to run."""
        return ("exec", "on") in self.options


def find_fences(text: str) -> list[Fence]:
    r"""Return the fences of `text` in order; a fence inside a longer fence is text.

    Args:
        text: A page's Markdown.

    Returns:
        The fences with the line, counted from 1, on which each opens.

    Raises:
        PressError: A fence is never closed.

    Examples:
        >>> find_fences('```python exec="on"\n2 + 2\n```')[0].source
        '2 + 2'
    """
    found: list[Fence] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        opening = _OPENING.match(lines[at])
        if opening is None:
            at += 1
            continue
        end = _closing(lines, at, opening)
        body = [_dedent(line, opening["indent"]) for line in lines[at + 1 : end]]
        language, options = _parse(opening["info"])
        found.append(Fence(at + 1, language, options, "\n".join(body)))
        at = end + 1
    return found


def _closing(lines: list[str], at: int, opening: re.Match[str]) -> int:
    fence = opening["ticks"]
    closing = re.compile(rf"^[ >]*{re.escape(fence[0])}{{{len(fence)},}}\s*$")
    for end in range(at + 1, len(lines)):
        if closing.match(lines[end]):
            return end
    raise PressError(f"the fence opened on line {at + 1} is never closed")


def _dedent(line: str, indent: str) -> str:
    return line[len(indent) :] if line.startswith(indent) else line.lstrip()


def _parse(info: str) -> tuple[str, tuple[tuple[str, str | None], ...]]:
    info = info.strip().removeprefix("{").removesuffix("}").strip()
    language, _, rest = info.partition(" ")
    options = []
    for match in _OPTION.finditer(rest):
        value = match["quoted"] if match["quoted"] is not None else match["bare"]
        options.append((match["key"], value))
    return language.removeprefix("."), tuple(options)


def check_fence(fence: Fence) -> None:
    r"""Refuse a fence whose language, option or value the press does not know.

    Args:
        fence: The fence.

    Raises:
        PressError: Naming the fence's line, the offender and what is understood.

    Examples:
        >>> check_fence(find_fences('```python exec="on"\n1\n```')[0])
    """
    where = f"the fence on line {fence.line}"
    if fence.language not in LANGUAGES:
        raise PressError(
            f"{where} has the language {fence.language!r}; expected one of {sorted(LANGUAGES)}"
        )
    known = LANGUAGES[fence.language]
    for key, value in fence.options:
        if key not in known:
            raise PressError(f"{where} has the option {key!r}; expected one of {sorted(known)}")
        if value not in known[key]:
            raise PressError(f"{where} has {key}={value!r}; expected one of {list(known[key])}")
    if fence.options and not fence.executed:
        raise PressError(f'{where} has options but no exec="on", so it would not run')
