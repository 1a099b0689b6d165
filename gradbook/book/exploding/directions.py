"""Check a whole gradient at once: its derivative in a random direction, beside a difference."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from gradbook.backpropagation import DerivativeCheck, comparison
from gradbook.checks import generator
from gradbook.layers import Layer
from gradbook.losses import Loss


def direction_check(
    rng: np.random.Generator,
    layers: Sequence[Layer],
    x: ArrayLike,
    target: ArrayLike,
    loss: Loss,
    *,
    step: float | None = None,
) -> DerivativeCheck:
    r"""Compare the derivative in one random direction of all parameters at once.

    In the direction $v$, of length 1, the derivative is $\langle \partial L/\partial w, v \rangle$:
    a wrong entry anywhere shows in it, at the price of four more passes instead of four per entry.
    `gradient_check` explains step and error.
    """
    rng = generator("rng", rng)
    trace, compare = comparison(layers, x, target, loss, step)
    draws = [rng.standard_normal(p.value.shape) for p in trace.parameters]
    length = np.sqrt(sum(np.square(draw).sum() for draw in draws))
    direction = [
        (draw / length).astype(p.value.dtype)
        for draw, p in zip(draws, trace.parameters, strict=True)
    ]
    return compare("random direction", direction)
