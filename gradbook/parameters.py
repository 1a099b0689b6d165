"""Tell which parameters a network has: an array that several layers hold is one parameter.

A parameter is named after its place: `"2.W"` is the `W` of the second layer. Layers count from 1,
so that layer `l` takes `h[l - 1]` to `h[l]` and `h[0]` is the network's input.
"""

from collections.abc import Sequence

import numpy as np

from gradbook.checks import Array
from gradbook.layers.base import Layer, check_layers, numbered


def named_parameters(layers: Sequence[Layer]) -> dict[str, Array]:
    """Return the array at every place, layer by layer, a shared one at each place it has."""
    check_layers(layers)
    return numbered([layer.parameters for layer in layers])


def places(layers: Sequence[Layer]) -> tuple[tuple[str, ...], ...]:
    """Return, for every distinct parameter, the names of the places that share it.

    Parameters come in the order of their first appearance.

    Examples:
        >>> from gradbook.activations import tanh
        >>> from gradbook.layers import Recurrent
        >>> step = Recurrent(W=np.eye(2), U=None, b=np.zeros(2), activation=tanh)
        >>> places([step, step])
        (('1.W', '2.W'), ('1.b', '2.b'))
    """
    names: dict[int, list[str]] = {}
    for name, array in named_parameters(layers).items():
        names.setdefault(id(array), []).append(name)
    return tuple(tuple(group) for group in names.values())


def distinct_parameters(layers: Sequence[Layer]) -> list[Array]:
    """Return every distinct parameter once, in the order of `places`."""
    check_layers(layers)
    arrays = (array for layer in layers for array in layer.parameters.values())
    return [*{id(array): array for array in arrays}.values()]


def with_parameters(layers: Sequence[Layer], values: Sequence[Array]) -> list[Layer]:
    """Return the network with other values in the order of `places`, sharing them as before.

    A value may bring ensemble axes that the old one did not have.

    Examples:
        >>> from gradbook.activations import tanh
        >>> from gradbook.layers import Recurrent
        >>> step = Recurrent(W=np.eye(2), U=None, b=None, activation=tanh)
        >>> first, second = with_parameters([step, step], [np.ones((2, 2))])
        >>> first.parameters["W"] is second.parameters["W"]
        True
    """
    check_layers(layers)
    held = [layer.parameters for layer in layers]
    old = dict.fromkeys(id(array) for of_layer in held for array in of_layer.values())
    if len(values) != len(old):
        expected = f"one array for each of the {len(old)} parameters {places(layers)}"
        raise ValueError(f"values must hold {expected}, got {len(values)}")
    new = dict(zip(old, values, strict=True))
    return [
        layer.with_parameters({name: new[id(array)] for name, array in of_layer.items()})
        for layer, of_layer in zip(layers, held, strict=True)
    ]


def in_float32(layers: Sequence[Layer]) -> list[Layer]:
    """Return the network with parameters in float32, which halves what there is to move."""
    return with_parameters(
        layers, [value.astype(np.float32) for value in distinct_parameters(layers)]
    )
