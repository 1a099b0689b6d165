"""Networks of one input: the predicted covariance against differences of the kernel itself."""

import math

import numpy as np
import pytest

from gradbook.book.residual.input_kernel import gradient_covariance, predicted_autocorrelation
from gradbook.book.residual.one_input import (
    NOTEBOOK,
    Replication,
    inputs,
    notebook_network,
    replicate,
    residual_network,
)
from gradbook.book.residual.shattering import autocorrelation, input_gradients


def kernel(x: float, y: float, depth: int, *, s: float, bias: float, scale: float | None) -> float:
    """Compute E h(x) h(y) by the arc-cosine map, number by number."""

    def relu_map(a: float, b: float, c: float, s: float) -> tuple[float, float, float]:
        theta = math.acos(min(1.0, c / math.sqrt(a * b)))
        joint = math.sqrt(a * b) * (math.sin(theta) + (math.pi - theta) * math.cos(theta))
        return s * a / 2, s * b / 2, s * joint / (2 * math.pi)

    a, b, c = s * (x * x + 1), s * (y * y + 1), s * (x * y + 1)
    if scale is not None:
        a, b, c = relu_map(a, b, c, s)
    for _ in range(depth):
        if scale is None:
            a, b, c = (part + bias for part in relu_map(a, b, c, s))
        else:
            mapped = relu_map(a, b, c, 2.0)
            a, b, c = (old + scale**2 * new for old, new in zip((a, b, c), mapped, strict=True))
    return c


@pytest.mark.parametrize(
    ("depth", "s", "bias", "scale"),
    [(1, 2.0, 0.0, None), (4, 1.0, 1.0, None), (6, 2.0, 2.0, None), (5, 2.0, 0.0, 0.6)],
)
def test_the_covariance_is_the_mixed_derivative_of_the_kernel(
    depth: int, s: float, bias: float, scale: float | None
) -> None:
    step = 1e-3
    for x, y in ((-1.3, 0.4), (0.2, 1.9), (-1.0, -0.3)):
        mixed = sum(
            i * j * kernel(x + i * step, y + j * step, depth, s=s, bias=bias, scale=scale)
            for i in (-1, 1)
            for j in (-1, 1)
        ) / (4 * step * step)
        found = gradient_covariance(
            np.array(x), np.array(y), depth, s, bias=bias, scale=scale
        ).item()
        # Truncation step²/3 of derivatives of order ten, rounding 1e-15 / step².
        assert found == pytest.approx(mixed, rel=1e-4, abs=1e-5)


def test_at_equal_inputs_it_is_the_energy_of_the_gradient() -> None:
    x = inputs(5)
    np.testing.assert_allclose(gradient_covariance(x, x, 7, 1.0, bias=1.0), 0.5**7, rtol=1e-12)
    np.testing.assert_allclose(gradient_covariance(x, x, 7, 2.0), 2.0, rtol=1e-12)
    np.testing.assert_allclose(
        gradient_covariance(x, x, 7, 2.0, scale=0.5), 2.0 * 1.25**7, rtol=1e-12
    )


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_the_autocorrelation_is_that_of_random_networks(factor: float) -> None:
    rng, points, depth = np.random.default_rng(0), 16, 4
    layers = notebook_network(rng, depth, 100, factor, ensemble=(150,))
    measured = autocorrelation(input_gradients(layers, inputs(points)))
    predicted = predicted_autocorrelation(points, depth, factor, bias=factor)
    # 150 networks with about two independent stretches each; depth/width adds a few percent.
    assert np.abs(measured - predicted).max() < 0.12


def test_the_residual_network_too() -> None:
    layers = residual_network(np.random.default_rng(1), 4, 60, 0.5, ensemble=(200,))
    measured = autocorrelation(input_gradients(layers, inputs(16)))
    predicted = predicted_autocorrelation(16, 4, 2.0, scale=0.5)
    assert np.abs(measured - predicted).max() < 0.12


def test_weights_and_biases_of_the_notebook_have_one_variance() -> None:
    layers = notebook_network(np.random.default_rng(2), 3, 50, 1.0, ensemble=(200,))
    assert [sorted(layer.parameters) for layer in layers] == [["W", "b"]] * 3 + [["W"]]
    for layer in layers:
        for array in layer.parameters.values():
            # 10,000 numbers or more: their variance is good to √(2/10,000) = 1.4 %.
            assert array.var() == pytest.approx(1 / 50, rel=0.06)
    assert notebook_network(np.random.default_rng(3), 2, 4, 2.0)[-1].parameters["W"].shape == (4, 1)


def test_the_setting_is_the_published_one() -> None:
    x = inputs(NOTEBOOK.points)
    assert (x[0], x[1] - x[0], x[-1]) == (-2.0, 4.0 / 256, 2.0 - 4.0 / 256)
    assert (NOTEBOOK.width, NOTEBOOK.depths, NOTEBOOK.factor) == (200, (1, 24, 50), 1.0)


@pytest.mark.parametrize("scale", [None, 0.5])
def test_a_replication_is_the_autocorrelation_with_its_jackknife_error(
    scale: float | None,
) -> None:
    setting = Replication(width=10, points=6, networks=5)
    value, error = replicate(np.random.default_rng(4), 4, 2.0, scale=scale, setting=setting)
    rng = np.random.default_rng(4)
    layers = (
        notebook_network(rng, 4, 10, 2.0, ensemble=(5,))
        if scale is None
        else residual_network(rng, 2, 10, scale, ensemble=(5,))
    )
    rows = input_gradients(layers, inputs(6))
    lag = 2
    sums = [row[:-lag] @ row[lag:] for row in rows]
    squares = [row @ row for row in rows]
    assert value[lag] == pytest.approx(sum(sums) / sum(squares), rel=1e-12)
    left = [
        (sum(sums) - one) / (sum(squares) - square)
        for one, square in zip(sums, squares, strict=True)
    ]
    jackknife = math.sqrt(4 / 5 * sum((part - sum(left) / 5) ** 2 for part in left))
    assert error[lag] == pytest.approx(jackknife, rel=1e-10)
