"""Let optimizers that differ in nothing but their learning rate step side by side.

A sweep is one ensemble, whose leading axis holds the networks of the first rate, then those of the
second, and so on. What no rate enters, such as a clip or Adam's averages, is computed for all at
once; every number is the one that each optimizer alone would give.

Examples:
    >>> sweep, other = sweeps([GradientDescent(0.1), GradientDescent(0.2), Adam(0.1)])
    >>> sweep.rates, other.optimizer
    ((0.1, 0.2), Adam(lr=0.1, beta1=0.9, beta2=0.999, epsilon=1e-08))
    >>> values, grads = [np.zeros((4, 1))], [np.ones((4, 1))]
    >>> sweep.step(values, grads, sweep.optimizer.start(values))[0][0].ravel().tolist()
    [-0.1, -0.1, -0.2, -0.2]
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np

from gradbook.book.what_do_i_try.stored_weights import InFormat
from gradbook.checks import Array
from gradbook.optimizers import Adam, Clipping, GradientDescent, Optimizer, State


def innermost(optimizer: Optimizer) -> GradientDescent | Adam | InFormat:
    """Return the optimizer behind a clip, which has the learning rate."""
    inner = optimizer.optimizer if isinstance(optimizer, Clipping) else optimizer
    if not isinstance(inner, GradientDescent | Adam | InFormat):
        raise TypeError(f"optimizer must have a learning rate, got {inner!r}")
    return inner


def at_rate(optimizer: Optimizer, lr: float) -> Optimizer:
    """Return an optimizer that differs in its learning rate."""
    inner = replace(innermost(optimizer), lr=lr)
    return replace(optimizer, optimizer=inner) if isinstance(optimizer, Clipping) else inner


@dataclass(frozen=True)
class Sweep:
    """Hold the first of some optimizers, and the rates of all; the others differ in that alone."""

    optimizer: Optimizer
    rates: tuple[float, ...]

    def step(
        self, values: Sequence[Array], grads: Sequence[Array], state: State
    ) -> tuple[list[Array], State]:
        """Take one step of each optimizer with its share of the ensemble."""
        directions, state = self.optimizer.direction(grads, state)
        steps = [self._by_rates(direction) for direction in directions]
        inner = innermost(self.optimizer)
        if isinstance(inner, InFormat):
            return inner.subtract(steps, state)
        pairs = zip(values, steps, strict=True)
        return [np.subtract(value, step, out=step) for value, step in pairs], state

    def _by_rates(self, direction: Array) -> Array:
        rates = np.repeat(np.array(self.rates, direction.dtype), len(direction) // len(self.rates))
        return np.asarray(rates.reshape(-1, *[1] * (direction.ndim - 1)) * direction)


def sweeps(optimizers: Sequence[Optimizer]) -> list[Sweep]:
    """Gather neighbors that differ in their rate alone."""
    groups = [list(group) for _, group in groupby(optimizers, lambda one: at_rate(one, 1.0))]
    return [Sweep(group[0], tuple(innermost(one).lr for one in group)) for group in groups]


class SideBySide:
    """Step with all optimizers of a plan, each with its share of one ensemble.

    Args:
        values: The parameters of all networks, those of the first optimizer first.
    """

    def __init__(self, optimizers: Sequence[Optimizer], values: Sequence[Array]) -> None:
        """Start every optimizer."""
        self._sweeps = sweeps(optimizers)
        each = len(values[0]) // len(optimizers)
        ends = np.cumsum([each * len(sweep.rates) for sweep in self._sweeps]).tolist()
        self._shares = [slice(*pair) for pair in pairwise([0, *ends])]
        self._states = [
            sweep.optimizer.start([value[share] for value in values])
            for sweep, share in zip(self._sweeps, self._shares, strict=True)
        ]

    def step(self, values: Sequence[Array], grads: Sequence[Array]) -> list[Array]:
        """Return the parameters of all networks after one step."""
        stepped = []
        for k, (sweep, share) in enumerate(zip(self._sweeps, self._shares, strict=True)):
            own = [value[share] for value in values], [grad[share] for grad in grads]
            new, self._states[k] = sweep.step(*own, self._states[k])
            stepped.append(new)
        if len(stepped) == 1:
            return stepped[0]
        return [np.concatenate(slices) for slices in zip(*stepped, strict=True)]
