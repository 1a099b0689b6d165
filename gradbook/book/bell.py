r"""Measure what the bell over the slope predicts, for the explorer of several pages.

Each network has one input from $N(0, 1)$ per unit, weights from $N(0, \sigma_w^2/n)$, no biases,
and a random gradient on its output. All settings share the networks' random numbers, so that what
differs between two of them is the setting.
"""

import numpy as np

from gradbook.activations import Activation, gelu, relu, sigmoid, tanh
from gradbook.backpropagation import forward
from gradbook.book.claims.keeping import measured_once
from gradbook.book.explorers import Bands
from gradbook.checks import Array, generator
from gradbook.layers import Dense
from gradbook.layers.shared import delta_of
from gradbook.theory.meanfield import propagate

ACTIVATIONS = (sigmoid, tanh, relu, gelu)
SIGMA_W2 = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 8.0, 16.0)
"""Inputs per unit times the variance of a weight; ReLU keeps lengths at 2, tanh at 1."""


@measured_once
def measured_bands(
    rng: np.random.Generator, *, depth: int = 20, width: int = 100, draws: int = 40
) -> Bands:
    r"""Measure $\lVert\delta_l\rVert/\lVert\delta_L\rVert$ in random networks, beside theory.

    Args:
        rng: The random generator, drawn from for the weights, the inputs, then the gradients.
        depth: Number of layers $L$.
        width: Units in each layer, inputs and outputs included.
        draws: Number of networks.

    Examples:
        >>> bands = measured_bands(np.random.default_rng(0), depth=3, width=16, draws=5)
        >>> bands.low.shape, bool((bands.low <= bands.high).all())
        ((4, 11, 3), True)
    """
    rng = generator("rng", rng)
    weights = rng.standard_normal((depth, draws, width, width)) / np.sqrt(width)
    x, da = rng.standard_normal((2, draws, 1, width))
    found = [
        [_edges(weights * np.sqrt(w2), x, da, activation) for w2 in SIGMA_W2]
        for activation in ACTIVATIONS
    ]
    edges = np.moveaxis(np.array(found), 2, 0)
    predicted = [propagate(activation, depth, SIGMA_W2) for activation in ACTIVATIONS]
    z = np.linspace(-6, 6, 241)
    return Bands(
        names=tuple(activation.name for activation in ACTIVATIONS),
        sigma_w2=np.array(SIGMA_W2),
        low=edges[0],
        high=edges[1],
        theory=np.sqrt([net.delta_energy for net in predicted]),
        q=np.array([net.q for net in predicted]),
        z=z,
        slopes=np.array([activation.df(z) for activation in ACTIVATIONS]),
        width=width,
        draws=draws,
    )


def _edges(weights: Array, x: Array, da: Array, activation: Activation) -> Array:
    """Return the edges of the middle 90 % of the networks, shape (2, depth)."""
    layers = [Dense(W, None, activation) for W in weights]
    norms = []
    # `backprop` would multiply for the weights' gradients, too, which nobody asks for here.
    for layer, record in zip(reversed(layers), reversed(forward(layers, x)), strict=True):
        delta = delta_of(activation, record, da)
        norms.append(np.linalg.norm(delta, axis=(-2, -1)))
        da = delta @ layer.W.mT
    sizes = np.array(norms[::-1])
    edges: Array = np.quantile(sizes / sizes[-1], [0.05, 0.95], axis=1)
    return edges
