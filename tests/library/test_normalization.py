"""BatchNorm, LayerNorm and RMSNorm: values by loops, gradients by autograd and closed forms."""

import dataclasses
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from gradbook.checks import Array
from gradbook.layers import BatchNorm, Forward, LayerNorm, RMSNorm

EPSILON = 0.3  # large enough that a misplaced epsilon shows


def reference(kind: str, x: Any, gamma: Any, beta: Any, fixed: Any = None) -> Any:
    """Say what the layers compute, in formulas that autograd can differentiate."""
    if kind == "RMSNorm":
        return gamma * x / anp.sqrt(anp.mean(x**2, axis=-1, keepdims=True) + EPSILON)
    axis = -2 if kind == "BatchNorm" else -1
    mean = anp.mean(x, axis=axis, keepdims=True)
    variance = anp.mean((x - mean) ** 2, axis=axis, keepdims=True)
    if fixed is not None:
        mean, variance = fixed
    return gamma * (x - mean) / anp.sqrt(variance + EPSILON) + beta


def layer_of(kind: str, gamma: Array, beta: Array, fixed: Any = None) -> Any:
    if kind == "RMSNorm":
        return RMSNorm(gamma, EPSILON)
    if kind == "LayerNorm":
        return LayerNorm(gamma, beta, EPSILON)
    return BatchNorm(gamma, beta, EPSILON, *(fixed or ()))


KINDS = ["BatchNorm", "BatchNorm, fixed", "LayerNorm", "RMSNorm"]


@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_are_those_of_the_formula_under_autograd(kind: str) -> None:
    rng = np.random.default_rng(0)
    x, u = rng.standard_normal((2, 5, 4))
    gamma, beta, mean = rng.standard_normal((3, 4))
    name, _, is_fixed = kind.partition(", ")
    fixed = (mean, rng.uniform(0.5, 2, 4)) if is_fixed else None
    layer = layer_of(name, gamma, beta, fixed)
    record = layer.forward(x)
    back = layer.backward(record, u)

    def scalar(x: Any, gamma: Any, beta: Any) -> Any:
        return anp.sum(u * reference(name, x, gamma, beta, fixed))

    # Both sides are a few dozen operations on numbers of order one.
    near = {"rtol": 1e-12, "atol": 1e-13}
    np.testing.assert_allclose(record.a, reference(name, x, gamma, beta, fixed), **near)
    arguments = range(2 if name == "RMSNorm" else 3)
    wanted = [autograd.grad(scalar, i)(x, gamma, beta) for i in arguments]
    np.testing.assert_allclose(back.dx, wanted[0], **near)
    np.testing.assert_allclose(back.grads["gamma"], wanted[1], **near)
    if name != "RMSNorm":
        np.testing.assert_allclose(back.grads["beta"], wanted[2], **near)
    assert list(back.grads) == list(layer.parameters)


LAYERS = [BatchNorm(None, None, EPSILON), LayerNorm(None, None, EPSILON), RMSNorm(None, EPSILON)]
each_layer = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)


def statistics_axis(layer: object) -> int:
    return -2 if isinstance(layer, BatchNorm) else -1


@each_layer
def test_the_gradient_has_no_mean_and_along_x_hat_only_what_epsilon_leaves(layer: Any) -> None:
    rng = np.random.default_rng(1)
    x, da = rng.standard_normal((2, 3, 6, 5))
    axis = statistics_axis(layer)
    dx = layer.backward(layer.forward(x), da).dx
    mean = 0.0 if isinstance(layer, RMSNorm) else x.mean(axis, keepdims=True)
    s = np.sqrt(((x - mean) ** 2).mean(axis) + EPSILON)
    x_hat = (x - mean) / np.expand_dims(s, axis)
    # Sums of six numbers of order one.
    left = EPSILON / s**3 * (da * x_hat).sum(axis)
    np.testing.assert_allclose((dx * x_hat).sum(axis), left, rtol=1e-11, atol=1e-14)
    sums = dx.sum(axis)
    if isinstance(layer, RMSNorm):
        assert np.abs(sums).min() > 1e-3
    else:
        np.testing.assert_allclose(sums, 0, atol=1e-14)


@each_layer
def test_a_scale_of_the_input_drops_out_and_divides_the_gradient(layer: Any) -> None:
    exact = dataclasses.replace(layer, epsilon=0.0)
    rng = np.random.default_rng(2)
    x, da = rng.standard_normal((2, 6, 5))
    one, large = exact.forward(x), exact.forward(8 * x)
    # 8 is a power of two: not even a rounding differs.
    np.testing.assert_array_equal(large.a, one.a)
    np.testing.assert_array_equal(8 * exact.backward(large, da).dx, exact.backward(one, da).dx)


@each_layer
def test_epsilon_acts_on_a_scaled_input_as_a_smaller_epsilon_on_the_input(layer: Any) -> None:
    x = np.random.default_rng(3).standard_normal((6, 5))
    smaller = dataclasses.replace(layer, epsilon=EPSILON / 16)
    np.testing.assert_array_equal(layer.forward(4 * x).a, smaller.forward(x).a)


@pytest.mark.parametrize("layer", LAYERS[:2], ids=["BatchNorm", "LayerNorm"])
def test_numbers_that_are_all_equal_become_zero_and_pass_a_finite_gradient(layer: Any) -> None:
    x, da = np.full((4, 4), 3.0), np.random.default_rng(4).standard_normal((4, 4))
    record = layer.forward(x)
    assert not record.a.any()
    mean = da.mean(statistics_axis(layer), keepdims=True)
    np.testing.assert_allclose(
        layer.backward(record, da).dx, (da - mean) / np.sqrt(EPSILON), rtol=1e-14, atol=1e-15
    )
    with pytest.raises(ValueError, match="epsilon must be positive where x has no spread"):
        dataclasses.replace(layer, epsilon=0.0).forward(x)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_a_number_format_is_kept_and_large_squares_do_not_overflow(kind: str, dtype: type) -> None:
    rng = np.random.default_rng(5)
    x, da = (1000 * rng.standard_normal((2, 6, 5))).astype(dtype)
    gamma, beta = rng.standard_normal((2, 5)).astype(dtype)
    name, _, is_fixed = kind.partition(", ")
    layer = layer_of(name, gamma, beta)
    if is_fixed:
        layer = layer.fixed(x)
    record = layer.forward(x)
    back = layer.backward(record, da)
    for array in (record.a, back.dx, *back.grads.values()):
        assert array.dtype == dtype
    # A relative rounding or two of the format, on numbers below 4.
    exact = layer.forward(x.astype(np.float64)).a
    np.testing.assert_allclose(record.a, exact, atol=10 * float(np.finfo(dtype).eps))


def test_epsilon_is_what_pytorch_has() -> None:
    for layer in (BatchNorm(None, None), LayerNorm(None, None), RMSNorm(None)):
        assert layer.epsilon == 1e-5


def test_fixed_statistics_of_the_batch_itself_give_the_same_output_and_another_gradient() -> None:
    rng = np.random.default_rng(6)
    x, da = rng.standard_normal((2, 2, 6, 5))
    layer = BatchNorm(rng.standard_normal((2, 5)), None)
    fixed = layer.fixed(x)
    np.testing.assert_allclose(fixed.forward(x).a, layer.forward(x).a, rtol=1e-12, atol=1e-14)
    dx = fixed.backward(fixed.forward(x), da).dx
    divisor = np.sqrt(x.var(axis=-2) + 1e-5)[:, None, :]
    np.testing.assert_allclose(dx, da * layer.gamma[:, None, :] / divisor, rtol=1e-12)
    assert np.abs(dx - layer.backward(layer.forward(x), da).dx).max() > 0.1
    assert fixed.forward(x[:, :1]).a.shape == (2, 1, 5)


def test_a_fixed_layer_keeps_its_statistics_when_its_parameters_move() -> None:
    layer = BatchNorm(np.ones(2), np.zeros(2)).fixed(np.array([[1.0, 5.0], [3.0, 9.0]]))
    moved = layer.with_parameters({"beta": np.ones(2)})
    assert moved.mean is layer.mean
    assert list(moved.parameters) == ["gamma", "beta"]


def test_members_of_an_ensemble_are_normalized_each_for_itself() -> None:
    rng = np.random.default_rng(7)
    x, da = rng.standard_normal((2, 3, 6, 5))
    gamma, beta = rng.standard_normal((2, 3, 5))
    for kind in ("BatchNorm", "LayerNorm", "RMSNorm"):
        together = layer_of(kind, gamma, beta)
        back = together.backward(together.forward(x), da)
        for m in range(3):
            alone = layer_of(kind, gamma[m], beta[m])
            single = alone.backward(alone.forward(x[m]), da[m])
            np.testing.assert_allclose(back.dx[m], single.dx, rtol=1e-12, atol=1e-14)
            for name, grad in single.grads.items():
                np.testing.assert_allclose(back.grads[name][m], grad, rtol=1e-12, atol=1e-14)


ROWS = np.ones((2, 3))
FAULTS = [
    (lambda: BatchNorm(None, None).forward(ROWS[:1]), r"x must have at least 2 examples, .*\(1, 3"),
    (lambda: LayerNorm(None, None).forward(ROWS[:, :1]), r"x must have at least 2 units.*\(2, 1\)"),
    (lambda: LayerNorm(np.ones(2), None).forward(ROWS), r"\(\.\.\., batch, 2\) to fit gamma.*2, 3"),
    (lambda: BatchNorm(None, None).fixed(ROWS).forward(ROWS[:, :2]), r"batch, 3\) to fit mean"),
    (lambda: LayerNorm(np.ones(2), np.ones(3)), "gamma and beta must have the same width"),
    (lambda: LayerNorm(np.array(1.0), None), r"gamma must have shape \(\.\.\., width\), got \(\)"),
    (lambda: RMSNorm(np.array([np.nan])), r"gamma must be finite, got nan"),
    (lambda: RMSNorm(None, -1.0), "epsilon must not be negative, got -1.0"),
    (lambda: RMSNorm(None).forward(np.ones(3)), r"\(\.\.\., batch, width\), got \(3,\)"),
    (lambda: RMSNorm(None).forward(np.ones((0, 3))), r"\(\.\.\., batch, width\), got \(0, 3\)"),
    (
        lambda: RMSNorm(None, 0.0).forward(0 * ROWS),
        "epsilon must be positive where x has no spread",
    ),
    (lambda: BatchNorm(None, None, mean=np.ones(3)), "given together, got variance=None"),
    (lambda: BatchNorm(None, None, variance=np.ones(3)), "given together, got mean=None"),
    (lambda: BatchNorm(None, None, 0.1, np.ones(1), -np.ones(1)), r"variance \+ epsilon must be"),
    (lambda: BatchNorm(None, None, 0.0, np.ones(1), np.zeros(1)), r"variance \+ epsilon must be"),
    (
        lambda: BatchNorm(None, None, 0.1, np.ones(1), np.array(1.0)),
        "variance must be finite and of",
    ),
    (lambda: BatchNorm(None, None, 0.1, np.array([np.inf]), np.ones(1)), "mean must be finite and"),
    (
        lambda: LayerNorm(np.ones((2, 3)), None).forward(np.ones((4, 2, 3))),
        r"x must have ensemble axes .* \(2,\) of gamma, got \(4,\)",
    ),
    (
        lambda: RMSNorm(None).backward(Forward(ROWS, ROWS), ROWS),
        "record must come from this layer's forward",
    ),
]


@pytest.mark.parametrize(("fault", "message"), FAULTS)
def test_what_does_not_fit_is_named(fault: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fault()


def test_parameters_are_arrays() -> None:
    with pytest.raises(TypeError, match="gamma must be a floating-point NumPy array"):
        LayerNorm([1.0], None)  # type: ignore[arg-type]
