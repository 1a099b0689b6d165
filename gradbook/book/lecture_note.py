r"""The lecture note's numbers, and a network in which they really occur.

The note says that the gradient of one weight is $0.20 \times 0.5 \times 0.02 = 0.002$ and that a
step of size 1 takes the weight from 2.5 to 2.49. It does not say in which network. This module
holds the note's numbers, each once, and builds a 3-2-1 sigmoid network that has exactly these
three factors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradbook.activations import sigmoid
from gradbook.book.sources import LECTURE_NOTE, Source
from gradbook.layers import Dense


@dataclass(frozen=True)
class Note:
    """The numbers that the lecture note prints.

    Attributes:
        factors: The three factors of its gradient, from the loss back to the weight.
        updated: The weight after the step, as printed; the book shows what it should be.
        slope_bound: The bound that the note gives for the derivative of the sigmoid.
    """

    widths: tuple[int, ...]
    weight: float
    lr: float
    factors: tuple[float, ...]
    gradient: float
    updated: float
    slope_bound: float
    source: Source


NOTE = Note(
    widths=(3, 2, 1),
    weight=2.5,
    lr=1.0,
    factors=(0.20, 0.5, 0.02),
    gradient=0.002,
    updated=2.49,
    slope_bound=0.25,
    source=LECTURE_NOTE,
)

GOLDEN_RATIO = (1 + math.sqrt(5)) / 2


@dataclass(frozen=True)
class Example:
    """A network with the one example it is shown."""

    layers: list[Dense]
    x: NDArray[np.float64]
    target: NDArray[np.float64]


def example() -> Example:
    r"""Return the 3-2-1 network whose factors are the note's $0.20$, $0.5$ and $0.02$.

    With $\varphi$ the golden ratio, $\sigma'(2\ln\varphi) = 1/5$. The first hidden bias makes
    $z_1 = 2\ln\varphi$ and the first input is $1/10$, so that
    $\sigma'(z_1)\,x_1 = 0.02$. The output bias makes $z_o = 0$, where $\sigma' = 1/4$, and
    the weight $w''_{11} = 2$ completes $1/2$. The target lies $0.20$ below the output.

    Returns:
        The network, its input and its target. The second hidden unit has weights and bias 0.
    """
    x = np.array([[0.1, 0.5, -0.5]])
    W_hidden = np.array([[NOTE.weight, 0.0], [0.4, 0.0], [0.4, 0.0]])
    drive = float(x[0] @ W_hidden[:, 0])
    b_hidden = np.array([2 * math.log(GOLDEN_RATIO) - drive, 0.0])
    W_output = np.array([[2.0], [-1.0]])
    hidden = np.array([[(1 + math.sqrt(0.2)) / 2, 0.5]])
    b_output = -(hidden @ W_output)[0]
    layers = [Dense(W_hidden, b_hidden, sigmoid), Dense(W_output, b_output, sigmoid)]
    return Example(layers, x, np.array([[0.5 - NOTE.factors[0]]]))


def deeper_example() -> Example:
    """Return the same network with one more hidden layer of two units before the output.

    The first hidden layer is that of `example`; the weights after it are plain numbers, chosen so
    that the two routes of $w'_{11}$ pull in opposite directions, and that one of them is cut when
    the sigmoid is replaced by the ReLU.
    """
    first, last = example().layers
    middle = Dense(np.array([[1.5, 0.5], [0.5, -1.0]]), np.array([-0.5, -0.75]), sigmoid)
    net = example()
    return Example([first, middle, last], net.x, net.target)
