"""A network with mirrored weights is linear, and stretches nothing, until it is trained."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

from gradbook.activations import Activation, gelu, identity, relu, silu, softplus, tanh
from gradbook.backpropagation import forward, gradient_check
from gradbook.book.activations.mirrored import looks_linear
from gradbook.initializers import he, orthogonal
from gradbook.jacobians import jacobian, singular_values
from gradbook.losses import half_squared_error
from gradbook.networks import plain

WIDTHS = (5, 4, 6, 3)


@pytest.mark.parametrize("activation", [relu, gelu, silu, softplus], ids=lambda a: a.name)
def test_the_network_is_the_product_of_its_blocks(activation: Activation) -> None:
    layers = looks_linear(np.random.default_rng(0), WIDTHS, activation, he, ensemble=(2,))
    blocks = [
        layer.parameters["W"]
        for layer in plain(np.random.default_rng(0), WIDTHS, relu, he, ensemble=(2,))
    ]
    x = np.random.default_rng(1).standard_normal((7, 5))
    linear = x @ reduce(np.matmul, blocks)
    # Softplus takes differences of numbers near 1: a few roundings of 1e-16 each.
    np.testing.assert_allclose(forward(layers, x)[-1].a, linear, rtol=0, atol=1e-13)


@pytest.mark.parametrize("depth", [1, 2, 30])
def test_orthogonal_blocks_stretch_nothing(depth: int) -> None:
    layers = looks_linear(np.random.default_rng(0), [6] * (depth + 1), relu, orthogonal)
    values = singular_values(jacobian(layers, np.random.default_rng(1).standard_normal((3, 6))))
    np.testing.assert_allclose(values, 1, rtol=0, atol=1e-12)


def test_each_hidden_unit_stands_there_twice_with_both_signs() -> None:
    layers = looks_linear(np.random.default_rng(0), WIDTHS, relu, he)
    shapes = [layer.parameters["W"].shape for layer in layers]
    assert shapes == [(5, 8), (8, 12), (12, 3)]
    for record in forward(layers, np.ones((1, 5)))[:-1]:
        plus, minus = np.split(record.z, 2, axis=-1)
        np.testing.assert_allclose(plus, -minus, rtol=0, atol=1e-13)
    assert layers[-1].activation is identity


def test_a_curve_that_is_not_half_a_line_does_not_look_linear() -> None:
    layers = looks_linear(np.random.default_rng(0), WIDTHS, tanh, he)
    one, two = (forward(layers, scale * np.ones((1, 5)))[-1].a for scale in (1.0, 2.0))
    assert np.abs(two - 2 * one).max() > 0.1


def test_its_gradient_is_checked_and_breaks_the_mirror() -> None:
    layers = looks_linear(np.random.default_rng(0), (3, 2, 1), gelu, he)
    found = gradient_check(layers, np.ones((1, 3)), np.ones((1, 1)), half_squared_error)
    assert all(check.agrees for check in found)
