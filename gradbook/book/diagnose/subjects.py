"""Networks to be diagnosed: one recipe for each fault and each remedy of the book.

To try the diagnosis on one more kind of network, add a recipe.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from gradbook import precision
from gradbook.activations import (
    Activation,
    elu,
    gelu,
    identity,
    leaky,
    relu,
    selu,
    sigmoid,
    silu,
    tanh,
)
from gradbook.checks import Array
from gradbook.datasets import gaussian_classes
from gradbook.diagnosis.verdicts import Verdict
from gradbook.initializers import Initializer, he, lecun, orthogonal, orthogonal_with, scaled
from gradbook.layers import Dense, Layer, LayerNorm, Select
from gradbook.networks import plain, unrolled
from gradbook.networks.gated import unrolled_lstm, zero_state
from gradbook.networks.normalization import Norm, batch_norm, layer_norm, normalized
from gradbook.networks.residual_blocks import pre_norm, residual, two_layer_blocks
from gradbook.precision import Format

CLASSES, INPUTS, EXAMPLES = (4, 5), 16, 32
"""The task of all networks: Gaussian classes, so many of them, in so many dimensions, in a batch.

Of 4 classes a batch of 32 has the same number each, which chance decides. Then what the examples
send back cancels in the gradients of biases, as long as the outputs are still alike.
"""

STEPS = 3
"""How many steps of time a recurrent network takes for each layer of a deep one."""


def _bell(z: ArrayLike) -> Array:
    return np.asarray(1 / (1 + np.square(np.asarray(z, np.float64))))


def _gate(z: ArrayLike) -> Array:
    x = np.asarray(z, np.float64)
    return np.asarray(0.5 + 0.5 * x / (1 + np.abs(x)))


def _gate_df(z: ArrayLike) -> Array:
    return np.asarray(0.5 / np.square(1 + np.abs(np.asarray(z, np.float64))))


arctan = Activation("arctan", np.arctan, _bell, 1.0)
"""Like tanh, but slower to saturate."""

_softsign_gate = Activation("softsign gate", _gate, _gate_df, 0.5)
"""Like the sigmoid, with a steeper middle and heavier tails."""


@dataclass(frozen=True)
class Family:
    """The activations of one half of the suite, by what they have in common.

    Attributes:
        rectifiers: Flat on one side.
        saturating: Flat on both sides, and odd.
        logistic: Flat on both sides, and positive.
    """

    rectifiers: tuple[Activation, ...]
    saturating: tuple[Activation, ...]
    logistic: tuple[Activation, ...]


FITTED = Family((relu, elu, silu), (tanh,), (sigmoid,))
"""The activations that the thresholds are fitted with."""

HELD_OUT = Family((leaky(0.1), gelu, selu), (arctan,), (_softsign_gate,))
"""Those that the diagnosis is judged by."""


@dataclass(frozen=True)
class Size:
    """How large an ensemble of networks is, and what its activation is."""

    depth: int
    width: int
    activation: Activation
    seeds: int
    classes: int = CLASSES[-1]

    @property
    def widths(self) -> list[int]:
        """Inputs, hidden layers and outputs."""
        return [INPUTS, *[self.width] * (self.depth - 1), self.classes]


@dataclass(frozen=True, eq=False)
class Network:
    """Hold an ensemble of networks with what enters them.

    Attributes:
        x: The inputs, or the state before the first step.
        ends: The boundaries behind each hidden layer or step, in order.
        recurrent: Whether all steps share their parameters.
    """

    layers: list[Layer]
    x: Array
    target: Array
    ends: range
    recurrent: bool = False


DrawNetworks = Callable[[np.random.Generator, Size], tuple[list[Layer], range]]
"""Return the layers, and the boundaries behind each hidden one."""


def _every(layers: list[Layer], each: int = 1) -> tuple[list[Layer], range]:
    """Say that so many layers make a hidden one, and that the last is the output."""
    return layers, range(each, len(layers), each)


def chain(init: Initializer, rng: np.random.Generator, size: Size) -> tuple[list[Layer], range]:
    """Draw plain networks."""
    return _every(plain(rng, size.widths, size.activation, init, ensemble=(size.seeds,)))


Change = Callable[[int, Mapping[str, Array]], Mapping[str, Array]]
"""Return the parameters to change of a hidden layer, by its number from 1 and what it has."""


def changed(change: Change, rng: np.random.Generator, size: Size) -> tuple[list[Layer], range]:
    """Draw plain networks with the weights of He, and change their hidden layers."""
    layers, ends = chain(he, rng, size)
    hidden = [
        layer.with_parameters(change(number, layer.parameters))
        for number, layer in enumerate(layers[:-1], start=1)
    ]
    return [*hidden, layers[-1]], ends


def with_bias(bias: float, rng: np.random.Generator, size: Size) -> tuple[list[Layer], range]:
    """Draw plain networks with the weights of He and one bias for all hidden units."""
    return changed(lambda _, parameters: {"b": parameters["b"] + bias}, rng, size)


def _one_layer(factor: float, rng: np.random.Generator, size: Size) -> tuple[list[Layer], range]:
    """Draw a healthy network, and multiply the weights of its middle layer."""

    def change(number: int, parameters: Mapping[str, Array]) -> Mapping[str, Array]:
        return {"W": factor * parameters["W"]} if number == size.depth // 2 + 1 else {}

    return changed(change, rng, size)


def with_norms(
    norm: Norm, init: Initializer, rng: np.random.Generator, size: Size
) -> tuple[list[Layer], range]:
    """Draw networks with a normalization in each hidden layer."""
    layers = normalized(rng, size.widths, size.activation, init, norm, ensemble=(size.seeds,))
    return _every(layers, 3)


def _residual(
    scale: Callable[[int], float], before: Layer | None, rng: np.random.Generator, size: Size
) -> tuple[list[Layer], range]:
    blocks = _blocks(rng, size)
    alpha = scale(len(blocks))
    middle = residual(blocks, alpha) if before is None else pre_norm(blocks, before, alpha)
    return _every([_stem(1.0, rng, size), *middle, _readout(rng, size)])


def _shifted(
    entry: float, last: float, rng: np.random.Generator, size: Size
) -> tuple[list[Layer], range]:
    """Draw pre-norm blocks and a last norm, all with shifts; entry and branches' ends scaled."""
    zeros, blocks = np.zeros((size.seeds, size.width)), list[list[Layer]]()
    for inner, outer in _blocks(rng, size):
        first = Dense(inner.parameters["W"], zeros.copy(), size.activation)
        second = Dense(last * outer.parameters["W"], zeros.copy(), identity)
        blocks.append([layer_norm(zeros.shape), first, second])
    path = [_stem(entry, rng, size), *residual(blocks)]
    return [*path, layer_norm(zeros.shape), _readout(rng, size)], range(1, len(path) + 1)


def _blocks(rng: np.random.Generator, size: Size) -> list[list[Layer]]:
    count = (size.depth - 2) // 2
    return two_layer_blocks(rng, size.width, count, size.activation, ensemble=(size.seeds,))


def _stem(factor: float, rng: np.random.Generator, size: Size) -> Layer:
    W = factor * lecun.draw(rng, INPUTS, size.width, (size.seeds,))
    return Dense(W, np.zeros((size.seeds, size.width)), identity)


def _readout(rng: np.random.Generator, size: Size) -> Layer:
    W = lecun.draw(rng, size.width, size.classes, (size.seeds,))
    return Dense(W, np.zeros((size.seeds, size.classes)), identity)


def _inputs(rng: np.random.Generator, first: Array, steps: int) -> Array:
    """Show the example at the first step, and noise at all others."""
    inputs = 0.01 * rng.standard_normal((steps, *first.shape))
    inputs[0] = first
    return inputs


Steps = Callable[[np.random.Generator, Size, Array], list[Layer]]


def recurrent_steps(
    init: Initializer, rng: np.random.Generator, size: Size, inputs: Array
) -> list[Layer]:
    """Draw plain recurrent networks."""
    return unrolled(
        rng,
        size.width,
        len(inputs),
        size.activation,
        init,
        inputs=inputs,
        input_initializer=lecun,
        ensemble=(size.seeds,),
    )


def _lstm(forget: float, rng: np.random.Generator, size: Size, inputs: Array) -> list[Layer]:
    return unrolled_lstm(
        rng,
        size.width,
        len(inputs),
        lecun,
        inputs=inputs,
        forget_bias=forget,
        ensemble=(size.seeds,),
    )


@dataclass(frozen=True)
class FaultRecipe:
    """Say how to draw networks with one fault.

    Attributes:
        steps: Draws the steps of a recurrent one, instead.
        activations: Takes those that suit out of a family.
        planted: Whether a gradient gets a NaN.
    """

    name: str
    fault: Verdict
    draw: DrawNetworks | None = None
    steps: Steps | None = None
    activations: Callable[[Family], tuple[Activation, ...]] = lambda family: family.rectifiers
    fmt: Format = precision.float32
    lr: float = 0.01
    loss_scale: float = 1.0
    planted: bool = False

    def network(self, rng: np.random.Generator, size: Size) -> Network:
        """Draw the task, then the networks."""
        task = gaussian_classes(rng, classes=size.classes, dimension=INPUTS, examples=EXAMPLES)
        if self.draw is not None:
            layers, ends = self.draw(rng, size)
            return Network(layers, task.x, task.target, ends)
        assert self.steps is not None
        inputs = _inputs(rng, task.x, STEPS * size.depth)
        steps = self.steps(rng, size, inputs)
        x = zero_state(steps)
        read = [Select(0, size.width)] if x.shape[-1] > size.width else []
        layers = [*steps, *read, _readout(rng, size)]
        return Network(layers, x, task.target, range(1, len(steps) + 1), recurrent=True)


def _saturating(family: Family) -> tuple[Activation, ...]:
    return family.saturating


def _logistic(family: Family) -> tuple[Activation, ...]:
    return family.logistic


def _only(activation: Activation) -> Callable[[Family], tuple[Activation, ...]]:
    return lambda family: (activation,)


_V = Verdict
_HE = partial(chain, he)
_ONE = lambda count: 1.0  # noqa: E731
_ROOT = lambda count: count**-0.5  # noqa: E731

RECIPES: tuple[FaultRecipe, ...] = (
    FaultRecipe("weights of variance 2/n", _V.HEALTHY, _HE),
    FaultRecipe(
        "weights of variance 1/n", _V.HEALTHY, partial(chain, lecun), activations=_saturating
    ),
    FaultRecipe("orthogonal", _V.HEALTHY, partial(chain, orthogonal), activations=_saturating),
    FaultRecipe("layer normalization", _V.HEALTHY, partial(with_norms, layer_norm, he)),
    FaultRecipe(
        "layer normalization, saturating",
        _V.HEALTHY,
        partial(with_norms, layer_norm, lecun),
        activations=_saturating,
    ),
    FaultRecipe("batch normalization", _V.HEALTHY, partial(with_norms, batch_norm, he)),
    FaultRecipe("blocks over root L", _V.HEALTHY, partial(_residual, _ROOT, None)),
    FaultRecipe("pre-norm", _V.HEALTHY, partial(_residual, _ONE, LayerNorm(None, None))),
    FaultRecipe("blocks of tiny weights", _V.HEALTHY, partial(_residual, lambda count: 0.01, None)),
    FaultRecipe(
        "blocks that begin with 0", _V.HEALTHY, partial(_residual, lambda count: 0.0, None)
    ),
    FaultRecipe("shifts, large inputs", _V.HEALTHY, partial(_shifted, 10.0, 1.0)),
    FaultRecipe(
        "shifts, branches that begin with 0",
        _V.HEALTHY,
        partial(_shifted, 1.0, 0.0),
        activations=_saturating,
    ),
    FaultRecipe(
        "LSTM, forget bias 6", _V.HEALTHY, steps=partial(_lstm, 6.0), activations=_only(tanh)
    ),
    FaultRecipe(
        "orthogonal steps",
        _V.HEALTHY,
        steps=partial(recurrent_steps, orthogonal),
        activations=_only(identity),
    ),
    FaultRecipe("logistic", _V.VANISHING, partial(chain, lecun), activations=_logistic),
    FaultRecipe(
        "variance 1/n, one-sided", _V.VANISHING, partial(chain, lecun), activations=_only(relu)
    ),
    FaultRecipe("variance 0.4/n", _V.VANISHING, partial(chain, scaled(0.4))),
    FaultRecipe(
        "variance 0.5/n, saturating",
        _V.VANISHING,
        partial(chain, scaled(0.5)),
        activations=_saturating,
    ),
    FaultRecipe("one layer of tiny weights", _V.VANISHING, partial(_one_layer, 1e-3)),
    FaultRecipe(
        "steps of 0.8",
        _V.VANISHING,
        steps=partial(recurrent_steps, orthogonal_with(0.8)),
        activations=_saturating,
    ),
    FaultRecipe(
        "LSTM, forget bias 0", _V.VANISHING, steps=partial(_lstm, 0.0), activations=_only(tanh)
    ),
    FaultRecipe("variance 6/n", _V.EXPLODING, partial(chain, scaled(6.0))),
    FaultRecipe(
        "variance 25/n, saturating",
        _V.EXPLODING,
        partial(chain, scaled(25.0)),
        activations=_saturating,
    ),
    FaultRecipe("batch normalization, deep", _V.EXPLODING, partial(with_norms, batch_norm, he)),
    FaultRecipe("blocks unscaled", _V.EXPLODING, partial(_residual, _ONE, None)),
    FaultRecipe(
        "shifts, small inputs", _V.EXPLODING, partial(_shifted, 1e-3, 1.0), activations=_saturating
    ),
    FaultRecipe("one layer of huge weights", _V.EXPLODING, partial(_one_layer, 1e3)),
    FaultRecipe(
        "steps of 1.3",
        _V.EXPLODING,
        steps=partial(recurrent_steps, orthogonal_with(1.3)),
        activations=_only(identity),
    ),
    FaultRecipe("biases of -1", _V.DEAD, partial(with_bias, -1.0), activations=_only(relu)),
    FaultRecipe("biases of -3", _V.DEAD, partial(with_bias, -3.0), activations=_only(relu)),
    FaultRecipe("tiny steps", _V.FROZEN, _HE, lr=1e-7),
    FaultRecipe("weights in bfloat16", _V.FROZEN, _HE, fmt=precision.bfloat16, lr=1e-3),
    FaultRecipe(
        "pre-norm in bfloat16",
        _V.FROZEN,
        partial(_residual, _ONE, LayerNorm(None, None)),
        fmt=precision.bfloat16,
        lr=1e-3,
    ),
    FaultRecipe("variance 10^6/n", _V.NON_FINITE, partial(chain, scaled(1e6))),
    FaultRecipe(
        "loss scale of 2^24 in float16",
        _V.NON_FINITE,
        _HE,
        fmt=precision.float16,
        loss_scale=2.0**24,
    ),
    FaultRecipe("a division by 0", _V.NON_FINITE, _HE, planted=True),
)
"""Every recipe of the suite."""
