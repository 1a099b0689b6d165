r"""Nielsen's table of initial gradients, and what predicts it.

Before training he measures $\lVert\partial C/\partial b_l\rVert$, averaged over images as a vector,
in the hidden layers of networks with 784 inputs, hidden layers of 30 sigmoid units and ten sigmoid
outputs with cross-entropy. Weights are drawn from $N(0, 1/\text{fan\_in})$ and biases from
$N(0, 1)$. The numbers that he published are kept here, each once; the rest is computed.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gradbook.activations import sigmoid
from gradbook.backpropagation import backprop
from gradbook.book.sources import NIELSEN, Source
from gradbook.book.vanishing.measure import bias_norms
from gradbook.checks import Array, generator, positive, positive_int
from gradbook.datasets import gaussian_classes
from gradbook.initializers import lecun
from gradbook.losses import sigmoid_cross_entropy
from gradbook.networks import plain
from gradbook.theory.gaussian import expectation
from gradbook.theory.meanfield import propagate


@dataclass(frozen=True)
class NielsenTable:
    """The numbers that Nielsen printed or put beside his book.

    Attributes:
        norms: For networks of two, three and four hidden layers, the norm in each hidden layer
            from the first to the last.
    """

    norms: tuple[tuple[float, ...], ...]
    source: Source

    @property
    def ratios(self) -> Array:
        """Each norm over that of the layer before it, all networks in one row."""
        return np.array([b / a for row in self.norms for a, b in pairwise(row)])


NIELSEN_TABLE = NielsenTable(
    norms=(
        (0.0657, 0.3092),
        (0.01184, 0.05997, 0.28314),
        (0.002975, 0.01708, 0.06954, 0.28514),
    ),
    source=NIELSEN,
)

INPUTS, WIDTH, CLASSES = 784, 30, 10

MEAN_SQUARE = 0.1
"""Mean square of the generated inputs; any small number predicts nearly the same."""

_SIGMA_W2 = _SIGMA_B2 = 1.0


def predicted_norms(hidden: int, mean_square: float = MEAN_SQUARE) -> Array:
    r"""Predict $\lVert\partial C/\partial b_l\rVert$, its root mean square over draws, with no fit.

    With $o_k = \sigma(z_k)$ and a tenth of the targets being one, the mean gradient on output $k$
    is $\sigma(z_k) - 1/10$. Its energy, ten times $E[\sigma(\sqrt q z) - 1/10]^2$, is multiplied by
    $\chi(q_l)$ in each hidden layer from the last to the first.

    Args:
        mean_square: Mean square of the inputs, which enters $q_1$ and nothing else.

    Examples:
        >>> " ".join(f"{norm:.4f}" for norm in predicted_norms(3))
        '0.0128 0.0612 0.2984'
    """
    layers = positive_int("hidden", hidden) + 1
    net = propagate(
        sigmoid,
        layers,
        _SIGMA_W2,
        _SIGMA_B2,
        input_mean_square=positive("mean_square", mean_square),
    )
    spread = math.sqrt(float(net.q[-1]))
    errors = expectation(lambda z: np.square(sigmoid.f(spread * z) - 1 / CLASSES))
    gains = np.cumprod(net.chi[-2::-1])[::-1]
    result: Array = np.sqrt(CLASSES * errors * gains)
    return result


def measured_norms(
    rng: np.random.Generator,
    hidden: int,
    *,
    draws: int,
    examples: int = 50,
    mean_square: float = MEAN_SQUARE,
) -> Array:
    r"""Measure $\lVert\partial C/\partial b_l\rVert$ in networks like Nielsen's.

    The images are replaced by generated inputs.

    Args:
        draws: Number of networks, all shown the same examples.

    Returns:
        The norms, shape (draws, hidden).
    """
    task = gaussian_classes(
        generator("rng", rng),
        classes=CLASSES,
        dimension=INPUTS,
        examples=examples,
        mean_square=mean_square,
    )
    layers = plain(
        rng,
        [INPUTS, *[WIDTH] * positive_int("hidden", hidden), CLASSES],
        sigmoid,
        lecun,
        bias_variance=_SIGMA_B2,
        ensemble=(positive_int("draws", draws),),
    )
    # The output's sigmoid is part of the loss, which takes logits.
    trace = backprop(layers, task.x, task.target, sigmoid_cross_entropy)
    return bias_norms(trace)[:, :-1]
