r"""Measure many kinds of equal networks at once, with one set of random weights for all.

A weight of variance $\sigma_w^2/n$ is $\sigma_w$ times one of variance $1/n$. So the matrices of
one draw, the costly part, serve every activation and every $(\sigma_w, \sigma_b)$: a whole table
costs hardly more than one of its cells. The cells then share their luck, which leaves the error of
each as it is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradbook.activations import Activation
from gradbook.book.claims.keeping import measured_once
from gradbook.checks import Array, generator, non_negative, positive_int


@dataclass(frozen=True)
class LayerKind:
    r"""Say of what kind the layers of a network are.

    Args:
        sigma_w2: Width times the variance of one weight, $\sigma_w^2$.
        sigma_b2: Variance of the biases, $\sigma_b^2$.
    """

    activation: Activation
    sigma_w2: float
    sigma_b2: float = 0.0

    def __post_init__(self) -> None:
        """Refuse variances that cannot be some."""
        non_negative("sigma_w2", self.sigma_w2)
        non_negative("sigma_b2", self.sigma_b2)


@dataclass(frozen=True, eq=False)
class Sweep:
    r"""Hold what was measured in each draw of each setting.

    Args:
        q: The mean of $z_l^2$ over the units, shape (draws, settings, depth).
        energy: $\lVert\partial L/\partial h_l\rVert^2$ at every boundary, from the input to the
            output, where it is 1; shape (draws, settings, depth + 1).
    """

    q: Array
    energy: Array

    @property
    def decades(self) -> Array:
        r"""Return $\log_{10} \lVert\partial L/\partial h_0\rVert$, shape (draws, settings)."""
        return np.asarray(np.log10(self.energy[..., 0]) / 2)


@measured_once
def sweep(
    rng: np.random.Generator,
    settings: Sequence[LayerKind],
    *,
    depth: int,
    width: int,
    draws: int,
    gradients: int = 1,
) -> Sweep:
    """Measure lengths and gradients in networks that were never trained.

    Each draw has one input from $N(0, 1)$ per unit, and a random gradient of length 1 on the
    output, both the same for all settings.

    Args:
        gradients: How many gradients on the output are sent back through each network, their
            energies averaged, which takes the luck of a single direction out.

    Examples:
        >>> from gradbook.activations import relu, tanh
        >>> settings = [LayerKind(relu, 1.0), LayerKind(relu, 2.0), LayerKind(tanh, 1.0, 0.05)]
        >>> found = sweep(np.random.default_rng(0), settings, depth=20, width=100, draws=10)
        >>> " ".join(f"{decades:.2f}" for decades in found.decades.mean(axis=0))
        '-3.06 -0.05 -1.43'
    """
    rng, draws = generator("rng", rng), positive_int("draws", draws)
    depth, width = positive_int("depth", depth), positive_int("width", width)
    gradients = positive_int("gradients", gradients)
    if not settings:
        raise ValueError("settings must hold at least one setting, got none")
    shape = draws, len(settings)
    q, energy = np.empty((*shape, depth)), np.ones((*shape, depth + 1))
    for draw in range(draws):
        weights = rng.standard_normal((depth, width, width)) / math.sqrt(width)
        q[draw], slopes = _forward(rng, settings, weights)
        energy[draw, :, :-1] = _backward(rng, settings, weights, slopes, gradients)
    return Sweep(q, energy)


def _forward(
    rng: np.random.Generator, settings: Sequence[LayerKind], weights: Array
) -> tuple[Array, list[Array]]:
    """Return the lengths, shape (settings, depth), and the slopes in each layer."""
    scale_w, scale_b = _scales(settings, "sigma_w2"), _scales(settings, "sigma_b2")
    h: Array = np.repeat(rng.standard_normal((1, weights.shape[-1])), len(settings), axis=0)
    lengths, slopes = [], []
    for W in weights:
        z = scale_w * (h @ W) + scale_b * rng.standard_normal(len(W))
        lengths.append(np.square(z).mean(axis=-1))
        slopes.append(_each(settings, z, "df"))
        h = _each(settings, z, "f")
    return np.stack(lengths, axis=-1), slopes


def _backward(
    rng: np.random.Generator,
    settings: Sequence[LayerKind],
    weights: Array,
    slopes: Sequence[Array],
    gradients: int,
) -> Array:
    """Return the mean energies below each layer, shape (settings, depth)."""
    scale_w, width = _scales(settings, "sigma_w2"), weights.shape[-1]
    output = rng.standard_normal((gradients, 1, width))
    dh: Array = np.repeat(
        output / np.linalg.norm(output, axis=-1, keepdims=True), len(settings), axis=1
    )
    energies = []
    for W, slope in zip(weights[::-1], slopes[::-1], strict=True):
        delta = (dh * slope).reshape(-1, width)
        dh = scale_w * (delta @ W.T).reshape(dh.shape)
        energies.append(np.square(dh).sum(axis=-1).mean(axis=0))
    return np.stack(energies[::-1], axis=-1)


def _scales(settings: Sequence[LayerKind], name: str) -> Array:
    return np.sqrt([[getattr(setting, name)] for setting in settings])


def _each(settings: Sequence[LayerKind], z: Array, name: str) -> Array:
    return np.stack([getattr(s.activation, name)(row) for s, row in zip(settings, z, strict=True)])
