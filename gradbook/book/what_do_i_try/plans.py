r"""Plans of networks: all about how one is built, what it learns and what trains it.

A plan is a frozen record. Whoever changes one field gets a network that differs in nothing else:
`dataclasses.replace(plan, norm=layer_norm)`.

Examples:
    >>> from dataclasses import replace
    >>> from gradbook.activations import relu
    >>> from gradbook.initializers import he
    >>> plain = Deep(relu, lecun)
    >>> replace(plain, initializer=he).initializer.name, plain.depth
    ('He', 50)
"""

from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import numpy as np

from gradbook.activations import Activation, identity
from gradbook.book.four_classes import CLASSES, DIMENSION
from gradbook.book.time_and_gates.memory import with_radius
from gradbook.checks import Array, integer_at_least
from gradbook.datasets import gaussian_classes
from gradbook.initializers import Initializer, lecun
from gradbook.layers import Activate, Dense, Layer, LayerNorm, Residual, Select
from gradbook.networks import unrolled
from gradbook.networks.gated import unrolled_gru, unrolled_lstm, zero_state
from gradbook.networks.normalization import Norm
from gradbook.optimizers import Adam, GradientDescent, Optimizer

EXAMPLES = 16
"""How many points of the four classes the task of all plans has."""

RATES = tuple(float(f"{digit}e-{k}") for k in range(6) for digit in (3, 1))
"""The learning rates of gradient descent that a deep network is given to choose from."""

IN_TIME = (GradientDescent(0.3), GradientDescent(0.03), Adam(0.03), Adam(0.01), Adam(0.002))
"""What a recurrent network is given to choose from."""


@dataclass(frozen=True, eq=False)
class PatientCase:
    """Hold a network that is ready to be trained.

    Args:
        x: What enters it: inputs, or the state before the first step.
        first: The boundary behind the first hidden layer or step, an index into `Trace.dh`.
        last: The boundary behind the last.
    """

    layers: list[Layer]
    x: Array
    target: Array
    first: int
    last: int


@dataclass(frozen=True)
class Deep:
    """Plan a network of `depth` layers: one in, blocks of two, one out.

    Args:
        initializer: How their weights are drawn; the output layer's have the variance $1/n$.
        depth: Layers with weights, an even number.
        path: The factor on what a block adds to the path around it; None for no path.
        pre_norm: Normalize what enters a block.
        optimizers: What takes the steps; each of them is tried.
    """

    activation: Activation
    initializer: Initializer
    depth: int = 50
    width: int = 24
    bias: float = 0.0
    norm: Norm | None = None
    path: float | None = None
    pre_norm: bool = False
    optimizers: tuple[Optimizer, ...] = tuple(map(GradientDescent, RATES))
    updates: int = 16

    def __post_init__(self) -> None:
        """Refuse a depth that is not made of blocks of two."""
        if integer_at_least("depth", self.depth, 2) % 2:
            raise ValueError(f"depth must be even, got {self.depth}")

    def case(self, rng: np.random.Generator, seeds: int) -> PatientCase:
        """Draw the task, then the networks from the input to the output."""
        task = gaussian_classes(rng, classes=CLASSES, dimension=DIMENSION, examples=EXAMPLES)
        first = self._layer(rng, DIMENSION, seeds, self.activation)
        blocks = [self._block(rng, seeds) for _ in range((self.depth - 2) // 2)]
        W = lecun.draw(rng, self.width, CLASSES, (seeds,))
        layers = [*first, *chain.from_iterable(blocks)]
        last = Dense(W, np.zeros((seeds, CLASSES)), identity)
        return PatientCase([*layers, last], task.x, task.target, len(first), len(layers))

    def _block(self, rng: np.random.Generator, seeds: int) -> list[Layer]:
        end = self.activation if self.path is None else identity
        layers = [
            *self._layer(rng, self.width, seeds, self.activation),
            *self._layer(rng, self.width, seeds, end),
        ]
        if self.path is None:
            return layers
        norm = [LayerNorm(None, None)] if self.pre_norm else []
        return [Residual([*norm, *layers], self.path)]

    def _layer(
        self, rng: np.random.Generator, fan_in: int, seeds: int, activation: Activation
    ) -> list[Layer]:
        W, shape = self.initializer.draw(rng, fan_in, self.width, (seeds,)), (seeds, self.width)
        b = np.full(shape, self.bias)
        if self.norm is None:
            return [Dense(W, b, activation)]
        return [Dense(W, b, identity), self.norm(shape), Activate(activation)]


class CellBuilder(Protocol):
    """Build the steps of a recurrent network."""

    def __call__(
        self, rng: np.random.Generator, plan: "Unrolled", inputs: Array, seeds: int
    ) -> list[Layer]:
        """Return the unrolled steps."""


def plain_cell(
    rng: np.random.Generator, plan: "Unrolled", inputs: Array, seeds: int
) -> list[Layer]:
    """Build plain steps, $h_t = f(h_{t-1} W + x_t U + b)$."""
    return unrolled(
        rng,
        plan.width,
        plan.steps,
        plan.activation,
        plan.initializer,
        inputs=inputs,
        input_initializer=lecun,
        ensemble=(seeds,),
    )


@dataclass(frozen=True)
class LSTMCell:
    r"""Build the steps of an LSTM.

    The rule for a memory of $T$ steps has two halves: the forget gate gets $\ln(T - 1)$, the input
    gate its negative.

    Source: Tallec and Ollivier 2018.
    """

    forget_bias: float
    input_bias: float = 0.0

    def __call__(
        self, rng: np.random.Generator, plan: "Unrolled", inputs: Array, seeds: int
    ) -> list[Layer]:
        """Return the unrolled steps, whose state is twice as wide as the plan says."""
        steps = unrolled_lstm(
            rng,
            plan.width,
            plan.steps,
            lecun,
            inputs=inputs,
            forget_bias=self.forget_bias,
            ensemble=(seeds,),
        )
        b = steps[0].parameters["b"].copy()
        b[..., : plan.width] = self.input_bias
        return [step.with_parameters({"b": b}) for step in steps]


@dataclass(frozen=True)
class GRUCell:
    """Build the steps of a GRU, whose one gate keeps the old state and shuts out the new."""

    update_bias: float

    def __call__(
        self, rng: np.random.Generator, plan: "Unrolled", inputs: Array, seeds: int
    ) -> list[Layer]:
        """Return the unrolled steps."""
        return unrolled_gru(
            rng,
            plan.width,
            plan.steps,
            lecun,
            inputs=inputs,
            update_bias=self.update_bias,
            ensemble=(seeds,),
        )


@dataclass(frozen=True)
class Unrolled:
    """Plan a recurrent network that is to name, at the end, the class of a point it was shown.

    It is the first input; all later ones are noise.

    Args:
        activation: The activation of the steps; gated steps have their own.
        initializer: How the recurrent weights are drawn, likewise.
        noise: Standard deviation of the later inputs.
        norm: Normalize the state behind every step.
        window: Through how many steps the gradient goes back; all if None.
        optimizers: What takes the updates; each of them is tried.
    """

    activation: Activation
    initializer: Initializer
    steps: int = 200
    width: int = 16
    noise: float = 0.01
    cell: CellBuilder = plain_cell
    norm: bool = False
    window: int | None = None
    optimizers: tuple[Optimizer, ...] = IN_TIME
    updates: int = 12

    def case(self, rng: np.random.Generator, seeds: int) -> PatientCase:
        """Draw the sequences, then the networks."""
        task = gaussian_classes(rng, classes=CLASSES, dimension=DIMENSION, examples=EXAMPLES)
        inputs = self.noise * rng.standard_normal((self.steps, *task.x.shape))
        inputs[0] = task.x
        steps = self.cell(rng, self, inputs, seeds)
        start = zero_state(steps)
        if self.norm:
            steps = [layer for step in steps for layer in (step, LayerNorm(None, None))]
        each = len(steps) // self.steps
        read = [Select(0, self.width)] if start.shape[-1] > self.width else []
        W = lecun.draw(rng, self.width, CLASSES, (seeds,))
        last = Dense(W, np.zeros((seeds, CLASSES)), identity)
        return PatientCase([*steps, *read, last], start, task.target, each, len(steps))


def with_spectral_radius(radius: float) -> Initializer:
    r"""Draw Gaussian matrices and scale each so that its spectral radius is `radius`.

    Returns:
        The record; its variance is that of a large matrix, $\rho^2/n$.
    """

    def draw(
        rng: np.random.Generator, fan_in: int, fan_out: int, ensemble: tuple[int, ...] = ()
    ) -> Array:
        if fan_in != fan_out:
            raise ValueError(f"fan_out must be fan_in = {fan_in}, got {fan_out}")
        return with_radius(rng, radius, fan_in, ensemble)

    return Initializer(f"radius {radius:g}", draw, lambda fan_in, fan_out: radius**2 / fan_in)
