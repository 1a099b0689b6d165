r"""The classic faults of a backward pass, as layers, activations and a loss that have them.

Each computes what its sound relative computes, and is wrong on the way back only. They are what the
exhibits of `gradbook.book.backpropagation.museum` are made of; `Repeated` and `square` are sound.

Examples:
    >>> layer = Dense(np.array([[2.0]]), None, slope_forgotten)
    >>> back = layer.backward(layer.forward(np.array([[9.0]])), np.array([[1.0]]))
    >>> back.delta.item()  # tanh is flat there, and the true value is nearly zero
    1.0
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import Activation, identity, relu, tanh
from gradbook.checks import Array
from gradbook.layers import Backward, Dense, Forward
from gradbook.losses import half_squared_error


@dataclass(frozen=True, eq=False)
class UntransposedDense(Dense):
    r"""Send back $\delta W$ where $\delta W^\top$ is right: the shapes fit if `W` is square.

    Examples:
        >>> layer = UntransposedDense(np.array([[0.0, 2.0], [0.0, 0.0]]), None, identity)
        >>> layer.backward(layer.forward(np.ones((1, 2))), np.array([[1.0, 0.0]])).dx.tolist()
        [[0.0, 2.0]]
    """

    def backward(self, record: Forward, da: Array) -> Backward:
        """Compute the gradients, the one on the input without the transpose."""
        back = super().backward(record, da)
        return back._replace(dx=np.asarray(back.delta) @ self.W)


@dataclass(frozen=True, eq=False)
class Repeated(Dense):
    """Apply one dense layer several times, `f(f(x W) W)`, and sum the gradients of all uses.

    Examples:
        >>> layer = Repeated(np.array([[3.0]]), None, identity, uses=2)
        >>> back = layer.backward(layer.forward(np.array([[1.0]])), np.array([[1.0]]))
        >>> back.grads["W"].tolist(), back.dx.tolist()
        ([[6.0]], [[9.0]])
    """

    uses: int = 2

    def forward(self, x: Array) -> Forward:
        """Compute the output of the last use, keeping the records of all."""
        records = [super().forward(x)]
        while len(records) < self.uses:
            records.append(super().forward(records[-1].a))
        return Forward(x, a=records[-1].a, saved=tuple(records))

    def backward(self, record: Forward, da: Array) -> Backward:
        """Compute the gradients, use by use, from the last to the first."""
        grads: dict[str, Array] = {}
        for use in reversed(record.saved):
            back = super().backward(use, da)
            grads, da = self._combined(grads, back.grads), back.dx
        return Backward(da, grads)

    def _combined(self, old: Mapping[str, Array], new: Mapping[str, Array]) -> dict[str, Array]:
        return {name: old.get(name, np.zeros(())) + grad for name, grad in new.items()}


@dataclass(frozen=True, eq=False)
class Overwriting(Repeated):
    """Apply one dense layer several times, and let each use's gradient replace the one before.

    Examples:
        >>> layer = Overwriting(np.array([[3.0]]), None, identity, uses=2)
        >>> back = layer.backward(layer.forward(np.array([[1.0]])), np.array([[1.0]]))
        >>> back.grads["W"].tolist()
        [[3.0]]
    """

    def _combined(self, old: Mapping[str, Array], new: Mapping[str, Array]) -> dict[str, Array]:
        return {**old, **new}


def square() -> Activation:
    r"""Return $f(z) = z^2$, which has the same output for $z$ and $-z$.

    Examples:
        >>> square().df(np.array([-3.0, 3.0])).tolist()
        [-6.0, 6.0]
    """
    return Activation("square", np.square, lambda z: 2 * np.asarray(z), math.inf)


def _relu_df_at_output(z: ArrayLike) -> Array:
    return (relu.f(z) >= 0).astype(np.float64)


relu_at_output = replace(relu, name="ReLU, f′ at the output", df=_relu_df_at_output)
r"""ReLU whose derivative is $a \ge 0$ where $z > 0$ is right: an output is never negative."""

slope_forgotten = replace(tanh, name="tanh, f′ forgotten", df=identity.df)
r"""tanh whose derivative is taken to be 1."""


def _square_df_of_output(z: ArrayLike) -> Array:
    result: Array = 2 * np.sqrt(np.square(z))
    return result


square_by_output = replace(square(), name="square, f′ from the output", df=_square_df_of_output)
r"""The square whose derivative is $2\sqrt a$ where $2z$ is right: $a$ has lost the sign of $z$."""


def _without_mean(output: ArrayLike, target: ArrayLike) -> Array:
    gradient = half_squared_error.df(output, target)
    result: Array = gradient * gradient.shape[-2]
    return result


unaveraged = replace(half_squared_error, name="mean forgotten", df=_without_mean)
r"""Half the squared error, whose derivative lacks the $1/B$ of the mean over the batch."""
