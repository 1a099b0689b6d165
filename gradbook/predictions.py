r"""Predict the energies of signals and gradients in dense networks of any widths, layer by layer.

Layers need not be equal here: each has its width, its activation and its initializer. With
$n_{l-1}$ inputs of mean square $\overline{h^2}$, layer $l$ has the length

$$q_l = n_{l-1} \mathrm{Var}(w_l) \, \overline{h_{l-1}^2} + \sigma_b^2, \qquad
\overline{h_l^2} = E f(\sqrt{q_l} z)^2,$$

and on its way back a gradient's energy is multiplied first by the slopes, then by the weights:

$$E \lVert\delta_l\rVert^2 = E f'(\sqrt{q_l} z)^2 \; E \lVert\partial L/\partial h_l\rVert^2, \qquad
E \lVert\partial L/\partial h_{l-1}\rVert^2 = n_{l-1} \mathrm{Var}(w_l) \,
E \lVert\delta_l\rVert^2 .$$

Only `fan_in` appears, although it is `fan_out` terms that are summed on the way back: the energy is
that of all $n_{l-1}$ entries together. These are limits of wide layers; what a finite width
changes is known exactly for the ReLU, see `gradbook.finite_width`.

Examples:
    However the widths change, He keeps the mean square of a signal and the energy of a gradient:

    >>> from gradbook.activations import relu
    >>> from gradbook.initializers import he
    >>> net = predict([100, 50, 25], relu, he)
    >>> net.mean_square.round(6).tolist(), net.boundary_energy.round(6).tolist()
    ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from gradbook.activations import Activation
from gradbook.checks import Array, non_negative, positive_int
from gradbook.initializers import Initializer
from gradbook.meanfield import mean_square, mean_square_slope

_Part = TypeVar("_Part")


@dataclass(frozen=True, eq=False)
class Energies:
    r"""Hold what is predicted for each layer of one network, from its input to its output.

    Args:
        widths: Number of inputs, then of units in each layer, shape (layers + 1,).
        q: The length of $z_l$, shape (layers,).
        mean_square: The mean square of $h_l$, the input first, shape (layers + 1,).
        boundary_energy: $E\lVert\partial L/\partial h_l\rVert^2$, that of the output being 1; shape
            (layers + 1,).
        delta_energy: $E\lVert\delta_l\rVert^2$, shape (layers,).
    """

    widths: Array
    q: Array
    mean_square: Array
    boundary_energy: Array
    delta_energy: Array

    @property
    def forward_energy(self) -> Array:
        r"""Return $E\lVert h_l\rVert^2$ for one example, shape (layers + 1,)."""
        return self.widths * self.mean_square

    @property
    def weight_energy(self) -> Array:
        r"""Return $E\lVert\partial L/\partial W_l\rVert^2$ for one example, shape (layers,).

        For one example $\partial L/\partial W = x^\top \delta$, whose squared norm is the product
        of theirs.
        """
        return self.forward_energy[:-1] * self.delta_energy


def predict(
    widths: Sequence[int],
    activation: Activation | Sequence[Activation],
    initializer: Initializer | Sequence[Initializer],
    *,
    bias_variance: float = 0.0,
    input_mean_square: float = 1.0,
) -> Energies:
    r"""Predict the energies of a network of dense layers.

    Args:
        widths: The number of inputs, then of the units in each layer: `(3, 2, 1)` is two layers.
        activation: The activation of every layer, or one for each.
        initializer: The initializer of every layer, or one for each. Only its variance matters.
        bias_variance: Variance of the biases, $\sigma_b^2$.
        input_mean_square: Mean square of the input's entries.

    Returns:
        The energies. Those of gradients take a gradient of length 1 on the output that does not
        depend on the weights.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If there are fewer than two widths, an argument is out of range, or there is not
            one activation or initializer for each layer.

    Examples:
        >>> from gradbook.activations import sigmoid, softplus
        >>> from gradbook.initializers import glorot, lecun
        >>> net = predict([784, 30, 10], [sigmoid, softplus], [lecun, glorot])
        >>> [f"{energy:.4f}" for energy in net.delta_energy]
        ['0.0183', '0.2728']

    Source: Glorot & Bengio 2010; Schoenholz et al. 2017.
    """
    sizes = [positive_int(f"widths[{i}]", width) for i, width in enumerate(widths)]
    if len(sizes) < 2:
        raise ValueError(f"widths must hold the inputs and at least one layer, got {widths!r}")
    depth, b2 = len(sizes) - 1, non_negative("bias_variance", bias_variance)
    functions = _per_layer("activation", activation, Activation, depth)
    variances = [
        fan_in * part.variance(fan_in, fan_out)
        for part, fan_in, fan_out in zip(
            _per_layer("initializer", initializer, Initializer, depth),
            sizes[:-1],
            sizes[1:],
            strict=True,
        )
    ]
    lengths, squares = [], [non_negative("input_mean_square", input_mean_square)]
    for f, w2 in zip(functions, variances, strict=True):
        lengths.append(w2 * squares[-1] + b2)
        squares.append(float(mean_square(f, lengths[-1])))
    boundaries, deltas = [1.0], []
    for f, w2, q in zip(functions[::-1], variances[::-1], lengths[::-1], strict=True):
        deltas.append(float(mean_square_slope(f, q)) * boundaries[-1])
        boundaries.append(w2 * deltas[-1])
    backward = (np.array(energies[::-1]) for energies in (boundaries, deltas))
    return Energies(np.array(sizes, float), np.array(lengths), np.array(squares), *backward)


def _per_layer(
    name: str, given: _Part | Sequence[_Part], kind: type[_Part], depth: int
) -> list[_Part]:
    if isinstance(given, kind):
        return [given] * depth
    if not isinstance(given, Sequence) or not all(isinstance(part, kind) for part in given):
        raise TypeError(f"{name} must be one {kind.__name__} or one for each layer, got {given!r}")
    if len(given) != depth:
        raise ValueError(f"{name} must have one entry for each of {depth} layers, got {len(given)}")
    return list(given)
