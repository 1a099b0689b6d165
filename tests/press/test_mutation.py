"""Any number in the code of a page, changed by hand, breaks the page's own checks."""

from __future__ import annotations

import signal
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradbook.press import mutation, replay
from gradbook.press.pages import Page
from gradbook.press.places import paths
from gradbook.press.proofreading import differing, held_by_nothing
from gradbook.press.replay import PageFails, Replay


def test_any_number_changed_in_the_code_of_an_edited_page_breaks_it() -> None:
    """`python -m gradbook.press check --every-number` changes those of all pages."""
    faults = held_by_nothing(differing(paths()))
    assert not faults, "\n".join(faults)


def test_a_block_that_changes_what_it_does_not_name_is_told() -> None:
    (told,) = mutation.faults(
        Page(
            block("import sys", "x = [4]")
            + block("sys._getframe(0).f_globals['x'].append(5)")
            + doctest(">>> x", "[4, 5]")
        )
    )
    assert told.endswith("changes x without naming it")


def block(*lines: str) -> str:
    return "\n".join(['```python exec="on"', *lines, "```", "", ""])


def doctest(*lines: str) -> str:
    return "\n".join(["```pycon", *lines, "```", "", ""])


def survivors(*cells: str) -> list[tuple[int, str]]:
    return [(s.line, s.token) for s in mutation.survivors(Replay(Page("".join(cells))))]


HELD = {
    "printed": (block("x = 0.25"), doctest(">>> x", "0.25")),
    "printed by a block's function": (
        block("rate = 3", "def f(z):", "    return rate * (z + 4)"),
        doctest(">>> f(5)", "27"),
    ),
    "read by a function that reads a function": (
        block("def f():", "    return g()", "def g():", "    return [scale for _ in range(3)]"),
        block("scale = 0.5"),
        doctest(">>> f()", "[0.5, 0.5, 0.5]"),
    ),
    "read by a method": (
        block("class A:", "    def f(self):", "        return bias * 3", "a = A()"),
        block("bias = 1.5"),
        doctest(">>> a.f()", "4.5"),
    ),
    "read by a static method": (
        block("class A:", "    @staticmethod", "    def f():", "        return bias * 3"),
        block("bias = 1.5"),
        doctest(">>> A.f()", "4.5"),
    ),
    "read by a lambda in a record": (
        block("from types import SimpleNamespace", "a = SimpleNamespace(f=lambda z: z * slope)"),
        block("slope = 1.5"),
        doctest(">>> a.f(3)", "4.5"),
    ),
    "added in place": (
        block("import numpy as np", "x = np.zeros(2)"),
        block("x += 0.5"),
        block("y = 7"),
        doctest(">>> y, x.tolist()", "(7, [0.5, 0.5])"),
    ),
    "added in place under another name": (
        block("a = [3]", "b = a"),
        block("b.append(4)"),
        doctest(">>> a", "[3, 4]"),
    ),
    "appended by a function": (
        block("seen = []", "def note(z):", "    seen.append(z)"),
        block("note(4)"),
        doctest(">>> seen", "[4]"),
    ),
    "drawn from a generator": (
        block("import numpy as np", "rng = np.random.default_rng(7)"),
        block("first = rng.normal(size=4)"),
        block("second = rng.normal()"),
        doctest('>>> f"{second:.3f}"', "'-0.455'"),
    ),
    "raising when changed": (block("(only,) = range(1)", "assert 4 == 2 * 2"),),
    "warning when changed": (
        block("import numpy as np", "x = np.log(-1.0 + 1.05)"),
        doctest('>>> f"{x:.2f}"', "'-3.00'"),
    ),
    "failing later only": (
        block("x = [4, 5]"),
        block("y = x[0] + x[1]"),
        block("z = {y: 'nine'}"),
        block("z[9]"),
        doctest(">>> y", "9"),
    ),
    "typed into a doctest": (doctest(">>> n = 3", ">>> n * 4", "12", ">>> 2 ** 2", "4"),),
    "expected as an error": (
        block("f = {}.__getitem__"),
        doctest(">>> f(4)", "Traceback (most recent call last):", "    ...", "KeyError: 4"),
    ),
    "deleted": (block("x = 3", "y = x", "del x"), doctest(">>> y", "3")),
    "printed, not displayed": (
        doctest(">>> for n in range(2):", "...     print(n + 5)", "5", "6"),
    ),
    "an index beyond the first": (
        block("x = [5, 6, 7, 8]"),
        doctest(">>> x[3], x", "(8, [5, 6, 7, 8])"),
    ),
    "negative": (block("x = -0.5"), doctest(">>> x", "-0.5")),
    "zero": (block("x = 0.0", "n = 0"), doctest(">>> x, n", "(0.0, 0)")),
}


@pytest.mark.parametrize("cells", HELD.values(), ids=HELD.keys())
def test_a_number_that_a_check_depends_on_does_not_survive(cells: tuple[str, ...]) -> None:
    assert survivors(*cells) == []


SPARED = {
    "a seed": (
        block("import numpy as np", "rng = np.random.default_rng(5)", "f = lambda seed: None"),
        block("f(seed=4)"),
    ),
    "the size of a drawing": (block("f = dict", "f(figsize=(6, 4))"),),
    "a first index": (
        block("x = [4, 4, 4, 4]", "x[0], x[-1], x[1:2]"),
        doctest(">>> x", "[4, 4, 4, 4]"),
    ),
    "a format": (
        block("from gradbook.show.formats import fixed", "x = 1.5", 'f"{x:.3f}"', "fixed(x, 3)"),
        block(
            "from gradbook.show import formats",
            "formats.scientific_text(x, digits=5)",
            'format(x, ".3f")',
        ),
        doctest(">>> x", "1.5"),
    ),
}


@pytest.mark.parametrize("cells", SPARED.values(), ids=SPARED.keys())
def test_a_number_that_says_nothing_may_change(cells: tuple[str, ...]) -> None:
    assert survivors(*cells) == []


FREE = {
    "asserted nowhere": ((block("x = 0.25"),), [(2, "0.25")]),
    "asserted before": ((block("x = 4"), doctest(">>> x", "4"), block("x = 5")), [(11, "5")]),
    "rounded away": ((block("x = 100.25"), doctest('>>> f"{x:.0e}"', "'1e+02'")), [(2, "100.25")]),
    "compared with a tolerance": (
        (block("x = 4.0"), doctest(">>> abs(x - 4.0) < 0.5", "True")),
        [(2, "4.0"), (6, "0.5"), (6, "4.0")],
    ),
    "drawn": (
        (block("x = 3"), block("def draw(*x): pass", "draw(x, 8)"), doctest(">>> x", "3")),
        [(7, "8")],
    ),
    "written over": ((block("x = 3"), block("x = 4"), doctest(">>> x", "4")), [(2, "3")]),
    "in the trace of an error": (
        (
            doctest(
                ">>> {}['a']", "Traceback (most recent call last):", "  File 7", "KeyError: 'a'"
            ),
        ),
        [(4, "7")],
    ),
    "indented": (
        ('??? note\n\n    ```python exec="on"\n    y = [\n        6]\n    ```\n',),
        [(5, "6")],
    ),
    "in a doctest": ((doctest(">>> x = 5", ">>> y = [", "...   7]"),), [(2, "5"), (4, "7")]),
}


@pytest.mark.parametrize(("cells", "expected"), FREE.values(), ids=FREE.keys())
def test_a_number_that_no_check_depends_on_survives_and_is_told(
    cells: tuple[str, ...], expected: list[tuple[int, str]]
) -> None:
    assert survivors(*cells) == expected


def test_a_survivor_says_where_it_is_and_what_to_do() -> None:
    (survivor,) = mutation.survivors(Replay(Page(block("lr = 0.5  # fast"), "docs/page.md")))
    assert str(survivor) == (
        "docs/page.md:2: 0.5 became 0.535 and nothing failed: "
        "print what depends on it in a doctest, or compute it (lr = 0.5  # fast)"
    )


@pytest.fixture
def runs() -> Iterator[list[str]]:
    """A list that a page can append to, whatever becomes of the page's namespace."""
    module = types.ModuleType("runs_of_a_planted_page")
    module.runs = []
    sys.modules[module.__name__] = module
    yield module.runs
    del sys.modules[module.__name__]


def test_a_change_runs_only_what_depends_on_it(runs: list[str]) -> None:
    log = "import runs_of_a_planted_page as log"
    page = Page(
        block(log, "x = len([log.runs.append('x')]) * 5")
        + block("y = len([log.runs.append('y')])")
        + block("z = len([log.runs.append('z')]) + x")
        + block("picture = len([log.runs.append('picture')]) + z")
        + doctest(">>> z", "6", ">>> y", "1")
    )
    assert mutation.survivors(Replay(page)) == []
    unchanged, changed, confirmed = ["x", "y", "z", "picture"], ["x", "z"], ["x", "y", "z"]
    assert runs == unchanged + changed + confirmed


def test_a_page_that_fails_unchanged_is_refused() -> None:
    with pytest.raises(PageFails, match=r"docs/a\.md:2: fails unchanged: printed '4\\n'"):
        mutation.survivors(Replay(Page(doctest(">>> 4", "5"), "docs/a.md")))
    with pytest.raises(PageFails, match=r"docs/a\.md:2: fails unchanged: division by zero"):
        mutation.survivors(Replay(Page(block("1 / 0"), "docs/a.md")))


def test_a_page_whose_state_cannot_be_taken_back_is_refused() -> None:
    page = Page(block("g = (n for n in range(9))"), "docs/a.md")
    assert len(mutation.survivors(Replay(page))) == 1
    page = Page(page.text + doctest(">>> next(g)", "0"), page.path)
    with pytest.raises(PageFails, match=r"docs/a\.md:6: does not give the same"):
        mutation.survivors(Replay(page))


def test_a_change_that_computes_for_ever_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "GRACE", 0.2)
    loop = block("n = 0", "while n != 6:", "    n += 2")
    assert survivors(loop) == [(4, "2")]  # steps of three arrive as well; the others never do


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no such timer")
def test_the_limit_holds_where_its_first_error_is_caught() -> None:
    def compute() -> None:
        end = time.process_time() + 3
        while time.process_time() < end:
            sum(range(10_000))  # asking for the time is the system's time, which rings nothing

    class Slow:
        def __reduce__(self) -> str:
            compute()
            return "slow"

    def go_on() -> None:
        replay.Keeper({}).keep(Slow())
        compute()

    with pytest.raises(TimeoutError, match="computed for more than"), replay.within(0.1):
        go_on()


def test_a_change_that_asks_for_too_much_memory_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(block("import numpy as np", "k = 1", "x = np.zeros(1 << 30 * k - 30)"))
    assert not [fault for fault in held_by_nothing([page]) if ":3: 1 became 2" in fault]


RNG = block("import numpy as np", "rng = np.random.default_rng(1)")
DRAW = block("x = rng.normal()")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (RNG + doctest(">>> rng.random() < 2", "True") + DRAW, ["12: rng", "12: x"]),
        (RNG + DRAW + doctest(">>> rng.random() < 2", "True"), []),
        (RNG + DRAW + doctest(">>> y = x"), []),
        (block("x = 4") + doctest(">>> x = 5") + block("y = 3 * x"), ["10: y"]),
        (block("x = 4") + doctest(">>> x = 5") + block("x = 6", "y = 3 * x"), []),
        (block("x = 4") + doctest(">>> x = 5") + "Here is `{python} x`.", ["9: x"]),
        (block("x = [4]") + doctest(">>> x.append(5)") + "Here is $\\py{x[0]}$.", ["9: x"]),
        (block("x = 4") + doctest(">>> x = 4") + "Here is `{python} x`.", []),
        (block("def f(): return x", "x = 4") + doctest(">>> x = 5") + "`{python} f()`", ["10: x"]),
    ],
)
def test_a_doctest_that_changes_what_the_press_shows_is_told(text: str, names: list[str]) -> None:
    told = [f"page.md:{name} has another value when the doctests above run" for name in names]
    assert mutation.disturbed(Replay(Page(text))) == told


def test_a_block_that_needs_a_doctest_is_told() -> None:
    page = Page(block("x = 4") + doctest(">>> x = y = 5") + block("z = x * y"))
    with pytest.raises(PageFails, match="name 'y' is not defined"):
        mutation.disturbed(Replay(page))
