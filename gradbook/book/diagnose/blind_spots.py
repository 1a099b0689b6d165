"""Networks in which a gradient that is often looked at says something else than δ."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradbook.activations import relu, tanh
from gradbook.backpropagation import Parameter, backprop
from gradbook.book.diagnose.subjects import CLASSES, INPUTS, Size
from gradbook.checks import Array
from gradbook.datasets import gaussian_classes
from gradbook.diagnosis.measuring.rates import rate, student_quantile
from gradbook.initializers import lecun, scaled
from gradbook.layers import Dense
from gradbook.losses import softmax_cross_entropy
from gradbook.networks import plain
from gradbook.networks.residual_blocks import residual, two_layer_blocks

_BALANCED = CLASSES[0]
"""So many classes, of which a batch may have the same number each."""

BATCH = 32
"""Examples of a whole batch."""


@dataclass(frozen=True)
class Decades:
    """Powers of ten from the last hidden layer to the first, by what is looked at.

    Attributes:
        delta: Of ∂L/∂h, the truth.
        biases: Of the biases' gradients.
        weights: Of the weights' gradients.
    """

    delta: float
    biases: float
    weights: float


def _rms(x: Array) -> float:
    return float(np.sqrt(np.square(x).mean()))


def _decades(first: Array, last: Array) -> float:
    return math.log10(_rms(first)) - math.log10(_rms(last))


def _named(parameters: Sequence[Parameter], kind: str) -> list[Array]:
    return [p.grad for p in parameters if p.name.endswith(kind)]


def cancelling(rng: np.random.Generator, examples: int = BATCH, depth: int = 14) -> Decades:
    """Draw a tanh network of small weights and compare what vanishes with what seems to.

    Where the outputs are still alike, what the examples of one class send back is what those of
    another take away: with the same number of each, the sum, which is the bias's gradient, is 0.

    Args:
        rng: Draws the weights and `BATCH` examples, whatever part of these is taken.
        examples: How many of the first are taken; balanced if the classes divide that.

    Examples:
        >>> for examples in (32, 30):
        ...     found = cancelling(np.random.default_rng(0), examples)
        ...     print(f"{found.delta:.1f} {found.biases:.1f}")
        -2.1 0.1
        -2.1 -1.6
    """
    size = Size(depth, 32, tanh, seeds=1, classes=_BALANCED)
    of_examples, of_weights = rng.spawn(2)
    task = gaussian_classes(of_examples, classes=_BALANCED, dimension=INPUTS, examples=BATCH)
    layers = plain(of_weights, size.widths, tanh, scaled(0.5))
    x, target = task.x[:examples], task.target[:examples]
    trace = backprop(layers, x, target, softmax_cross_entropy)
    biases, weights = (_named(trace.parameters, kind)[:-1] for kind in ("b", "W"))
    return Decades(
        _decades(trace.dh[1], trace.dh[-2]),
        _decades(biases[0], biases[-1]),
        _decades(weights[0], weights[-1]),
    )


@dataclass(frozen=True)
class Beside:
    """What a path leaves to the layers beside it.

    Attributes:
        path: Decades of ∂L/∂h from the end of the path to its beginning.
        branch: Decades of the weights' gradients in the first block below those before it.
    """

    path: float
    branch: float


def beside(rng: np.random.Generator, scale: float, blocks: int = 10) -> Beside:
    """Draw a residual network whose branches are scaled down.

    Args:
        scale: The factor on what a block adds.

    Examples:
        >>> found = beside(np.random.default_rng(0), 0.01)
        >>> abs(found.path) < 0.1, f"{found.branch:.0f}"
        (True, '-2')
    """
    width = 32
    task = gaussian_classes(rng, classes=_BALANCED, dimension=INPUTS, examples=BATCH)
    first = plain(rng, [INPUTS, width], tanh, lecun)
    last: list[Dense] = [Dense(lecun.draw(rng, width, _BALANCED), None, tanh)]
    middle = residual(two_layer_blocks(rng, width, blocks, relu), scale)
    trace = backprop([*first, *middle, *last], task.x, task.target, softmax_cross_entropy)
    weights = _named(trace.parameters, "W")
    return Beside(_decades(trace.dh[1], trace.dh[-2]), _decades(weights[1], weights[0]))


@dataclass(frozen=True)
class Coverage:
    """How often an interval of 95 % holds the true rate.

    Attributes:
        steps: That of the mean of the steps, which a report prints.
        line: That of a straight line fitted to the logarithms.
    """

    steps: float
    line: float


def coverage(
    rng: np.random.Generator, seeds: int = 150, depth: int = 16, width: int = 32
) -> Coverage:
    """Measure in an ensemble how often two intervals for the rate hold the mean of all.

    The networks are of ReLUs with weights of variance 1/n, and all see one batch.

    Examples:
        >>> found = coverage(np.random.default_rng(0), seeds=40)
        >>> found.steps > 0.8 > found.line
        True
    """
    size = Size(depth, width, relu, seeds)
    task = gaussian_classes(rng, classes=size.classes, dimension=INPUTS, examples=16)
    layers = plain(rng, size.widths, relu, lecun, ensemble=(seeds,))
    trace = backprop(layers, task.x, task.target, softmax_cross_entropy)
    sizes = np.array([np.sqrt(np.square(dh).mean(axis=(-2, -1))) for dh in trace.dh[1:-1]])
    logs = np.log(sizes)
    true = float((logs[:-1] - logs[1:]).mean())
    return Coverage(_steps_hold(sizes, true), _line_holds(logs, true))


def _steps_hold(sizes: Array, true: float) -> float:
    found = [rate(column) for column in sizes.T]
    held = [
        math.log(f.low) <= true <= math.log(f.high)
        for f in found
        if f is not None and f.low is not None and f.high is not None
    ]
    return float(np.mean(held))


def _line_holds(logs: Array, true: float) -> float:
    x = np.arange(len(logs)) - (len(logs) - 1) / 2
    slopes = x @ logs / (x @ x)
    residues = logs - logs.mean(axis=0) - np.outer(x, slopes)
    errors = np.sqrt(np.square(residues).sum(axis=0) / (len(x) - 2) / (x @ x))
    return float(np.mean(np.abs(-slopes - true) <= student_quantile(len(x) - 2) * errors))
