"""The builders: shapes, laws of the draws, sharing, errors."""

import numpy as np
import pytest

from gradbook.activations import identity, relu, sigmoid, tanh
from gradbook.backpropagation import forward
from gradbook.initializers import constant, he, lecun, orthogonal
from gradbook.layers import Dense, Recurrent
from gradbook.networks import plain, unrolled
from gradbook.parameters import places


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_plain_network_has_a_dense_layer_between_each_two_widths() -> None:
    layers = plain(rng(), [4, 3, 3, 2], relu, he)
    assert all(isinstance(layer, Dense) for layer in layers)
    assert [layer.parameters["W"].shape for layer in layers] == [(4, 3), (3, 3), (3, 2)]
    assert [layer.parameters["b"].shape for layer in layers] == [(3,), (3,), (2,)]
    assert [layer.activation for layer in layers] == [relu, relu, identity]
    assert forward(layers, np.ones((5, 4)))[-1].a.shape == (5, 2)


def test_the_last_layer_has_an_activation_of_its_own() -> None:
    layers = plain(rng(), (2, 1), relu, he, output_activation=sigmoid)
    assert [layer.activation for layer in layers] == [sigmoid]


def test_weights_come_from_the_initializer_layer_by_layer() -> None:
    layers = plain(rng(7), (4, 3, 2), tanh, lecun)
    again = rng(7)
    for layer, (fan_in, fan_out) in zip(layers, [(4, 3), (3, 2)], strict=True):
        np.testing.assert_array_equal(layer.parameters["W"], lecun.draw(again, fan_in, fan_out))
        np.testing.assert_array_equal(layer.parameters["b"], np.zeros(fan_out))


def test_biases_have_the_variance_asked_for_or_are_left_out() -> None:
    [layer] = plain(rng(), (1, 20_000), tanh, constant(0), bias_variance=0.09)
    b = layer.parameters["b"]
    # Standard errors: .3/√20000 = .0021 of the mean, .09·√(2/20000) = .0009 of the variance.
    assert abs(b.mean()) < 4 * 0.0021
    assert abs(b.var() - 0.09) < 4 * 0.0009
    [layer] = plain(rng(), (1, 2), tanh, lecun, bias_variance=None)
    assert list(layer.parameters) == ["W"]


def test_an_ensemble_differs_from_member_to_member() -> None:
    layers = plain(rng(), (3, 4, 2), tanh, he, bias_variance=1.0, ensemble=(5, 2))
    for layer, (fan_in, fan_out) in zip(layers, [(3, 4), (4, 2)], strict=True):
        assert layer.parameters["W"].shape == (5, 2, fan_in, fan_out)
        assert layer.parameters["b"].shape == (5, 2, fan_out)
    output = forward(layers, np.ones((1, 3)))[-1].a
    assert output.shape == (5, 2, 1, 2)
    assert len(np.unique(output)) == output.size


def test_unrolled_steps_share_their_arrays_and_have_inputs_of_their_own() -> None:
    inputs = rng(1).standard_normal((4, 5, 2))
    steps = unrolled(rng(), 3, 4, tanh, orthogonal, inputs=inputs, bias_variance=0.5)
    assert all(isinstance(step, Recurrent) for step in steps)
    assert [len(group) for group in places(steps)] == [4, 4, 4]
    for step, x in zip(steps, inputs, strict=True):
        np.testing.assert_array_equal(step.x, x)


def test_an_unrolled_network_iterates_one_map() -> None:
    inputs = rng(1).standard_normal((4, 5, 2))
    steps = unrolled(rng(), 3, 4, tanh, lecun, inputs=inputs, bias_variance=0.5)
    W, U, b = steps[0].parameters.values()
    h = np.zeros((5, 3))
    for record, x in zip(forward(steps, h), inputs, strict=True):
        h = np.tanh(h @ W + x @ U + b)
        # The same numbers in the same order, up to the order within a product.
        np.testing.assert_allclose(record.a, h, rtol=1e-13, atol=1e-15)


def test_input_weights_may_be_drawn_in_a_way_of_their_own() -> None:
    inputs = np.ones((2, 1, 2))
    steps = unrolled(
        rng(), 3, 2, tanh, lecun, inputs=inputs, input_initializer=constant(0.5), ensemble=(6,)
    )
    np.testing.assert_array_equal(steps[0].parameters["U"], np.full((6, 2, 3), 0.5))
    assert steps[0].parameters["W"].shape == (6, 3, 3)
    assert steps[0].parameters["b"].shape == (6, 3)


def test_every_member_of_an_ensemble_may_have_inputs_of_its_own() -> None:
    inputs = rng(1).standard_normal((1, 6, 5, 2))
    [step] = unrolled(rng(), 3, 1, tanh, lecun, inputs=inputs)
    assert step.parameters["U"].shape == (2, 3)
    np.testing.assert_array_equal(step.parameters["b"], np.zeros(3))
    assert forward([step], np.zeros((5, 3)))[-1].a.shape == (6, 5, 3)


def test_a_network_left_to_itself_has_no_input_weights() -> None:
    steps = unrolled(rng(), 3, 2, tanh, lecun, bias_variance=None)
    assert places(steps) == (("1.W", "2.W"),)


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ([], r"widths must hold the inputs and at least one layer, got \[\]"),
        ([3], r"widths must hold the inputs and at least one layer, got \[3\]"),
        ([3, 0], r"widths\[1\] must be an integer of at least 1, got 0"),
        ([-3, 1], r"widths\[0\] must be an integer of at least 1, got -3"),
    ],
)
def test_widths_that_make_no_network_are_refused(widths: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plain(rng(), widths, tanh, lecun)


def test_sizes_and_variances_below_zero_are_refused() -> None:
    with pytest.raises(TypeError, match=r"widths\[0\] must be an integer of at least 1, got 2.5"):
        plain(rng(), (2.5, 1), tanh, lecun)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bias_variance must not be negative, got -1"):
        plain(rng(), (2, 1), tanh, lecun, bias_variance=-1)
    with pytest.raises(ValueError, match=r"ensemble\[0\] must be an integer of at least 1, got 0"):
        plain(rng(), (2, 1), tanh, lecun, ensemble=(0,))
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got 0"):
        plain(0, (2, 1), tanh, lecun)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="steps must be an integer of at least 1, got 0"):
        unrolled(rng(), 2, 0, tanh, lecun)
    with pytest.raises(ValueError, match="width must be an integer of at least 1, got -2"):
        unrolled(rng(), -2, 1, tanh, lecun)


@pytest.mark.parametrize("shape", [(3, 5, 2), (4, 5)])
def test_inputs_of_the_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"inputs must have shape \(4, \.\.\., batch, fan_in\)"):
        unrolled(rng(), 3, 4, tanh, lecun, inputs=np.ones(shape))
    with pytest.raises(ValueError, match="inputs must be finite, got nan"):
        unrolled(rng(), 3, 4, tanh, lecun, inputs=np.full((4, 1, 1), np.nan))
