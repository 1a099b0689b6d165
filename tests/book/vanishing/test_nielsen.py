"""Nielsen's table: the published numbers, an independent network, an independent integral."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradbook.book.vanishing.nielsen import (
    CLASSES,
    INPUTS,
    MEAN_SQUARE,
    NIELSEN_TABLE,
    WIDTH,
    measured_norms,
    predicted_norms,
)
from gradbook.datasets import gaussian_classes


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def mean(g: np.ndarray, z: np.ndarray) -> float:
    """Integrate against the normal density on an equal grid."""
    return float((g * np.exp(-z * z / 2)).sum() * (z[1] - z[0]) / math.sqrt(2 * math.pi))


def test_the_prediction_is_that_of_a_plain_sum() -> None:
    z = np.linspace(-12, 12, 24_001)
    for hidden in (1, 2, 3, 4):
        q, gains = 1 + 0.1, []
        for _ in range(hidden):
            s = sigmoid(math.sqrt(q) * z)
            gains.append(mean((s * (1 - s)) ** 2, z))
            q = 1 + mean(s**2, z)
        energy = 10 * mean((sigmoid(math.sqrt(q) * z) - 0.1) ** 2, z)
        norms = [math.sqrt(energy * math.prod(gains[layer:])) for layer in range(hidden)]
        np.testing.assert_allclose(predicted_norms(hidden), norms, rtol=1e-9)


def test_far_from_the_input_the_numbers_of_the_fixed_point_come_out() -> None:
    norms = predicted_norms(30)
    assert f"{norms[-1]:.4f} {norms[-1] / norms[-2]:.3f}" == "0.2983 4.882"


def test_the_measured_norms_are_those_of_the_formulas_of_his_book() -> None:
    rng = np.random.default_rng(7)
    task = gaussian_classes(
        rng, classes=CLASSES, dimension=INPUTS, examples=20, mean_square=MEAN_SQUARE
    )
    weights = [
        (rng.standard_normal((n, m)) / math.sqrt(n), rng.standard_normal(m))
        for n, m in [(INPUTS, WIDTH), (WIDTH, WIDTH), (WIDTH, CLASSES)]
    ]
    a, values = task.x, []
    for W, b in weights:
        values.append(sigmoid(a @ W + b))
        a = values[-1]
    delta, norms = a - task.target, []  # cross-entropy and sigmoid: output minus target
    for (W, _), h in zip(reversed(weights[1:]), reversed(values[:-1]), strict=True):
        delta = (delta @ W.T) * h * (1 - h)
        norms.append(np.linalg.norm(delta.mean(axis=0)))
    found = measured_norms(np.random.default_rng(7), 2, draws=1, examples=20)
    np.testing.assert_allclose(found[0], norms[::-1], rtol=1e-10)


def test_the_input_hardly_matters() -> None:
    few, many = predicted_norms(4, mean_square=0.05), predicted_norms(4, mean_square=0.11)
    assert few[0] / many[0] == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(few[1:], many[1:], rtol=1e-3)


def test_the_published_numbers_are_his() -> None:
    # As printed in the text of chapter 5, to the digits printed there.
    assert [f"{norm:.2f}" for norm in NIELSEN_TABLE.norms[0]] == ["0.07", "0.31"]
    assert [f"{norm:.3f}" for norm in NIELSEN_TABLE.norms[1]] == ["0.012", "0.060", "0.283"]
    assert [f"{norm:.3f}" for norm in NIELSEN_TABLE.norms[2]] == [
        "0.003",
        "0.017",
        "0.070",
        "0.285",
    ]
    assert len(NIELSEN_TABLE.ratios) == 6
    assert math.log(NIELSEN_TABLE.ratios.prod()) / 6 == pytest.approx(math.log(4.70), abs=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: predicted_norms(0), "hidden must be an integer of at least 1, got 0"),
        (lambda: predicted_norms(2, 0.0), "mean_square must be positive, got 0"),
        (lambda: measured_norms(np.random.default_rng(0), 0, draws=1), "hidden must be an integer"),
        (lambda: measured_norms(np.random.default_rng(0), 1, draws=0), "draws must be an integer"),
        (
            lambda: measured_norms(np.random.default_rng(0), 1, draws=1, examples=9),
            "examples must be at least one per class, 10, got 9",
        ),
    ],
)
def test_wrong_arguments_are_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
