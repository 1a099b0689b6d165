"""What layers of Keras 3 on PyTorch hold, so that they are looked at as modules of PyTorch are.

A layer of Keras is a module of PyTorch and is called as one, so that its hooks act. But most models
register none: they keep layers in lists of their own, and their weights under paths such as
`block/dense/kernel` in one dictionary. And a layer computes its activation itself, so that what it
returns is not what it makes of its weights. Keras is not imported.
"""

import weakref
from collections.abc import Iterator
from typing import Any

MARK = "_torch_params."
"""Under which name Keras keeps the dictionary."""

SECOND = ("channels_first", 1)
"""What layers of Keras call the axis of their features where that is the second one."""


def is_keras(module: Any) -> bool:
    """Tell whether a module is a layer of Keras."""
    return hasattr(type(module), "_flatten_layers")


def layers_in(net: Any) -> Iterator[tuple[str, Any]]:
    """Yield the layers of Keras in a network by their paths, which are those of their weights."""
    for module in net.modules():
        for layer in module._flatten_layers() if is_keras(module) else ():
            yield layer.path or layer.name, layer


def own_variables(layer: Any) -> list[Any]:
    """Return a layer's own weights, without averages and the states of what draws at random.

    Not by `value`, which may be a copy in another format.
    """
    return [variable._value for variable in layer._trainable_variables]


def has_weights(layer: Any) -> bool:
    """Tell whether a layer, or one in it, has weights of its own."""
    return any(own_variables(one) for one in layer._flatten_layers())


def holds_layers(layer: Any) -> bool:
    """Tell whether there are layers in a layer."""
    return bool(layer._layers)


def features_second(layer: Any) -> bool:
    """Tell whether a layer's features lie along the second axis; mostly it is the last one."""
    return getattr(layer, "data_format", getattr(layer, "axis", None)) in SECOND


def in_order(net: Any, named: dict[str, Any]) -> dict[str, Any]:
    """Return parameters by the paths that Keras tells, in the order of layers and not of names.

    What a layer keeps and no step is meant for, as an average, is left out, as buffers are.
    """
    own = {v.path: v._value for _, layer in layers_in(net) for v in layer._trainable_variables}
    together: dict[str, list[str]] = {}
    for model in filter(is_keras, net.modules()):
        whole = [variable.path for variable in model.variables if variable.path in own]
        for path in whole:
            together.setdefault(path, whole)
    found: dict[str, Any] = {}
    for name, parameter in named.items():
        path = name.rpartition(MARK)[2]
        if path == name:
            found[name] = parameter
        elif path not in found:
            found |= {one: own[one] for one in together.get(path, [])}
    return found


class _StandIn:
    """An activation as long as its layer is called, which keeps what enters and what it returns."""

    def __init__(self, activation: Any) -> None:
        self.activation, self.calls = activation, 0
        self.pair: tuple[Any, Any] = None, None

    def __call__(self, z: Any, *given: Any, **more: Any) -> Any:
        returned = self.activation(z, *given, **more)
        self.pair = z, returned
        return returned


_STAND_INS: weakref.WeakKeyDictionary[Any, _StandIn] = weakref.WeakKeyDictionary()


def see_activation(layer: Any) -> None:
    """Keep what enters a layer's activation until `forget_activation`, which each call needs."""
    activation = getattr(layer, "activation", None)
    if callable(activation) and layer not in _STAND_INS:
        _STAND_INS[layer] = vars(layer)["activation"] = _StandIn(activation)
    if layer in _STAND_INS:
        _STAND_INS[layer].calls += 1


def forget_activation(layer: Any) -> None:
    """Put a layer's activation back, unless somebody else looks at this call, too."""
    if (stand_in := _STAND_INS.get(layer)) is None:
        return
    stand_in.calls -= 1
    if stand_in.calls == 0:
        del _STAND_INS[layer], vars(layer)["activation"]
        if getattr(layer, "activation", None) is not stand_in.activation:  # no layer itself
            vars(layer)["activation"] = stand_in.activation


def before_activation(layer: Any, output: Any) -> Any:
    """Return what a layer made of its weights: what entered its activation, if that came last."""
    z, returned = _STAND_INS[layer].pair if layer in _STAND_INS else (None, None)
    return output if returned is None or returned is not output else z
