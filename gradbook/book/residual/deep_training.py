"""Train deep networks with and without residual paths, each at learning rates of its own.

All networks get the same task, the same first and last layer, and the same number of steps of
plain gradient descent. What differs is how the layers between are drawn and joined, and with that
the size of the gradient: one learning rate for all would compare the rate, not the networks.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradbook.activations import identity, relu
from gradbook.book.claims.keeping import measured_once
from gradbook.book.four_classes import CLASSES, DIMENSION, FourClasses
from gradbook.checks import Array
from gradbook.datasets import Examples
from gradbook.initializers import he, lecun
from gradbook.layers import Dense, Layer, RMSNorm
from gradbook.networks.residual_blocks import pre_norm, residual, two_layer_blocks
from gradbook.optimizers import GradientDescent


@dataclass(frozen=True, kw_only=True)
class Trial(FourClasses):
    """Say how deep, how wide and how long the networks are trained."""

    blocks: int = 16
    width: int = 24
    examples: int = 64
    steps: int = 40
    seeds: int = 5

    @property
    def depth(self) -> int:
        """Return the number of layers with weights."""
        return 2 * self.blocks + 2


TRIAL = Trial()
"""The setting of the chapter."""


def deep_networks(rng: np.random.Generator, trial: Trial = TRIAL) -> dict[str, list[Layer]]:
    r"""Draw an ensemble of each kind of network, all with the same first and last layers.

    Two are plain, with variances $1/n$ and $2/n$; three share the same blocks: with $\alpha = 1$,
    with $\alpha = 1/\sqrt{L}$, and with $\alpha = 1$ and a normalization before each block and the
    last layer.

    Examples:
        >>> networks = deep_networks(np.random.default_rng(0), Trial(blocks=2, width=4))
        >>> {name: len(layers) for name, layers in networks.items()}
        {'plain, 1/n': 6, 'plain, 2/n': 6, 'α = 1': 4, 'α = 1/√L': 4, 'pre-norm': 5}
    """
    n, members = trial.width, (trial.seeds,)
    first = Dense(he.draw(rng, DIMENSION, n, members), None, relu)
    last = Dense(lecun.draw(rng, n, CLASSES, members), None, identity)
    plain: dict[str, list[Layer]] = {
        f"plain, {share}": [
            Dense(initializer.draw(rng, n, n, members), None, relu) for _ in range(2 * trial.blocks)
        ]
        for share, initializer in (("1/n", lecun), ("2/n", he))
    }
    blocks = two_layer_blocks(rng, n, trial.blocks, relu, ensemble=members)
    norm = RMSNorm(None)
    joined: dict[str, list[Layer]] = {
        **plain,
        "α = 1": residual(blocks),
        "α = 1/√L": residual(blocks, trial.blocks**-0.5),
        "pre-norm": [*pre_norm(blocks, norm), norm],
    }
    return {name: [first, *middle, last] for name, middle in joined.items()}


CHANCE = math.log(CLASSES)
"""The loss of a network that guesses."""

RATES: Mapping[str, Sequence[float]] = {
    "plain, 2/n": (0.01, 0.03, 0.1, 0.3),
    "α = 1": (1e-5, 3e-5, 1e-4, 3e-4, 1e-3),
    "α = 1/√L": (0.03, 0.1, 0.3, 1.0),
    "pre-norm": (0.03, 0.1, 0.3, 1.0),
}
"""For each kind of network learning rates around its best, found among half decades."""


@measured_once
def swept_losses(
    seed: int, trial: Trial = TRIAL, rates: Mapping[str, Sequence[float]] = RATES
) -> dict[str, Array]:
    """Train each kind of network with each of its rates, always from the same draw.

    Returns:
        The loss after the last step by name, shape (rates, seeds); NaN where a run is lost.
    """
    rng = np.random.default_rng(seed)
    task = trial.task(rng)
    networks = deep_networks(rng, trial)
    return {
        name: np.stack([_last_loss(networks[name], task, trial, lr) for lr in chosen])
        for name, chosen in rates.items()
    }


# A rate that is too large for a network is part of the record.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _last_loss(layers: list[Layer], task: Examples, trial: Trial, lr: float) -> Array:
    loss = trial.trained(layers, task, GradientDescent(lr)).loss[:, -1]
    return np.where(np.isfinite(loss), loss, np.nan)
