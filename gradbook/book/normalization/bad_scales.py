"""Badly scaled networks with and without normalization: their gradients, and what training does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradbook.activations import relu
from gradbook.backpropagation import backprop
from gradbook.book.claims.keeping import measured_once
from gradbook.book.four_classes import CLASSES, DIMENSION, FourClasses
from gradbook.checks import Array
from gradbook.datasets import Examples
from gradbook.initializers import scaled
from gradbook.layers import Layer
from gradbook.losses import softmax_cross_entropy
from gradbook.networks import plain
from gradbook.networks.normalization import Norm, normalized
from gradbook.optimizers import GradientDescent


@dataclass(frozen=True, kw_only=True)
class ScaleTrial(FourClasses):
    """Say what is trained: ReLU networks of equal hidden layers.

    Args:
        depth: Hidden layers.
        scale: Standard deviation of the weights, in units of He's.
    """

    depth: int = 12
    scale: float = 1.0
    lr: float = 0.03
    steps: int = 30
    width: int = 32
    examples: int = 32
    seeds: int = 5


@dataclass(frozen=True, eq=False)
class ScaleRecord:
    r"""Record trials, one entry per seed.

    Args:
        ratio: Norm of the gradient at the first hidden layer's output, over that at the last's.
        after_one: The same after one step.
        moved: How far the first step moves the hidden weights, relative to their length, in the
            layer that moves most.
        loss: The loss before each step and after the last, shape (seeds, steps + 1).
    """

    ratio: Array
    after_one: Array
    moved: Array
    loss: Array


SCALES = (0.07, 1.0, 10.0)
"""Standard deviations in units of He's: far too small, his, and far too large."""

RATES = (0.003, 0.03, 0.3)
"""Learning rates that each network of the first trial is trained with."""

PATIENT = ScaleTrial(scale=SCALES[0], lr=0.004, steps=150)
"""Weights far too small, trained in more and smaller steps."""

DEEP_TRIAL = ScaleTrial(depth=50, lr=0.1, steps=20)
"""A depth at which the explosion of batch normalization is felt."""

SHALLOW_TRIAL = ScaleTrial(depth=10, lr=0.1, steps=20)
"""The same task at a depth at which it hardly is."""


def drawn(
    rng: np.random.Generator, trial: ScaleTrial, norm: Norm | None
) -> tuple[Examples, list[Layer]]:
    """Draw the task, then the networks, with or without normalizations."""
    task, he_scaled = trial.task(rng), scaled(2 * trial.scale**2)
    widths, members = [DIMENSION, *[trial.width] * trial.depth, CLASSES], (trial.seeds,)
    if norm is None:
        return task, list(plain(rng, widths, relu, he_scaled, ensemble=members))
    return task, normalized(rng, widths, relu, he_scaled, norm, ensemble=members)


@measured_once
# Members that diverge are part of the record.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def attempt(rng: np.random.Generator, trial: ScaleTrial, norm: Norm | None) -> ScaleRecord:
    """Draw networks, measure the gradient through their hidden layers, and train them.

    Args:
        rng: The random generator; draws the task, then the networks.
        norm: Makes the normalization of each hidden layer; None for plain networks.

    Examples:
        >>> from gradbook.networks.normalization import layer_norm
        >>> quick = ScaleTrial(depth=4, scale=10.0, steps=2, width=8, seeds=2)
        >>> for norm in (None, layer_norm):
        ...     outcome = attempt(np.random.default_rng(0), quick, norm)
        ...     print(f"{outcome.ratio.max():.3g}", outcome.loss.shape)
        534 (2, 3)
        2.64 (2, 3)
    """
    (task, layers), descent = drawn(rng, trial, norm), GradientDescent(trial.lr)
    first = replace(trial, steps=1).trained(layers, task, descent)
    ratio, after_one = (hidden_ratio(net, task, trial.depth) for net in (layers, first.layers))
    moved = first.movement[:, 1, :-1].max(axis=-1)
    return ScaleRecord(ratio, after_one, moved, trial.trained(layers, task, descent).loss)


def hidden_ratio(layers: Sequence[Layer], task: Examples, depth: int) -> Array:
    """Return the gradient's norm behind the first hidden layer over that behind the last."""
    norms = hidden_norms(layers, task, depth)
    return np.asarray(norms[..., 0] / norms[..., -1])


def hidden_norms(layers: Sequence[Layer], task: Examples, depth: int) -> Array:
    """Return the gradient's norm behind each hidden layer, the batch as one vector.

    Args:
        layers: A network whose hidden layers are equally many entries of the list, and its output.

    Returns:
        Shape (..., depth).

    Examples:
        >>> from gradbook.activations import identity
        >>> from gradbook.datasets import gaussian_classes
        >>> from gradbook.layers import Dense
        >>> halving = [Dense(0.5 * np.eye(2), None, identity)] * 4
        >>> task = gaussian_classes(np.random.default_rng(0), classes=2, dimension=2, examples=2)
        >>> norms = hidden_norms(halving, task, depth=3)
        >>> (norms / norms[-1]).tolist()
        [0.25, 0.5, 1.0]
    """
    entries, rest = divmod(len(layers) - 1, depth)
    if rest or not entries:
        raise ValueError(f"layers must be depth = {depth} equal groups and one, got {len(layers)}")
    trace = backprop(layers, task.x, task.target, softmax_cross_entropy)
    behind = [trace.dh[entries * number] for number in range(1, depth + 1)]
    return np.stack([np.linalg.norm(dh, axis=(-2, -1)) for dh in behind], axis=-1)
