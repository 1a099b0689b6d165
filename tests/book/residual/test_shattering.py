"""How alike gradients are: against loops, closed forms and NumPy's own sums."""

import numpy as np
import pytest

from gradbook.activations import relu, tanh
from gradbook.backpropagation import forward
from gradbook.book.residual.shattering import (
    autocorrelation,
    gradient_correlation,
    input_gradients,
    jacobian_products,
    orthogonal_pair,
)
from gradbook.initializers import he
from gradbook.jacobians import jacobian
from gradbook.networks import plain


def test_products_are_traces_of_jacobians() -> None:
    rng = np.random.default_rng(0)
    layers = plain(rng, [4, 5, 4], relu, he, ensemble=(3,))
    x = rng.standard_normal((2, 4))
    found = jacobian_products(layers, x)
    J = jacobian(layers, x)
    assert found.shape == (3, 2, 2)
    for member in range(3):
        for a in range(2):
            for b in range(2):
                trace = np.trace(J[member, a].T @ J[member, b]) / 4
                assert found[member, a, b] == pytest.approx(trace, rel=1e-12, abs=1e-14)


def test_a_pair_is_orthogonal_of_mean_square_one_and_turns_with_the_seed() -> None:
    x = orthogonal_pair(np.random.default_rng(1), 30)
    np.testing.assert_allclose(x @ x.T / 30, np.eye(2), atol=1e-13)
    assert abs(x - orthogonal_pair(np.random.default_rng(2), 30)).max() > 0.1
    with pytest.raises(ValueError, match="width must be at least 2, got 1"):
        orthogonal_pair(np.random.default_rng(0), 1)


def test_gradients_at_one_input_are_alike_and_at_opposite_gates_they_share_nothing() -> None:
    one_layer = plain(np.random.default_rng(3), [4, 4], relu, he, ensemble=(2,))
    one_layer = [type(layer)(layer.W, None, relu) for layer in one_layer]
    x = np.random.default_rng(4).standard_normal(4)
    np.testing.assert_allclose(gradient_correlation(one_layer, np.stack([x, 2 * x])), 1.0)
    np.testing.assert_allclose(gradient_correlation(one_layer, np.stack([x, -x])), 0.0, atol=1e-15)


def test_input_gradients_are_differences_of_outputs() -> None:
    layers = plain(np.random.default_rng(4), [1, 6, 1], tanh, he, ensemble=(2,))
    x, step = np.linspace(-1, 1, 5), 1e-6

    def output(points: np.ndarray) -> np.ndarray:
        return forward(layers, points[:, None])[-1].a[..., 0]

    numeric = (output(x + step) - output(x - step)) / (2 * step)
    # Truncation 1e-12, rounding 1e-16 / 1e-6.
    np.testing.assert_allclose(input_gradients(layers, x), numeric, rtol=1e-7, atol=1e-9)


def test_autocorrelation_is_the_sum_over_pairs_averaged_before_the_division() -> None:
    g = np.random.default_rng(5).standard_normal((3, 7))
    for lag, found in enumerate(autocorrelation(g)):
        pairs = sum(row[i] * row[i + lag] for row in g for i in range(7 - lag))
        assert found == pytest.approx(pairs / np.square(g).sum(), rel=1e-12, abs=1e-14)
    for bad in ([1.0, 2.0], [[0.0, 0.0]]):
        with pytest.raises(ValueError, match="values must be a matrix and not 0"):
            autocorrelation(bad)
