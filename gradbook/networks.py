"""Build networks, which are plain lists of layers."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import Activation, identity
from gradbook.checks import Array, finite_array, non_negative, positive_int
from gradbook.initializers import Initializer
from gradbook.layers import Dense, Layer, Recurrent


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
        rng: The random generator, drawn from layer by layer, weights before biases.
        widths: The number of inputs, then of the units in each layer: `(3, 2, 1)` is two layers.
        activation: The activation of every layer but the last.
        initializer: How the weights are drawn.
        output_activation: The activation of the last layer.
        bias_variance: Biases are drawn from $N(0, \text{bias\_variance})$; None for no biases.
        ensemble: Leading axes of every parameter, such as `(100,)` for a hundred networks.

    Returns:
        The layers.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If there are fewer than two widths, a size is not positive, or the variance is
            negative.

    Examples:
        >>> from gradbook.activations import sigmoid
        >>> from gradbook.initializers import lecun
        >>> layers = plain(np.random.default_rng(0), (3, 2, 1), sigmoid, lecun)
        >>> [layer.parameters["W"].shape for layer in layers]
        [(3, 2), (2, 1)]
        >>> sum(array.size for layer in layers for array in layer.parameters.values())
        11
    """
    sizes = [positive_int(f"widths[{i}]", width) for i, width in enumerate(widths)]
    if len(sizes) < 2:
        raise ValueError(f"widths must hold the inputs and at least one layer, got {widths!r}")
    layers: list[Layer] = []
    for fan_in, fan_out in pairwise(sizes):
        W = initializer.draw(rng, fan_in, fan_out, ensemble)
        b = _biases(rng, bias_variance, (*ensemble, fan_out))
        layers.append(
            Dense(W, b, output_activation if len(layers) == len(sizes) - 2 else activation)
        )
    return layers


def looks_linear(
    rng: np.random.Generator,
    widths: Sequence[int],
    activation: Activation,
    initializer: Initializer,
    *,
    ensemble: tuple[int, ...] = (),
) -> list[Layer]:
    r"""Chain dense layers with mirrored weights, which at first compute a linear map.

    Each hidden layer has every unit twice, with $z$ and with $-z$, and the next layer takes the
    difference: with the mirrored weights

    $$\begin{pmatrix} V & -V \\ -V & V \end{pmatrix}$$

    a layer turns the difference $u = h_+ - h_-$ into $f(uV) - f(-uV)$. If $f(z) - f(-z) = z$, that
    is $uV$, and the network is the product of its $V$, however deep. With orthogonal $V$ all
    singular values of its Jacobian are 1. Training is free to break the mirror.

    Args:
        rng: The random generator.
        widths: The number of inputs, of *pairs* of units in each hidden layer, and of outputs.
        activation: The activation of the hidden layers, with $f(z) - f(-z) = z$; the output is
            linear.
        initializer: How each $V$ is drawn.
        ensemble: Leading axes of every parameter.

    Returns:
        The layers, with biases of zero.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If there are fewer than two widths, or a size is not positive.

    Examples:
        >>> from gradbook.activations import relu
        >>> from gradbook.initializers import orthogonal
        >>> layers = looks_linear(np.random.default_rng(0), [3, 3, 3], relu, orthogonal)
        >>> [layer.parameters["W"].shape for layer in layers]
        [(3, 6), (6, 3)]

    Source: Balduzzi et al. 2017.
    """
    halves = plain(rng, widths, activation, initializer, ensemble=ensemble)
    mirrored: list[Layer] = []
    for number, layer in enumerate(halves, start=1):
        params = dict(layer.parameters)
        if number > 1:
            params["W"] = np.concatenate([params["W"], -params["W"]], axis=-2)
        if number < len(halves):
            params["W"] = np.concatenate([params["W"], -params["W"]], axis=-1)
            params["b"] = np.concatenate([params["b"], params["b"]], axis=-1)
        mirrored.append(layer.with_parameters(params))
    return mirrored


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

    All steps hold the same `W`, `U` and `b`, so that backpropagation through the list is
    backpropagation through time. A readout is one more layer: `unrolled(...) + [Dense(...)]`.

    Args:
        rng: The random generator, drawn from for `W`, then `U`, then `b`.
        width: The number of units of the hidden state.
        steps: The number of steps.
        activation: The activation of every step.
        initializer: How `W` is drawn.
        inputs: One input per step, `(steps, ..., batch, fan_in)`; None for a network left to
            itself, which has no `U`.
        input_initializer: How `U` is drawn; as `W` if None.
        bias_variance: Biases are drawn from $N(0, \text{bias\_variance})$; None for no biases.
        ensemble: Leading axes of every parameter, such as `(100,)` for a hundred networks.

    Returns:
        The steps; the network's input is the initial hidden state, `(..., batch, width)`.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If a size is not positive, the variance is negative, or `inputs` does not fit.

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
    """Take the inputs of an unrolled network apart, one for each step.

    Args:
        inputs: One input per step, `(steps, ..., batch, fan_in)`.
        steps: The number of steps.

    Returns:
        The inputs, each `(..., batch, fan_in)`.

    Raises:
        TypeError: If `inputs` is not made of numbers.
        ValueError: If it is empty or not finite, or has another shape.

    Examples:
        >>> [x.shape for x in step_inputs(np.ones((2, 5, 3)), 2)]
        [(5, 3), (5, 3)]
    """
    array = finite_array("inputs", inputs)
    if array.ndim < 3 or len(array) != steps:
        expected = f"({steps}, ..., batch, fan_in)"
        raise ValueError(f"inputs must have shape {expected}, got {array.shape}")
    return list(array)
