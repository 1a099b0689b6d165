"""What is measured once is what would be measured again, and only that is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from gradbook import he, relu, tanh
from gradbook.activations import Activation
from gradbook.book.claims import keeping
from gradbook.book.claims.keeping import measured_once
from gradbook.book.claims.store import CACHE_VARIABLE
from gradbook.checks import Array


class Way(Enum):
    """Two ways of the same value."""

    UP = 1
    DOWN = 2


@dataclass(frozen=True)
class Found:
    """What a measurement returns, with a record of the library in it."""

    drawn: Array
    activation: Activation


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name an empty folder."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    return tmp_path / "measured"


@pytest.fixture
def calls() -> list[object]:
    """Return what a measurement was called with, each time."""
    return []


@pytest.fixture
def measure(calls: list[object]) -> Callable[..., Found]:
    """Return a measurement of the library that draws."""

    def draw(rng: np.random.Generator, *settings: object, **named: object) -> Found:
        calls.append((settings, named))
        return Found(rng.normal(size=(3, 4)).T, relu)

    draw.__module__ = "gradbook.checks"
    return measured_once(draw)


def test_a_measurement_is_taken_once_and_its_generator_goes_on_as_if_it_were_not(
    folder: Path, measure: Callable[..., Found], calls: list[object]
) -> None:
    expected = np.random.default_rng(5)
    drawn, following = expected.normal(size=(3, 4)).T, expected.normal()
    for _ in range(2):
        rng = np.random.default_rng(5)
        found = measure(rng, relu, width=3)
        np.testing.assert_array_equal(found.drawn, drawn)
        assert found.activation is relu
        assert rng.normal() == following
    assert len(calls) == 1
    assert len(list(folder.iterdir())) == 1


def test_sums_of_what_is_kept_have_the_last_bits_of_what_was_measured(
    folder: Path, measure: Callable[..., Found]
) -> None:
    first, second = (measure(np.random.default_rng(5)).drawn for _ in range(2))
    assert first.strides == second.strides
    assert folder.is_dir()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 2),
        (1, 1.0),
        (True, 1),
        ("a", "b"),
        (np.zeros(2), np.array([0.0, 1.0])),
        (np.zeros(4), np.zeros((2, 2))),
        (np.zeros(2), np.zeros(2, np.float32)),
        ((1, 2), [1, 2]),
        ({"a": 1}, {"a": 2}),
        (relu, tanh),
        (partial(np.add, 1), partial(np.add, 2)),
        (np.random.default_rng(0), np.random.default_rng(1)),
    ],
)
def test_another_argument_is_another_measurement(
    one: object, other: object, measure: Callable[..., Found], calls: list[object]
) -> None:
    for setting in (one, other, one, other):
        measure(np.random.default_rng(0), setting)
    assert len(calls) == 2


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "unnamed", [lambda z: z, replace(relu, f=lambda z: z), Way.UP, object(), np.array([object()])]
)
def test_what_another_process_could_not_know_by_name_is_measured_each_time(
    unnamed: object, measure: Callable[..., Found], calls: list[object]
) -> None:
    for _ in range(2):
        measure(np.random.default_rng(0), [unnamed])
    assert len(calls) == 2


@pytest.mark.usefixtures("folder")
def test_code_of_no_module_of_the_package_is_measured_each_time(calls: list[object]) -> None:
    @measured_once
    def measured(setting: object) -> None:
        calls.append(setting)

    measured(he)
    measured(he)
    assert calls == [he, he]


def test_a_file_that_is_not_whole_is_measured_again(
    folder: Path, measure: Callable[..., Found], calls: list[object]
) -> None:
    first = measure(np.random.default_rng(0)).drawn
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    np.testing.assert_array_equal(measure(np.random.default_rng(0)).drawn, first)
    assert len(calls) == 2


def test_nothing_is_kept_without_a_folder_or_of_code_that_has_changed(
    folder: Path,
    measure: Callable[..., Found],
    calls: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as changed:
        changed.setattr(keeping, "code_of_modules", lambda modules: None)
        measure(np.random.default_rng(0))
    monkeypatch.delenv(CACHE_VARIABLE)
    measure(np.random.default_rng(0))
    assert len(calls) == 2
    assert not folder.exists()
