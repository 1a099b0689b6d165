r"""Adam's averages: how long a spike stays, what a small format keeps, what a penalty does."""

import math

import numpy as np

from gradbook.checks import Array
from gradbook.optimizers import Adam
from gradbook.precision import Format, round_to


def steps_around_a_spike(adam: Adam, size: float, before: int, after: int) -> Array:
    """Return the lengths of the steps on gradients of one, one of which is `size` instead.

    They are in units of the learning rate; the spike comes behind `before` gradients.

    Examples:
        >>> steps_around_a_spike(Adam(1.0), 1.0, 2, 2).round(6).tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    gradients = np.ones(before + 1 + after)
    gradients[before] = size
    w: list[Array] = [np.zeros(1)]
    path = [0.0]
    state = adam.start(w)
    for g in gradients:
        w, state = adam.step(w, [np.array([g])], state)
        path.append(float(w[0][0]))
    return -np.diff(path) / adam.lr


def step_after_a_spike(adam: Adam, size: float, before: int, after: int) -> float:
    r"""Return the length of a step, in units of the rate, `after` steps behind the spike.

    Corrected averages are weighted means, and the spike $s$ among ones has in them the weights
    $a = (1-\beta_1)\beta_1^k/(1-\beta_1^t)$ and $b = (1-\beta_2)\beta_2^k/(1-\beta_2^t)$ after $k$
    more of the $t$ steps. So the step is $(1 + a(s-1))/\sqrt{1 + b(s^2-1)}$ if $\epsilon$ is small.

    Examples:
        >>> f"{step_after_a_spike(Adam(1.0), 100.0, 200, 50):.4f}"
        '0.1588'
    """
    steps = before + 1 + after
    first, second = (
        (1 - beta) * beta**after / (1 - beta**steps) for beta in (adam.beta1, adam.beta2)
    )
    return (1 + first * (size - 1)) / math.sqrt(1 + second * (size**2 - 1))


def average_of_squares(fmt: Format, beta: float, gradients: Array) -> Array:
    r"""Return $v$ after each step, $v \leftarrow \beta v + (1 - \beta) g^2$, all of it in a format.

    Examples:
        >>> from gradbook.precision import bfloat16, float64
        >>> [f"{average_of_squares(f, 0.5, np.ones(3))[-1]:.3f}" for f in (bfloat16, float64)]
        ['0.875', '0.875']
    """
    kept, share = round_to(fmt, beta), round_to(fmt, 1 - beta)
    v: Array = np.zeros(())
    path = []
    for square in round_to(fmt, np.square(round_to(fmt, gradients))):
        v = round_to(fmt, round_to(fmt, kept * v) + round_to(fmt, share * square))
        path.append(float(v))
    return np.array(path)


def decayed(adam: Adam, size: float, decay: float, steps: int, *, decoupled: bool) -> float:
    r"""Return what decay leaves of a weight of one whose gradient changes its sign in every step.

    A penalty adds $\lambda w$ to the gradient $\pm s$. Decoupled, the weight is multiplied by
    $1 - \eta\lambda$ in each step, and Adam sees the gradient alone.

    Examples:
        >>> f"{decayed(Adam(0.1), 1.0, 0.5, 1, decoupled=True):.2f}"
        '0.85'

    Source: Loshchilov and Hutter 2019.
    """
    w: list[Array] = [np.ones(1)]
    state = adam.start(w)
    for step in range(steps):
        g = size if step % 2 == 0 else -size
        kept = 1 - adam.lr * decay if decoupled else 1.0
        seen = np.full(1, g) if decoupled else g + decay * w[0]
        moved, state = adam.step(w, [seen], state)
        w = [moved[0] + (kept - 1) * w[0]]
    return float(w[0][0])
