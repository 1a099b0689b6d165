r"""Optimizers: what a gradient is turned into before it is subtracted from the weights.

Each is a frozen record with two pure functions: `start` gives the state before the first step, and
`step` takes weights, gradients and state and returns new weights and a new state. All but the clip
are entry by entry, so that an ensemble trains side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from gradbook.checks import Array, finite, positive
from gradbook.clipping import Clip, Clipped
from gradbook.update import gradient_step


@dataclass(frozen=True, eq=False)
class State:
    """Hold what an optimizer carries from step to step.

    Args:
        steps: How many steps were taken.
        averages: The running averages; each has one array for each parameter.
        clip: What the last clip returned, with the norm before it; None if nothing clips.
    """

    steps: int = 0
    averages: tuple[tuple[Array, ...], ...] = ()
    clip: Clipped | None = None


class Optimizer(Protocol):
    """Turn gradients into new weights, without a memory of its own."""

    def start(self, values: Sequence[Array]) -> State:
        """Return the state before the first step."""

    def step(
        self, values: Sequence[Array], grads: Sequence[Array], state: State
    ) -> tuple[list[Array], State]:
        """Take one step; return the new parameters and the new state."""

    def direction(self, grads: Sequence[Array], state: State) -> tuple[Sequence[Array], State]:
        """Return what the learning rate multiplies in this step, and the new state."""


@dataclass(frozen=True)
class GradientDescent:
    r"""Step by $-\eta g$."""

    lr: float

    def __post_init__(self) -> None:
        """Refuse a learning rate that descends nowhere."""
        positive("lr", self.lr)

    def start(self, values: Sequence[Array]) -> State:
        """Return an empty state."""
        return State()

    def step(
        self, values: Sequence[Array], grads: Sequence[Array], state: State
    ) -> tuple[list[Array], State]:
        """Return the weights after one step, and the state."""
        direction, state = self.direction(grads, state)
        return gradient_step(values, direction, self.lr), state

    def direction(self, grads: Sequence[Array], state: State) -> tuple[Sequence[Array], State]:
        """Return the gradients as they are, and the state."""
        return grads, replace(state, steps=state.steps + 1)


@dataclass(frozen=True)
class Momentum:
    r"""Step along a sum of gradients that forgets: $v \leftarrow \beta v + g$, step $-\eta v$.

    With $v_k = (w_{k-1} - w_k)/\eta$ it reads
    $w_{k+1} = w_k - \eta g_k + \beta (w_k - w_{k-1})$: the heavy ball. A constant gradient is
    followed with the rate $\eta/(1 - \beta)$ in the end.

    Examples:
        >>> heavy, g = Momentum(lr=1.0, beta=0.5), [np.array([1.0])]
        >>> w, state = [np.array([0.0])], heavy.start(g)
        >>> for _ in range(4):
        ...     w, state = heavy.step(w, g, state)
        ...     print(f"{w[0][0]:g}")
        -1
        -2.5
        -4.25
        -6.125

    Source: Polyak 1964.
    """

    lr: float
    beta: float

    def __post_init__(self) -> None:
        """Refuse a learning rate that descends nowhere and a sum that never forgets."""
        positive("lr", self.lr)
        _share("beta", self.beta)

    def start(self, values: Sequence[Array]) -> State:
        """Return velocities of zero."""
        return State(averages=(_zeros(values),))

    def step(
        self, values: Sequence[Array], grads: Sequence[Array], state: State
    ) -> tuple[list[Array], State]:
        """Return the weights after one step, and the new velocities."""
        v, state = self.direction(grads, state)
        return gradient_step(values, v, self.lr), state

    def direction(self, grads: Sequence[Array], state: State) -> tuple[Sequence[Array], State]:
        """Return the new velocities, twice."""
        (before,) = state.averages
        with np.errstate(over="ignore", invalid="ignore"):
            v = tuple(self.beta * old + g for old, g in zip(before, grads, strict=True))
        return v, replace(state, steps=state.steps + 1, averages=(v,))


@dataclass(frozen=True)
class Adam:
    r"""Step by a mean over a root mean square, $-\eta\,\hat m/(\sqrt{\hat v} + \epsilon)$.

    Entry by entry, $m \leftarrow \beta_1 m + (1 - \beta_1) g$ and
    $v \leftarrow \beta_2 v + (1 - \beta_2) g^2$ are running averages. They start at 0, which is no
    gradient, and so are too small at first. By how much? After $t$ steps
    $m_t = (1 - \beta_1) \sum_{i=1}^{t} \beta_1^{t-i} g_i$, and the weights in that sum add up to
    $(1 - \beta_1)(1 + \beta_1 + \dots + \beta_1^{t-1}) = 1 - \beta_1^t$. So
    $\hat m = m/(1 - \beta_1^t)$ and likewise $\hat v = v/(1 - \beta_2^t)$ are true weighted means.

    In the first step $\hat m = g$ and $\hat v = g^2$, so the step is $-\eta g/(|g| + \epsilon)$: of
    length $\eta$ whatever the size of $g$, until that comes down to $\epsilon$.

    Examples:
        >>> adam, w = Adam(lr=0.1), [np.zeros(3)]
        >>> w, _ = adam.step(w, [np.array([1e3, -1e-3, 1e-8])], adam.start(w))
        >>> [f"{x:.4f}" for x in w[0]]
        ['-0.1000', '0.1000', '-0.0500']

    Source: Kingma and Ba 2015.
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        """Refuse what no step could be made of."""
        positive("lr", self.lr)
        _share("beta1", self.beta1)
        _share("beta2", self.beta2)
        positive("epsilon", self.epsilon)

    def start(self, values: Sequence[Array]) -> State:
        """Return averages of zero."""
        return State(averages=(_zeros(values), _zeros(values)))

    def step(
        self, values: Sequence[Array], grads: Sequence[Array], state: State
    ) -> tuple[list[Array], State]:
        """Return the weights after one step, and the new averages."""
        scaled, state = self.direction(grads, state)
        return gradient_step(values, scaled, self.lr), state

    def direction(self, grads: Sequence[Array], state: State) -> tuple[Sequence[Array], State]:
        """Return mean over root mean square, and the new averages."""
        t, (first, second) = state.steps + 1, state.averages
        with np.errstate(over="ignore", invalid="ignore"):
            m = _blend(self.beta1, first, grads)
            v = _blend(self.beta2, second, [g * g for g in grads])
            scaled = [
                mean / (1 - self.beta1**t) / (np.sqrt(square / (1 - self.beta2**t)) + self.epsilon)
                for mean, square in zip(m, v, strict=True)
            ]
        return scaled, replace(state, steps=t, averages=(m, v))


@dataclass(frozen=True)
class Clipping:
    """Clip the gradient before another optimizer sees it.

    Examples:
        >>> from functools import partial
        >>> from gradbook.clipping import clip_global_norm
        >>> careful = Clipping(GradientDescent(0.5), partial(clip_global_norm, max_norm=1.0))
        >>> w = [np.array([1.0])]
        >>> w, state = careful.step(w, [np.array([100.0])], careful.start(w))
        >>> w[0].item(), state.clip.norm.item(), bool(state.clip.clipped)
        (0.5, 100.0, True)
    """

    optimizer: Optimizer
    clip: Clip

    def start(self, values: Sequence[Array]) -> State:
        """Return the state with which the optimizer starts."""
        return self.optimizer.start(values)

    def step(
        self, values: Sequence[Array], grads: Sequence[Array], state: State
    ) -> tuple[list[Array], State]:
        """Return the weights after one clipped step, and the state with what the clip returned."""
        clipped = self.clip(grads)
        values, state = self.optimizer.step(values, clipped.grads, state)
        return values, replace(state, clip=clipped)

    def direction(self, grads: Sequence[Array], state: State) -> tuple[Sequence[Array], State]:
        """Return what the optimizer makes of the clipped gradient."""
        clipped = self.clip(grads)
        direction, state = self.optimizer.direction(clipped.grads, state)
        return direction, replace(state, clip=clipped)


def _share(name: str, value: float) -> float:
    if not 0 <= finite(name, value) < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {value}")
    return value


def _zeros(values: Sequence[Array]) -> tuple[Array, ...]:
    return tuple(np.zeros_like(value) for value in values)


def _blend(share: float, old: Sequence[Array], new: Sequence[Array]) -> tuple[Array, ...]:
    return tuple(share * a + (1 - share) * b for a, b in zip(old, new, strict=True))
