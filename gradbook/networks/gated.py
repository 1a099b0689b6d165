"""Unroll gated recurrent networks in time: lists of steps that share their parameters.

The network's input is the initial state, as `zero_state` makes it. The blocks of `W` are drawn
before those of `U`. `inputs` holds one input per step, `(steps, ..., batch, fan_in)`; None makes a
network left to itself, which has no `U`. `ensemble` holds the leading axes of every parameter.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from gradbook.checks import Array, finite_array, positive_int
from gradbook.initializers import Initializer
from gradbook.layers import GRU, LSTM, Layer, Step
from gradbook.networks.dense import step_inputs


def unrolled_lstm(
    rng: np.random.Generator,
    width: int,
    steps: int,
    initializer: Initializer,
    *,
    inputs: ArrayLike | None = None,
    input_initializer: Initializer | None = None,
    forget_bias: ArrayLike = 1.0,
    ensemble: tuple[int, ...] = (),
) -> list[Layer]:
    """Unroll a long short-term memory in time: $[h_t, c_t]$ from $[h_{t-1}, c_{t-1}]$ and $x_t$.

    All steps hold the same `W`, `U` and `b`. The hidden state of the last one is read by two more
    layers: `[*unrolled_lstm(...), Select(0, width), Dense(...)]`.

    Args:
        initializer: How each block of `W` is drawn, and of `U` if it has no `input_initializer`.
        forget_bias: The bias of the forget gate, a number or `(*ensemble, width)`; the other biases
            are 0. With 0 the gate starts half open, which halves the cell at every step.

    Examples:
        >>> from gradbook.initializers import orthogonal
        >>> layers = unrolled_lstm(np.random.default_rng(0), 4, 3, orthogonal, forget_bias=2.0)
        >>> len(layers), layers[0].parameters["W"] is layers[2].parameters["W"]
        (3, True)
        >>> layers[0].parameters["b"].tolist()[3:9]
        [0.0, 2.0, 2.0, 2.0, 2.0, 0.0]

    Source: Jozefowicz et al. 2015 for a forget bias of 1.
    """
    how = initializer, input_initializer or initializer
    W, U, x = _drawn(rng, (width, 4, ensemble), steps, inputs, how)
    b = _biases((*ensemble, 4 * width), slice(width, 2 * width), "forget_bias", forget_bias)
    return [LSTM(W, U, b, x_t) for x_t in x]


def unrolled_gru(
    rng: np.random.Generator,
    width: int,
    steps: int,
    initializer: Initializer,
    *,
    inputs: ArrayLike | None = None,
    input_initializer: Initializer | None = None,
    update_bias: ArrayLike = 0.0,
    ensemble: tuple[int, ...] = (),
) -> list[Layer]:
    """Unroll a gated recurrent unit in time: $h_t$ from $h_{t-1}$ and $x_t$.

    All steps hold the same `W`, `U`, `b` and `b_h`. A readout is one more layer.

    Args:
        initializer: How each block of `W` is drawn, and of `U` if it has no `input_initializer`.
        update_bias: The bias of the update gate, a number or `(*ensemble, width)`; the other biases
            are 0. A large one keeps the old state.
    """
    how = initializer, input_initializer or initializer
    W, U, x = _drawn(rng, (width, 3, ensemble), steps, inputs, how)
    b = _biases((*ensemble, 3 * width), slice(width, 2 * width), "update_bias", update_bias)
    b_h = np.zeros((*ensemble, width))
    return [GRU(W, U, b, x_t, b_h) for x_t in x]


def zero_state(layers: Sequence[Layer], batch: int | None = None) -> Array:
    """Return the usual initial state of an unrolled network, all zeros in its weights' dtype.

    It is `(batch, width)`, for an LSTM `(batch, 2 * width)`. Without `batch` it is that of the
    first step's own input.
    """
    first: object = layers[0] if layers else None
    if not isinstance(first, Step):
        raise TypeError(f"layers must begin with a recurrent step, got {first!r}")
    if batch is None:
        if first.x is None:
            raise ValueError("batch must be given where the steps have no input, got None")
        batch = first.x.shape[-2]
    return np.zeros((positive_int("batch", batch), first.state_width), first.W.dtype)


def _drawn(
    rng: np.random.Generator,
    size: tuple[int, int, tuple[int, ...]],
    steps: int,
    inputs: ArrayLike | None,
    how: tuple[Initializer, Initializer],
) -> tuple[Array, Array | None, Sequence[Array | None]]:
    width, blocks, ensemble = size
    width, steps = positive_int("width", width), positive_int("steps", steps)

    def draw(initializer: Initializer, fan_in: int) -> Array:
        parts = [initializer.draw(rng, fan_in, width, ensemble) for _ in range(blocks)]
        return np.concatenate(parts, axis=-1)

    W = draw(how[0], width)
    if inputs is None:
        return W, None, [None] * steps
    x = step_inputs(inputs, steps)
    return W, draw(how[1], x[0].shape[-1]), x


def _biases(shape: tuple[int, ...], block: slice, name: str, value: ArrayLike) -> Array:
    """Make biases of zero but for one block."""
    b = np.zeros(shape)
    array, target = finite_array(name, value), b[..., block]
    try:
        target[...] = array
    except ValueError:
        expected = f"a shape that broadcasts to {target.shape}"
        raise ValueError(f"{name} must have {expected}, got {array.shape}") from None
    return b
