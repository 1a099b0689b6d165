r"""Three checks that come before gradients: the inputs, the first loss, one batch by heart.

Examples:
    >>> from gradbook.book.what_do_i_try.first_checks import loss_bounds
    >>> [round(bound, 2) for bound in loss_bounds(1.0)]
    [1.39, 1.89]
"""

from dataclasses import dataclass

import numpy as np

from gradbook.activations import relu
from gradbook.backpropagation import backprop, forward, forward_loss
from gradbook.book.four_classes import CLASSES, DIMENSION
from gradbook.book.what_do_i_try.plans import EXAMPLES, RATES
from gradbook.checks import Array, non_negative
from gradbook.datasets import Examples, gaussian_classes
from gradbook.initializers import he, lecun
from gradbook.layers import Layer
from gradbook.losses import softmax_cross_entropy
from gradbook.networks import plain
from gradbook.parameters import distinct_parameters, with_parameters

WIDTHS = (DIMENSION, 24, 24, CLASSES)
"""A small network that has nothing wrong with its gradient."""


@dataclass(frozen=True)
class FirstSetting:
    """Say how many networks are drawn, and how long they train."""

    seeds: int = 5
    steps: int = 40
    seed: int = 0

    def task(self, rng: np.random.Generator) -> Examples:
        """Draw the points of the four classes, all of which are shown in each step."""
        return gaussian_classes(rng, classes=CLASSES, dimension=DIMENSION, examples=EXAMPLES)


SETTING = FirstSetting()
"""The setting of the book."""


def loss_bounds(deviation: float) -> tuple[float, float]:
    r"""$\ln C \le \operatorname{E} L \le \ln C + \tfrac12 s^2$ for Gaussian logits.

    The logits $a_c$ have mean zero and the deviation $s$, whatever the class. So the right one
    drops out: $\operatorname{E} L = \operatorname{E} \ln \sum_c e^{a_c}$. That is convex
    in them, which gives the first bound; the logarithm is concave in the sum, which gives the
    second, since $\operatorname{E} e^{a_c} = e^{s^2/2}$. Nothing is asked of how they depend.
    """
    chance = float(np.log(CLASSES))
    return chance, chance + non_negative("deviation", deviation) ** 2 / 2


def first_loss(factor: float, setting: FirstSetting = SETTING) -> tuple[Array, float]:
    """Return the losses before training of networks whose last weights are `factor` times as long.

    Returns:
        One loss for each network; and the root mean square of their logits.
    """
    non_negative("factor", factor)
    rng = np.random.default_rng(setting.seed)
    task, layers = setting.task(rng), _drawn(rng, setting)
    value = distinct_parameters(layers)
    value[-2] = factor * value[-2]
    longer = with_parameters(layers, value)
    logits = forward(longer, task.x)[-1].a
    return softmax_cross_entropy.f(logits, task.target), float(np.sqrt(np.mean(np.square(logits))))


def learned(
    unit: float = 1.0, shuffled: bool = False, setting: FirstSetting = SETTING
) -> tuple[Array, Array]:
    """Train at every rate of the table of remedies.

    Args:
        unit: The first input is given in a unit that is so many times smaller.
        shuffled: Each step sees the labels in another order, as a wrong index makes it.

    Returns:
        The rates; and the last loss of each, shape (rates, seeds), on the right labels.
    """
    rng = np.random.default_rng(setting.seed)
    task, layers = setting.task(rng), _drawn(rng, setting)
    x = task.x * np.where(np.arange(DIMENSION) == 0, unit, 1.0)
    rates, now = np.array(RATES), _side_by_side(layers, len(RATES))
    for _ in range(setting.steps):
        order = rng.permutation(EXAMPLES) if shuffled else np.arange(EXAMPLES)
        trace = backprop(now, x, task.target[order], softmax_cross_entropy)
        now = with_parameters(
            now,
            [
                value - rates.reshape(-1, *[1] * (value.ndim - 1)) * parameter.grad
                for value, parameter in zip(distinct_parameters(now), trace.parameters, strict=True)
            ],
        )
    return rates, forward_loss(now, x, task.target, softmax_cross_entropy)


def _drawn(rng: np.random.Generator, setting: FirstSetting) -> list[Layer]:
    ensemble = (setting.seeds,)
    hidden = plain(rng, WIDTHS[:-1], relu, he, output_activation=relu, ensemble=ensemble)
    return [*hidden, *plain(rng, WIDTHS[-2:], relu, lecun, ensemble=ensemble)]


def _side_by_side(layers: list[Layer], count: int) -> list[Layer]:
    values = distinct_parameters(layers)
    return with_parameters(layers, [np.stack([value] * count) for value in values])
