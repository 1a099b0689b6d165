"""Which arrays are one parameter, what they are called, and how they are replaced."""

import numpy as np
import pytest

from gradbook.activations import identity, tanh
from gradbook.layers import Dense, Layer, Recurrent
from gradbook.layers.base import check_layers
from gradbook.parameters import (
    distinct_parameters,
    in_float32,
    named_parameters,
    places,
    with_parameters,
)

W, V, B = np.eye(2), np.full((2, 2), 0.5), np.zeros(2)
NETWORK: list[Layer] = [
    Dense(W, B, tanh),
    Recurrent(W, V, None, tanh, np.ones((1, 2))),
    Dense(V, B, identity),
]


def test_every_place_has_a_name_that_counts_layers_from_one() -> None:
    names = named_parameters(NETWORK)
    assert list(names) == ["1.W", "1.b", "2.W", "2.U", "3.W", "3.b"]
    assert names["2.W"] is W
    assert names["2.U"] is V


def test_places_that_hold_the_same_array_are_one_parameter() -> None:
    assert places(NETWORK) == (("1.W", "2.W"), ("1.b", "3.b"), ("2.U", "3.W"))
    for array, expected in zip(distinct_parameters(NETWORK), (W, B, V), strict=True):
        assert array is expected


def test_a_parameter_of_one_place_is_listed_like_any_other() -> None:
    layers = [Dense(W, B, tanh), Dense(W, None, tanh)]
    assert places(layers) == (("1.W", "2.W"), ("1.b",))
    assert [id(array) for array in distinct_parameters(layers)] == [id(W), id(B)]


def test_equal_arrays_that_are_not_the_same_object_are_two_parameters() -> None:
    layers = [Dense(W, None, tanh), Dense(W.copy(), None, tanh)]
    assert places(layers) == (("1.W",), ("2.W",))


def test_one_array_in_two_roles_of_one_layer_is_one_parameter() -> None:
    step = Recurrent(W, W, None, tanh, np.ones((1, 2)))
    assert places([step]) == (("1.W", "1.U"),)


def test_new_values_go_to_every_place_and_keep_sharing() -> None:
    values = [W + 1, B + 2, V + 3]
    layers = with_parameters(NETWORK, values)
    assert places(layers) == places(NETWORK)
    for array, value in zip(distinct_parameters(layers), values, strict=True):
        assert array is value
    assert named_parameters(NETWORK)["1.W"] is W
    np.testing.assert_array_equal(W, np.eye(2))


def test_parameters_that_receive_the_same_value_stay_equal_in_value() -> None:
    layers = with_parameters([Dense(W, B, tanh)], [V, B])
    np.testing.assert_array_equal(layers[0].parameters["W"], V)
    assert layers[0].parameters["b"] is B


def test_values_that_do_not_fit_are_refused_with_what_was_expected() -> None:
    with pytest.raises(ValueError, match=r"values must hold one array for each of the 3 .* got 2"):
        with_parameters(NETWORK, [W, B])
    with pytest.raises(ValueError, match=r"b must have shape \(\.\.\., 2\)"):
        with_parameters(NETWORK, [W, np.zeros(5), V])
    with pytest.raises(TypeError, match="W must be a floating-point NumPy array, got dtype int64"):
        with_parameters(NETWORK, [np.eye(2, dtype=np.int64), B, V])


@pytest.mark.parametrize("function", [check_layers, named_parameters, places, distinct_parameters])
def test_a_network_holds_at_least_one_layer_and_nothing_but_layers(function) -> None:
    with pytest.raises(ValueError, match=r"layers must hold at least one layer, got \[\]"):
        function([])
    with pytest.raises(TypeError, match="layers must hold layers, got 3 as layer 2"):
        function([NETWORK[0], 3])


def test_converted_networks_share_as_before() -> None:
    layer = Dense(np.eye(2), None, tanh)
    one, two = in_float32([layer, layer])
    assert one.parameters["W"] is two.parameters["W"]
