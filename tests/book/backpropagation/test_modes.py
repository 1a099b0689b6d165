"""Three ways to one gradient, and what each of them costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradbook.activations import identity, tanh
from gradbook.backpropagation import backprop, forward, forward_loss
from gradbook.book.backpropagation.counting import dense, forward_cost, multiply_adds
from gradbook.book.backpropagation.modes import (
    difference_mode,
    forward_mode,
    parameter_count,
    reverse_mode,
)
from gradbook.initializers import lecun
from gradbook.layers import Dense, Layer, Recurrent
from gradbook.losses import half_squared_error
from gradbook.networks import plain
from network_oracle import Case, draw_dense_example

MODES = (reverse_mode, forward_mode, difference_mode)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return draw_dense_example(lambda options: draw(st.sampled_from(list(options))), rng)


@settings(max_examples=60)
@given(cases())
def test_reverse_and_forward_mode_give_the_gradient_that_autograd_finds(case: Case) -> None:
    wanted = np.concatenate([array.ravel() for array in case.gradients()[1:]])
    size = 1 + np.abs(wanted).max()
    for mode in (reverse_mode, forward_mode):
        found = mode(case.layers(), case.x, case.target, case.loss)
        # A few dozen roundings, relative to the largest entry.
        assert found == pytest.approx(wanted, rel=0, abs=1e-12 * size)


def network(widths: tuple[int, ...], *, biases: bool = True) -> list[Layer]:
    rng = np.random.default_rng(widths)
    return plain(rng, widths, tanh, lecun, bias_variance=0.1 if biases else None)


def example(layers: list[Layer], batch: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(batch)
    fan_in, fan_out = len(layers[0].W), layers[-1].W.shape[1]
    x, target = rng.standard_normal((batch, fan_in)), rng.standard_normal((batch, fan_out))
    return x, target, half_squared_error


@pytest.mark.parametrize("biases", [True, False])
def test_differences_agree_as_far_as_differences_can(biases: bool) -> None:
    layers = network((3, 4, 2), biases=biases)
    data = example(layers, 5)
    # Step 6e-6: a truncation of about 4e-11 and a rounding of about 4e-11.
    assert difference_mode(layers, *data) == pytest.approx(reverse_mode(layers, *data), abs=1e-9)


def test_a_larger_step_makes_a_larger_error() -> None:
    layers = network((3, 4, 2))
    data = example(layers, 5)
    exact = reverse_mode(layers, *data)
    small, large = (np.abs(difference_mode(layers, *data, step=s) - exact).max() for s in (1e-3, 1))
    assert large > 1000 * small


class Scalar:
    """A number that counts its multiplications."""

    count = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def __mul__(self, other: Scalar) -> Scalar:
        Scalar.count += 1
        return Scalar(self.value * other.value)

    def __add__(self, other: Scalar) -> Scalar:
        return Scalar(self.value + other.value)


def scalars(*shape: int) -> np.ndarray:
    return np.array([Scalar(1.0) for _ in range(int(np.prod(shape)))], dtype=object).reshape(shape)


def multiplications(product: Callable[[], object]) -> int:
    Scalar.count = 0
    product()
    return Scalar.count


SIZES = [(3, 4, 2), (2, 2), (5, 1, 6, 3)]


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("widths", SIZES, ids=str)
def test_a_forward_pass_counts_the_multiplications_of_its_scalars(
    widths: tuple[int, ...], batch: int
) -> None:
    layers = network(widths)
    x = example(layers, batch)[0]
    counted = multiply_adds(lambda net: forward(net, x), layers)

    def by_scalars() -> None:
        h = scalars(*x.shape)
        for layer in layers:
            h = h @ scalars(*layer.W.shape)

    assert counted == multiplications(by_scalars) == forward_cost(layers, batch)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("widths", SIZES, ids=str)
def test_backpropagation_counts_the_multiplications_of_its_scalars(
    widths: tuple[int, ...], batch: int
) -> None:
    layers = network(widths)
    data = example(layers, batch)
    counted = multiply_adds(lambda net: backprop(net, *data), layers)

    def by_scalars() -> None:
        for layer in layers:
            fan_in, fan_out = layer.W.shape
            x, W, delta = scalars(batch, fan_in), scalars(fan_in, fan_out), scalars(batch, fan_out)
            _ = x @ W, delta @ W.T, x.T @ delta

    assert counted == multiplications(by_scalars) == 3 * forward_cost(layers, batch)


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("widths", SIZES, ids=str)
def test_each_mode_costs_what_theory_says(widths: tuple[int, ...], biases: bool) -> None:
    layers, batch = network(widths, biases=biases), 4
    data = example(layers, batch)
    passes = [multiply_adds(lambda net, m=m: m(net, *data), layers) for m in MODES]
    one, parameters = forward_cost(layers, batch), parameter_count(layers)
    assert passes == [3 * one, (1 + parameters) * one, 2 * parameters * one]


def test_counting_changes_no_result_and_no_layer() -> None:
    layers = network((3, 4, 2))
    data = example(layers, 4)
    for mode in MODES:
        found: list[np.ndarray] = []
        multiply_adds(lambda net, mode=mode, found=found: found.append(mode(net, *data)), layers)
        assert (found[0] == mode(layers, *data)).all()
        assert type(found[0]) is np.ndarray
    assert all(type(layer.W) is np.ndarray for layer in layers)


def test_two_counts_do_not_mix() -> None:
    layers = network((3, 4, 2))
    x, target, loss = example(layers, 4)

    def nested(net: list[Dense]) -> None:
        multiply_adds(lambda inner: forward(inner, x), layers)
        forward_loss(net, x, target, loss)

    assert multiply_adds(nested, layers) == forward_cost(layers, 4)


def test_an_array_may_be_watched_before_anything_counts() -> None:
    # A view of a view, a scalar result and an empty product have nothing to add.
    layers = [Dense(np.ones((3, 2)), np.zeros(2), identity)]
    assert multiply_adds(lambda net: net[0].W.T.copy().sum() * 2, layers) == 0


def test_only_dense_layers_can_be_counted() -> None:
    step = Recurrent(np.eye(2), None, None, tanh)
    with pytest.raises(TypeError, match="layers must be dense, got a Recurrent as layer 1"):
        multiply_adds(lambda net: None, [step])
    with pytest.raises(TypeError, match="layer 2"):
        dense([*network((2, 2)), step])


@pytest.mark.parametrize("mode", MODES)
def test_a_shared_parameter_is_refused(mode: Callable[..., np.ndarray]) -> None:
    (layer,) = network((2, 2))
    data = example([layer], 3)
    with pytest.raises(ValueError, match=r"must not share a parameter, got one at \('1.W', '2.W'"):
        mode([layer, layer], *data)


@pytest.mark.parametrize("mode", MODES)
def test_an_ensemble_is_refused(mode: Callable[..., np.ndarray]) -> None:
    layers = [Dense(np.ones((5, 2, 2)), None, tanh)]
    with pytest.raises(ValueError, match=r"no ensemble axes, got \(5, 2, 2\) as W of layer 1"):
        mode(layers, np.ones((1, 2)), np.ones((1, 2)), half_squared_error)


def test_a_step_or_a_batch_that_is_not_positive_is_refused() -> None:
    layers = network((2, 2))
    with pytest.raises(ValueError, match="step must be positive"):
        difference_mode(layers, *example(layers, 3), step=0)
    with pytest.raises(ValueError, match="batch"):
        forward_cost(layers, 0)
