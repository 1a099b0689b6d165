"""The press, one piece at a time: fences, sessions, inline values, math, display."""

from __future__ import annotations

import json
import ntpath
import re
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import markdown
import numpy as np
import pytest
from mkdocs.structure.files import File

from gradbook.book.explorers import Explorer, parabola
from gradbook.press import assets, blocks
from gradbook.press import results as results_module
from gradbook.press import session as session_module
from gradbook.press.errors import PressError, place_of
from gradbook.press.fences import PageError, check_fence, find_fences
from gradbook.press.inline import expand
from gradbook.press.pages import Page
from gradbook.press.results import CACHE_VARIABLE, Results
from gradbook.press.session import BlockError, Session, execute
from gradbook.press.shown import display, typeset

PLAIN = ("admonition", "def_list", "md_in_html", "tables")


def convert(text: str) -> str:
    """Convert a page as the site generators do."""
    fence = {
        "name": "python",
        "class": "python",
        "validator": blocks.validator,
        "format": blocks.formatter,
    }
    md = markdown.Markdown(
        extensions=[*PLAIN, "pymdownx.superfences", "gradbook.press"],
        extension_configs={"pymdownx.superfences": {"custom_fences": [fence]}},
    )
    return md.convert(text)


def block(code: str, options: str = 'exec="on"') -> str:
    """Write an executed block."""
    return f"```python {options}\n{code}\n```\n"


@dataclass(frozen=True)
class Shown:
    """Something with an HTML form."""

    markup: str

    def _repr_html_(self) -> str:
        return self.markup


def test_a_block_shows_its_source_what_it_prints_and_its_last_value() -> None:
    html = convert(block("print('first')\n6 * 7"))
    assert "gb-output" in html
    assert html.index("print") < html.index(">first<") < html.index(">42<")


def test_a_figure_that_another_statement_follows_is_refused() -> None:
    """It would be missing from the page, and nothing would say so."""
    shown = "class Shown:\n    def _repr_html_(self):\n        return 'x'\n\n"
    namespace = dict[str, object]()
    value, _ = execute(f"{shown}print('x')\n[1].append(2)\nShown()", namespace, "<block>")
    assert hasattr(value, "_repr_html_")
    assert "__asked__" not in namespace
    assert execute(f"{shown}Shown\n1", namespace, "<block>") == (1, "")
    with pytest.raises(BlockError, match=r"Shown is shown where it is .* last statement\n  line 5"):
        execute(f"{shown}Shown()\nx = 1", namespace, "<block>")
    assert "__asked__" not in namespace


def test_a_block_whose_last_statement_is_not_an_expression_shows_only_its_source() -> None:
    assert "gb-output" not in convert(block("x = 6 * 7"))


@pytest.mark.parametrize(("source", "seen"), [("", True), (' source="none"', False)])
def test_the_source_option_says_whether_the_code_is_seen(source: str, seen: bool) -> None:
    html = convert(block("x = 6\nx", f'exec="on"{source}'))
    assert ('<span class="mi">6</span>' in html) is seen
    assert '<pre class="gb-output">6</pre>' in html


def test_a_long_sentence_that_is_printed_goes_on_below_and_a_row_scrolls() -> None:
    sentence, row = "so " * 30 + "on", "a  b  " * 20 + "c"
    html = convert(block(f"print({sentence!r})\nprint({row!r})"))
    assert f'<span class="gb-prose">{sentence}</span>\n{row}' in html


def test_an_explorer_is_a_numbered_figure_in_an_element_that_holds_its_data() -> None:
    code = "from gradbook.book import explorers\nexplorers.parabola(steps=3)"
    html = convert(block(code, 'exec="on" source="none"'))
    [data] = re.findall(r"<gb-parabola data-explorer='([^']*)'><figure", html)
    assert json.loads(data)["steps"] == 3
    assert "<b>Figure 1.</b>" in html
    assert "</figure></gb-parabola></div>" in html
    assert "<p>" not in html


def test_the_data_of_an_explorer_cannot_end_its_attribute() -> None:
    picture = parabola().picture
    html = display(Explorer("gb-x", picture, {"text": """it's <b> & "so" """}), "", 0)
    [data] = re.findall(r"data-explorer='([^']*)'", html)
    assert json.loads(unescape(data)) == {"text": """it's <b> & "so" """}


def test_the_blocks_of_a_page_share_one_namespace_and_pages_do_not() -> None:
    assert ">7<" in convert(block("secret = 6") + "\n" + block("secret + 1"))
    with pytest.raises(PressError, match="secret"):
        convert(block("secret"))


def test_a_block_inside_an_admonition_runs() -> None:
    assert ">9<" in convert('!!! note "N"\n\n    ```python exec="on"\n    3 * 3\n    ```\n')


def test_what_a_helper_prints_is_captured_too() -> None:
    assert ">from help<" in convert(block("import sys\nsys.stdout.write('from help')\nNone"))


def test_html_values_and_their_math_are_shown() -> None:
    marked = '<b>x</b> <span class="arithmatex">\\(a &lt; b\\)</span>'
    html = display(Shown(marked), "", 0)
    assert html.startswith("<b>x</b>")
    assert "<math" in html
    assert typeset("no math") == "no math"


def test_what_stands_behind_a_formula_without_a_space_stays_on_its_line() -> None:
    html = convert("Let $x$, or ($y$), be the $k$-th; *of* $z$ and $v$*s*.\n\n$$w$$, alone")
    for attached in ("</math>,</span> or", "</math>),</span> be", "</math>-th;</span> "):
        assert attached in html
    assert html.count("</math></span>") == 2
    caption = typeset('at <span class="arithmatex">\\(x\\)</span>, <div class="arithmatex">')
    assert caption.endswith('</math>,</span> <div class="arithmatex">')


def test_text_is_escaped() -> None:
    assert "&lt;b&gt;" in display("<b>", "", 0)


def test_captions_may_hold_math_and_figures_are_numbered() -> None:
    code = """from matplotlib.figure import Figure
from gradbook.show.figures import Picture
Picture(Figure(), alt="nothing", caption="the loss $L$ < 1")"""
    html = convert(block(code) + "\n" + block("Picture(Figure(), alt='n', caption='c')"))
    assert "<b>Figure 1.</b> the loss <span" in html
    assert "<b>Figure 2.</b> c" in html
    assert html.count("<math") == 1


def test_a_bare_matplotlib_figure_is_refused_because_it_has_no_alt_text() -> None:
    with pytest.raises(PressError, match=r"page: block 1 \(line 1\): .*alt text"):
        convert(block("from matplotlib.figure import Figure\nFigure()"))


def test_inline_values_and_math_see_the_pages_final_state() -> None:
    page = block("x = 1") + '\nNow `{python} f"{x:.2f}"`, $y = \\py{f"{x + 1:.1f}"}$.\n\n'
    html = convert(page + block("x = 3"))
    assert "Now 3.00" in html
    assert "<mn>4.0</mn>" in html


def test_the_page_and_the_build_read_a_value_in_mathematics_alike() -> None:
    text = "$a = \\py {4 + 1}$, $b = \\py\n{ {6: 7}[6] }$, $\\pymath$"
    assert [value.expr for value in Page(text).values] == ["4 + 1", "{6: 7}[6]"]
    html = convert(text.replace(", $\\pymath$", ""))
    assert "<mn>5</mn>" in html
    assert "<mn>7</mn>" in html


def test_what_a_page_includes_may_leave_no_value_open() -> None:
    with pytest.raises(PressError, match=r"balanced braces, in the formula '\\\\py\{1'"):
        expand(markdown.Markdown(), "\\py{1")


def test_display_math_is_mathml_on_a_line_of_its_own() -> None:
    html = convert("$$\n\\frac{\\partial L}{\\partial w} < \\py{f\"{1 + 1}\" if 1 < 2 else ''}\n$$")
    assert "<mn>2</mn>" in html
    assert 'display="block"' in html
    assert 'class="arithmatex"' in html


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (block("1 / 0"), r"page: block 1 \(line 1\): ZeroDivisionError: division by zero"),
        (block("x = 1") + "\n" + block("1 +"), r"page: block 2 \(line 5\): SyntaxError"),
        (block("import warnings; warnings.warn('w')"), r"block 1 .*UserWarning: w"),
        (block("1", 'exec="on" source="abvoe"'), r"page:1: the fence has source='abvoe'"),
        (block("1", 'exce="on"'), r"page:1: the fence has the option 'exce'"),
        (block("1", 'exec="yes"'), r"exec='yes'; expected one of \['on'\]"),
        (block("1", 'source="none"'), r'no exec="on"'),
        (block("1", 'exec="on" source="below"'), r"source='below'; expected one of \['none'\]"),
        ("```pyton\n1\n```\n", r"the language 'pyton'"),
        ("    ```python exec=\"on\"\n1\n    ```\n", r"page:2: a line stands left of the fence"),
        ("```python\n1\n", r"page:1: this fence is never closed"),
        ("`{python} nothing`", r"inline value 'nothing': NameError"),
        ("`{python} 0.1 + 0.2`", r"gives 0.30000000000000004: format it"),
        ("`{python} [1]`", r"gives a list; expected text or a whole number"),
        ("$\\nonsense$", r"page: TeX: Unsupported function name: \\nonsense"),
        ("$w′$", r'Unicode text character "′" used in math mode'),
        ("$\\py{f(1$", r"page:1: \\py needs an expression in balanced braces"),
        ("$\\py{nothing}$", r"inline value 'nothing': NameError"),
        ("![](x.png)", r"the image 'x.png' has no alt text"),
    ],
)  # fmt: skip
def test_whatever_is_wrong_stops_the_page_and_is_named(text: str, message: str) -> None:
    with pytest.raises(PressError, match=message):
        convert(text)


def test_a_nested_page_goes_to_the_site_s_folder_however_the_machine_writes_paths() -> None:
    md = markdown.Markdown()
    file = File("chapters/one.md", "docs", "site", use_directory_urls=True)
    # MkDocs joins paths as the machine does: so they are on Windows.
    file.__dict__["abs_dest_path"] = ntpath.normpath(f"site/{file.dest_uri}")
    md.preprocessors.register(SimpleNamespace(file=file), "planted", 1)
    place = place_of(md)
    assert (place.site, place.docs, place.up) == (Path("site"), Path("docs"), "../../")


def test_a_block_that_was_announced_and_did_not_run_is_told(tmp_path: Path) -> None:
    page = blocks.Page(Session(Results(tmp_path)))
    page.expected = find_fences(block("1"))
    with pytest.raises(PressError, match=r"block 1 \(line 1\) did not run"):
        blocks.Confirm(markdown.Markdown(), page).run([])


def test_an_error_inside_a_function_defined_on_the_page_names_the_line() -> None:
    with pytest.raises(BlockError, match=r"line 2: return 1 / 0\n *line 4|line 4: f\(\)"):
        execute("def f():\n    return 1 / 0\n\nf()", {}, "<block>")


def test_a_fence_inside_a_longer_fence_is_text() -> None:
    (outer,) = find_fences('````text\n```python exec="on"\n1\n```\n````')
    assert outer.language == "text"
    check_fence(outer)


def test_a_fence_is_spelled_in_one_way() -> None:
    (fence,) = find_fences('``` {.python exec="on"}\n1\n```')
    assert not fence.executed
    with pytest.raises(PageError, match=r"1: the fence has the language '{.python'"):
        check_fence(fence)


class TestResults:
    """A kept result runs nothing; a change runs what it touches, and what that needs."""

    def run(self, folder: Path, *sources: str) -> tuple[list[str], list[int]]:
        log: list[int] = []
        session = Session(Results(folder))
        session.namespace["log"] = log
        shown = [session.run(source) for source in sources]
        return [*shown, session.value("f'{x}'")], log

    def test_the_pages_are_the_same_with_and_without_it(self, tmp_path: Path) -> None:
        sources = ("x = 1\nlog.append(1)", "x += 1\nlog.append(2)\nx")
        cold, ran = self.run(tmp_path, *sources)
        warm, again = self.run(tmp_path, *sources)
        assert cold == warm == ["", '<pre class="gb-output">2</pre>', "2"]
        assert (ran, again) == ([1, 2], [])

    def test_a_changed_block_runs_what_it_needs(self, tmp_path: Path) -> None:
        other = "y = 1\nlog.append(4)"
        self.run(tmp_path, "x = 1\nlog.append(1)", other, "x += 1\nlog.append(2)")
        shown, log = self.run(tmp_path, "x = 1\nlog.append(1)", other, "x += 2\nlog.append(3)")
        assert log == [1, 4, 3]  # they share the log
        assert shown[-1] == "3"

    def test_a_changed_block_leaves_the_others_alone(self, tmp_path: Path) -> None:
        self.run(tmp_path, "x = 1", "print('here')")
        session = Session(Results(tmp_path))
        session.run("x = 2")
        assert "here" in session.run("print('here')")
        assert session.executed == {0}

    def test_a_changed_expression_runs_the_blocks_it_needs(self, tmp_path: Path) -> None:
        self.run(tmp_path, "x = 1", "y = 1")
        session = Session(Results(tmp_path))
        session.run("x = 1")
        session.run("y = 1")
        assert session.value("x + 1") == "2"
        assert session.executed == {0}

    def test_figures_are_numbered_the_same_from_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session_module, "display", lambda *_: "<figure>")
        for _ in range(2):
            session = Session(Results(tmp_path))
            session.run("x = 1")
            assert session.figures == 1

    def test_a_figure_that_is_another_by_number_is_drawn_again(self, tmp_path: Path) -> None:
        results = Results(tmp_path)
        assert results.key(["1"], 0) != results.key(["1"], 1)

    def test_the_environment_names_its_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
        convert(block("6 * 7"))
        assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".html"]

    @pytest.mark.parametrize("spoiled", [b"", b"<pre>", b"\xff", b"0" * 64 + b"\n<pre>42</pre>"])
    def test_a_spoiled_file_is_not_believed(self, tmp_path: Path, spoiled: bytes) -> None:
        good = self.run(tmp_path, "x = 41 + 1")
        for path in tmp_path.iterdir():
            path.write_bytes(spoiled)
        assert self.run(tmp_path, "x = 41 + 1") == good

    def test_nothing_is_kept_of_sources_that_have_changed_meanwhile(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown = Results(tmp_path)
        assert shown.package.stamp
        monkeypatch.setattr(results_module, "stamp", lambda _: "another")
        shown.write("key", "<pre>")
        assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    "code",
    [
        "import numpy as np; np.set_printoptions(precision=3)",
        "import numpy as np; np.seterr(all='ignore'); None",
        "import numpy as np; np.random.seed(1)",
        "import numpy as np; np.random.normal(); None",
    ],
)
def test_a_block_that_changes_all_others_behind_their_backs_is_refused(code: str) -> None:
    refused = pytest.raises(BlockError, match=r"np\.printoptions or np\.errstate")
    with np.printoptions(), np.errstate(), refused:
        execute(code, {}, "<block>")


def test_a_term_has_an_address() -> None:
    html = convert("Dead unit\n:   It is *off*.\n\nL'Hôpital, $x$\n:   A rule.\n")
    assert '<dt id="dead-unit">Dead unit</dt>' in html
    assert len(re.findall('<dt id="', html)) == 2


def test_assets_are_copied_with_their_fonts_and_only_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for announced in (1, 0):
        assets.ensure_assets(tmp_path)
        assert capsys.readouterr().err.count("fetching Temml") == announced
    css = (tmp_path / "assets/vendor/math/math.css").read_text(encoding="utf-8")
    fonts = {path.name for path in (tmp_path / "assets/vendor/math").glob("*.woff*")}
    assert set(re.findall(r"url\([\"']([^\"']+)[\"']\)", css)) == fonts
    assert "Cambria" not in css


def test_a_failing_npm_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "package-lock.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(assets, "ROOT", tmp_path)
    with pytest.raises(RuntimeError, match="npm could not install Temml"):
        assets.ensure_assets(tmp_path / "docs")
    assert not (tmp_path / "docs").exists()


PINNED = """
Text.

```python exec="on" source="none"
x = 3
```

```pycon pin
>>> x
3
>>> y = x + 1
>>> y
4
```

??? success "Answer"

    Three.

    ```pycon pin
    >>> 1 < x
    True
    ```
"""


def test_pins_and_set_up_stand_folded_at_the_end_of_the_page() -> None:
    html = convert("Above.\n\n```pycon pin\n>>> 1\n1\n```\n\nBelow.")
    assert "<p>Above.</p>\n<p>Below.</p>\n<details" in html
    assert "<summary>✓ 1 check</summary>\n<pre><code>&gt;&gt;&gt; 1\n1</code></pre>" in html
    text = convert(PINNED)
    visible, _, end = text.partition("<summary>Set-up</summary>")
    assert "Three." in visible
    assert "&gt;&gt;&gt;" not in visible
    assert "<pre><code>x = 3</code></pre>" in end
    assert "✓ 3 checks" in end


def test_code_that_draws_is_folded_below_what_it_shows() -> None:
    html = convert(block('print("5 <")', 'exec="on" source="none"'))
    assert '<pre class="gb-output">5 &lt;</pre><details class="gb-folded"' in html
    assert "<summary>Code</summary>" in html
    assert html.endswith('<pre><code>print("5 &lt;")</code></pre>\n</details>')


def test_only_a_doctest_can_be_a_pin() -> None:
    with pytest.raises(PressError, match="has the option 'pin'; expected one of"):
        convert('```python exec="on" pin\n1\n```')
    with pytest.raises(PressError, match=r"the fence has pin='on'; expected one of"):
        convert("```pycon pin=on\n>>> 1\n1\n```")
