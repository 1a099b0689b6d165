"""The numbers that a page may type, each kind for a reason: those of any book, and the book's own.

The book's own stand in `mkdocs.yml`, where it names the press: `cited` is the module whose records
have `authors` and a `year`, `programs` are those whose versions are told, and `excuses` holds
patterns with their reasons.
"""

from __future__ import annotations

import pkgutil
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from mkdocs.utils.yaml import yaml_load

from gradbook.press.pages import COMPUTED
from gradbook.press.places import ROOT

README = "README.md"
"""Runs nothing: it is read where no press has been."""


class Work(Protocol):
    """What is cited."""

    @property
    def authors(self) -> str:
        """Who wrote it."""

    @property
    def year(self) -> int:
        """When it appeared."""


@dataclass(frozen=True)
class Excuse:
    """Numbers that may be typed: those in the matches of `pattern`, for `reason`.

    `holds` confirms a match. Where `free`, any number will do and nothing confirms it; elsewhere
    the pattern spells it out. `page` limits the excuse to one page.
    """

    pattern: str
    reason: str
    holds: Callable[[re.Match[str]], bool] = lambda match: True
    free: bool = False
    page: str = ""

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The pattern, compiled."""
        return re.compile(self.pattern)


_NAME = r"(?P<name>[^\W\d_](?:[\w’'-]*\w)?)"
_YEAR = r"(?:19|20)\d\d[a-z]?"
_NUMBER = r"\(?[1-9]\d*(?:\.\d+)*[a-z]?\)?"


def common_excuses(works: Iterable[Work], programs: Iterable[str] = ()) -> tuple[Excuse, ...]:
    """Return what any book may type: years of what it cites, versions, numbers of sections."""
    return (
        Excuse(
            rf"{_NAME}[*_]*(?:\s+et\s+al\.?)?[*_]*(?:\]\(\s*{COMPUTED}+\s*\))?,?\s*[(\[]?"
            rf"(?P<years>{_YEAR}(?:\s*(?:,|and|&)\s*{_YEAR})*)\b",
            "the year of a citation, as in He et al. (2015); the cited works must have it",
            holds=partial(_is_cited, tuple(works)),
        ),
        Excuse(
            rf"\b(?P<program>{'|'.join(['Python', *programs])})\s*[>=≥]*\s*\d+(?:\.\d+)+"
            r"(?:(?:\s*[,-]\s*|\s+(?:and|to|or)\s+)\d+(?:\.\d+)+)*",
            "a version of a required program, as in Python 3.11+; pyproject.toml must name it",
            holds=_is_required,
        ),
        Excuse(
            r"(?i)(?:§+|\b(?:sections?|sec\.|chapters?|ch\.|equations?|eqs?\.|figures?|figs?\.|"
            rf"tables?|theorems?|lemmas?|p\.|pp\.))\s*{_NUMBER}(?:\s*-\s*{_NUMBER})?",
            "the number of a section, an equation, a figure or a page of a cited work",
            free=True,
        ),
        Excuse(r"(?m)^[ \t]*\$ .*$", "commands to type", free=True, page=README),
    )


@cache
def book_excuses(settings: Path = ROOT / "mkdocs.yml") -> tuple[Excuse, ...]:
    """Return what the pages of a book may type, as its settings have it."""
    own = _options(settings)
    records = vars(pkgutil.resolve_name(own["cited"])).values() if "cited" in own else ()
    works = [record for record in records if hasattr(record, "year") and hasattr(record, "authors")]
    own_excuses = (Excuse(**entry) for entry in own.get("excuses", ()))
    return (*common_excuses(works, own.get("programs", ())), *own_excuses)


def _options(settings: Path) -> dict[str, Any]:
    with settings.open(encoding="utf-8") as file:
        extensions = yaml_load(file)["markdown_extensions"]
    entries = (entry for entry in extensions if isinstance(entry, dict))
    return next((entry[__package__] for entry in entries if __package__ in entry), {})


def _is_cited(works: tuple[Work, ...], match: re.Match[str]) -> bool:
    """Whether there is a work of this author for each of these years."""
    name = re.sub(r"['’]s$", "", match["name"])
    known = {str(work.year) for work in works if name in re.findall(r"[\w’'-]+", work.authors)}
    return set(re.findall(r"\d{4}", match["years"])) <= known


def _is_required(match: re.Match[str]) -> bool:
    """Whether `pyproject.toml` names these versions of the program."""
    return set(re.findall(r"\d+(?:\.\d+)+", match[0])) <= versions(match["program"].lower())


@cache
def versions(program: str) -> frozenset[str]:
    """Return the versions of a program that the project's metadata names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = chain.from_iterable(project["optional-dependencies"].values())
    named = [
        f"{project['name']} {project['version']}",
        f"python {project['requires-python']}",
        *(item.lower() for item in chain(project["classifiers"], project["dependencies"], extras)),
    ]
    about = " ".join(item for item in named if re.search(rf"\b{re.escape(program)}\b", item))
    return frozenset(re.findall(r"\d+(?:\.\d+)+", about))
