r"""A museum of wrong gradients: classic faults of a backward pass, each in a network of its own.

Every exhibit comes in three rooms. In the first the fault shows: the derivatives are not those of
the loss. In the second the same task is done right. In the third the fault is there and cannot be
seen, because the example hides it; the gradient check passes, and has proved nothing.

A gradient check compares the whole gradient $g$ of a task with its central differences $d$. What
is printed is their distance as a part of the longer of the two, the discrepancy
$\lVert g - d \rVert / \max(\lVert g \rVert, \lVert d \rVert)$. It is at most 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradbook.activations import Activation, identity, relu, tanh
from gradbook.backpropagation import gradient_check
from gradbook.book.backpropagation import faults
from gradbook.checks import Array
from gradbook.layers import Dense, Layer
from gradbook.losses import Loss, half_squared_error


@dataclass(frozen=True, eq=False)
class GradientTask:
    """Hold what a gradient is computed from."""

    layers: Sequence[Layer]
    x: Array
    target: Array
    loss: Loss = half_squared_error


@dataclass(frozen=True)
class Exhibit:
    """Show one classic fault.

    Args:
        wrong_line: The fault as one line of NumPy, with `da` for what the next layer sends back.
        right_line: The line that should stand there.
        hides: When the fault cannot be seen.
        blind: A task with the fault in which it makes no difference.
    """

    name: str
    fault: str
    wrong_line: str
    right_line: str
    hides: str
    wrong: GradientTask
    right: GradientTask
    blind: GradientTask


@dataclass(frozen=True)
class Comparison:
    """Say what a gradient check found.

    Args:
        differing: How many entries differ by more than the differences' own error.
    """

    discrepancy: float
    differing: int
    entries: int

    @property
    def caught(self) -> bool:
        """Say whether an entry differs."""
        return self.differing > 0


def inspect(task: GradientTask) -> Comparison:
    """Compare the gradient of a task with central differences.

    Examples:
        >>> found = inspect(ALL[0].wrong)
        >>> f"{found.discrepancy:.2f}", found.caught
        ('0.43', True)
    """
    checks = gradient_check(task.layers, task.x, task.target, task.loss)
    analytic, numeric = np.transpose([[check.analytic, check.numeric] for check in checks])
    largest = max(np.linalg.norm(analytic), np.linalg.norm(numeric))
    differing = sum(not check.agrees for check in checks)
    return Comparison(float(np.linalg.norm(analytic - numeric) / largest), differing, len(checks))


def _draw(*shape: int) -> Array:
    """Return numbers of random sign and of size 1/4 to 1, always the same ones for a shape."""
    rng = np.random.default_rng(shape)
    signs = rng.choice([-1.0, 1.0], shape)
    return signs * rng.uniform(0.25, 1, shape)


_X, _Y = _draw(4, 3), _draw(4, 2)
_FIRST, _MIDDLE, _LAST = _draw(3, 5), _draw(5, 5), _draw(5, 2)


def _two_layers(activation: Activation) -> GradientTask:
    layers = [Dense(_FIRST, np.zeros(5), activation), Dense(_LAST, np.zeros(2), identity)]
    return GradientTask(layers, _X, _Y)


def _all_on(task: GradientTask) -> GradientTask:
    """Make every pre-activation of the first layer positive."""
    first, last = task.layers
    positive = first.with_parameters({"W": np.abs(_FIRST)})
    return replace(task, layers=[positive, last], x=np.abs(_X))


def _three_layers(middle: Dense) -> GradientTask:
    layers = [Dense(_FIRST, None, tanh), middle, Dense(_LAST, None, identity)]
    return GradientTask(layers, _X, _Y)


RELU_AT_OUTPUT = Exhibit(
    "ReLU's slope at the output",
    "the slope is 1 where a ≥ 0, which is everywhere; right is z > 0",
    "delta = da * (a >= 0)",
    "delta = da * (z > 0)",
    "every unit is on",
    wrong=_two_layers(faults.relu_at_output),
    right=_two_layers(relu),
    blind=_all_on(_two_layers(faults.relu_at_output)),
)

OVERWRITTEN = Exhibit(
    "= instead of +=",
    "of a weight used twice, the gradient of one use replaces that of the other",
    "dW = x.T @ delta",
    "dW += x.T @ delta",
    "the weight is used once",
    wrong=_three_layers(faults.Overwriting(_MIDDLE, None, tanh)),
    right=_three_layers(faults.Repeated(_MIDDLE, None, tanh)),
    blind=_three_layers(faults.Overwriting(_MIDDLE, None, tanh, uses=1)),
)

NO_TRANSPOSE = Exhibit(
    "a missing transpose",
    "what is sent back is δW; right is δ times the transpose of W",
    "dx = delta @ W",
    "dx = delta @ W.T",
    "W is symmetric",
    wrong=_three_layers(faults.UntransposedDense(_MIDDLE, None, tanh)),
    right=_three_layers(Dense(_MIDDLE, None, tanh)),
    blind=_three_layers(faults.UntransposedDense((_MIDDLE + _MIDDLE.T) / 2, None, tanh)),
)

NO_SLOPE = Exhibit(
    "a forgotten factor f′(z)",
    "δ is taken to be the upstream gradient; right is that times f′(z)",
    "delta = da",
    "delta = da * (1 - a**2)",
    "every z is zero, where this f′ is 1",
    wrong=_two_layers(faults.slope_forgotten),
    right=_two_layers(tanh),
    blind=replace(_two_layers(faults.slope_forgotten), x=np.zeros_like(_X)),
)

NO_MEAN = Exhibit(
    "a forgotten batch mean",
    "the loss is a mean over the batch, its gradient a sum",
    "da = o - y",
    "da = (o - y) / len(y)",
    "the batch has one example",
    wrong=replace(_two_layers(tanh), loss=faults.unaveraged),
    right=_two_layers(tanh),
    blind=GradientTask(_two_layers(tanh).layers, _X[:1], _Y[:1], faults.unaveraged),
)

SLOPE_FROM_OUTPUT = Exhibit(
    "a slope written by the output",
    "for a = z² the slope is taken as 2√a; right is 2z, which may be negative",
    "delta = da * 2 * np.sqrt(a)",
    "delta = da * 2 * z",
    "every z is positive",
    wrong=_two_layers(faults.square_by_output),
    right=_two_layers(faults.square()),
    blind=_all_on(_two_layers(faults.square_by_output)),
)

ALL: tuple[Exhibit, ...] = tuple(r for r in list(globals().values()) if isinstance(r, Exhibit))
"""Every record of this module, in the order above."""
