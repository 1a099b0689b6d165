"""Find the numbers in a text, however they are written.

Digits may be superscripts, entities, fullwidth or circled; fractions may be TeX; a number may be a
word. `spell_out` writes all of them in ASCII and remembers where each character came from.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

_SUPER = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾", "0123456789+-()", strict=True))
_SUB = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎", "0123456789+-()", strict=True))
_SIMPLE = {"point": ".", "space": " ", "nothing": "", "slash": "/", "minus": "-"}
_SPELLING = re.compile(
    r"(?P<entity>&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z]\w*);)"
    rf"|(?P<super>[{''.join(_SUPER)}]+)|(?P<sub>[{''.join(_SUB)}]+)"
    r"|(?P<html><(?P<close>/?)(?P<tag>sup|sub)\s*>)"
    r"|(?P<point>(?<=\d)\{[.,]\}(?=\d))"
    r"|(?P<space>\\[,;:! ]|\\(?:(?:thin|med|thick)space|q?quad)(?![A-Za-z])|~)"
    r"|(?P<command>\\[A-Za-z]+(?=\d))"
    r"|(?P<nothing>[\u00ad\u200b-\u200d\u2060\ufeff])"
    r"|(?P<slash>[⁄∕÷])|(?P<minus>[−‐‑–])|(?P<other>[^\x00-\x7f])",
    re.IGNORECASE,
)

_COUNTS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve"),
)
_ORDINALS = (
    *("third", "quarter", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    *("eleventh", "twelfth"),
)
_PARTS = dict(zip(_ORDINALS, range(3, 13), strict=True))
_MULTIPLES = {name: n for n, name in enumerate(_COUNTS, 1) if n > 2}
_MULTIPLE = rf"(?:\d+|{'|'.join(_MULTIPLES)})"
_COMPARED = r"(?:as|more|less|(?!(?:anoth|oth|ov|und|aft|numb|lay|ord|pow|p)er)[a-z]+er)"
_COUNT = rf"(?:{'|'.join(_COUNTS)})"
_ORDINAL = rf"(?:{'|'.join(_ORDINALS)})"

_N = r"\d+(?:[,_]\d{3})*(?:\.\d+)?"
_PART = rf"(?:\{{\s*[-+]?({_N})\s*\}}|(\d))"
# Not within a word or a number, nor the index or exponent of something; emphasis is allowed.
_FREE = r"(?<![^\W_])(?<![.^])(?<![^\W_]_)(?<![)}\]'′]_)"
_ENDS = r"(?![^\W_])"
_NUMBERS = re.compile(
    rf"(?P<fraction>\\(?:[dtcsx]|nice)?frac\s*{_PART}\s*{_PART}"
    rf"|{_FREE}({_N})\s*/\s*({_N})"
    rf"|{_FREE}({_N})\s*\}}?\s*\\over\s*\{{?\s*({_N}))"
    rf"|(?P<science>{_FREE}(?:\d+(?:\.\d+)?|\.\d+)e[-+]?\d+{_ENDS}|{_FREE}0[xbo][\da-f_]+)"
    rf"|(?P<power>(?:(?:{_FREE}|(?<=\dx))(?P<bare>{_N})|(?<![_^])\{{\s*(?P<braced>{_N})\s*\}}"
    rf"|\(\s*-?(?P<round>{_N})\s*\))\s*(?:\^|\*\*)\s*[{{(]?\s*(?P<sign>[-+]?)\s*"
    rf"(?P<exponent>{_N})(?!\.?\d|\s*/))"
    rf"|(?P<decimal>\d+(?:\.\d+)+|{_FREE}\.\d+|\d+\.(?=\s?\\(?:overline|bar|dot)|\{{\d))"
    rf"|(?P<ratio>(?<![^\W_])(?:{_MULTIPLE}(?:\s+times\s+{_COMPARED}{_ENDS}|[\s-]?fold)"
    r"|\d+\s*(?:\\?%|percent)))"
    r"|(?P<integer>\d{1,3}(?:[,_]\d{3})+(?!\d)|\d+)"
    r"|(?P<word>(?<![^\W_])(?:(?:thir|four|fif|six|seven|eigh|nine)teen"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)t(?:y|ie)"
    r"|hundred|thousand|(?:m|b|tr)illion)[a-z]*)"
    rf"|(?P<parts>(?<![^\W_])(?:(?:{_COUNT}[\s-]+)?quarters?|{_COUNT}[\s-]+{_ORDINAL}s"
    rf"|one[\s-]+{_ORDINAL}|an?\s+{_ORDINAL}\s+of){_ENDS})",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Numeral:
    """A number at `start`:`end` of the spelled-out text.

    `kind` is integer, decimal, fraction, ratio, power or word. `value` is None where it does not
    matter: for decimals, words, and powers that are no small whole number.
    """

    start: int
    end: int
    kind: str
    value: Fraction | None = None


@dataclass(frozen=True)
class Spelled:
    """A text in which every number is written in ASCII; `origin` maps its characters back."""

    text: str
    origin: tuple[int, ...]

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the original text from which the span came."""
        last = self.origin[end - 1]
        while self.origin[end] == last:
            end += 1
        return self.origin[start], self.origin[end]


def spell_out(text: str) -> Spelled:
    """Write every disguise of a number in ASCII."""
    out: list[str] = []
    origin: list[int] = []
    last = 0
    for match in _SPELLING.finditer(text):
        plain = _plain(match)
        out.append(text[last : match.start()] + plain)
        origin += [*range(last, match.start()), *[match.start()] * len(plain)]
        last = match.end()
    origin += range(last, len(text) + 1)
    return Spelled("".join(out) + text[last:], tuple(origin))


def _plain(match: re.Match[str]) -> str:
    kind, found = str(match.lastgroup), match[0]
    if kind == "html":
        return "}" if match["close"] else {"sup": "^{", "sub": "_{"}[match["tag"].lower()]
    if kind == "entity":
        meant = html.unescape(found)
        return found if meant == found else spell_out(meant).text
    if kind == "super":
        return "^{" + "".join(_SUPER[c] for c in found) + "}"
    if kind == "sub":
        return "_{" + "".join(_SUB[c] for c in found) + "}"
    if kind == "command":
        return found + " "
    return _compatible(found) if kind == "other" else _SIMPLE[kind]


def _compatible(character: str) -> str:
    plain = unicodedata.normalize("NFKC", character)
    if not re.search(r"\d", plain):
        return character
    digits = "".join(str(unicodedata.decimal(c, c)) for c in plain).replace("⁄", "/")
    # 2½ is two and a half, not 21/2.
    return f" {digits}" if "/" in digits else digits


def find(spelled: str) -> Iterator[Numeral]:
    """Yield the numbers of a spelled-out text, each once, the longest reading first."""
    for match in _NUMBERS.finditer(spelled):
        kind, value = _read(match)
        yield Numeral(match.start(), match.end(), kind, value)


def _read(match: re.Match[str]) -> tuple[str, Fraction | None]:
    kind = str(match.lastgroup)
    if kind == "fraction":
        over, under = (_number(part) for part in match.groups()[1:9] if part)
        return kind, over / under if under else None
    if kind == "ratio":
        said = next(re.finditer(_MULTIPLE, match[0], re.IGNORECASE))[0].lower()
        return kind, Fraction(_MULTIPLES.get(said) or int(said))
    if kind == "parts":
        return "fraction", _spoken(match[0])
    if kind == "integer":
        digits = match[0].replace(",", "").replace("_", "")
        # 1 000 with a space, and 007, are no small numbers.
        return kind, None if digits[0] == "0" != digits else Fraction(digits)
    if kind == "power":
        return kind, _power(match)
    return {"science": "power"}.get(kind, kind), None


def _number(text: str) -> Fraction:
    return Fraction(text.replace(",", "").replace("_", ""))


def _spoken(text: str) -> Fraction:
    words = [word.lower() for word in re.split(r"[\s-]+", text)]
    part = next(n for word in words for name, n in _PARTS.items() if word in (name, f"{name}s"))
    return Fraction(_COUNTS.index(words[0]) + 1 if words[0] in _COUNTS else 1, part)


def _power(match: re.Match[str]) -> Fraction | None:
    base = _number(match["bare"] or match["braced"] or match["round"])
    exponent = _number(match["exponent"])
    if match["sign"] == "-" or max(base.denominator, exponent.denominator) > 1 or exponent > 9:
        return None
    return base ** int(exponent)
