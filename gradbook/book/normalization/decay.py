r"""What weight decay does behind a normalization: it sets by how much a step turns the weights.

The gradient on normalized weights stands at a right angle to them and is $G/\lVert w \rVert$ long,
with $G$ that of weights of length one, the same in all steps. A step with the decay $\lambda$ is
$w' = (1 - \eta\lambda) w - \eta \, \partial L/\partial w$, so

$$\lVert w' \rVert^2 = (1 - \eta\lambda)^2 \lVert w \rVert^2 + \eta^2 G^2/\lVert w \rVert^2 .$$

The length settles where $2 \eta\lambda \lVert w \rVert^4 \approx \eta^2 G^2$, for small
$\eta\lambda$. There a step turns the weights by $\eta G/\lVert w \rVert^2 = \sqrt{2\eta\lambda}$:
the size of the gradient has dropped out.

Source: van Laarhoven 2017 for the effective learning rate; the angle is derived here.
"""

import math

import numpy as np

from gradbook.activations import identity
from gradbook.backpropagation import backprop_from
from gradbook.checks import Array, generator, positive_int
from gradbook.layers import BatchNorm, Dense


def turns(
    rng: np.random.Generator, *, lr: float, decay: float, steps: int, gradient: float = 1.0
) -> Array:
    r"""Train a unit behind whose weights stands a batch normalization, on random gradients.

    Args:
        rng: The random generator; draws the weights, then a batch and a gradient for each step.
        decay: $\lambda$, applied to the weights and not through the loss.
        gradient: By what the gradients are multiplied.

    Returns:
        The tangent of the angle by which each step turns the weights, shape (steps,).

    Examples:
        >>> angles = turns(np.random.default_rng(0), lr=0.1, decay=0.1, steps=600)
        >>> f"{angles[:10].mean():.2f} {angles[-300:].mean():.2f} {settled_turn(0.1, 0.1):.2f}"
        '0.16 0.14 0.14'
    """
    w = generator("rng", rng).standard_normal((16, 1))
    norm, found = BatchNorm(None, None, 0.0), []
    for _ in range(positive_int("steps", steps)):
        x, da = rng.standard_normal((32, 16)), rng.standard_normal((32, 1))
        trace = backprop_from([Dense(w, None, identity), norm], x, gradient * da)
        step = lr * trace.parameters[0].grad
        w = (1 - lr * decay) * w
        found.append(np.linalg.norm(step) / np.linalg.norm(w))
        w = w - step
    return np.array(found)


def settled_turn(lr: float, decay: float) -> float:
    r"""Return $\sqrt{2\eta\lambda}$."""
    return math.sqrt(2 * lr * decay)
