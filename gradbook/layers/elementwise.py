"""Layers that treat every entry on its own and have no parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from gradbook.activations import Activation
from gradbook.checks import Array
from gradbook.layers.base import Backward, Forward
from gradbook.layers.shared import delta_of


class Parameterless:
    """Let a layer have no parameters."""

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Return no parameters."""
        return {}

    def with_parameters(self, values: Mapping[str, Array]) -> Self:
        """Return the layer itself, which has nothing to replace."""
        if values:
            raise ValueError(f"values must be empty, the layer has no parameters, got {[*values]}")
        return self


@dataclass(frozen=True, eq=False)
class Activate(Parameterless):
    """Apply an activation to every entry: `a = f(z)` with `z = x`.

    It stands wherever an activation is not the end of a dense layer: behind a normalization, or
    before the weights.
    """

    activation: Activation

    def forward(self, x: Array) -> Forward:
        """Compute `a = f(x)`, with `z` the very `x`."""
        return Forward(x, a=self.activation.f(x), z=x)

    def backward(self, record: Forward, da: Array) -> Backward:
        r"""Compute $\partial L/\partial x = \delta = \partial L/\partial a \cdot f'(x)$."""
        delta = delta_of(self.activation, record, da)
        return Backward(delta, {}, delta)
