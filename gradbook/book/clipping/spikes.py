r"""Training on fresh batches, some of them spoiled: what does a rule for spikes do, and a schedule?

The task is the sum of `thresholds`. Every batch is new, so that the gradient is noisy, and in a
spoiled batch the targets are many times too large, so that its gradient is a spike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gradbook.backpropagation import forward_loss
from gradbook.book.claims.keeping import measured_once
from gradbook.book.clipping.thresholds import Adders, examples_of, gradients
from gradbook.checks import Array
from gradbook.clipping import global_norm
from gradbook.losses import half_squared_error
from gradbook.optimizers import Optimizer, State
from gradbook.parameters import distinct_parameters, with_parameters

Rule = Callable[[Array], Array]
"""From the norms so far, shape (steps, members), the last step's factor on each gradient."""

Schedule = Callable[[float], float]
"""From the share of the training that is done to the share of the learning rate."""

FIXED, QUANTILE, TIMES, FIRST = 1.0, 0.5, 4.0, 10
"""The fixed limit; a running limit's quantile; what is skipped, in medians; and from when on."""


def unclipped(norms: Array) -> Array:
    """Take every gradient as it is."""
    return np.ones_like(norms[-1])


def fixed_limit(norms: Array) -> Array:
    r"""Clip at one limit throughout: $\min(1, c/\lVert g \rVert)$."""
    return np.asarray(np.minimum(1.0, FIXED / norms[-1]))


def running_limit(norms: Array) -> Array:
    """Clip at a quantile of all norms so far, that of this step among them.

    Source: Seetharaman et al. 2020.
    """
    return np.asarray(np.minimum(1.0, np.quantile(norms, QUANTILE, axis=0) / norms[-1]))


def skipping(norms: Array) -> Array:
    """Leave out a step whose norm is several times the median of those before."""
    if len(norms) <= FIRST:
        return np.ones_like(norms[-1])
    return np.where(norms[-1] > TIMES * np.median(norms[:-1], axis=0), 0.0, 1.0)


RULES: dict[str, Rule] = {
    "none": unclipped,
    "fixed limit": fixed_limit,
    "running limit": running_limit,
    "skip": skipping,
}


def constant(_: float) -> float:
    """Keep the rate."""
    return 1.0


def linear(done: float) -> float:
    """Let the rate fall to zero in a line."""
    return 1.0 - done


@dataclass(frozen=True)
class Spiky:
    """Set up the training.

    Args:
        every: One batch of so many is spoiled; 0 for none.
        size: What its targets are multiplied by.
        held_out: Examples, none of them spoiled, that measure the loss in the end.
    """

    adders: Adders = field(default_factory=lambda: Adders(steps=10, gain=1.0, seeds=6, updates=150))
    every: int = 15
    size: float = 30.0
    held_out: int = 200


@measured_once
def final_losses(
    setting: Spiky,
    optimizer: Optimizer,
    rates: Sequence[float],
    rules: Sequence[Rule],
    *,
    schedule: Schedule = constant,
    seed: int = 0,
) -> Array:
    """Train with each rule at each rate; return the losses, shape (rules, rates, seeds).

    Args:
        optimizer: With a learning rate of one.

    Examples:
        >>> from gradbook import GradientDescent
        >>> short = Spiky(Adders(steps=3, seeds=2, updates=5), every=3)
        >>> final_losses(short, GradientDescent(1.0), (0.1,), (unclipped, fixed_limit)).shape
        (2, 1, 2)
    """
    task = setting.adders
    batch, copies = task.examples, len(rules) * len(rates)
    many = replace(task, examples=batch * task.updates + setting.held_out)
    layers, h, target = many.draw(np.random.default_rng(seed))
    values = [np.concatenate([v] * copies) for v in distinct_parameters(layers)]
    lr = np.tile(np.repeat(rates, task.seeds), len(rules))
    state, norms = optimizer.start(values), np.empty((0, len(lr)))
    for step in range(task.updates):
        rows = np.arange(step * batch, (step + 1) * batch)
        spoiled = setting.every and step % setting.every == setting.every - 1
        wanted = target[:, rows] * (setting.size if spoiled else 1.0)
        grads, _ = gradients(examples_of(layers, rows), values, h[:, rows], wanted)
        norms = np.vstack([norms, global_norm(grads, members=1)])
        of_rule = zip(rules, np.split(norms, len(rules), axis=1), strict=True)
        factor = np.concatenate([rule(part) for rule, part in of_rule])
        rate = lr * schedule(step / task.updates)
        values, state = _stepped(optimizer, values, grads, state, factor=factor, rate=rate)
    last = np.arange(batch * task.updates, many.examples)
    net = with_parameters(examples_of(layers, last), values)
    loss = forward_loss(net, h[:, last], target[:, last], half_squared_error)
    return np.reshape(loss, (len(rules), len(rates), task.seeds))


def _stepped(
    optimizer: Optimizer,
    values: list[Array],
    grads: list[Array],
    state: State,
    *,
    factor: Array,
    rate: Array,
) -> tuple[list[Array], State]:
    """Step with a factor on each member's gradient; at zero the averages stay, too.

    The count of steps, which the bias correction needs, is that of all members and goes on.
    """
    moved, after = optimizer.step(values, [g * _of(factor, g) for g in grads], state)
    taken: NDArray[np.bool_] = factor > 0
    kept = tuple(
        tuple(np.where(_of(taken, new), new, old) for new, old in zip(ours, theirs, strict=True))
        for ours, theirs in zip(after.averages, state.averages, strict=True)
    )
    new: list[Array] = [
        w + _of(rate * taken, w) * (m - w) for w, m in zip(values, moved, strict=True)
    ]
    return new, replace(after, averages=kept)


def _of(members: Array | NDArray[np.bool_], like: Array) -> Array:
    return np.asarray(members.reshape(-1, *[1] * (like.ndim - 1)))
