"""Some seeds of one network, side by side, learn to tell four Gaussian classes apart.

It is the small task of the book's trainings: a room adds to the record what its networks are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradbook.datasets import Examples, gaussian_classes
from gradbook.layers import Layer
from gradbook.losses import softmax_cross_entropy
from gradbook.optimizers import Optimizer
from gradbook.training import Training, train

CLASSES, DIMENSION = 4, 16
"""How many classes, and how many numbers a point has."""


@dataclass(frozen=True, kw_only=True)
class FourClasses:
    """Say how many networks of which width learn from how many points, in how many steps."""

    width: int
    examples: int
    seeds: int
    steps: int

    def task(self, rng: np.random.Generator) -> Examples:
        """Draw the points, all of which are shown in each step."""
        return gaussian_classes(rng, classes=CLASSES, dimension=DIMENSION, examples=self.examples)

    def trained(self, layers: Sequence[Layer], task: Examples, optimizer: Optimizer) -> Training:
        """Train networks that were drawn with one leading axis for the seeds.

        Examples:
            >>> from gradbook.activations import relu
            >>> from gradbook.initializers import he
            >>> from gradbook.networks import plain
            >>> from gradbook.optimizers import GradientDescent
            >>> setting = FourClasses(width=8, examples=32, seeds=3, steps=20)
            >>> rng = np.random.default_rng(0)
            >>> task = setting.task(rng)
            >>> layers = plain(rng, [DIMENSION, setting.width, CLASSES], relu, he, ensemble=(3,))
            >>> loss = setting.trained(layers, task, GradientDescent(0.1)).loss
            >>> loss.shape, bool((loss[:, -1] < loss[:, 0]).all())
            ((3, 21), True)
        """
        return train(
            layers,
            task.x,
            task.target,
            softmax_cross_entropy,
            optimizer=optimizer,
            steps=self.steps,
        )
