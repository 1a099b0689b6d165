"""A block is given the blocks it needs: each that could change what it sees, and few others."""

from __future__ import annotations

import pytest

from gradbook.press.slices import names, needed


@pytest.mark.parametrize(
    ("blocks", "numbers"),
    [
        (["x = 1", "y = 2", "x"], [0, 2]),
        (["x = []", "x.append(1)", "x"], [0, 1, 2]),
        (["x = []", "y = x", "y.append(1)", "x"], [0, 1, 2, 3]),
        (["import m", "m.f()", "m.g()"], [0, 2]),
        (["import m", "m = 4", "m"], [0, 1, 2]),
        (["def f(): return a", "a = []", "a.append(1)", "f()"], [0, 1, 2, 3]),
        (["def f(): pass", "f()", "f()"], [0, 2]),
        (["def f(): pass", "g = f", "f = g", "f()"], [0, 1, 2, 3]),
        (["n = 4", "range(n)", "n"], [0, 2]),
        (["n = 4", "k = n + 1", "n = 5", "n"], [0, 1, 2, 3]),
        (["class A: pass", "A()", "A()"], [0, 2]),
        (["x = [1]", "[x for x in range(3)]", "x"], [0, 2]),
        (["x = [1]", "def f(x): return x", "f(2)"], [1, 2]),
        (["x = [1]", "def f():\n    global x\n    x = 2", "f()", "x"], [0, 1, 2, 3]),
        (["a = []", "def f(): a.append(1)", "f()", "a"], [0, 1, 2, 3]),
        (["a = []", "def g(): a.append(1)", "def f(): g()", "f()", "a"], [0, 1, 2, 3, 4]),
        (["a = []", "f = lambda: a.append(1)", "f()", "a"], [0, 1, 2, 3]),
        (["a = []", "class A:\n    def m(self): a.append(1)", "A().m()", "a"], [0, 1, 2, 3]),
        (["for i in range(3): pass", "i"], [0, 1]),
        (["rng = new()", "rng.draw()", "rng.draw()"], [0, 1, 2]),
        (["x = 1", "x +"], [1]),
    ],
)
def test_a_block_needs_what_could_change_what_it_sees(
    blocks: list[str], numbers: list[int]
) -> None:
    assert needed(blocks) == numbers


def test_the_names_of_a_comprehension_are_its_own() -> None:
    assert names("[y for y in x]").touched == {"x"}
