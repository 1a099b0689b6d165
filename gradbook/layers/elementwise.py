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
        """Return the layer itself, which has nothing to replace.

        Args:
            values: Must be empty.

        Returns:
            The layer.

        Raises:
            ValueError: If `values` names a parameter.

        Examples:
            >>> from gradbook.activations import relu
            >>> layer = Activate(relu)
            >>> layer.with_parameters({}) is layer
            True
        """
        if values:
            raise ValueError(f"values must be empty, the layer has no parameters, got {[*values]}")
        return self


@dataclass(frozen=True, eq=False)
class Activate(Parameterless):
    """Apply an activation to every entry: `a = f(z)` with `z = x`.

    It stands wherever an activation is not the end of a dense layer: behind a normalization, or
    before the weights.

    Args:
        activation: The activation `f` with its derivative.

    Examples:
        >>> import numpy as np
        >>> from gradbook.activations import relu
        >>> Activate(relu).forward(np.array([[-1.0, 2.0]])).a.tolist()
        [[0.0, 2.0]]
    """

    activation: Activation

    def forward(self, x: Array) -> Forward:
        """Compute `a = f(x)`.

        Args:
            x: Inputs, `(..., batch, width)`.

        Returns:
            The record, in which `z` is `x`.
        """
        return Forward(x, a=self.activation.f(x), z=x)

    def backward(self, record: Forward, da: Array) -> Backward:
        r"""Compute $\partial L/\partial x = \partial L/\partial a \cdot f'(x)$.

        Args:
            record: What `forward` returned.
            da: Upstream gradient, `(..., batch, width)`.

        Returns:
            `dx` and `delta`, which are the same.

        Raises:
            ValueError: If `record` has no `z`, so did not come from this layer.

        Examples:
            >>> import numpy as np
            >>> from gradbook.activations import relu
            >>> layer, x = Activate(relu), np.array([[-1.0, 2.0]])
            >>> layer.backward(layer.forward(x), np.array([[3.0, 3.0]])).dx.tolist()
            [[0.0, 3.0]]
        """
        delta = delta_of(self.activation, record, da)
        return Backward(delta, {}, delta)
