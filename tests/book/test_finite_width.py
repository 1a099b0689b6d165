"""The exact law of ReLU energies against enumeration, published numbers and real networks."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from gradbook.activations import relu
from gradbook.backpropagation import backprop_from
from gradbook.book.finite_width import active_probabilities, relu_energy
from gradbook.book.one_law.energies import draw_relu_energies
from gradbook.initializers import scaled
from gradbook.networks import plain


def networks(widths: list[int], draws: int, w2: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the energies of real networks, forward per unit and backward, by backpropagation."""
    rng = np.random.default_rng(8)
    layers = plain(
        rng, widths, relu, scaled(w2), output_activation=relu,
        bias_variance=None, ensemble=(draws,),
    )  # fmt: skip
    x, da = (rng.standard_normal((draws, 1, n)) for n in (widths[0], widths[-1]))
    trace = backprop_from(layers, x, da / np.linalg.norm(da, axis=-1, keepdims=True))
    forward = np.square(trace.h[-1]).mean(axis=(-2, -1)) / np.square(x).mean(axis=(-2, -1))
    return forward, np.square(trace.dh[0]).sum(axis=(-2, -1))


@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_the_number_of_active_units_is_counted_in_fractions(n: int) -> None:
    exact = [Fraction(math.comb(n, b), 2**n - 1) for b in range(1, n + 1)]
    np.testing.assert_allclose(active_probabilities(n), [float(p) for p in exact], rtol=1e-12)


def test_ten_thousand_units_are_no_harder_than_ten() -> None:
    p = active_probabilities(10_000)
    # Mean and variance of the binomial law; that none is active has no weight here.
    assert float(p @ np.arange(1, 10_001)) == pytest.approx(5000, rel=1e-9)
    assert float(p @ np.square(np.arange(1, 10_001) - 5000)) == pytest.approx(2500, rel=1e-9)


def test_one_unit_has_the_moments_of_half_a_squared_normal() -> None:
    law = relu_energy([1], sigma_w2=3.0)
    # X is 0 or 3z²: E X = 3/2, E X² = 9 · 3/2; E ln z² = -γ - ln 2 and Var ln z² = π²/2.
    assert law.mean == pytest.approx(1.5)
    assert law.second_moment == pytest.approx(13.5)
    assert law.variance == pytest.approx(11.25)
    assert law.mean_log == pytest.approx(math.log(3) - 0.5772156649015329 - math.log(2))
    assert law.variance_log == pytest.approx(math.pi**2 / 2)
    assert law.alive == 0.5


def test_moments_multiply_and_logarithms_add_over_layers() -> None:
    parts, whole = [relu_energy([n], 1.3) for n in (4, 9, 4)], relu_energy([4, 9, 4], 1.3)
    for name, combine in [
        ("mean", math.prod), ("second_moment", math.prod), ("alive", math.prod),
        ("mean_log", sum), ("variance_log", sum),
    ]:  # fmt: skip
        combined = combine(getattr(part, name) for part in parts)
        assert getattr(whole, name) == pytest.approx(combined)


def test_the_numbers_of_the_book_come_out() -> None:
    assert f"{relu_energy([20] * 6).second_moment:.3f}" == "3.815"
    law = relu_energy([32] * 19)
    assert f"{law.mean_log:.3f} {law.variance_log:.3f} {law.typical:.3f}" == "-1.568 3.372 0.208"


@pytest.mark.parametrize("n", [50, 200, 1000])
def test_the_typical_energy_falls_by_five_over_twice_the_width(n: int) -> None:
    # What is left out is of the next order, a few 1/n².
    assert relu_energy([n]).mean_log == pytest.approx(-2.5 / n, abs=8 / n**2)
    assert relu_energy([n]).variance_log == pytest.approx(5 / n, abs=25 / n**2)


@pytest.mark.parametrize("direction", [0, 1], ids=["forward", "backward"])
def test_real_networks_have_this_law_both_ways(direction: int) -> None:
    width, depth, draws, w2 = 12, 4, 20_000, 1.7
    energy = networks([width] * (depth + 1), draws, w2)[direction]
    law, logs = relu_energy([width] * depth, w2), np.log(energy[energy > 0])
    assert abs(energy.mean() - law.mean) < 4 * math.sqrt(law.variance / draws)
    assert abs(logs.mean() - law.mean_log) < 4 * math.sqrt(law.variance_log / len(logs))
    # The variance of a sample variance takes the fourth moment, here from the sample.
    squares = np.square(logs - logs.mean())
    assert abs(squares.mean() - law.variance_log) < 4 * squares.std() / math.sqrt(len(logs))
    dead = np.count_nonzero(energy == 0)
    expected = draws * (1 - law.alive)  # 19.5 of 20,000, nearly Poisson
    assert abs(dead - expected) < 4 * math.sqrt(expected)


def test_forward_widths_may_differ_and_inputs_do_not_matter() -> None:
    draws = 20_000
    energy, _ = networks([3, 10, 25, 6], draws, 2.0)
    law = relu_energy([10, 25, 6])
    assert abs(energy.mean() - law.mean) < 4 * math.sqrt(law.variance / draws)
    logs = np.log(energy[energy > 0])
    assert abs(logs.mean() - law.mean_log) < 4 * math.sqrt(law.variance_log / len(logs))


def test_draws_have_the_moments_of_the_law() -> None:
    widths, draws = [5, 8, 13], 100_000
    x, law = (
        draw_relu_energies(np.random.default_rng(1), widths, draws, 1.5),
        relu_energy(widths, 1.5),
    )
    assert abs(x.mean() - law.mean) < 4 * math.sqrt(law.variance / draws)
    logs = np.log(x[x > 0])
    assert abs(logs.mean() - law.mean_log) < 4 * math.sqrt(law.variance_log / len(logs))
    dead = draws * (1 - law.alive)
    assert abs(np.count_nonzero(x == 0) - dead) < 4 * math.sqrt(dead)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: relu_energy([]), "widths must hold at least one layer"),
        (lambda: relu_energy([5, 0]), r"widths\[1\] must be an integer of at least 1, got 0"),
        (lambda: relu_energy([5], 0.0), "sigma_w2 must be positive, got 0"),
        (lambda: active_probabilities(0), "n must be an integer of at least 1, got 0"),
        (
            lambda: draw_relu_energies(np.random.default_rng(0), [5], 0),
            "draws must be an integer of at least 1",
        ),
        (
            lambda: draw_relu_energies(np.random.default_rng(0), [5], 1, -1.0),
            "sigma_w2 must not be negative",
        ),
    ],
)
def test_wrong_arguments_are_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
