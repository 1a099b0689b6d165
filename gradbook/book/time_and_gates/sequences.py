r"""Train recurrent networks on sequences: fresh inputs, the adding problem, truncated gradients.

An unrolled network is a list of steps, each holding its own input. A new batch is the same network
on other inputs; a gradient that is cut off after $k$ steps is a slice of the list, with the state
carried into it.

Examples:
    Whoever always answers 1 is wrong by the variance of a sum of two uniform numbers:

    >>> task = adding_problem(np.random.default_rng(0), steps=10, batch=100_000)
    >>> f"{np.square(task.target - 1).mean():.3f} {ADDING_BASELINE:.3f}"
    '0.167 0.167'
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from gradbook.backpropagation import Trace, backprop, forward
from gradbook.checks import Array, float_array, generator, integer_at_least, positive_int
from gradbook.clipping import global_norm
from gradbook.layers import Layer, Step
from gradbook.layers.base import check_layers
from gradbook.losses import Loss
from gradbook.networks.gated import zero_state
from gradbook.optimizers import Optimizer
from gradbook.parameters import distinct_parameters, with_parameters

ADDING_BASELINE = 1 / 6
r"""The mean squared error of always answering 1: twice the variance $1/12$ of a uniform number."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """Hold a batch of sequences with the wanted answers.

    Args:
        x: One input per step, shape (steps, ..., batch, inputs).
        target: The answer after the last step, shape (..., batch, outputs).
    """

    x: Array
    target: Array


DrawSequences: TypeAlias = Callable[[np.random.Generator], Sequences]
"""What draws a fresh batch, such as `partial(adding_problem, steps=40, batch=20)`."""


def adding_problem(
    rng: np.random.Generator, steps: int, batch: int, *, ensemble: tuple[int, ...] = ()
) -> Sequences:
    """Draw sequences of numbers, two of them marked; the answer is the sum of those two.

    Each step has two inputs: a number from $U(0, 1)$, and a marker that is 1 at one step of the
    first half and at one of the second, else 0. The sum must be remembered from the first half of
    the sequence to its end.

    Returns:
        The sequences, `x` of shape (steps, *ensemble, batch, 2).

    Examples:
        >>> task = adding_problem(np.random.default_rng(0), steps=4, batch=1)
        >>> for value, marker in task.x[:, 0]:
        ...     print(f"{value:.2f} {marker:.0f}")
        0.64 1
        0.27 0
        0.04 0
        0.02 1
        >>> f"{task.target.item():.2f}"
        '0.65'

    Source: Hochreiter & Schmidhuber 1997, who draw other lengths and ranges; in this form Le et al.
    2015.
    """
    rng, steps = generator("rng", rng), integer_at_least("steps", steps, 2)
    shape = (*ensemble, positive_int("batch", batch))
    values, markers = rng.random((steps, *shape)), np.zeros((steps, *shape))
    for low, high in ((0, steps // 2), (steps // 2, steps)):
        np.put_along_axis(markers, rng.integers(low, high, (1, *shape)), 1.0, axis=0)
    return Sequences(np.stack([values, markers], -1), (values * markers).sum(axis=0)[..., None])


def with_inputs(layers: Sequence[Layer], inputs: ArrayLike) -> list[Layer]:
    """Return the same network on other inputs; it shares its parameters with the old one.

    Args:
        inputs: One input for each step that has one, shape (steps, ..., batch, fan_in).
    """
    check_layers(layers)
    array = float_array("inputs", inputs)
    fed = [i for i, layer in enumerate(layers) if isinstance(layer, Step) and layer.x is not None]
    if len(array) != len(fed):
        raise ValueError(f"inputs must hold one for each of the {len(fed)} steps, got {len(array)}")
    own = dict(zip(fed, array, strict=True))
    return [
        layer.with_input(own[i]) if isinstance(layer, Step) and i in own else layer
        for i, layer in enumerate(layers)
    ]


def truncated(
    layers: Sequence[Layer], x: ArrayLike, target: ArrayLike, loss: Loss, *, window: int
) -> Trace:
    r"""Backpropagate through the last steps only: the list from there on, the state carried in.

    The forward pass is the whole one, so the loss is the same. The gradient of a shared weight
    lacks the terms of the steps before the window: it is the sum
    $\sum_{t > T - k} \partial L/\partial W_t$ over the places in it.

    Args:
        window: Number of steps $k$ through which the gradient goes back.

    Returns:
        The record of the window, whose `h[0]` is the state carried into it.

    Examples:
        A linear unit $h_t = h_{t-1}/2 + x_t$ whose inputs are 1. The window brings in one more term
        of the gradient at a time:

        >>> from gradbook.activations import identity
        >>> from gradbook.layers import Recurrent
        >>> from gradbook.losses import half_squared_error
        >>> one, W = np.ones((1, 1)), np.array([[0.5]])
        >>> layers = [Recurrent(W, one, None, identity, one) for _ in range(3)]
        >>> for k in (1, 2, 3):
        ...     trace = truncated(layers, [[0.0]], [[0.0]], half_squared_error, window=k)
        ...     print(k, trace.h[0].item(), trace.parameters[0].grad.item())
        1 1.5 2.625
        2 1.0 3.5
        3 0.0 3.5
    """
    check_layers(layers)
    steps = [i for i, layer in enumerate(layers) if isinstance(layer, Step)]
    if positive_int("window", window) > len(steps):
        raise ValueError(f"window must be at most the {len(steps)} steps there are, got {window}")
    first = steps[-window]
    state = forward(layers[:first], x)[-1].a if first else x
    return backprop(layers[first:], state, target, loss)


@dataclass(frozen=True, eq=False)
class SequenceTraining:
    r"""Record a training run on fresh sequences; the ensemble axes come first everywhere.

    Args:
        layers: The network after the last update, on the inputs of that update.
        loss: The loss on each update's fresh batch, before the update, shape (..., updates).
        norm: The gradient's norm before any clip, same shape.
    """

    layers: list[Layer]
    loss: Array
    norm: Array


def train_sequences(
    rng: np.random.Generator,
    layers: Sequence[Layer],
    task: DrawSequences,
    loss: Loss,
    *,
    optimizer: Optimizer,
    updates: int,
    window: int | None = None,
) -> SequenceTraining:
    """Train an unrolled network, each update on a batch of sequences that it has never seen.

    The state begins with zeros. Every loss is thus the loss on new data. Inputs are drawn in the
    format of `rng` and rounded to that of the weights.

    Args:
        layers: The network, whose steps have inputs; it is not changed. With ensemble axes in every
            parameter, each member is trained on its own.

    Examples:
        >>> from functools import partial
        >>> from gradbook.activations import identity
        >>> from gradbook.layers import Recurrent
        >>> from gradbook.losses import half_squared_error
        >>> from gradbook.optimizers import GradientDescent
        >>> W, U, rng = np.zeros((1, 1)), np.zeros((2, 1)), np.random.default_rng(0)
        >>> layers = [Recurrent(W, U, None, identity, np.zeros((1, 2))) for _ in range(6)]
        >>> task = partial(adding_problem, steps=6, batch=50)
        >>> optimizer = GradientDescent(0.05)
        >>> run = train_sequences(
        ...     rng, layers, task, half_squared_error, optimizer=optimizer, updates=40
        ... )
        >>> f"from {2 * run.loss[0]:.2f} to {2 * run.loss[-1]:.2f}"
        'from 1.42 to 0.13'
    """
    now, losses, norms = list(layers), list[Array](), list[Array]()
    values = distinct_parameters(now)
    state, dtype = optimizer.start(values), zero_state(now).dtype
    for _ in range(positive_int("updates", updates)):
        batch = task(rng)
        now = with_inputs(now, batch.x.astype(dtype))
        x = zero_state(now)
        trace = (
            backprop(now, x, batch.target, loss)
            if window is None
            else truncated(now, x, batch.target, loss, window=window)
        )
        grads = [parameter.grad for parameter in trace.parameters]
        losses.append(trace.loss)
        norms.append(global_norm(grads, members=trace.loss.ndim))
        values, state = optimizer.step(values, grads, state)
        now = with_parameters(now, values)
    return SequenceTraining(now, np.stack(losses, axis=-1), np.stack(norms, axis=-1))
