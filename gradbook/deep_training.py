"""Train networks of fifty layers with and without residual paths, under equal steps.

All networks get the same task, the same first and last layer, and the same number of equal steps
of plain gradient descent. What differs is how the layers between are drawn and joined.
"""

from dataclasses import dataclass

import numpy as np

from gradbook.activations import identity, relu
from gradbook.checks import Array
from gradbook.datasets import gaussian_classes
from gradbook.initializers import he, lecun
from gradbook.layers import Dense, Layer, RMSNorm
from gradbook.losses import softmax_cross_entropy
from gradbook.residual_networks import pre_norm, residual, two_layer_blocks
from gradbook.training import train


@dataclass(frozen=True)
class Trial:
    """Say on what, how deep, how wide and how long the networks are trained.

    Args:
        blocks: Blocks of two layers each, between a first and a last layer.
        width: Units in each hidden layer.
        classes: Classes of the task.
        dimension: Its inputs.
        examples: How many, all of them in each step.
        lr: The learning rate.
        steps: Updates.
        seeds: Networks of each kind.
    """

    blocks: int = 24
    width: int = 24
    classes: int = 4
    dimension: int = 16
    examples: int = 64
    lr: float = 0.05
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

    Args:
        rng: The random generator.
        trial: The setting.

    Returns:
        The networks by name.

    Raises:
        TypeError: If `rng` is not a generator.

    Examples:
        >>> networks = deep_networks(np.random.default_rng(0), Trial(blocks=2, width=4))
        >>> {name: len(layers) for name, layers in networks.items()}
        {'plain, 1/n': 6, 'plain, 2/n': 6, 'α = 1': 4, 'α = 1/√L': 4, 'pre-norm': 5}
    """
    n, members = trial.width, (trial.seeds,)
    first = Dense(he.draw(rng, trial.dimension, n, members), None, relu)
    last = Dense(lecun.draw(rng, n, trial.classes, members), None, identity)
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


def deep_losses(rng: np.random.Generator, trial: Trial = TRIAL) -> dict[str, Array]:
    """Train every kind of network of `deep_networks` on the same Gaussian classes.

    Args:
        rng: The random generator; draws the task first, then the networks.
        trial: The setting.

    Returns:
        The loss before each step and after the last by name, shape (seeds, steps + 1); NaN from
        where a run is lost.

    Raises:
        TypeError: If `rng` is not a generator.

    Examples:
        >>> small = Trial(blocks=1, width=8, steps=20)
        >>> losses = deep_losses(np.random.default_rng(0), small)
        >>> all((loss[:, -1] < loss[:, 0]).all() for loss in losses.values())
        True
    """
    task = gaussian_classes(
        rng, classes=trial.classes, dimension=trial.dimension, examples=trial.examples
    )
    return {
        name: train(
            layers, task.x, task.target, softmax_cross_entropy, lr=trial.lr, steps=trial.steps
        ).loss
        for name, layers in deep_networks(rng, trial).items()
    }
