"""`make mutants` breaks arithmetic, and tells which changes no test notices."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gradbook.press.places import ROOT
from mutants import sample
from mutations import broken, mutations

HALF = """
def half(x: int) -> float:
    if x < 0:
        raise ValueError(f"x must not be below {0}, got {x - 1}")
    return x / 2
"""
TOTAL = """
def total(left: int) -> int:
    found = 0
    while left:
        found += left
        left -= 1
    return found
"""
TESTS = """
from toy.{name} import {name}

def test_it() -> None:
    assert {name}(5) == {result}
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A package of two modules with their tests."""
    (tmp_path / "toy").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "toy" / "__init__.py").touch()
    for name, source, result in (("half", HALF, 2.5), ("total", TOTAL, 15)):
        (tmp_path / "toy" / f"{name}.py").write_text(source)
        test = TESTS.format(name=name, result=result)
        (tmp_path / "tests" / f"test_{name}.py").write_text(test)
    (tmp_path / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\naddopts = ['--doctest-modules', '--import-mode=importlib']\n"
        "filterwarnings = ['error']\n"
    )
    return tmp_path


def judge(toy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    where = ["--root", str(toy), "--package", "toy", "--tests", "tests", "--limit", "3"]
    command = [sys.executable, str(ROOT / "tools" / "mutants.py"), *where, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_change_that_no_test_notices_is_told_and_fails(toy: Path) -> None:
    done = judge(toy, "toy/half.py")
    *survivors, progress, share = done.stdout.splitlines()
    assert sorted(survivors) == ["toy/half.py:3: 0 → 1", "toy/half.py:3: x < 0 → x <= 0"]
    assert progress.startswith("4 of 4: 2 survive, ")
    assert share == "50.0% of 4 mutants killed"
    assert done.returncode == 1


def test_when_every_change_is_noticed_it_passes(toy: Path) -> None:
    source = (toy / "toy" / "half.py").read_text()
    (toy / "toy" / "half.py").write_text(source.replace("x < 0:", "x < 0:  # mutant: a toy"))
    done = judge(toy)
    assert "survive" in done.stdout
    assert done.stdout.endswith("100.0% of 6 mutants killed\n")
    assert done.returncode == 0


def test_a_change_that_hangs_is_noticed(toy: Path) -> None:
    done = judge(toy, "toy/total.py")
    assert "100.0% of 4 mutants killed" in done.stdout
    assert done.returncode == 0


def test_a_doctest_kills_too(toy: Path) -> None:
    (toy / "toy" / "third.py").write_text(
        'def f(x):\n    """\n    >>> f(3)\n    5\n    """\n    return x + 2\n'
    )
    assert judge(toy, "toy/third.py").stdout.endswith("100.0% of 2 mutants killed\n")


def test_tests_that_fail_anyway_cannot_judge(toy: Path) -> None:
    (toy / "tests" / "test_half.py").write_text(TESTS.format(name="half", result=3))
    done = judge(toy, "toy/half.py")
    assert "make the tests pass first" in done.stdout
    assert done.returncode == 2


def test_a_case_that_is_named_by_what_is_broken_kills(toy: Path) -> None:
    cases = "import pytest\nfrom toy.half import half\n\n@pytest.mark.parametrize('x', [half(5)])\n"
    test = f"{cases}def test_case(x: float) -> None:\n    assert x == 2.5\n"
    (toy / "tests" / "test_half.py").write_text(test)
    done = judge(toy, "toy/half.py")
    assert "fails without them" not in done.stdout + done.stderr
    assert done.returncode == 1  # what is raised below 0 is not tested here
    assert "toy/half.py:5: / → " not in done.stdout


def test_what_a_broken_package_measures_is_kept_nowhere(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADBOOK_CACHE", str(toy / "kept"))
    kept = "import os\n\ndef test_kept() -> None:\n    assert 'GRADBOOK_CACHE' not in os.environ\n"
    test = toy / "tests" / "test_total.py"
    test.write_text(kept + test.read_text())
    done = judge(toy, "toy/total.py")
    assert "make the tests pass first" not in done.stdout + done.stderr
    assert done.returncode == 0


def test_no_file_is_changed_and_none_is_left(toy: Path) -> None:
    before = sorted(path for path in toy.rglob("*") if "__pycache__" not in path.parts)
    judge(toy, "toy/half.py")
    after = sorted(path for path in toy.rglob("*") if "__pycache__" not in path.parts)
    assert before == after
    assert (toy / "toy" / "half.py").read_text() == HALF


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("a + b", ["a - b"]),
        ("a - b", ["a + b"]),
        ("a * b", ["a / b"]),
        ("a / b", ["a * b"]),
        ("a ** b", ["a * b"]),
        ("a @ b", ["b @ a"]),
        ("-a", ["a"]),
        ("not a", ["a"]),
        ("a < b <= c", ["a <= b <= c", "a < b < c"]),
        ("a == b", ["a != b"]),
        ("a and b", ["a or b"]),
        ("a.T", ["a"]),
        ("a.swapaxes(i, j)", ["a"]),
        ("np.swapaxes(a, i, j)", ["a"]),
        ("a.sum(axis=i)", ["a.mean(axis=i)"]),
        ("f(0, 1, 3, 0.5)", ["1", "2", "6", "1.0"]),
        ("a += b", ["a -= b"]),
        ("a.reshape(n, -1)", []),
        ("True", []),
        ("'%s' + a", []),
        ("f'{a + b:.3f}'", []),
        ("def f(x: 'a - b' = c) -> a | b: pass", []),
        ("raise ValueError(a + b)", []),
        ("__all__ = ['a'] + b", []),
        ("@cache(maxsize=32)\ndef f(): pass", []),
        ("if TYPE_CHECKING:\n    a = 3", []),
        ("warnings.warn('a', stacklevel=2)", []),
        ("a = b + c  # mutant: b is zero", []),
        ("a = b + c  # mutant:", ["b - c"]),
        ("a = b + 2 * c  # mutant(*): c is 1", ["b - 2 * c", "4"]),
        ("a = b + 2 * c  # mutant(2): c is 0", ["b - 2 * c", "2 / c"]),
        ("a = b + 2 * c  # mutant(2,*): c is 0", ["b - 2 * c"]),
        ("# mutant(+): c is 0\na = b + c - d", ["b + c + d"]),
        ("a = b + c  # mutant: c is 0\nd = b + c", ["b - c"]),
    ],
)
def test_arithmetic_is_broken_and_nothing_else(source: str, changes: list[str]) -> None:
    assert [mutation.new for mutation in mutations(source)] == changes


def test_a_broken_source_differs_in_one_place() -> None:
    source = "x = 3\ny = x + 3\n"
    found = []
    for mutation in mutations(source):
        names: dict[str, int] = {}
        exec(broken(source, mutation.index, "toy.py"), names)
        found.append((names["x"], names["y"]))
    assert found == [(6, 9), (3, 0), (3, 9)]


def test_a_sample_is_evenly_spread_and_the_same_for_a_seed() -> None:
    drawn = sample(range(1000), 10, seed=3)
    assert [n // 100 for n in drawn] == [*range(10)]
    assert drawn == sample(range(1000), 10, seed=3)
    assert drawn != sample(range(1000), 10, seed=4)
    assert sample(range(3), 10, seed=0) == [0, 1, 2]


def test_the_seed_of_a_sample_is_told(toy: Path) -> None:
    assert judge(toy, "--sample", "2", "--seed", "5").stdout.startswith("2 of 8 mutants, seed 5\n")
