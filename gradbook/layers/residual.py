"""The residual path: a way around other layers."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

from gradbook.checks import Array, finite
from gradbook.layers.base import Backward, Forward, Layer, check_layers, check_names, numbered


@dataclass(frozen=True, eq=False, init=False)
class Residual:
    r"""Add to `x` what a block of layers makes of it: `a = x + scale * block(x)`.

    Whatever the block does, its Jacobian $J$ is added to the identity, $I + \alpha J$. In
    *pre-norm* the block begins with a normalization, `Residual([LayerNorm(...), ...])`; in
    *post-norm* one stands behind the sum, `[Residual([...]), LayerNorm(...)]`. What stands behind
    the sum is on the path of every signal and of every gradient.

    The block is one layer or several; its output must be as wide as its input. Its parameters are
    named after their place in it: `"1.W"`, `"2.W"`.

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
        block = [layers] if isinstance(layers, Layer) else layers
        check_layers(block)
        object.__setattr__(self, "layers", tuple(block))
        object.__setattr__(self, "scale", finite("scale", scale))

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Return the parameters of the block, each under its place in it."""
        return numbered([layer.parameters for layer in self.layers])

    def with_parameters(self, values: Mapping[str, Array]) -> Self:
        """Return a copy in which the named parameters have other values."""
        check_names(values, self.parameters)
        block = []
        for n, layer in enumerate(self.layers, start=1):
            own = {k: values[f"{n}.{k}"] for k in layer.parameters if f"{n}.{k}" in values}
            block.append(layer.with_parameters(own))
        changed = copy(self)
        object.__setattr__(changed, "layers", tuple(block))
        return changed

    def forward(self, x: Array) -> Forward:
        r"""Compute $a = x + \alpha \, \text{block}(x)$, and save the records of the block."""
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
        """
        if len(record.saved) != len(self.layers):
            expected = f"{len(self.layers)} records of wrapped layers"
            raise ValueError(f"record must hold {expected}, got {len(record.saved)}")
        dh, grads = self.scale * da, list[Mapping[str, Array]]()
        for layer, inner in zip(reversed(self.layers), reversed(record.saved), strict=True):
            back = layer.backward(inner, dh)
            dh = back.dx
            grads.append(back.grads)
        return Backward(da + dh, numbered(grads[::-1]))
