"""Layers of Keras on PyTorch are found, named and put in order without either library."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from gradbook.diagnosis.watching import keras_layers
from gradbook.diagnosis.watching.modules import (
    axes_of,
    features_second,
    has_weights,
    holds_others,
    modules_of,
    own_weights,
    weights_of,
)


class Layer:
    """What of a layer of Keras is asked for."""

    def __init__(
        self, path: str | None, weights: str = "", inner: tuple[Layer, ...] = (), **more: Any
    ) -> None:
        self.path, self.name, self._layers = path, "unbuilt", list(inner)
        self._trainable_variables = [
            SimpleNamespace(path=f"{path}/{name}", _value=SimpleNamespace(ndim=axes))
            for axes, name in enumerate(weights.split(), start=1)
        ]
        self.states = [SimpleNamespace(path=f"{path}/moving", _value=None)] if weights else []
        vars(self).update(more)

    @property
    def variables(self) -> list[Any]:
        inner = [variable for layer in self._layers for variable in layer.variables]
        return [*self._trainable_variables, *self.states, *inner]

    def _flatten_layers(self) -> Iterator[Layer]:
        yield self
        for layer in self._layers[::-1]:
            yield from layer._flatten_layers()

    def modules(self) -> Iterator[Layer]:
        yield self

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Layer]]:
        yield prefix, self

    def named_parameters(self, **_: bool) -> Iterator[tuple[str, Any]]:
        """Yield them twice and by the alphabet, as Keras does."""
        for outer in ("_functional._torch_params.", "_torch_params."):
            for variable in sorted(self.variables, key=lambda v: str(v.path)):
                yield f"{outer}{variable.path}", variable._value


def model() -> Layer:
    first, last = Layer("net/dense_9", "bias kernel"), Layer("net/dense_10", "bias kernel")
    return Layer("net", inner=(first, Layer(None), last))


def test_weights_are_in_the_order_of_layers_and_averages_are_none() -> None:
    names = list(weights_of(model()))
    assert names == [f"net/dense_{k}/{w}" for k in (9, 10) for w in ("bias", "kernel")]


def test_what_is_no_keras_keeps_its_names() -> None:
    plain = SimpleNamespace(
        modules=lambda: [plain], named_parameters=lambda **_: [("fc.weight", 1), ("b", 2)]
    )
    assert weights_of(plain) == {"fc.weight": 1, "b": 2}


def test_layers_that_are_registered_nowhere_are_found_under_the_names_of_their_weights() -> None:
    net = model()
    assert {name for name, _ in modules_of(net)} == {
        "",
        "net/dense_9",
        "net/dense_10",
        "unbuilt",
    }
    assert len(dict(modules_of(net))) == len([*modules_of(net)])


def test_own_weights_are_those_of_the_layer_alone() -> None:
    net = model()
    dense = net._layers[0]
    assert own_weights(net) == []
    assert len(own_weights(dense)) == 2
    assert axes_of(net) == 0
    assert axes_of(dense) == 2
    assert holds_others(net)
    assert not holds_others(dense)
    assert [has_weights(one) for one in (net, *net._layers)] == [True, True, False, True]


@pytest.mark.parametrize(
    ("settings", "second"),
    [
        ({"data_format": "channels_first"}, True),
        ({"data_format": "channels_last"}, False),
        ({"axis": 1}, True),
        ({"axis": -1}, False),
        ({"axis": [-1]}, False),
        ({}, False),
    ],
)
def test_features_lie_where_a_layer_says(settings: dict[str, Any], second: bool) -> None:
    assert features_second(Layer("conv", "kernel", **settings)) is second


def double(z: float) -> float:
    return 2 * z


def called(layer: Any, z: float) -> float:
    """Call a layer as two who look at it do, and say what they see."""
    for _ in range(2):
        keras_layers.see_activation(layer)
    output = layer.activation(z)
    seen = {keras_layers.before_activation(layer, output)}
    keras_layers.forget_activation(layer)
    seen.add(keras_layers.before_activation(layer, output))
    keras_layers.forget_activation(layer)
    assert keras_layers.before_activation(layer, output) == output
    return seen.pop() if len(seen) == 1 else float("nan")


def test_what_enters_an_activation_is_seen_and_the_activation_is_put_back() -> None:
    layer = Layer("dense", "bias kernel", activation=double)
    assert called(layer, 1e6 + 0.5) == 1e6 + 0.5
    assert layer.activation is double  # type: ignore[attr-defined]


def test_an_activation_that_is_a_layer_is_none_of_the_settings_afterwards() -> None:
    class Holds(Layer):
        def __getattr__(self, name: str) -> Any:  # as PyTorch finds modules
            if name == "activation":
                return double
            raise AttributeError(name)

    layer = Holds("dense", "bias kernel")
    assert called(layer, 1e6 + 0.5) == 1e6 + 0.5
    assert "activation" not in vars(layer)


def test_what_a_layer_makes_of_its_activation_is_its_output() -> None:
    layer: Any = Layer("cell", "bias kernel", activation=double)
    keras_layers.see_activation(layer)
    output = [layer.activation(1e6)]
    assert keras_layers.before_activation(layer, output) is output
    keras_layers.forget_activation(layer)


def test_without_an_activation_there_is_nothing_to_keep() -> None:
    layer = Layer("norm", "gamma")
    keras_layers.see_activation(layer)
    output = object()
    assert keras_layers.before_activation(layer, output) is output
    keras_layers.forget_activation(layer)
    del layer
    gc.collect()
    assert not keras_layers._STAND_INS
