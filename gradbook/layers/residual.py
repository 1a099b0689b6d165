"""The residual path: a way around other layers."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

from gradbook.checks import Array, finite
from gradbook.layers.base import Backward, Forward, Layer


@dataclass(frozen=True, eq=False, init=False)
class Residual:
    r"""Add to `x` what a block of layers makes of it: `a = x + scale * block(x)`.

    Whatever the block does, its Jacobian $J$ is added to the identity, $I + \alpha J$. In
    *pre-norm* the block begins with a normalization, `Residual([LayerNorm(...), ...])`; in
    *post-norm* one stands behind the sum, `[Residual([...]), LayerNorm(...)]`. What stands behind
    the sum is on the path of every signal and of every gradient.

    The parameters of the block are named after their place in it: `"1.W"`, `"2.W"`.

    Args:
        layers: The block, one layer or several; its output must be as wide as its input.
        scale: The factor $\alpha$ on the block's output.

    Raises:
        TypeError: If an element of `layers` is not a layer, or `scale` is not a number.
        ValueError: If the block is empty, or `scale` is not finite.

    Examples:
        >>> import numpy as np
        >>> from gradbook.activations import relu
        >>> from gradbook.layers import Dense
        >>> layer = Residual(Dense(np.array([[-2.0]]), None, relu), scale=0.5)
        >>> layer.forward(np.array([[3.0], [-3.0]])).a.tolist()
        [[3.0], [0.0]]
        >>> list(layer.parameters)
        ['1.W']

    Source: He et al. 2016.
    """

    layers: tuple[Layer, ...]
    scale: float

    def __init__(self, layers: Layer | Sequence[Layer], scale: float = 1.0) -> None:
        """Hold one layer or several."""
        block = (layers,) if isinstance(layers, Layer) else tuple(layers)
        if not block:
            raise ValueError(f"layers must hold at least one layer, got {layers!r}")
        for number, layer in enumerate(block, start=1):
            if not isinstance(layer, Layer):
                raise TypeError(f"layers must hold layers, got {layer!r} as layer {number}")
        object.__setattr__(self, "layers", block)
        object.__setattr__(self, "scale", finite("scale", scale))

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Return the parameters of the block, each under its place in it."""
        return _prefixed([layer.parameters for layer in self.layers])

    def with_parameters(self, values: Mapping[str, Array]) -> Self:
        """Return a copy in which the named parameters have other values.

        Args:
            values: New arrays by name; a parameter not named stays the same object.

        Returns:
            The copy.

        Raises:
            ValueError: If the block has no parameter of a given name, or a value does not fit.

        Examples:
            >>> import numpy as np
            >>> from gradbook.activations import identity
            >>> from gradbook.layers import Dense
            >>> layer = Residual(Dense(np.array([[2.0]]), None, identity))
            >>> layer.with_parameters({"1.W": np.array([[4.0]])}).forward(np.ones((1, 1))).a.item()
            5.0
        """
        known = self.parameters
        unknown = [name for name in values if name not in known]
        if unknown:
            names = ", ".join(known)
            raise ValueError(f"values must name parameters of the layer ({names}), got {unknown}")
        block = [
            layer.with_parameters(
                {
                    name: values[f"{n}.{name}"]
                    for name in layer.parameters
                    if f"{n}.{name}" in values
                }
            )
            for n, layer in enumerate(self.layers, start=1)
        ]
        changed = copy(self)
        object.__setattr__(changed, "layers", tuple(block))
        return changed

    def forward(self, x: Array) -> Forward:
        r"""Compute $a = x + \alpha \, \text{block}(x)$.

        Args:
            x: Inputs, `(..., batch, width)`.

        Returns:
            The record; `saved` holds the records of the block's layers.

        Raises:
            ValueError: If `x` does not fit the block, or the block changes the width.

        Examples:
            >>> import numpy as np
            >>> from gradbook.activations import identity
            >>> from gradbook.layers import Dense
            >>> Residual(Dense(np.ones((2, 1)), None, identity)).forward(np.ones((1, 2)))
            Traceback (most recent call last):
            ValueError: the block must return the shape (..., 1, 2) of its input, got (1, 1)
        """
        records, h = list[Forward](), x
        for number, layer in enumerate(self.layers, start=1):
            try:
                records.append(layer.forward(h))
            except ValueError as error:
                where = f"layer {number} of {len(self.layers)} in the block"
                raise ValueError(f"{where}: {error}") from None
            h = records[-1].a
        if h.shape[-2:] != x.shape[-2:]:
            expected = f"(..., {x.shape[-2]}, {x.shape[-1]})"
            raise ValueError(
                f"the block must return the shape {expected} of its input, got {h.shape}"
            )
        return Forward(x, a=x + self.scale * h, saved=tuple(records))

    def backward(self, record: Forward, da: Array) -> Backward:
        r"""Compute $\partial L/\partial x = \partial L/\partial a \, (I + \alpha J)$.

        The input reaches the output on two ways, and their contributions add up: the gradient
        `da` arrives as it is on the path, and as $\alpha \, da \, J$ through the block, whose
        layers bring it back one after the other.

        Args:
            record: What `forward` returned.
            da: Upstream gradient, `(..., batch, width)`.

        Returns:
            `dx`, and the gradients on the block's parameters.

        Raises:
            ValueError: If the record does not hold one record for each layer of the block.

        Examples:
            >>> import numpy as np
            >>> from gradbook.activations import relu
            >>> from gradbook.layers import Dense
            >>> layer = Residual(Dense(np.array([[2.0]]), None, relu), scale=0.5)
            >>> back = layer.backward(layer.forward(np.array([[3.0], [-3.0]])), np.ones((2, 1)))
            >>> back.dx.tolist(), back.grads["1.W"].item()
            ([[2.0], [1.0]], 1.5)
        """
        if len(record.saved) != len(self.layers):
            expected = f"{len(self.layers)} records of wrapped layers"
            raise ValueError(f"record must hold {expected}, got {len(record.saved)}")
        dh, grads = self.scale * da, list[Mapping[str, Array]]()
        for layer, inner in zip(reversed(self.layers), reversed(record.saved), strict=True):
            back = layer.backward(inner, dh)
            dh = back.dx
            grads.append(back.grads)
        return Backward(da + dh, _prefixed(grads[::-1]))


def _prefixed(arrays: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    return {
        f"{number}.{name}": array
        for number, of_layer in enumerate(arrays, start=1)
        for name, array in of_layer.items()
    }
