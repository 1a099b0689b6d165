"""Build networks, which are plain lists of layers.

Weights are drawn layer by layer, those before the biases. `ensemble` holds the leading axes of
every parameter, such as `(100,)` for a hundred networks.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import Activation, identity
from gradbook.checks import Array, finite_array, non_negative, positive_int
from gradbook.initializers import Initializer
from gradbook.layers import Dense, Layer, Recurrent


def checked_widths(widths: Sequence[int]) -> list[int]:
    """Return the widths of a network of at least one layer, the inputs first."""
    sizes = [positive_int(f"widths[{i}]", width) for i, width in enumerate(widths)]
    if len(sizes) < 2:
        raise ValueError(f"widths must hold the inputs and at least one layer, got {widths!r}")
    return sizes


def plain(
    rng: np.random.Generator,
    widths: Sequence[int],
    activation: Activation,
    initializer: Initializer,
    *,
    output_activation: Activation = identity,
    bias_variance: float | None = 0.0,
    ensemble: tuple[int, ...] = (),
) -> list[Layer]:
    r"""Chain dense layers, $h_l = f(h_{l-1} W_l + b_l)$, with an activation of its own at the end.

    Args:
        widths: The number of inputs, then of the units in each layer: `(3, 2, 1)` is two layers.
        bias_variance: Biases are drawn from $N(0, \text{bias\_variance})$; None for no biases.

    Examples:
        >>> from gradbook.activations import sigmoid
        >>> from gradbook.initializers import lecun
        >>> layers = plain(np.random.default_rng(0), (3, 2, 1), sigmoid, lecun)
        >>> [layer.parameters["W"].shape for layer in layers]
        [(3, 2), (2, 1)]
    """
    sizes = checked_widths(widths)
    layers: list[Layer] = []
    for fan_in, fan_out in pairwise(sizes):
        W = initializer.draw(rng, fan_in, fan_out, ensemble)
        b = _biases(rng, bias_variance, (*ensemble, fan_out))
        layers.append(
            Dense(W, b, output_activation if len(layers) == len(sizes) - 2 else activation)
        )
    return layers


def unrolled(
    rng: np.random.Generator,
    width: int,
    steps: int,
    activation: Activation,
    initializer: Initializer,
    *,
    inputs: ArrayLike | None = None,
    input_initializer: Initializer | None = None,
    bias_variance: float | None = 0.0,
    ensemble: tuple[int, ...] = (),
) -> list[Layer]:
    r"""Unroll a recurrent network in time: $h_t = f(h_{t-1} W + x_t U + b)$, a layer for each step.

    All steps hold the same `W`, `U` and `b`, drawn in this order, so that backpropagation through
    the list is backpropagation through time. The network's input is the initial hidden state,
    `(..., batch, width)`. A readout is one more layer: `unrolled(...) + [Dense(...)]`.

    Args:
        initializer: How `W` is drawn, and `U` if it has no `input_initializer`.
        inputs: One input per step, `(steps, ..., batch, fan_in)`; None for a network left to
            itself, which has no `U`.
        bias_variance: Biases are drawn from $N(0, \text{bias\_variance})$; None for no biases.

    Examples:
        >>> from gradbook.activations import tanh
        >>> from gradbook.initializers import orthogonal
        >>> layers = unrolled(np.random.default_rng(0), 4, 3, tanh, orthogonal)
        >>> len(layers), layers[0].parameters["W"] is layers[2].parameters["W"]
        (3, True)
    """
    width, steps = positive_int("width", width), positive_int("steps", steps)
    W = initializer.draw(rng, width, width, ensemble)
    U: Array | None = None
    x: Sequence[Array | None] = [None] * steps
    if inputs is not None:
        x = array = step_inputs(inputs, steps)
        U = (input_initializer or initializer).draw(rng, array[0].shape[-1], width, ensemble)
    b = _biases(rng, bias_variance, (*ensemble, width))
    return [Recurrent(W, U, b, activation, x_t) for x_t in x]


def _biases(
    rng: np.random.Generator, variance: float | None, shape: tuple[int, ...]
) -> Array | None:
    if variance is None:
        return None
    deviation = math.sqrt(non_negative("bias_variance", variance))
    return np.zeros(shape) if deviation == 0 else deviation * rng.standard_normal(shape)


def step_inputs(inputs: ArrayLike, steps: int) -> list[Array]:
    """Take the inputs of an unrolled network apart, one for each step."""
    array = finite_array("inputs", inputs)
    if array.ndim < 3 or len(array) != steps:
        expected = f"({steps}, ..., batch, fan_in)"
        raise ValueError(f"inputs must have shape {expected}, got {array.shape}")
    return list(array)
