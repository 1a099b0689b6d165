"""Jacobians against finite differences, matrix products and NumPy's linear algebra."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.activations import Activation, identity, sigmoid, tanh
from gradbook.backpropagation import backprop_from, forward
from gradbook.checks import Array
from gradbook.initializers import lecun, scaled
from gradbook.jacobians import (
    jacobian,
    largest_singular_value,
    layer_jacobians,
    singular_values,
    spectral_radius,
)
from gradbook.layers import Dense, Layer
from gradbook.networks import plain, unrolled


def differences(layers: list[Layer], x: Array, step: float = 1e-6) -> Array:
    """Return the Jacobian of a single row by central differences, column by column."""
    columns = [
        forward(layers, x + step * unit)[-1].a - forward(layers, x - step * unit)[-1].a
        for unit in np.eye(x.shape[-1])
    ]
    return np.stack(columns, axis=-1)[0] / (2 * step)


@pytest.mark.parametrize("activation", [tanh, sigmoid])
def test_the_jacobian_is_that_of_finite_differences(activation: Activation) -> None:
    rng = np.random.default_rng(0)
    layers = plain(rng, (3, 5, 4, 2), activation, lecun, bias_variance=0.3)
    x = rng.standard_normal((1, 3))
    found = jacobian(layers, x)
    assert found.shape == (1, 2, 3)
    # Truncation 1e-12, rounding 1e-16/1e-6.
    np.testing.assert_allclose(found[0], differences(layers, x), rtol=0, atol=1e-9)


def test_a_linear_network_has_the_transposed_product_of_its_weights() -> None:
    rng = np.random.default_rng(1)
    A, B = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))
    layers = [Dense(A, None, identity), Dense(B, None, identity)]
    np.testing.assert_allclose(jacobian(layers, np.zeros((1, 3)))[0], (A @ B).T, rtol=1e-13)


def test_a_gradient_goes_back_as_a_row_times_the_jacobian() -> None:
    rng = np.random.default_rng(2)
    layers = plain(rng, (3, 6, 2), tanh, lecun)
    x, da = rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
    by_rows = np.einsum("bo,boi->bi", da, jacobian(layers, x))
    np.testing.assert_allclose(by_rows, backprop_from(layers, x, da).dh[0], rtol=0, atol=1e-14)


def test_examples_and_members_have_jacobians_of_their_own() -> None:
    rng = np.random.default_rng(3)
    layers = plain(rng, (3, 4, 2), tanh, lecun, ensemble=(5,))
    x = rng.standard_normal((7, 3))
    found = jacobian(layers, x)
    assert found.shape == (5, 7, 2, 3)
    member = [Dense(layer.W[2], layer.b[2], layer.activation) for layer in layers]
    np.testing.assert_allclose(found[2, 3], differences(member, x[3:4]), rtol=0, atol=1e-9)
    inputs = np.stack([x, x, x[::-1], x, x])
    of_their_own = jacobian(layers, inputs)
    np.testing.assert_allclose(of_their_own[[0, 1, 3, 4]], found[[0, 1, 3, 4]], rtol=0, atol=1e-14)
    np.testing.assert_allclose(of_their_own[2], found[2, ::-1], rtol=0, atol=1e-14)


def test_the_networks_jacobian_is_the_product_of_its_layers() -> None:
    rng = np.random.default_rng(4)
    layers = plain(rng, (3, 6, 4, 5), tanh, scaled(4.0), bias_variance=0.1)
    x = rng.standard_normal((2, 3))
    factors = layer_jacobians(layers, x)
    assert [J.shape for J in factors] == [(2, 6, 3), (2, 4, 6), (2, 5, 4)]
    product = reduce(lambda later, J: J @ later, factors)
    np.testing.assert_allclose(jacobian(layers, x), product, rtol=0, atol=1e-13)


def test_steps_with_inputs_of_their_own_have_jacobians_by_the_hidden_state() -> None:
    rng = np.random.default_rng(5)
    layers = unrolled(rng, 3, 4, tanh, lecun, inputs=rng.standard_normal((4, 1, 2)))
    h = rng.standard_normal((1, 3))
    np.testing.assert_allclose(jacobian(layers, h)[0], differences(layers, h), rtol=0, atol=1e-9)


def test_examples_with_inputs_of_their_own_at_each_step_are_kept_apart() -> None:
    rng = np.random.default_rng(8)
    inputs, h = rng.standard_normal((3, 5, 2)), rng.standard_normal((5, 4))
    layers = unrolled(np.random.default_rng(9), 4, 3, tanh, lecun, inputs=inputs)
    alone = unrolled(np.random.default_rng(9), 4, 3, tanh, lecun, inputs=inputs[:, 2:3])
    found = jacobian(layers, h)
    assert found.shape == (5, 4, 4)
    np.testing.assert_allclose(found[2], differences(alone, h[2:3]), rtol=0, atol=1e-9)


MATRICES = st.builds(
    lambda seed, m, n: np.random.default_rng(seed).standard_normal((m, n)),
    st.integers(0, 500),
    st.integers(1, 6),
    st.integers(1, 6),
)


@given(MATRICES)
def test_singular_values_are_roots_of_eigenvalues_of_the_square(A: Array) -> None:
    small = A @ A.T if len(A) <= A.shape[1] else A.T @ A
    squares = np.linalg.eigvalsh(small)[::-1]
    # Squaring loses half of the digits of the smallest.
    np.testing.assert_allclose(singular_values(A) ** 2, squares, rtol=0, atol=1e-12)


@given(MATRICES, st.integers(0, 99))
def test_no_vector_is_stretched_more_than_by_the_largest_singular_value(
    A: Array, seed: int
) -> None:
    bound = largest_singular_value(A)
    assert bound == pytest.approx(np.linalg.norm(A, 2), rel=1e-13)
    v = np.random.default_rng(seed).standard_normal((50, A.shape[1]))
    stretch = np.linalg.norm(v @ A.T, axis=-1) / np.linalg.norm(v, axis=-1)
    assert (stretch <= bound * (1 + 1e-12)).all()


@given(st.integers(0, 500), st.integers(1, 6))
def test_the_spectral_radius_is_below_the_norm_and_the_root_of_that_of_the_square(
    seed: int, n: int
) -> None:
    A = np.random.default_rng(seed).standard_normal((n, n))
    rho = spectral_radius(A)
    assert rho <= np.linalg.norm(A, 2) * (1 + 1e-12)
    assert spectral_radius(A @ A) == pytest.approx(rho**2, rel=1e-9)


def test_a_companion_matrix_has_the_roots_of_its_polynomial() -> None:
    # x³ - 6x² + 11x - 6 = (x - 1)(x - 2)(x - 3)
    companion = [[6.0, -11.0, 6.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert spectral_radius(companion) == pytest.approx(3, rel=1e-12)


def test_the_audits_matrix_has_a_large_norm_and_a_small_radius() -> None:
    A = np.array([[0.5, 10.0], [0.0, 0.5]])
    # s₁ s₂ = det = 1/4 and s₁ - s₂ = 10, so s₁ = 5 + √(25 + 1/4).
    assert largest_singular_value(A) == pytest.approx(5 + np.sqrt(25.25), rel=1e-14)
    assert spectral_radius(A) == 0.5


def test_many_matrices_are_one_call() -> None:
    A = np.random.default_rng(6).standard_normal((2, 3, 4, 4))
    assert singular_values(A).shape == (2, 3, 4)
    assert spectral_radius(A).shape == largest_singular_value(A).shape == (2, 3)
    assert spectral_radius(A)[1, 2] == spectral_radius(A[1, 2])


@pytest.mark.parametrize(
    ("function", "matrix", "message"),
    [
        (singular_values, [1.0, 2.0], r"matrix must have shape \(..., m, n\), got \(2,\)"),
        (largest_singular_value, [[np.inf]], "matrix must be finite"),
        (spectral_radius, [[1.0, 2.0]], r"matrix must have shape \(..., n, n\), got \(1, 2\)"),
        (spectral_radius, [[np.nan]], "matrix must be finite"),
    ],
)
def test_what_is_no_matrix_is_refused(
    function: Callable[..., object], matrix: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        function(matrix)
