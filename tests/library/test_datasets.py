"""Generated tasks: their shapes, their statistics, and that the generator decides them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradbook.datasets import gaussian_classes

SIZES = {"classes": 4, "dimension": 16, "examples": 64}


def test_classes_take_turns_and_targets_name_them() -> None:
    task = gaussian_classes(np.random.default_rng(0), classes=3, dimension=5, examples=8)
    assert task.labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert task.target.shape == (8, 3)
    assert task.target.argmax(axis=1).tolist() == task.labels.tolist()
    assert task.target.sum(axis=1).tolist() == [1.0] * 8
    assert task.x.shape == (8, 5)


@pytest.mark.parametrize("mean_square", [0.1, 1.0, 30.0])
def test_the_mean_square_is_exactly_what_was_asked_for(mean_square: float) -> None:
    task = gaussian_classes(np.random.default_rng(1), **SIZES, mean_square=mean_square)
    assert np.square(task.x).mean() == pytest.approx(mean_square, rel=1e-12)


def test_the_noise_is_the_spread_within_a_class_relative_to_that_of_the_centers() -> None:
    task = gaussian_classes(
        np.random.default_rng(2), classes=50, dimension=50, examples=5000, noise=0.3
    )
    groups = np.stack([task.x[task.labels == label] for label in range(50)])
    within = groups.std(axis=1, ddof=1)
    between = groups.mean(axis=1).std()
    # 2500 spreads, and 2500 centers of which each is off by 0.3/10.
    assert np.sqrt(np.square(within).mean()) / between == pytest.approx(0.3, rel=0.05)


def test_without_noise_all_examples_of_a_class_are_its_center() -> None:
    task = gaussian_classes(np.random.default_rng(3), **SIZES, noise=0.0)
    assert (task.x[0] == task.x[4]).all()
    assert (task.x[0] != task.x[1]).all()


def test_the_same_generator_gives_the_same_task() -> None:
    one, two = (gaussian_classes(np.random.default_rng(4), **SIZES) for _ in range(2))
    assert (one.x == two.x).all()
    assert (one.x != gaussian_classes(np.random.default_rng(5), **SIZES).x).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": 0}, "classes must be an integer of at least 1, got 0"),
        ({"dimension": 0}, "dimension must be an integer of at least 1, got 0"),
        ({"examples": 3}, "examples must be at least one per class, 4, got 3"),
        ({"noise": -1.0}, "noise must not be negative, got -1"),
        ({"mean_square": 0.0}, "mean_square must be positive, got 0"),
    ],
)
def test_wrong_arguments_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gaussian_classes(np.random.default_rng(0), **(SIZES | change))
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator, got 0"):
        gaussian_classes(0, **SIZES)  # type: ignore[arg-type]
