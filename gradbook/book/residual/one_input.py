r"""Networks of one input: how their gradient changes along it, in the setting of a notebook.

Prince's notebook 11.1 asks why gradients of a deep network do not look like white noise, as they
were said to. They do where each unit's mean over the inputs is subtracted; without that, the scale
of the weights and the biases decide how smooth they stay, so all three can be chosen here.

Source: Prince 2023, notebook 11.1.
"""

from dataclasses import dataclass

import numpy as np

from gradbook.activations import identity, relu
from gradbook.book.residual.centering import centered
from gradbook.book.residual.shattering import autocorrelation, input_gradients
from gradbook.checks import Array, positive, positive_int
from gradbook.initializers import normal
from gradbook.layers import Dense, Layer
from gradbook.networks import plain
from gradbook.networks.residual_blocks import residual, two_layer_blocks


@dataclass(frozen=True)
class Notebook:
    """Hold the setting of a published notebook on shattered gradients.

    Args:
        high: The end of the inputs, not included.
        factor: The width times the variance of every weight and every bias.

    Source: Prince 2023, notebook 11.1.
    """

    width: int = 200
    depths: tuple[int, ...] = (1, 24, 50)
    low: float = -2.0
    high: float = 2.0
    points: int = 256
    factor: float = 1.0


NOTEBOOK = Notebook()
"""The setting as published."""


def notebook_network(
    rng: np.random.Generator,
    depth: int,
    width: int,
    factor: float,
    *,
    later_biases: bool = True,
    ensemble: tuple[int, ...] = (),
) -> list[Layer]:
    r"""Draw the notebook's ReLU network: every weight and bias from $N(0, \text{factor}/n)$.

    Args:
        factor: 1 for Glorot's scale, as in the notebook, 2 for He's.
        later_biases: Whether hidden layers behind the first have their biases, too.

    Returns:
        The hidden layers and a linear output without a bias, which no gradient would notice.

    Examples:
        >>> layers = notebook_network(np.random.default_rng(0), 2, 8, 1.0, later_biases=False)
        >>> [name for layer in layers for name in layer.parameters]
        ['W', 'b', 'W', 'W']

    Source: Prince 2023, notebook 11.1.
    """
    sizes = [1, *[positive_int("width", width)] * positive_int("depth", depth), 1]
    variance = positive("factor", factor) / width
    layers = plain(rng, sizes, relu, normal(variance), bias_variance=variance, ensemble=ensemble)
    bare = {-1} if later_biases else set(range(1, depth)) | {-1}
    return [
        Dense(layer.parameters["W"], None, identity if i == depth else relu)
        if i in bare or i == depth
        else layer
        for i, layer in enumerate(layers)
    ]


def residual_network(
    rng: np.random.Generator,
    blocks: int,
    width: int,
    scale: float,
    *,
    ensemble: tuple[int, ...] = (),
) -> list[Layer]:
    r"""Draw a ReLU layer with biases, blocks $h + \alpha f(h W_1) W_2$, and a linear output.

    Returns:
        The layers; the first one is as in `notebook_network` with the factor 2.
    """
    first, *_, last = notebook_network(rng, 1, width, 2.0, ensemble=ensemble)
    return [
        first,
        *residual(two_layer_blocks(rng, width, blocks, relu, ensemble=ensemble), scale),
        last,
    ]


def inputs(points: int, setting: Notebook = NOTEBOOK) -> Array:
    """Return evenly spaced inputs from the setting's low end to its high end, without that.

    Examples:
        >>> inputs(4).tolist()
        [-2.0, -1.0, 0.0, 1.0]
    """
    return np.linspace(setting.low, setting.high, positive_int("points", points) + 1)[:-1]


@dataclass(frozen=True)
class Replication:
    """Say how many networks of which size stand for the notebook's one."""

    width: int = 100
    points: int = 16
    networks: int = 24
    depths: tuple[int, ...] = (1, 10, 24, 50)


REPLICATION = Replication()
"""The setting of the chapter."""


def replicate(
    rng: np.random.Generator,
    depth: int,
    factor: float,
    *,
    later_biases: bool = True,
    center: bool = False,
    scale: float | None = None,
    setting: Replication = REPLICATION,
) -> tuple[Array, Array]:
    """Measure the autocorrelation of input gradients, with standard errors by the jackknife.

    Args:
        center: Whether each pre-activation of a plain network gets mean 0 over the inputs.
        scale: For a residual network of half as many blocks of two layers; None for a plain one.

    Returns:
        The autocorrelation for every lag, and its standard error, each of shape (points,).

    Source: Prince 2023, notebook 11.1.
    """
    members = (setting.networks,)
    if scale is None:
        layers = notebook_network(
            rng, depth, setting.width, factor, later_biases=later_biases, ensemble=members
        )
        layers = centered(layers, inputs(setting.points)[:, None]) if center else layers
    else:
        layers = residual_network(rng, depth // 2, setting.width, scale, ensemble=members)
    gradients = input_gradients(layers, inputs(setting.points))
    without = [
        autocorrelation(np.delete(gradients, member, axis=0)) for member in range(len(gradients))
    ]
    spread = np.std(without, axis=0) * np.sqrt(len(gradients) - 1)
    return autocorrelation(gradients), spread
