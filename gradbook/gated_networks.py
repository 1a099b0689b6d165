"""Unroll gated recurrent networks in time: lists of steps that share their parameters."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from gradbook.checks import Array, finite_array, positive_int
from gradbook.initializers import Initializer
from gradbook.layers import GRU, LSTM, Layer, Step
from gradbook.networks import step_inputs


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
    r"""Unroll a long short-term memory in time: $[h_t, c_t]$ from $[h_{t-1}, c_{t-1}]$ and $x_t$.

    All steps hold the same `W`, `U` and `b`. The hidden state of the last one is read by two more
    layers: `[*unrolled_lstm(...), Select(0, width), Dense(...)]`.

    Args:
        rng: The random generator, drawn from for the four blocks of `W`, then for those of `U`.
        width: The number of units of the hidden state, and of the cell.
        steps: The number of steps.
        initializer: How each block of `W`, `(width, width)`, is drawn.
        inputs: One input per step, `(steps, ..., batch, fan_in)`; None for a network left to
            itself, which has no `U`.
        input_initializer: How each block of `U` is drawn; as `W` if None.
        forget_bias: The bias of the forget gate, a number or `(*ensemble, width)`; the other biases
            are 0. With 0 the gate starts half open, which halves the cell at every step.
        ensemble: Leading axes of every parameter, such as `(100,)` for a hundred networks.

    Returns:
        The steps; the network's input is the initial state `[h, c]`, as `zero_state` makes it.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If a size is not positive, or `inputs` or `forget_bias` does not fit.

    Examples:
        >>> from gradbook.initializers import orthogonal
        >>> layers = unrolled_lstm(np.random.default_rng(0), 4, 3, orthogonal, forget_bias=2.0)
        >>> len(layers), layers[0].parameters["W"] is layers[2].parameters["W"]
        (3, True)
        >>> layers[0].parameters["b"].tolist()[3:9]
        [0.0, 2.0, 2.0, 2.0, 2.0, 0.0]

    Source: Jozefowicz et al. 2015 for a forget bias of 1.
    """
    W, U, x = _drawn(
        rng,
        (width, 4, ensemble),
        steps,
        inputs,
        recurrent=initializer,
        entering=input_initializer or initializer,
    )
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
    r"""Unroll a gated recurrent unit in time: $h_t$ from $h_{t-1}$ and $x_t$.

    All steps hold the same `W`, `U`, `b` and `b_h`. A readout is one more layer.

    Args:
        rng: The random generator, drawn from for the three blocks of `W`, then for those of `U`.
        width: The number of units of the hidden state.
        steps: The number of steps.
        initializer: How each block of `W`, `(width, width)`, is drawn.
        inputs: One input per step, `(steps, ..., batch, fan_in)`; None for a network left to
            itself, which has no `U`.
        input_initializer: How each block of `U` is drawn; as `W` if None.
        update_bias: The bias of the update gate, a number or `(*ensemble, width)`; the other biases
            are 0. A large one keeps the old state.
        ensemble: Leading axes of every parameter.

    Returns:
        The steps; the network's input is the initial hidden state, as `zero_state` makes it.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If a size is not positive, or `inputs` or `update_bias` does not fit.

    Examples:
        >>> from gradbook.initializers import orthogonal
        >>> layers = unrolled_gru(np.random.default_rng(0), 2, 3, orthogonal, update_bias=1.0)
        >>> layers[0].parameters["b"].tolist(), layers[0].parameters["b_h"].tolist()
        ([0.0, 0.0, 1.0, 1.0, 0.0, 0.0], [0.0, 0.0])
    """
    W, U, x = _drawn(
        rng,
        (width, 3, ensemble),
        steps,
        inputs,
        recurrent=initializer,
        entering=input_initializer or initializer,
    )
    b = _biases((*ensemble, 3 * width), slice(width, 2 * width), "update_bias", update_bias)
    b_h = np.zeros((*ensemble, width))
    return [GRU(W, U, b, x_t, b_h) for x_t in x]


def zero_state(layers: Sequence[Layer], batch: int | None = None) -> Array:
    r"""Return the usual initial state of an unrolled network, all zeros.

    Args:
        layers: A network that begins with a recurrent step.
        batch: Number of examples; that of the first step's own input if None.

    Returns:
        Zeros, `(batch, width)`, for an LSTM `(batch, 2 * width)`, in the number format of its
        weights.

    Raises:
        TypeError: If the first layer is not a recurrent step, or `batch` not an integer.
        ValueError: If `batch` is needed and not given, or not positive.

    Examples:
        >>> from gradbook.initializers import orthogonal
        >>> layers = unrolled_lstm(np.random.default_rng(0), 4, 3, orthogonal)
        >>> zero_state(layers, batch=5).shape
        (5, 8)
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
    *,
    recurrent: Initializer,
    entering: Initializer,
) -> tuple[Array, Array | None, Sequence[Array | None]]:
    """Draw the blocks of `W` and `U`, and take the inputs apart."""
    width, blocks, ensemble = size
    width, steps = positive_int("width", width), positive_int("steps", steps)

    def draw(how: Initializer, fan_in: int) -> Array:
        parts = [how.draw(rng, fan_in, width, ensemble) for _ in range(blocks)]
        return np.concatenate(parts, axis=-1)

    W = draw(recurrent, width)
    if inputs is None:
        return W, None, [None] * steps
    x = step_inputs(inputs, steps)
    return W, draw(entering, x[0].shape[-1]), x


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
