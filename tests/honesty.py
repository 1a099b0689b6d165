r"""Nothing on a page is typed that could be computed: the rule, and the scanner that holds it.

What a reader reads on a page, other than executed blocks, inline values, `\py{...}` and doctests,
has no decimal, no power of a number, no integer above twelve, in digits or in words, and no
fraction, percentage or ratio (ten times larger) that no doctest of the page prints. What stands on
the lists below is excused, each entry for its reason. Inline expressions, alt texts and captions
have no numeric literal at all, other than indices and format specifications; strings and comments
in code obey the rule for prose.

Front matter is read (a title is); HTML comments, link targets and HTML attributes are not, but a
link's text is, and so are alt texts and titles.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, cached_property
from itertools import chain

import literals
import numerals
from gradbook import sources
from pages import BLOCK, COMPUTED, ROOT, Cell, Page, PageError, blank

LARGEST = 12
"""Whole numbers up to this one are words of the language: two layers, three weights."""

SHOWN = ("console", "text")
"""The fences that show what is not run; what they hold is read as prose."""

README = "README.md"
"""Runs nothing: it is read where no press has been."""

NO_LITERAL = ("alt", "caption")
"""Arguments and variables whose interpolated values are as free of literals as inline values."""


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
        return re.compile(self.pattern)


def _is_listed(match: re.Match[str]) -> bool:
    """Whether `gradbook.sources` has a work of this author for each of these years."""
    name = re.sub(r"['’]s$", "", match["name"])
    known = {str(work.year) for work in works() if name in re.findall(r"[\w’'-]+", work.authors)}
    return set(re.findall(r"\d{4}", match["years"])) <= known


def _is_required(match: re.Match[str]) -> bool:
    """Whether `pyproject.toml` names these versions of the program."""
    return set(re.findall(r"\d+(?:\.\d+)+", match[0])) <= versions(match["program"].lower())


_NAME = r"(?P<name>[^\W\d_](?:[\w’'-]*\w)?)"
_YEAR = r"(?:19|20)\d\d[a-z]?"
_NUMBER = r"\(?[1-9]\d*(?:\.\d+)*[a-z]?\)?"

EXCUSES = (
    Excuse(
        rf"{_NAME}[*_]*(?:\s+et\s+al\.?)?[*_]*(?:\]\(\s*{COMPUTED}+\s*\))?,?\s*[(\[]?"
        rf"(?P<years>{_YEAR}(?:\s*(?:,|and|&)\s*{_YEAR})*)\b",
        "the year of a citation, as in He et al. (2015); gradbook.sources must have the work",
        holds=_is_listed,
    ),
    Excuse(
        r"\b(?P<program>Python|NumPy|Matplotlib|gradbook)\s*[>=≥]*\s*\d+(?:\.\d+)+"
        r"(?:(?:\s*[,-]\s*|\s+(?:and|to|or)\s+)\d+(?:\.\d+)+)*",
        "a version of a required program, as in Python 3.11+; pyproject.toml must name it",
        holds=_is_required,
    ),
    Excuse(r"\bb?float(?:16|32|64)(?!\d)", "number formats are called float16, float32, bfloat16"),
    Excuse(r"\b(?:16|32|64)-bit\b", "number formats are called by their bits"),
    Excuse(r"\bIEEE(?:\s+Std)?\s+754(?:-2019)?\b", "the standard is called so"),
    Excuse(r"\bCC[ -]BY[ -]4\.0\b", "the license is called so"),
    Excuse(r"\b3-2-1\b", "the network of the lecture note is called so"),
    Excuse(r"(?i)\bquarter-circle\b", "the law of Wishart's singular values is called so"),
    Excuse(
        r"(?<![A-Za-z])[wWfz](?:['′]|\^\{?(?:\\prime\s*)+\}?)*_\{?[1-4][1-4](?!\d)",
        "the lecture note writes two indices without a comma, as in w'_{32}",
    ),
    Excuse(
        r"(?i)(?:§+|\b(?:sections?|sec\.|chapters?|ch\.|equations?|eqs?\.|figures?|figs?\.|"
        rf"tables?|theorems?|lemmas?|p\.|pp\.))\s*{_NUMBER}(?:\s*-\s*{_NUMBER})?",
        "the number of a section, an equation, a figure or a page of a cited work",
        free=True,
    ),
    Excuse(r"(?m)^[ \t]*\$ .*$", "commands to type", free=True, page=README),
)

_COMPUTE = r"compute it: `{python} ...` in prose, \py{...} in math, an f-string in code"
_CITE = "; if it is a year, cite a work of gradbook.sources, as in He et al. (2015)"
_ADVICE = {
    "decimal": f"is a typed decimal; {_COMPUTE}",
    "power": f"is a typed power of a number; {_COMPUTE}",
    "integer": f"is a typed number above {LARGEST}; {_COMPUTE}",
    "word": f"is a number above {LARGEST} in words; {_COMPUTE}",
    "ratio": "compares, and no doctest of this page prints the number; print it, or compute it",
    "fraction": "is a fraction that no doctest of this page prints; print it in one, or compute it",
}
_YEARLIKE = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True)
class Violation:
    """A number that nothing holds, or a construction that would hide one."""

    path: str
    line: int
    token: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: '{self.token}' {self.advice}"


@dataclass(frozen=True)
class Token:
    """A number in prose at `start`:`end`; `verdict` is typed, small, asserted, or its excuse."""

    start: int
    end: int
    kind: str
    verdict: str | Excuse


def violations(page: Page) -> list[Violation]:
    """List what is typed on a page and should not be, from top to bottom."""
    try:
        found = {*_prose(page), *_fences(page), *_code(page), *_values(page)}
    except PageError as error:
        line, _, message = str(error).partition(": ")
        return [Violation(page.path, int(line), "", f"the page cannot be read: {message}")]
    return sorted(found, key=lambda violation: (violation.line, violation.token))


def _prose(page: Page) -> Iterator[Violation]:
    return _typed(page, prose(page), 1)


def _typed(page: Page, text: str, line: int) -> Iterator[Violation]:
    for token in tokens(text, asserted(page), page.path):
        if token.verdict == "typed":
            written = " ".join(text[token.start : token.end].split())
            where = line + text.count("\n", 0, token.start)
            advice = _ADVICE[token.kind] + (_CITE if _YEARLIKE.fullmatch(written) else "")
            yield Violation(page.path, where, written, advice)


def _fences(page: Page) -> Iterator[Violation]:
    known = SHOWN if page.path == README else (*SHOWN, "pycon")
    for fence in page.fences:
        runs = fence.runs and page.path != README
        if fence.info not in known and not runs:
            others = ", ".join((*known, BLOCK)[: -1 if page.path == README else None])
            advice = f"is a fence that is not run; a fence here is one of: {others}"
            yield Violation(page.path, fence.line - 1, fence.info, advice)
    for match in re.finditer(r"#\s*doctest:.*|--8<--.*", page.text):
        advice = "would keep something from being compared exactly, or from being read at all"
        yield Violation(page.path, page.line(match.start()), match[0].strip(), advice)


def _code(page: Page) -> Iterator[Violation]:
    for cell in page.cells:
        for text, line in literals.texts(cell):
            for violation in _typed(page, text, line):
                # A string may run over lines, and one glued from several says only its first.
                yield replace(violation, line=page.seek(violation.token, violation.line))
        for name, literal in literals.interpolated(cell, NO_LITERAL):
            advice = f"is typed in {name}=...; compute it above and name it here"
            line = cell.line + literal.lineno - 1
            yield Violation(page.path, line, ast.unparse(literal), advice)


def _values(page: Page) -> Iterator[Violation]:
    for value in page.values:
        cell = Cell(value.expr, value.line, value.start, value.end)
        for literal in literals.literals(literals.parse(cell)):
            advice = f"is typed in the inline value {value.expr!r}; give it a name in a block"
            yield Violation(page.path, value.line, ast.unparse(literal), advice)
        for text, line in literals.texts(cell):
            yield from _typed(page, text, line)


def works() -> list[sources.Source]:
    """List the works that the book cites."""
    return [work for work in vars(sources).values() if isinstance(work, sources.Source)]


@cache
def versions(program: str) -> frozenset[str]:
    """Return the versions of a program that the project's metadata names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = chain.from_iterable(project["optional-dependencies"].values())
    named = [
        f"gradbook {project['version']}",
        f"python {project['requires-python']}",
        *(item.lower() for item in chain(project["classifiers"], project["dependencies"], extras)),
    ]
    about = " ".join(item for item in named if re.search(rf"\b{program}\b", item))
    return frozenset(re.findall(r"\d+(?:\.\d+)+", about))


_PRINTED_FRACTION = re.compile(
    r"Fraction\(\s*-?(\d+)\s*,\s*(\d+)\s*\)|(?<![\w.])(\d+)\s*/\s*(\d+)(?![\w.])"
)
_PRINTED = re.compile(r"(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d\d?)?(?![\w.])")


@cache
def asserted(page: Page) -> frozenset[Fraction]:
    """Return the numbers that the doctests of a page print, without their signs."""
    found = set()
    for want in page.expects():
        found |= {Fraction(match[0]) for match in _PRINTED.finditer(want)}
        for match in _PRINTED_FRACTION.finditer(want):
            over, under = (int(part) for part in match.groups() if part)
            found |= {Fraction(over, under)} if under else set()
    return frozenset(found)


_TAGS = (
    "a|abbr|article|aside|b|blockquote|br|button|caption|circle|code|col|colgroup|dd|del|details|"
    "div|dl|dt|em|figcaption|figure|footer|g|h[1-6]|header|hr|i|iframe|img|input|ins|kbd|label|"
    "legend|li|line|main|mark|nav|ol|option|output|p|path|picture|pre|progress|rect|s|samp|section|"
    "select|small|source|span|strong|summary|svg|table|tbody|td|template|text|th|thead|tr|u|ul|"
    "var|video|[a-z]+(?:-[a-z]+)+"
)
_ATTRIBUTE = r"[a-zA-Z_:][\w:.-]*(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'=<>`]+))?"
_MARKUP = (
    re.compile(rf"<(?:/(?:{_TAGS})|(?:{_TAGS})(?:\s+{_ATTRIBUTE})*\s*/?)\s*>", re.IGNORECASE),
    re.compile(r"\{:?(?:\s*(?:[.#][A-Za-z][\w-]*|[a-z][a-z-]*=(?:\"[^\"\n]*\"|'[^'\n]*')))+\s*\}"),
)
_READ = re.compile(r"\b(?:alt|title|aria-label|placeholder|label)\s*=\s*(\"[^\"]*\"|'[^']*')")
_TARGETS = (
    re.compile(r"\]\(\s*(<[^>\n]*>|(?:[^()\s]|\([^()\s]*\))*)"),
    re.compile(r"\]\[([^\]\n]*)\]"),
    re.compile(r"(?m)^[ \t]*(\[(?!\^)[^\]\n]+\]:[ \t]*\S*)"),
    re.compile(r"(\[\^[\w-]+\])"),
    re.compile(r"(<(?:https?|mailto):[^>\s]*>|\bhttps?://[^\s<>)\]]*[^\s<>)\].,;:])"),
)


@cache
def prose(page: Page) -> str:
    """Return what a reader reads of a page that nothing computes; all else is blanked out."""
    hidden = [(value.start, value.end) for value in page.values] + list(page.comments)
    for fence in page.fences:
        shown = not fence.runs
        hidden += [(fence.outer[0], fence.start), (fence.end, fence.outer[1])] if shown else []
        hidden += [] if shown else [fence.outer]
    hidden += [(cell.start, cell.end) for cell in page.cells if cell.example]
    text = blank(page.text, hidden)
    for pattern in _TARGETS:
        text = blank(text, [match.span(1) for match in pattern.finditer(text)])
    for pattern in _MARKUP:
        text = blank(text, _unread(text, pattern))
    return text


def _unread(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    for match in pattern.finditer(text):
        last = match.start()
        for kept in _READ.finditer(text, *match.span()):
            yield last, kept.start(1)
            last = kept.end(1)
        yield last, match.end()


def tokens(text: str, known: frozenset[Fraction], path: str = "") -> Iterator[Token]:
    """Yield the numbers in a piece of prose, each with the verdict on it."""
    spelled = numerals.spell_out(text)
    rest = spelled.text
    for excuse in EXCUSES:
        if excuse.page in ("", path):
            matches = [match for match in excuse.regex.finditer(rest) if excuse.holds(match)]
            rest = blank(rest, [match.span() for match in matches])
            for match in matches:
                yield Token(*spelled.source(*match.span()), "excused", excuse)
    for number in numerals.find(rest):
        span = spelled.source(number.start, number.end)
        yield Token(*span, number.kind, _judge(number, known))


def _judge(number: numerals.Numeral, known: frozenset[Fraction]) -> str:
    if number.value is None:
        return "typed"
    if number.kind in ("fraction", "ratio"):
        return "asserted" if number.value in known else "typed"
    return "small" if number.value <= LARGEST else "typed"
