r"""Deep sigmoid networks whose gradient vanishes, trained by three remedies under equal updates.

Which helps: an optimizer that divides by the size of the gradient, or weights that do not let it
vanish in the first place?
"""

from dataclasses import dataclass

import numpy as np

from gradbook.activations import sigmoid
from gradbook.backprop import backprop
from gradbook.checks import Array
from gradbook.datasets import Examples, gaussian_classes
from gradbook.initializers import Initializer, lecun, scaled
from gradbook.layers import Layer
from gradbook.losses import softmax_cross_entropy
from gradbook.networks import plain
from gradbook.optimizers import Adam, GradientDescent, Optimizer
from gradbook.training import Training, train


@dataclass(frozen=True)
class Rescue:
    r"""Set up the networks and their training.

    Args:
        depth: Layers.
        width: Units in a hidden layer.
        examples: Points to learn from, of four classes in 16 dimensions.
        seeds: Networks, trained side by side.
        updates: Training steps.
    """

    depth: int = 10
    width: int = 20
    examples: int = 32
    seeds: int = 7
    updates: int = 200

    def task(self) -> Examples:
        """Return the points, always the same ones.

        Examples:
            >>> Rescue(examples=8).task().x.shape
            (8, 16)
        """
        return gaussian_classes(
            np.random.default_rng(0), classes=4, dimension=16, examples=self.examples
        )

    def networks(self, initializer: Initializer) -> list[Layer]:
        """Draw the networks.

        Args:
            initializer: How their weights are drawn.

        Examples:
            >>> from gradbook.initializers import lecun
            >>> len(Rescue(depth=3).networks(lecun))
            3
        """
        widths = [16, *[self.width] * (self.depth - 1), 4]
        rng = np.random.default_rng(1)
        return plain(rng, widths, sigmoid, initializer, ensemble=(self.seeds,))


def weight_gradients(setting: Rescue, initializer: Initializer) -> list[Array]:
    """Return the gradient on the weights of each layer before training, from input to output.

    Args:
        setting: The networks.
        initializer: How their weights are drawn.

    Examples:
        >>> from gradbook.initializers import lecun
        >>> grads = weight_gradients(Rescue(depth=6), lecun)
        >>> sizes = [np.sqrt(np.square(g).mean()) for g in grads]
        >>> f"{sizes[0] / sizes[-1]:.4f}"
        '0.0010'
    """
    task = setting.task()
    trace = backprop(setting.networks(initializer), task.x, task.target, softmax_cross_entropy)
    return [grads["W"] for grads in trace.gradients]


def rescue(setting: Rescue, initializer: Initializer, optimizer: Optimizer) -> Training:
    """Train the networks.

    Args:
        setting: The networks and their training.
        initializer: How their weights are drawn.
        optimizer: What takes the steps.

    Returns:
        The record of the training.

    Examples:
        >>> from gradbook.initializers import lecun
        >>> from gradbook.optimizers import Adam
        >>> run = rescue(Rescue(depth=2, updates=5), lecun, Adam(0.01))
        >>> run.loss.shape, run.movement.shape
        ((7, 6), (7, 6, 2))
    """
    task = setting.task()
    return train(
        setting.networks(initializer),
        task.x,
        task.target,
        softmax_cross_entropy,
        optimizer=optimizer,
        steps=setting.updates,
    )


WIDER_SCALE = 16
"""Number of inputs times variance of the weights in `WIDER`; LeCun's is 1."""

WIDER = scaled(WIDER_SCALE)
"""Weights with four times the deviation of LeCun's: the gradient vanishes far more slowly."""

REMEDIES: dict[str, tuple[Initializer, Optimizer]] = {
    "descent": (lecun, GradientDescent(1.0)),
    "Adam": (lecun, Adam(0.01)),
    "descent, larger weights": (WIDER, GradientDescent(1.0)),
    "Adam, larger weights": (WIDER, Adam(0.01)),
}
"""What `compare` tries: initializer and optimizer by name."""


def compare(setting: Rescue) -> dict[str, Training]:
    """Train with every remedy of `REMEDIES`.

    Args:
        setting: The networks and their training.

    Examples:
        >>> runs = compare(Rescue(depth=2, updates=1))
        >>> list(runs) == list(REMEDIES)
        True
    """
    return {name: rescue(setting, *remedy) for name, remedy in REMEDIES.items()}


def compare_epsilons(setting: Rescue, epsilons: tuple[float, ...]) -> dict[float, Training]:
    r"""Train with Adam from LeCun's weights, once for each $\epsilon$.

    Args:
        setting: The networks and their training.
        epsilons: What Adam adds to its denominator.

    Examples:
        >>> runs = compare_epsilons(Rescue(depth=2, updates=1), (1e-8, 1.0))
        >>> first = [np.exp(np.log(run.movement[:, 1, 0]).mean()) for run in runs.values()]
        >>> f"{first[0]:.4f} {first[1]:.4f}"
        '0.0397 0.0007'
    """
    return {e: rescue(setting, lecun, Adam(0.01, epsilon=e)) for e in epsilons}
