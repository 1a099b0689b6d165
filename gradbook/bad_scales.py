"""Badly scaled networks with and without normalization: their gradients, and what training does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradbook.activations import relu
from gradbook.backprop import backprop
from gradbook.checks import Array
from gradbook.datasets import Examples, gaussian_classes
from gradbook.initializers import scaled
from gradbook.layers import Layer
from gradbook.losses import softmax_cross_entropy
from gradbook.networks import plain
from gradbook.normalized import Norm, normalized
from gradbook.training import Training, train


@dataclass(frozen=True)
class Trial:
    """Say what is trained: ReLU networks of equal hidden layers on four Gaussian classes.

    Args:
        depth: Hidden layers.
        scale: Standard deviation of the weights, in units of He's.
        lr: The learning rate.
        steps: Steps of gradient descent on all examples.
        width: Units in each hidden layer.
        examples: Examples, 16 numbers each.
        members: Networks, drawn independently.
    """

    depth: int = 12
    scale: float = 1.0
    lr: float = 0.03
    steps: int = 30
    width: int = 32
    examples: int = 32
    members: int = 5


@dataclass(frozen=True, eq=False)
class Outcome:
    r"""Record trials, one entry per member of the ensemble.

    Args:
        ratio: Norm of the gradient at the first hidden layer's output, over that at the last's.
        after_one: The same after one step.
        moved: How far the first step moves the hidden weights, relative to their length, in the
            layer that moves most.
        loss: The loss before each step and after the last, shape (members, steps + 1).
    """

    ratio: Array
    after_one: Array
    moved: Array
    loss: Array


SCALES = (0.07, 1.0, 10.0)
"""Standard deviations in units of He's: far too small, his, and far too large."""

PATIENT = Trial(scale=SCALES[0], lr=0.003, steps=300)
"""Weights far too small, trained in more and smaller steps."""

DEEP = Trial(depth=50, lr=0.1, steps=20)
"""A depth at which the explosion of batch normalization is felt."""

SHALLOW = Trial(depth=10, lr=0.1, steps=20)
"""The same task at a depth at which it hardly is."""


# Members that diverge are part of the record.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def attempt(rng: np.random.Generator, trial: Trial, norm: Norm | None) -> Outcome:
    """Draw networks, measure the gradient through their hidden layers, and train them.

    Args:
        rng: The random generator; draws the task, then the networks.
        trial: What is trained.
        norm: Makes the normalization of each hidden layer; None for plain networks.

    Returns:
        The record.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If a size is not positive.

    Examples:
        >>> from gradbook.normalized import layer_norm
        >>> quick = Trial(depth=4, scale=10.0, steps=2, width=8, members=2)
        >>> for norm in (None, layer_norm):
        ...     outcome = attempt(np.random.default_rng(0), quick, norm)
        ...     print(f"{outcome.ratio.max():.3g}", outcome.loss.shape)
        534 (2, 3)
        2.64 (2, 3)
    """
    task = gaussian_classes(rng, classes=4, dimension=16, examples=trial.examples)
    widths = [task.x.shape[1], *[trial.width] * trial.depth, task.target.shape[1]]
    he_scaled, members = scaled(2 * trial.scale**2), (trial.members,)
    layers = (
        plain(rng, widths, relu, he_scaled, ensemble=members)
        if norm is None
        else normalized(rng, widths, relu, he_scaled, norm, ensemble=members)
    )
    first = _train(layers, task, trial.lr, steps=1)
    ratio, after_one = (hidden_ratio(net, task, trial.depth) for net in (layers, first.layers))
    moved = first.movement[:, 1, :-1].max(axis=-1)
    return Outcome(ratio, after_one, moved, _train(layers, task, trial.lr, trial.steps).loss)


def hidden_ratio(layers: Sequence[Layer], task: Examples, depth: int) -> Array:
    r"""Return the gradient's norm behind the first hidden layer over that behind the last.

    Args:
        layers: A network whose hidden layers are equally many entries of the list, and its output.
        task: Inputs and targets of the softmax cross-entropy.
        depth: The number of hidden layers.

    Returns:
        One ratio per member of the ensemble.

    Raises:
        ValueError: If the entries cannot be shared out among the hidden layers.

    Examples:
        >>> from gradbook.activations import identity
        >>> from gradbook.layers import Dense
        >>> halving = [Dense(0.5 * np.eye(2), None, identity)] * 4
        >>> task = gaussian_classes(np.random.default_rng(0), classes=2, dimension=2, examples=2)
        >>> hidden_ratio(halving, task, depth=3).item()
        0.25
    """
    entries, rest = divmod(len(layers) - 1, depth)
    if rest or not entries:
        raise ValueError(f"layers must be depth = {depth} equal groups and one, got {len(layers)}")
    trace = backprop(layers, task.x, task.target, softmax_cross_entropy)
    first, last = (np.linalg.norm(trace.dh[i], axis=(-2, -1)) for i in (entries, -2))
    return np.asarray(first / last)


def _train(layers: Sequence[Layer], task: Examples, lr: float, steps: int) -> Training:
    return train(layers, task.x, task.target, softmax_cross_entropy, lr=lr, steps=steps)
