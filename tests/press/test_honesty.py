r"""Every page obeys the rule of `honesty`, and the rule catches what a hand could type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradbook.book.sources import Source
from gradbook.press import honesty, numerals
from gradbook.press.excuses import README, Excuse, book_excuses, common_excuses
from gradbook.press.pages import Page, read
from gradbook.press.places import DOCS, ROOT, paths
from gradbook.press.visible import prose

PAGES = [*paths(), ROOT / README]

WORKS = [
    Source("He et al.", 2015, "Delving deep into rectifiers", "ICCV", "variances"),
    Source("Glorot and Bengio", 2010, "Understanding the difficulty", "AISTATS", "variances"),
    Source("Pascanu, Mikolov and Bengio", 2013, "On the difficulty", "ICML", "clipping"),
]

COMMON = len(common_excuses(()))
EXCUSES = (*common_excuses(WORKS, ["NumPy"]), *book_excuses()[COMMON:])
"""What the book may type, but with the works above."""


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def caught(text: str, path: str = "docs/page.md") -> list[str]:
    return [str(violation) for violation in honesty.violations(Page(text, path), EXCUSES)]


def test_the_pages_are_found() -> None:
    assert DOCS / "index.md" in PAGES
    assert any(path.parent == DOCS / "chapters" for path in PAGES)


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_nothing_on_a_page_is_typed_that_could_be_computed(path: Path) -> None:
    found = honesty.violations(read(path), book_excuses())
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_every_number_in_the_prose_of_a_page_is_caught_when_changed(path: Path) -> None:
    page = read(path)
    changed, spans = changed_by_hand(page)
    typed = [token for token in tokens(changed) if token.verdict == "typed"]
    for start, end in spans:
        assert any(token.start < end and start < token.end for token in typed), (
            f"{page.path}:{changed.line(start)}: {changed.text[start:end]!r} is not caught"
        )


def tokens(page: Page) -> Iterator[honesty.Token]:
    """Yield the numbers in what a reader reads of a page."""
    return honesty.tokens(prose(page), honesty.asserted(page), book_excuses(), page.path)


def changed_by_hand(page: Page) -> tuple[Page, list[tuple[int, int]]]:
    """Change every number in a page's prose that an excuse does not leave free."""
    pieces, spans, last, length = [], [], 0, 0
    for token in sorted(tokens(page), key=lambda token: token.start):
        written = page.text[token.start : token.end]
        if isinstance(token.verdict, Excuse):
            spelled = numerals.spell_out(written).text
            new = written if token.verdict.free else re.sub(r"\d+", _another, spelled)
        else:
            new = str(97)
        if new != written:
            pieces += [page.text[last : token.start], new]
            length += token.start - last + len(new)
            spans.append((length - len(new), length))
            last = token.end
    return Page("".join([*pieces, page.text[last:]]), page.path), spans


def _another(digits: re.Match[str]) -> str:
    # Far enough to leave the two-digit indices of w'_{32} and the years of the references.
    return str(int(digits[0]) + 37)


DECIMALS = ["0.25", "2.498", ".5", "12.0", "0{.}5", "0{,}5", "0.\\overline{3}", "0.{25}"]
POWERS = [
    *("1e-3", "4E5", "2.5e7", "6e-7", "1e+4", "0x1F", "0b11"),
    *("10^{-3}", "10^-3", "10^3", "10⁻³", "10³", "2⁻¹²", "2^{-12}", "4^{-1}", "2^{10}", "2**10"),
    *("{10}^{-3}", "(10)^{-3}", "5x10^-3", r"5\times10^{-3}", r"5 \cdot 10^{4}", "10^{−42}"),
    *("10<sup>-3</sup>", "10<sup>4</sup>", "10&sup3;", "10 ^ -3", "10^{+7}", r"10^{\,-3}"),
]
INTEGERS = [
    *("13", "50", "1000", "1,000", "1_000", "1 000", "10\\,000", "10{,}000", "007", "100%", "13x"),
    *(
        "13th",
        "25n",
        "−13",
        "x13",
        "h_{50}",
        "h₅₀",
        "x²⁰",
        "x^{20}",
        "float128",
        "53 bits",
    ),
    *("⑬", "１３", "٣٣", "&#49;3", "1&#x33;", "1\u200b3", "1\u00ad3", "3:15", "2024-05-01", "v20"),
    *(
        "H<sub>50</sub>",
        "H<sup>14</sup>",
        r"\mathbf{13}",
        r"\sqrt{13}",
        r"\frac{13}{n}",
        r"\sum_{n=25}",
    ),
]
WORDS = ["thirteen", "Twenty", "ninety-nine", "a hundred", "thousands", "fifty-fifty", "twentieth"]
WORDS += ["hundredfold", "two million", "Forty", "sixties", "nineteenth", "a billionth"]
FRACTIONS = [
    *("1/4", "1 / 4", "1⁄4", "¼", "½", "2½", "⅔", "1/ 4", "−1/2", "(3/4)", "&frac14;", "&half;"),
    *(
        r"\frac{1}{4}",
        r"\frac14",
        r"\frac 1 4",
        r"\frac1{4}",
        r"\frac{1}4",
        r"\tfrac{1}{4}",
        r"\dfrac12",
    ),
    *(
        r"\cfrac{3}{4}",
        r"\sfrac12",
        r"\nicefrac{1}{2}",
        r"1\over4",
        r"{1 \over 4}",
        r"\frac{-1}{4}",
    ),
    *("a quarter", "three quarters", "two thirds", "one-fifth", "a third of", "a tenth of", "24/7"),
    *("2^{1/2}", r"e^{\frac12}", "10/12"),
]
RATIOS = ["5%", "5 percent", r"5\%", "ten times larger", "three times as many", "4 times smaller"]
RATIOS += ["tenfold", "three-fold", "12 times more", "Five times deeper"]
TYPED = [*DECIMALS, *POWERS, *INTEGERS, *WORDS, *FRACTIONS, *RATIOS]


@pytest.mark.parametrize("typed", TYPED)
@pytest.mark.parametrize(
    "place", ["the loss is {} there", "${}$", "- {}\n", "| a | {} |", "`{}`", "## About {}"]
)
def test_a_typed_number_is_caught_wherever_it_stands(typed: str, place: str) -> None:
    assert caught("# Page\n\n" + place.replace("{}", typed)), typed


PLACES = [
    "---\ntitle: {}\n---\n",
    '!!! note "{}"\n    Text.',
    '??? success "Answer"\n\n    It is {}.',
    "![{}](figure.svg)",
    '[text](page.md "{}")',
    '<img src="a.svg" alt="{}">',
    '<span title="{}" class="x">a</span>',
    "<b>{}</b>",
    "<sup>{}</sup>",
    "[{}](page.md)",
    "[{}][ref]",
    "[ref]: page.md '{}'",
    "[^1]: {}",
    "*[ABC]: {}",
    "> {}",
    "**{}**",
    "_{}_",
    "__{}__",
    "***{}***",
    "a\u00a0{}\u00a0b",
    "``{}``",
    "```text\n{}\n```",
    "```console\n$ run\n{}\n```",
    "    indented code {}",
    "Term\n:   {}",
    "$$\n{}\n$$",
    r"\[ {} \]",
    "<div>\n{}\n</div>",
    "<a and {} or $b>$",
    "$0<a$ and {} and $b>c$",
    "{.} {} {#}",
    '```pycon\n>>> print("a")\na\n\n{}\n```',
    "```pycon\n>>> # {}\n```",
    '```python exec="on"\n# {}\n```',
    '```python exec="on"\nprint("{}")\n```',
    '```python exec="on"\nprint(f"{x} {}")\n```',
    '```python exec="on"\n"""{}"""\n```',
    '```python exec="on" source="none"\nx = dict(label=" {} ")\n```',
    '    ```python exec="on"\n    x = "{}"\n    ```',
    '```pycon\n>>> f("{}")\n```',
    '`{python} f"{x} {}"`',
    '`{python} "{}"`',
    '$\\py{"{}"}$',
    "`{python} x`{}`{python} x`",
    "{}<!-- comment -->",
]


@pytest.mark.parametrize("typed", ["0.21", "1e-3", "25", "1/4"])
@pytest.mark.parametrize("place", PLACES)
def test_no_place_on_a_page_hides_a_number(typed: str, place: str) -> None:
    assert caught(place.replace("{}", typed) + "\n")


INNOCENT = [
    '--8<-- "CHANGELOG.md"',
    *("12 layers", "3 weights, 2 units", "1. First\n2. Second", "the 3-2-1 network", "2n", "10x"),
    *("$x_1 + x_{12}$", "$w'_{32}$", r"$w''_{11}$", "w′₃₂", r"$w^{\prime}_{21}$", "`a_{11}`", "x²"),
    *("$a_{12}$", r"$\delta_{31}$"),
    *(
        "1st, 2nd",
        "2D",
        "−3",
        "$n - 1$",
        "$2^3$",
        "$x^2/2$",
        "$(-1)^l$",
        r"$\sqrt{2}$",
        "$2^2$",
    ),
    *(r"$\frac{\partial L}{\partial w}$", r"$\frac{1}{n}$", r"$2/\lambda$", "$1/n$", "$4^{-L}$"),
    *("$0 < x$", "N(0, 1)", "$(0,1)$", "a half", "half the energy", "the third layer", "a dozen"),
    *(
        "three times four weights",
        "two times",
        "5 times over",
        "fivefold\n\n```pycon\n>>> r\n5\n```",
    ),
    *("ten times smaller\n\n```pycon\n>>> r\n'10.0'\n```", "twice as much", "three times per step"),
    *(
        "quarterly",
        "the quarter-circle law",
        "$z_{21}$",
        "tenth layer",
        "million"[:4],
        "often",
        "weights",
    ),
    *("float32", "float16 and bfloat16", "np.float64", "32-bit", "64-bit numbers", "IEEE 754"),
    *(
        "Python 3.11+",
        "Python 3.11, 3.12 and 3.13",
        "NumPy >= 2.0",
        "CC BY 4.0",
        "Python 3.11–3.14",
    ),
    *("see section 2.2", "§2.2", "eq. 14", "Eq. (14)", "Figure 13", "fig. 8", "ch. 5", "chapter 3"),
    *("pp. 249–256", "theorem 3.1", "Sec. 4.2", "equations 14–16", "Table 25"),
    *(
        "He et al. (2015)",
        "(He et al., 2015)",
        "He's 2015",
        "Glorot & Bengio (2010)",
        "[He 2015](x.md)",
    ),
    *(
        "Glorot and Bengio 2010",
        "*Pascanu* et al. 2013",
        "Bengio (2010, 2013)",
        "Glorot &amp; Bengio 2010",
    ),
    *("[He et al.](references.md#he-2015) (2015)", "He et al.\n(2015)", "He et al. [2015]"),
    *("[Chapter 3](03-chain-25.md)", "[a](x.md#0.25)", "[a](<x 25.md>)", "[a][ref25]", "[^25]"),
    *("<https://example.org/2024>", "https://example.org/25/0.5.", "[ref25]: x25.md", "mail 0"),
    *(
        '<img width="300" alt="a curve">',
        "<br/>",
        '![a](x.svg){ width="300" }',
        "## Title {#t-25 .c30}",
    ),
    *("<!-- 0.25 and 100 -->", "`{python} x[0]`", "`{python} x[-1, 13]`", "`{python} x[1:20]`"),
    *('`{python} f"{x:.3f}"`', "`{python} format(x, '.13f')`", '`{python} f"{x:{w}.2e}"`'),
    *("`{python} fixed_text(x, 3)`", "`{python} formats.scientific_text(x, digits=4)`"),
    *(r"$10^{\py{k}}$", r"$\py{f'{x:.2f}'}$", r"$h_{\py{depth}}$", "`{python} x`/4", r"$1/\py{n}$"),
    *('```python exec="on"\nx = 0.25 * 1000\n```', "```pycon\n>>> 0.25 * 2\n0.5\n```"),
    *('```python exec="on"\nx = y.format(0.5)\n```', '```python exec="on"\nf"{x:.13f}"\n```'),
    *('```python exec="on"\nplot(alt=f"{x[0]:.3f} at {n}", caption="A curve")\n```',),
    *('```python exec="on"\nTable(h, r, caption=c, formats=[".13f", lambda x: fixed(x, 3)])\n```',),
    *("1/4 here\n\n```pycon\n>>> slope\n0.25\n```", "¼\n\n```pycon\n>>> s\nFraction(1, 4)\n```"),
    *(
        "three quarters\n\n```pycon\n>>> s\n'3/4'\n```",
        "$\\tfrac12$\n\n```pycon\n>>> s\n[-0.50 2.]\n```",
    ),
]


@pytest.mark.parametrize("text", INNOCENT)
def test_what_nobody_could_compute_is_left_alone(text: str) -> None:
    assert caught(text + "\n") == []


GUILTY = {
    "an unlisted work": "Hinton (2015)",
    "another year": "He et al. (2016)",
    "a year of another author": "Pascanu 2015",
    "a year without author": "in 2015",
    "one year of two": "Bengio (2010, 2012)",
    "a version not required": "Python 3.9",
    "one version of two": "Python 3.11 and 3.19",
    "a version of something else": "Foo 3.11",
    "a format that is none": "float48",
    "a decimal behind a word for numbered things": "Figure 0.25, section .5",
    "a fraction asserted as another": "1/3\n\n```pycon\n>>> s\n0.25\n```",
    "a fraction asserted roughly": "1/3\n\n```pycon\n>>> s\n0.3333\n```",
    "a fraction typed into a doctest": "1/4\n\n```pycon\n>>> s = 1/4\n```",
    "a decimal, asserted or not": "0.25\n\n```pycon\n>>> s\n0.25\n```",
    "a literal in an inline value": "`{python} x * 2`",
    "a small literal in an inline value": "`{python} x + 1`",
    "a literal in an index that is computed": "`{python} x[n + 1]`",
    "a rounding that is no format": "`{python} round(x, 3)`",
    "a float as an index": "`{python} x[0.5]`",
    "a literal in math": r"$\py{2 * x}$",
    "an inline value that is no expression": "`{python} x = 1`",
    "a literal in a caption": '```python exec="on"\nplot(caption=f"at {x * 2}", alt="a")\n```',
    "a literal in an alt text": '```python exec="on"\nplot(caption="a", alt=f"at {3}")\n```',
    "a number in a caption": '```python exec="on"\nplot(caption="at 0.3", alt="a")\n```',
    "a literal in a caption made before": '```python exec="on"\ncaption = f"at {0.3}"\n```',
    "a literal in a call for a caption": '```python exec="on"\nplot(caption=f(7))\n```',
    "code that is not run": "```python\nx = 1\n```",
    "code that is not run, nor known": "```py\nx = 1\n```",
    "a block of another way": '```python exec="1"\nx = 1\n```',
    "a block of another spelling": '```{.python exec="on"}\nx = 1\n```',
    "a doctest with options": '```pycon exec="on"\n>>> 1\n1\n```',
    "a forgiving doctest": "```pycon\n>>> x  # doctest: +ELLIPSIS\n0...\n```",
    "an included file": '--8<-- "other.md"',
    "an included file beside the changelog": '--8<-- "CHANGELOG.md" --8<-- "other.md"',
    "a fence in a list item": "- ```text\n  a\n  ```",
    "a fence in a quotation": '> ```python exec="on"\n> x = 1\n> ```',
    "a fence that is not closed": "```text\na",
    "a fence that its text leaves": "    ```text\na\n    ```",
    "a doctest that cannot be read": "```pycon\n>>>x\n```",
    "a block that cannot be read": '```python exec="on"\nx = = 1\n```',
    "a computed value outside math": r"It is \py{x}.",
    "a computed value without braces": r"$\py x$",
    "a computed value that does not close": r"$\py{x$",
}


@pytest.mark.parametrize("text", GUILTY.values(), ids=GUILTY.keys())
def test_no_excuse_is_wider_than_its_reason(text: str) -> None:
    assert caught(text + "\n")


def test_a_violation_says_where_it_is_and_what_to_do() -> None:
    text = "# Title\n\nA gradient of 0.21\nand of\n1/4.\n"
    assert caught(text) == [
        "docs/page.md:3: '0.21' is a typed decimal; compute it: `{python} ...` in prose, "
        r"\py{...} in math, an f-string in code",
        "docs/page.md:5: '1/4' is a fraction that no doctest of this page prints; "
        "print it in one, or compute it",
    ]


def test_the_lines_of_strings_comments_and_values_are_right() -> None:
    text = (
        '??? note "A"\n\n    ```python exec="on"\n    x = 1\n\n    plot(\n'
        '        alt=f"a {x} b "\n        "and 0.5"\n    )  # 17\n    ```\n\n'
        "```pycon\n>>> x\n1\n>>> f(  # 18\n...   'c 19')\n```\n\n"
        "Text `{python} f(2)`\nand\n$\\py{3}$\n"
    )
    lines = [violation.line for violation in honesty.violations(Page(text), EXCUSES)]
    assert lines == [8, 9, 15, 16, 19, 21]


def test_a_planted_page_is_caught_number_by_number() -> None:
    page = Page(
        "# The 3-2-1 network\n\nHas 2 layers, w′₃₂, float32, $x^2$, 1/4 and a quarter; eq. 14.\n\n"
        "```pycon\n>>> slope\n0.25\n```\n\n`{python} x` of 3 in $2^3$ <sub>7</sub> 10x &#52;\n"
    )
    assert honesty.violations(page, EXCUSES) == []
    changed, spans = changed_by_hand(page)
    assert [changed.text[start:end] for start, end in spans] == [
        *("40-39-38", "97", "w′_{69}", "float69", "97", "97", "97"),
        *("97", "97", "97", "97", "97"),
    ]


BLOCK = '```python exec="on"\nworst = 0.3125\ntext = {}\n```\n'


@pytest.mark.parametrize(
    ("how", "prose"),
    [
        ('f"{worst:.1f}"', "It is at most `{python} text` of one."),
        ('f"{worst:.1f}"', "It is never more than $\\py{text}$."),
        ("scientific_text(worst, digits=1)", "within\n`{python} text`"),
        ("worst", 'less than `{python} f"{worst:.2g}"`'),
    ],
)
def test_a_bound_that_may_be_rounded_inward_is_caught(how: str, prose: str) -> None:
    (said,) = caught(BLOCK.format(how) + prose)
    assert "round it by at_most" in said


@pytest.mark.parametrize(
    ("how", "prose"),
    [
        ("at_most(worst, 1)", "It is at most `{python} text` of one."),
        ("worst", "at least `{python} at_least(worst, digits)`"),
        ('f"{worst:.1f}"', "It is `{python} text`, at most."),
        ("str(2)", "at most `{python} text` layers"),
        ("worst", 'less than `{python} f"{worst:g}"`'),  # a number that somebody chose
    ],
)
def test_a_bound_that_is_rounded_outward_is_left_alone(how: str, prose: str) -> None:
    assert caught(BLOCK.format(how) + prose) == []


def test_a_value_that_only_a_doctest_defines_is_caught() -> None:
    page = "```pycon pin\n>>> size = len('ab')\n>>> size\n2\n```\nIt is `{python} size`.\n"
    (said,) = caught(page)
    assert "names 'size', which a doctest alone defines" in said
    block = "```python exec=\"on\"\nsize = len('ab')\n```\n"
    assert caught(block + page) == []
    assert caught(block + "It is `{python} ''.join(str(size) for size in [size])`.\n") == []


def test_the_readme_may_show_commands_but_runs_nothing() -> None:
    assert caught("```console\n$ make serve PORT=8001\n```\n", "README.md") == []
    assert caught("```console\nserving 8001\n```\n", "README.md")
    assert caught("```console\n$ make serve PORT=8001\n```\n")
    assert caught('```python exec="on"\nx\n```\n', "README.md")
    assert caught("```pycon\n>>> x\n```\n", "README.md")


def test_every_excuse_gives_a_reason() -> None:
    assert all(len(excuse.reason.split()) > 2 for excuse in book_excuses())


def test_no_docstring_asks_for_a_forgiving_comparison() -> None:
    for path in (ROOT / "gradbook").rglob("*.py"):
        assert not re.search(r"#\s*doctest:", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("typed", TYPED)
def test_a_number_keeps_its_place_when_its_spelling_changes(typed: str) -> None:
    text = f"É ½ ⁻² &frac12; a {typed} b"
    spelled = numerals.spell_out(text)
    assert len(spelled.origin) == len(spelled.text) + 1
    last = spelled.text.rindex("b")
    assert spelled.source(last, last + 1) == (len(text) - 1, len(text))
