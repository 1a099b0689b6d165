"""Spectral moments against Jacobians, singular values and exact recursions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from gradbook.activations import gelu, identity, relu
from gradbook.book.one_law.spectra import linear_second_moment, spectral_moments
from gradbook.initializers import he, lecun, orthogonal, orthogonal_with
from gradbook.jacobians import jacobian, singular_values
from gradbook.layers import Dense


def test_moments_are_those_of_the_singular_values_of_the_jacobian() -> None:
    depth, width = 3, 7
    found = spectral_moments(np.random.default_rng(5), gelu, he, depth=depth, width=width, draws=1)
    rng = np.random.default_rng(5)
    x = rng.standard_normal((1, width))
    layers = [Dense(he.draw(rng, width, width), None, gelu) for _ in range(depth)]
    squares = np.square(singular_values(jacobian(layers, x)[0]))
    np.testing.assert_allclose(found[0], [squares.mean(), np.square(squares).mean()])


@pytest.mark.parametrize("width", [1, 3])
def test_one_linear_layer_has_the_moment_of_wishart(width: int) -> None:
    # (1/n) E tr (WWᵀ)²: an entry alone has 3, and in general 2 + 1/n.
    assert linear_second_moment(1, width) == pytest.approx(float(2 + Fraction(1, width)))


def test_a_single_unit_has_a_product_of_fourth_moments() -> None:
    assert linear_second_moment(5, 1) == pytest.approx(3**5)


def test_narrow_linear_networks_have_the_exact_moment() -> None:
    depth, width, draws = 3, 5, 20_000
    second = spectral_moments(
        np.random.default_rng(1), identity, lecun, depth=depth, width=width, draws=draws
    )[:, 1]
    theory = linear_second_moment(depth, width)
    assert abs(second.mean() - theory) < 4 * second.std() / math.sqrt(draws)


def test_the_limit_is_depth_plus_one() -> None:
    # What is left out is of the order of L²/2n.
    assert linear_second_moment(6, 10**6) == pytest.approx(7, abs=1e-4)


def test_orthogonal_relu_layers_spread_half_as_much() -> None:
    sizes = {"depth": 4, "width": 100, "draws": 20}
    for initializer, spread in [(he, 8), (orthogonal_with(math.sqrt(2)), 4)]:
        moments = spectral_moments(np.random.default_rng(3), relu, initializer, **sizes)
        found = moments[:, 1] / np.square(moments[:, 0]) - 1
        error = found.std() / math.sqrt(20)
        # L²/2n = 0.08 for the finite width.
        assert abs(found.mean() - spread) < 4 * error + 0.08 * spread


def test_orthogonal_linear_layers_stretch_nothing() -> None:
    moments = spectral_moments(
        np.random.default_rng(0), identity, orthogonal, depth=30, width=9, draws=2
    )
    np.testing.assert_allclose(moments, 1, rtol=1e-12)


@pytest.mark.parametrize("name", ["depth", "width", "draws"])
def test_sizes_must_be_positive(name: str) -> None:
    sizes = {"depth": 2, "width": 3, "draws": 1} | {name: 0}
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1, got 0"):
        spectral_moments(np.random.default_rng(0), relu, he, **sizes)
    if name != "draws":
        with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1, got 0"):
            linear_second_moment(sizes["depth"], sizes["width"])
