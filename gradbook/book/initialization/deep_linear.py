r"""How long a deep linear network learns, by theory and by counting steps.

A network of $L$ linear layers multiplies its input by $W_1 W_2 \cdots W_L$. Let all weights be
orthogonal at the start and the target be $s$ times that product, $s > 0$. Then by symmetry every
singular value of every layer stays equal to one number $u$, and all of the product's to
$a = u^L$. Gradient descent with a small $\eta$ follows

$$\frac{da}{dk} = \eta \, L \, a^{2 - 2/L} (s - a),$$

with $k$ counting steps, so at $\eta = c/L$ the time to learn hardly depends on the depth if $s$ is
near one or above it. Above one it falls with the depth, below one it rises.

Source: Saxe, McClelland & Ganguli 2014.
"""

import math
from collections.abc import Sequence

import numpy as np

from gradbook.activations import identity
from gradbook.checks import Array, generator, positive, positive_int
from gradbook.initializers import Initializer
from gradbook.layers import Dense
from gradbook.losses import half_squared_error
from gradbook.networks import plain
from gradbook.training import train

GROWTH = 1.5
"""The target over the initial product, $s$, of the book's experiment."""

_CELLS = 20_000  # of the midpoint rule; the integrand is smooth, so its error is about 1e-8


def predicted_updates(
    depth: float, rate: float, growth: float = GROWTH, remaining: float = 1e-3
) -> float:
    r"""Compute $\int_1^{a} \frac{da'}{c \, a'^{\,2-2/L} (s - a')}$, the steps at $\eta = c/L$.

    The loss falls as $(s - a)^2$, so the integral ends at $a = s - \sqrt{\text{remaining}}(s - 1)$.

    Args:
        depth: Number of layers $L$; `math.inf` for the limit.
        rate: The constant $c$, learning rate times depth.
        growth: The target over the initial product, $s$, not 1.
        remaining: The share of the loss at which learning is done, below 1.

    Examples:
        >>> [f"{predicted_updates(depth, 0.05):.1f}" for depth in (2, 64, math.inf)]
        ['51.3', '38.9', '38.6']

    Source: Saxe, McClelland & Ganguli 2014.
    """
    rate, growth, share = positive("rate", rate), _growth(growth), _share(remaining)
    if not depth >= 1:
        raise ValueError(f"depth must be at least 1, got {depth!r}")
    # In y = -ln((s - a)/(s - 1)) the pole at a = s is gone: da / (s - a) = dy.
    stop = -math.log(share) / 2
    y = stop * (np.arange(_CELLS) + 0.5) / _CELLS
    a = growth - (growth - 1) * np.exp(-y)
    return float(stop * (a ** (2 / depth - 2)).mean() / rate)


def learning_curve(
    rng: np.random.Generator,
    initializer: Initializer,
    depth: int,
    *,
    rate: float,
    steps: int,
    width: int = 16,
    growth: float = GROWTH,
) -> Array:
    r"""Train a deep linear network towards a multiple of itself, with $\eta = c/L$.

    The loss is half the squared distance between the product of the weights and $s$ times what it
    was, all entries summed.

    Returns:
        The loss before each step and after the last, over that at the start, shape (steps + 1,).

    Examples:
        >>> from gradbook.initializers import orthogonal
        >>> rng = np.random.default_rng(0)
        >>> curve = learning_curve(rng, orthogonal, 4, rate=0.05, steps=20)
        >>> f"{curve[0]:.3f} {curve[10]:.3f} {curve[-1]:.3f}"
        '1.000 0.297 0.063'
    """
    depth, growth = positive_int("depth", depth), _growth(growth)
    width = positive_int("width", width)
    widths = [width] * (depth + 1)
    layers = plain(generator("rng", rng), widths, identity, initializer, bias_variance=None)
    # With these inputs the mean loss over the examples is the sum over the product's entries.
    x = math.sqrt(width) * np.eye(width)
    target = growth * (x @ np.linalg.multi_dot([np.eye(width), *_weights(layers)]))
    eta = positive("rate", rate) / depth
    loss = train(layers, x, target, half_squared_error, lr=eta, steps=steps).loss
    return np.asarray(loss / loss[0])


def counted_updates(curve: Array, remaining: float = 1e-3) -> int | None:
    """Count the steps until a learning curve is at or below a share of its start.

    Returns:
        The number of the first such step, or None if there is none.

    Examples:
        >>> counted_updates(np.array([1.0, 0.5, 0.1, 0.01]), 0.1), counted_updates(np.ones(3), 0.1)
        (2, None)
    """
    done = np.flatnonzero(np.asarray(curve) <= _share(remaining))
    return int(done[0]) if len(done) else None


def _weights(layers: Sequence[object]) -> list[Array]:
    return [layer.W for layer in layers if isinstance(layer, Dense)]


def _growth(value: float) -> float:
    if positive("growth", value) == 1:
        raise ValueError(f"growth must not be 1, got {value!r}")
    return float(value)


def _share(value: float) -> float:
    if positive("remaining", value) >= 1:
        raise ValueError(f"remaining must be below 1, got {value!r}")
    return float(value)
