r"""Nothing on a page is typed that could be computed: the rule, and the scanner that holds it.

What a reader reads on a page, other than executed blocks, inline values, `\py{...}` and doctests,
has no decimal, no power of a number, no integer above twelve, in digits or in words, and no
fraction, percentage or ratio (ten times larger) that no doctest of the page prints. Some numbers
are excused (`excuses`), each kind for its reason. Inline expressions, alt texts and captions
have no numeric literal at all, other than indices and format specifications; strings and comments
in code obey the rule for prose.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

from gradbook.press import literals, numerals
from gradbook.press.excuses import README, Excuse
from gradbook.press.fences import LANGUAGES, PageError
from gradbook.press.pages import Cell, Page, Value, blank
from gradbook.press.visible import prose

LARGEST = 12
"""Whole numbers up to this one are words of the language: two layers, three weights."""

BLOCK = 'python exec="on"'
"""What a fence that is run is called here."""

NO_LITERAL = ("alt", "caption")
"""Arguments and variables whose interpolated values are as free of literals as inline values."""

_COMPUTE = r"compute it: `{python} ...` in prose, \py{...} in math, an f-string in code"
_CITE = "; if it is a year, cite a work, as in He et al. (2015)"
_ADVICE = {
    "decimal": f"is a typed decimal; {_COMPUTE}",
    "power": f"is a typed power of a number; {_COMPUTE}",
    "integer": f"is a typed number above {LARGEST}; {_COMPUTE}",
    "word": f"is a number above {LARGEST} in words; {_COMPUTE}",
    "ratio": "compares, and no doctest of this page prints the number; print it, or compute it",
    "fraction": "is a fraction that no doctest of this page prints; print it in one, or compute it",
}
_BOUND = re.compile(
    r"\b(?:[Aa]t most|[Aa]t least|(?:[Nn]ever|[Nn]o|[Nn]ot) more than|[Ww]ithin|under|over|"
    r"more than|[Ll]ess than|[Ff]ewer than|up to)\s+(?:a factor of\s+)?$"
)
_ROUNDED = re.compile(r":[^}]*(?:\.\d|e)|scientific_text\(|fixed_text\(|plus_minus_text\(")
_OUTWARD = re.compile(r"\bat_(?:most|least)\(")
_YEARLIKE = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True)
class Violation:
    """A number that nothing holds, or a construction that would hide one."""

    path: str
    line: int
    token: str
    advice: str

    def __str__(self) -> str:
        """Say where it is and what to do."""
        return f"{self.path}:{self.line}: '{self.token}' {self.advice}"


@dataclass(frozen=True)
class Token:
    """A number in prose at `start`:`end`; `verdict` is typed, small, asserted, or its excuse."""

    start: int
    end: int
    kind: str
    verdict: str | Excuse


def violations(page: Page, excuses: Sequence[Excuse]) -> list[Violation]:
    """List what is typed on a page and should not be, from top to bottom."""
    try:
        read = ((prose(page), 1), *_inline_texts(page))
        typed = (found for text, line in read for found in _typed(page, text, line, excuses))
        found = {*typed, *_fences(page), *_code(page, excuses), *_inline_literals(page)}
        found |= {*_bounds(page), *_unknown_names(page)}
    except PageError as error:
        advice = f"the page cannot be read: {error.what}"
        return [Violation(page.path, error.line, "", advice)]
    return sorted(found, key=lambda violation: (violation.line, violation.token))


def _typed(page: Page, text: str, line: int, excuses: Sequence[Excuse]) -> Iterator[Violation]:
    for token in tokens(text, asserted(page), excuses, page.path):
        if token.verdict == "typed":
            written = " ".join(text[token.start : token.end].split())
            where = line + text.count("\n", 0, token.start)
            advice = _ADVICE[token.kind] + (_CITE if _YEARLIKE.fullmatch(written) else "")
            yield Violation(page.path, where, written, advice)


# The changelog is a record: what it says of past versions is no claim of the book.
_UNREAD = re.compile(r'#\s*doctest:.*|--8<--(?! "CHANGELOG\.md"$).*', re.MULTILINE)


def _fences(page: Page) -> Iterator[Violation]:
    runs_nothing = page.path == README
    plain = [name for name in LANGUAGES if name not in ("python", *["pycon"] * runs_nothing)]
    for fence in page.fences:
        run = fence.executed or fence.pinned
        if fence.info not in plain and (runs_nothing or not run):
            others = ", ".join([*plain, *[BLOCK] * (not runs_nothing)])
            advice = f"is a fence that is not run; a fence here is one of: {others}"
            yield Violation(page.path, fence.line, fence.info, advice)
    for match in _UNREAD.finditer(page.text):
        advice = "would keep something from being compared exactly, or from being read at all"
        yield Violation(page.path, page.line(match.start()), match[0].strip(), advice)


def _code(page: Page, excuses: Sequence[Excuse]) -> Iterator[Violation]:
    for cell in page.cells:
        for text, line in literals.texts(cell):
            for violation in _typed(page, text, line, excuses):
                # A string may run over lines, and one glued from several says only its first.
                yield replace(violation, line=page.seek(violation.token, violation.line))
        for name, literal in literals.interpolated(cell, NO_LITERAL):
            advice = f"is typed in {name}=...; compute it above and name it here"
            line = cell.line + literal.lineno - 1
            yield Violation(page.path, line, ast.unparse(literal), advice)


def _inline_literals(page: Page) -> Iterator[Violation]:
    for value in page.values:
        for literal in literals.numbers(literals.parse(_cell(value))):
            advice = f"is typed in the inline value {value.expr!r}; give it a name in a block"
            yield Violation(page.path, value.line, ast.unparse(literal), advice)


def _bounds(page: Page) -> Iterator[Violation]:
    """Yield bounds that may be rounded inward: 0.3125 is not at most 0.3."""
    code = "\n".join(cell.source for cell in page.cells)
    for value in page.values:
        before = page.text[max(0, value.start - 40) : value.start].replace("\n", " ").rstrip("$")
        bound = _BOUND.search(before)
        named = re.findall(rf"(?m)^{re.escape(value.expr)} = (.*)$", code)
        how = (named or [value.expr])[-1]
        if bound and _ROUNDED.search(how) and not _OUTWARD.search(how):
            advice = f"is a bound behind {bound[0].strip()!r}: round it by at_most or at_least"
            yield Violation(page.path, value.line, value.expr, advice)


def _unknown_names(page: Page) -> Iterator[Violation]:
    """Yield values that the build cannot compute: it runs blocks, and no doctest."""
    blocks, doctests = (
        {*_defined(literals.parse(c) for c in page.cells if bool(c.example) is kind)}
        for kind in (False, True)
    )
    for value in page.values:
        tree = literals.parse(_cell(value))
        for name in sorted({*_loaded(tree)} & (doctests - blocks) - {*_defined([tree])}):
            advice = f"names {name!r}, which a doctest alone defines; define it in a block"
            yield Violation(page.path, value.line, value.expr, advice)


def _loaded(tree: ast.AST) -> Iterator[str]:
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return (node.id for node in names if isinstance(node.ctx, ast.Load))


def _defined(trees: Iterable[ast.AST]) -> Iterator[str]:
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).split(".")[0]


def _inline_texts(page: Page) -> Iterator[tuple[str, int]]:
    return (text for value in page.values for text in literals.texts(_cell(value)))


def _cell(value: Value) -> Cell:
    return Cell(value.expr, value.line, value.start, value.end)


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


def tokens(
    text: str, known: frozenset[Fraction], excuses: Sequence[Excuse], path: str = ""
) -> Iterator[Token]:
    """Yield the numbers in a piece of prose, each with the verdict on it."""
    spelled = numerals.spell_out(text)
    rest = spelled.text
    for excuse in excuses:
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
