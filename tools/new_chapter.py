"""Lay out a chapter: `make new-chapter NAME=weight-decay` writes page, room, tests and nav line.

What is laid out passes every test as it stands, so that each edit is one from green to green: the
page asks, answers, shows a figure and a claim, and has its exercises. Replace them one by one.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LAYOUT = HERE / "chapter"
EXERCISES = 7
"""How many a chapter has at least."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_ENTRY = re.compile(r"(?m)^( *)- (?:(\d+) )?[^\n:]+: chapters/[\w-]+\.md\n")


class LayoutError(ValueError):
    """A chapter cannot be laid out."""


def lay_out(name: str, title: str, root: Path = ROOT) -> list[Path]:
    """Write a chapter's files, enter it in the navigation, and return what was written.

    Args:
        name: What its page is called, in lower case with hyphens.
        title: Its headline.
        root: The repository.

    Raises:
        LayoutError: The name is none, is taken, or the navigation has no chapters.
    """
    room = name.replace("-", "_")
    places = {
        "page.md": root / "docs" / "chapters" / f"{name}.md",
        "room.py": root / "gradbook" / "book" / room / "__init__.py",
        "claims.py": root / "gradbook" / "book" / room / "claims.py",
        "measured.py": root / "gradbook" / "book" / room / "measured.py",
        "tests.py": root / "tests" / "book" / room / f"test_{room}.py",
    }
    _see(name, [path for path in places.values() if path.exists()])
    navigation = entered(name, title, (root / "mkdocs.yml").read_text(encoding="utf-8"))
    words = {"NAME": name, "ROOM": room, "TITLE": title, "EXERCISES": _exercises()}
    for layout, path in places.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (LAYOUT / f"{layout}.txt").read_text(encoding="utf-8")
        path.write_text(_sorted(_filled(text, words)), encoding="utf-8", newline="\n")
    (root / "mkdocs.yml").write_text(navigation, encoding="utf-8", newline="\n")
    return [*places.values(), root / "mkdocs.yml"]


def _see(name: str, taken: list[Path]) -> None:
    if not _NAME.fullmatch(name):
        raise LayoutError(f"NAME is {name!r}; expected lower case and hyphens, as in weight-decay")
    if taken:
        raise LayoutError(f"NAME is {name!r}; expected one that is free, but {taken[0]} exists")


def entered(name: str, title: str, navigation: str) -> str:
    r"""Return `mkdocs.yml` with one chapter more, behind the others and with the next number.

    Args:
        name: What its page is called.
        title: Its headline.
        navigation: The file's text.

    Raises:
        LayoutError: There are no chapters to stand behind.

    Examples:
        >>> entered("b", "B", "- 1 A: chapters/a.md\n- End: end.md\n")
        '- 1 A: chapters/a.md\n- 2 B: chapters/b.md\n- End: end.md\n'
    """
    entries = list(_ENTRY.finditer(navigation))
    if not entries:
        raise LayoutError("mkdocs.yml has no chapters; expected `- 1 Title: chapters/name.md`")
    number = 1 + max(int(entry[2] or 0) for entry in entries)
    line = f"{entries[-1][1]}- {number} {title}: chapters/{name}.md\n"
    return navigation[: entries[-1].end()] + line + navigation[entries[-1].end() :]


def _exercises() -> str:
    layout = (LAYOUT / "exercise.md.txt").read_text(encoding="utf-8")
    stars = ("★", "★", "★★", "★★", "★★", "★★★", "★★★")
    return "\n".join(
        _filled(layout, {"N": str(n), "STARS": star, "ONE_MORE": str(n + 1)})
        for n, star in enumerate(stars[:EXERCISES], 1)
    )


def _filled(text: str, words: dict[str, str]) -> str:
    for word, given in words.items():
        text = text.replace(f"@{word}@", given)
    return text


def _sorted(text: str) -> str:
    """Return code whose imports from the package are in order, wherever the room's name belongs."""
    return re.sub(
        r"(?m)(^from gradbook.*\n)+", lambda run: "".join(sorted(run[0].splitlines(True))), text
    )


def main() -> int:
    """Lay out the chapter that the command line names, and say what is to be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("title", nargs="?", default="")
    given = parser.parse_args()
    title = given.title or given.name.replace("-", " ").capitalize()
    try:
        written = lay_out(given.name, title)
    except LayoutError as error:
        print(error, file=sys.stderr)
        return 1
    for path in written:
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
