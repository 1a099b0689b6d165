r"""Deep sigmoid networks whose gradient vanishes, trained by three remedies under equal updates.

Which helps: an optimizer that divides by the size of the gradient, or weights that do not let it
vanish in the first place?
"""

from dataclasses import dataclass

import numpy as np

from gradbook.activations import sigmoid
from gradbook.backpropagation import backprop
from gradbook.book.claims.keeping import measured_once
from gradbook.book.four_classes import CLASSES, DIMENSION, FourClasses
from gradbook.checks import Array
from gradbook.initializers import Initializer, lecun, scaled
from gradbook.layers import Layer
from gradbook.losses import softmax_cross_entropy
from gradbook.networks import plain
from gradbook.optimizers import Adam, GradientDescent, Optimizer
from gradbook.training import Training

_TASK_SEED, _WEIGHTS_SEED = 0, 1
"""Points and weights are the same for all remedies."""


@dataclass(frozen=True, kw_only=True)
class Rescue(FourClasses):
    """Set up the networks and their training."""

    depth: int = 10
    width: int = 20
    examples: int = 32
    seeds: int = 7
    steps: int = 200

    def networks(self, initializer: Initializer) -> list[Layer]:
        """Draw the networks."""
        widths = [DIMENSION, *[self.width] * (self.depth - 1), CLASSES]
        rng = np.random.default_rng(_WEIGHTS_SEED)
        return plain(rng, widths, sigmoid, initializer, ensemble=(self.seeds,))


def weight_gradients(setting: Rescue, initializer: Initializer) -> list[Array]:
    """Return the gradient on the weights of each layer before training, from input to output.

    Examples:
        >>> from gradbook.initializers import lecun
        >>> grads = weight_gradients(Rescue(depth=6), lecun)
        >>> sizes = [np.sqrt(np.square(g).mean()) for g in grads]
        >>> f"{sizes[0] / sizes[-1]:.4f}"
        '0.0010'
    """
    task = setting.task(np.random.default_rng(_TASK_SEED))
    trace = backprop(setting.networks(initializer), task.x, task.target, softmax_cross_entropy)
    return [grads["W"] for grads in trace.gradients]


@measured_once
def rescue(setting: Rescue, initializer: Initializer, optimizer: Optimizer) -> Training:
    """Train the networks."""
    task = setting.task(np.random.default_rng(_TASK_SEED))
    return setting.trained(setting.networks(initializer), task, optimizer)


WIDER_SCALE = 16
"""Number of inputs times variance of the weights in `WIDER`; LeCun's is 1."""

WIDER = scaled(WIDER_SCALE)
"""Weights with four times the deviation of LeCun's: the gradient vanishes far more slowly."""

RESCUES: dict[str, tuple[Initializer, Optimizer]] = {
    "descent": (lecun, GradientDescent(1.0)),
    "Adam": (lecun, Adam(0.01)),
    "descent, larger weights": (WIDER, GradientDescent(1.0)),
    "Adam, larger weights": (WIDER, Adam(0.01)),
}
"""What `compare` tries: initializer and optimizer by name."""


def compare(setting: Rescue) -> dict[str, Training]:
    """Train with every remedy of `RESCUES`."""
    return {name: rescue(setting, *remedy) for name, remedy in RESCUES.items()}


def compare_epsilons(setting: Rescue, epsilons: tuple[float, ...]) -> dict[float, Training]:
    r"""Train with Adam from LeCun's weights, once for each $\epsilon$.

    Examples:
        >>> runs = compare_epsilons(Rescue(depth=2, steps=1), (1e-8, 1.0))
        >>> first = [np.exp(np.log(run.movement[:, 1, 0]).mean()) for run in runs.values()]
        >>> f"{first[0]:.4f} {first[1]:.4f}"
        '0.0397 0.0007'
    """
    return {e: rescue(setting, lecun, Adam(0.01, epsilon=e)) for e in epsilons}
