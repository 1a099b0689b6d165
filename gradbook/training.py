"""Train a network by gradient descent and keep a record of how each layer moved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from gradbook.backpropagation import backprop, forward_loss
from gradbook.checks import Array, finite_array, generator, positive_int
from gradbook.layers import Layer
from gradbook.losses import Loss
from gradbook.optimizers import GradientDescent, Optimizer
from gradbook.parameters import distinct_parameters, named_parameters, with_parameters


@dataclass(frozen=True, eq=False)
class Training:
    """Record a training run, before each step and after the last; the ensemble axes come first.

    Args:
        layers: The network after the last step.
        loss: The loss over all examples, shape (..., steps + 1).
        movement: How far each layer's weights are from where they began, as `movement` defines
            it, shape (..., steps + 1, layers).
    """

    layers: list[Layer]
    loss: Array
    movement: Array


# A run that diverges is a record, too, and so is one that starts at zero.
_diverging = np.errstate(over="ignore", invalid="ignore", divide="ignore")


def movement(before: Sequence[Layer], after: Sequence[Layer]) -> Array:
    r"""Return $\lVert W - W_0 \rVert / \lVert W_0 \rVert$ for the weights of each layer.

    The shape is (..., layers); a layer without a `W` is left out. Weights that were all 0 have
    moved infinitely far, or NaN if they still are.
    """
    old, new = _weights(before), _weights(after)
    shapes, found = [W.shape for W in old], [W.shape for W in new]
    if found != shapes:
        raise ValueError(f"after must have the shapes of before, {shapes}, got {found}")
    return _moved(old, [_norm(W_0) for W_0 in old], new)


def train(
    layers: Sequence[Layer],
    x: ArrayLike,
    target: ArrayLike,
    loss: Loss,
    *,
    lr: float | None = None,
    optimizer: Optimizer | None = None,
    steps: int,
    batch: int | None = None,
    rng: np.random.Generator | None = None,
) -> Training:
    r"""Take steps, $w \leftarrow w - \eta \, \partial L/\partial w$ or those of an optimizer.

    Either `lr` or `optimizer` is given. With ensemble axes in every parameter, each member is
    trained on its own. `x` and `target` have one row per example; `batch` of them are drawn by
    `rng` for each step, without replacement, and all are taken if neither is given.

    Examples:
        >>> from gradbook.activations import identity
        >>> from gradbook.layers import Dense
        >>> from gradbook.losses import half_squared_error
        >>> start = [Dense(np.array([[1.0]]), None, identity)]
        >>> run = train(start, [[1.0]], [[5.0]], half_squared_error, lr=0.5, steps=2)
        >>> run.loss.tolist(), run.movement[:, 0].tolist(), run.layers[0].W.item()
        ([8.0, 2.0, 0.5], [0.0, 2.0, 3.0], 4.0)
    """
    stepper = _optimizer(lr, optimizer)
    inputs, targets = finite_array("x", x), finite_array("target", target)
    if len(inputs) != len(targets):
        raise ValueError(f"target must hold {len(inputs)} examples, as x, got {len(targets)}")
    chosen = _batches(len(inputs), positive_int("steps", steps), batch, rng)
    now, losses, moved = list(layers), list[Array](), [movement(layers, layers)]
    began = _weights(layers)
    lengths = [_norm(W_0) for W_0 in began]
    state = stepper.start(distinct_parameters(now))
    for rows in chosen:
        trace = backprop(now, inputs[rows], targets[rows], loss)
        whole = len(rows) == len(inputs)
        losses.append(trace.loss if whole else forward_loss(now, inputs, targets, loss))
        grads = [parameter.grad for parameter in trace.parameters]
        values, state = stepper.step(distinct_parameters(now), grads, state)
        now = with_parameters(now, values)
        moved.append(_moved(began, lengths, _weights(now)))
    losses.append(forward_loss(now, inputs, targets, loss))
    return Training(now, np.stack(losses, axis=-1), np.stack(moved, axis=-2))


def _optimizer(lr: float | None, optimizer: Optimizer | None) -> Optimizer:
    if (lr is None) == (optimizer is None):
        raise ValueError(f"exactly one of lr and optimizer must be given, got {lr} and {optimizer}")
    return optimizer if optimizer is not None else GradientDescent(cast(float, lr))


def _batches(
    examples: int, steps: int, batch: int | None, rng: np.random.Generator | None
) -> list[np.ndarray]:
    if (batch is None) != (rng is None):
        missing = "rng" if rng is None else "batch"
        raise ValueError(f"batch and rng must be given together, got {missing}=None")
    if batch is None or rng is None:  # mutant(or): both are None or neither
        return [np.arange(examples)] * steps
    if positive_int("batch", batch) > examples:
        raise ValueError(f"batch must be at most the number of examples, {examples}, got {batch}")
    rng = generator("rng", rng)
    return [rng.permutation(examples)[:batch] for _ in range(steps)]


def _weights(layers: Sequence[Layer]) -> list[Array]:
    named = named_parameters(layers)
    weights = [array for name, array in named.items() if name.rpartition(".")[2] == "W"]
    if not weights:
        raise ValueError(f"layers must have weights, got only {list(named)}")
    return weights


@_diverging
def _moved(old: Sequence[Array], lengths: Sequence[Array], new: Sequence[Array]) -> Array:
    pairs = zip(old, lengths, new, strict=True)
    return np.stack([_norm(W - W_0) / length for W_0, length, W in pairs], axis=-1)


@_diverging
def _norm(W: Array) -> Array:
    return np.asarray(np.sqrt(np.square(W).sum(axis=(-2, -1))))
