"""One example through a small sigmoid network and back, for the pictures of its explorers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from gradbook.checks import Array, finite_array


class _Named(Protocol):
    @property
    def name(self) -> str:
        """What it is called."""


class Affine(Protocol):
    """A dense layer, such as `gradbook.Dense`, without ensemble axes."""

    @property
    def W(self) -> Array:
        """Weights, shape (fan_in, fan_out)."""

    @property
    def b(self) -> Array | None:
        """Biases, shape (fan_out,)."""

    @property
    def activation(self) -> _Named:
        """What its units compute."""


@dataclass(frozen=True, eq=False)
class Passes:
    r"""Hold what the two passes leave behind, each a list with one array per layer.

    Args:
        weights: $W_l$.
        biases: $b_l$.
        values: $h_0, \dots, h_n$, the input first.
        deltas: $\delta_l = \partial L/\partial z_l$ for the loss $\frac12(o - y)^2$.
    """

    weights: list[Array]
    biases: list[Array]
    values: list[Array]
    deltas: list[Array]


def passes(layers: Sequence[Affine], x: ArrayLike, target: ArrayLike) -> Passes:
    r"""Send one example forward, and $\delta_l = (\delta_{l+1} W_{l+1}^\top) \odot \sigma'$ back.

    Raises:
        ValueError: If a layer has no biases or another activation than the sigmoid.
    """
    weights, biases, values = [], [], [finite_array("x", x).ravel()]
    for layer in layers:
        if layer.b is None or layer.activation.name != "sigmoid":
            raise ValueError("layers must be sigmoid layers with biases to be explored")
        weights.append(layer.W)
        biases.append(layer.b)
        values.append(1 / (1 + np.exp(-(values[-1] @ layer.W + layer.b))))
    back = values[-1] - finite_array("target", target).ravel()
    deltas: list[Array] = []
    for W, a in zip(reversed(weights), reversed(values), strict=False):
        deltas.insert(0, back * a * (1 - a))
        back = deltas[0] @ W.T
    return Passes(weights, biases, values, deltas)
