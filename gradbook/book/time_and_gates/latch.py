r"""One unit that holds a bit, $a_t = \tanh(w a_{t-1} + x_t)$: why what is safe is not taught.

For $w > 1$ the unit without input has two stable states, $\pm a$ with $a = \tanh(wa)$: a latch. A
step at such a state multiplies a deviation by $\lambda = w(1 - a^2) < 1$. So an input that is not
too large is forgotten, which is what keeps the bit, and the gradient that comes back through the
steps is multiplied by $\lambda$ in each of them.

Source: Bengio et al. 1994.

Examples:
    >>> f"{latch_state(2.0):.6f} {latch_factor(2.0):.6f}"
    '0.957504 0.166372'
"""

import math
from dataclasses import dataclass

import numpy as np

from gradbook.activations import tanh
from gradbook.backpropagation import backprop_from
from gradbook.bisection import last_true
from gradbook.checks import Array, generator, non_negative, positive, positive_int
from gradbook.layers import Recurrent


def latch_state(w: float) -> float:
    r"""Find the positive fixed point of $a = \tanh(w a)$, which there is for $w > 1$.

    Returns:
        The state; its negative is the other one that the latch holds.

    Examples:
        >>> f"{latch_state(1.5):.4f}"
        '0.8586'

    Source: Bengio et al. 1994.
    """
    if not positive("w", w) > 1:
        raise ValueError(f"w must be above 1, got {w}")
    # tanh(wa) > wa (1 - w²a²/3), so up to this a the curve is above the diagonal.
    low = min(math.sqrt(3 * (w - 1) / w**3), 0.5)
    return last_true(lambda a: math.tanh(w * a) > a, low, 1.0)


def latch_factor(w: float) -> float:
    r"""Return $\lambda = w (1 - a^2)$, by which a step at the latch's state multiplies a change.

    It is below 1 for every $w > 1$. With $u = wa$ and $a = \tanh u$ it is
    $u (1 - \tanh^2 u)/\tanh u = 2u/\sinh 2u$.

    Examples:
        >>> [f"{latch_factor(w):.6f}" for w in (1.1, 2.0, 4.0)]
        ['0.821756', '0.166372', '0.005393']

    Source: Bengio et al. 1994.
    """
    return w * (1 - latch_state(w) ** 2)


def latch_margin(w: float) -> float:
    r"""Return how large an input may be in every step without ever flipping the bit.

    While all inputs are above $-m$ the state cannot come below that of a unit whose input is always
    $-m$, for $\tanh$ is increasing. That unit keeps a positive state as long as $m$ is below the
    fold, where $w (1 - a^2) = 1$: $m = w a - \operatorname{artanh} a$ with $a = \sqrt{1 - 1/w}$.

    Examples:
        >>> f"{latch_margin(2.0):.4f}"
        '0.5328'

    Source: Bengio et al. 1994; Doya 1993.
    """
    if not positive("w", w) > 1:
        raise ValueError(f"w must be above 1, got {w}")
    a = math.sqrt(1 - 1 / w)
    return w * a - math.atanh(a)


@dataclass(frozen=True, eq=False)
class Held:
    r"""Hold what many latches went through, each with noise of its own.

    Args:
        states: $a_0 \ldots a_T$, shape (latches, T + 1).
        gradients: $\partial a_T/\partial a_{T-k}$ for $k = 0 \ldots T$, shape (latches, T + 1).
    """

    states: Array
    gradients: Array

    @property
    def kept(self) -> Array:
        """Say for each latch, as 1 or 0, whether the sign of the end is that of the start."""
        return np.asarray(self.states[:, 0] * self.states[:, -1] > 0, dtype=np.float64)


def hold(rng: np.random.Generator, w: float, noise: float, steps: int, latches: int) -> Held:
    r"""Run latches from $\pm a$ with an input from $U(-m, m)$ in every step, and go back.

    Args:
        rng: The random generator, drawn from for the first states, then for the inputs.

    Examples:
        >>> held = hold(np.random.default_rng(0), w=2.0, noise=0.5, steps=100, latches=50)
        >>> held.kept.mean().item()
        1.0
    """
    steps, latches = positive_int("steps", steps), positive_int("latches", latches)
    signs = generator("rng", rng).choice([-1.0, 1.0], size=(latches, 1))
    inputs = non_negative("noise", noise) * rng.uniform(-1, 1, (steps, latches, 1))
    W, U = np.array([[float(w)]]), np.ones((1, 1))
    trace = backprop_from(
        [Recurrent(W, U, None, tanh, x) for x in inputs], latch_state(w) * signs, [[1.0]]
    )
    return Held(
        states=np.concatenate(trace.h, axis=-1), gradients=np.concatenate(trace.dh[::-1], axis=-1)
    )
