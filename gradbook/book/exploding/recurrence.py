r"""One unit that listens to itself, $x_t = w f(x_{t-1}) + b$: fixed points, folds and the cliff.

The smallest recurrent network has everything that makes gradients through time difficult. Where
$x = w f(x) + b$ the unit stays: a fixed point, stable where $|w f'(x)| < 1$. As $b$ moves, fixed
points move with it. Two of them meet and vanish at a fold, where $w f'(x) = 1$. And between two
stable ones lies an unstable one, a watershed: a start just above it ends elsewhere than one just
below, and a bias that puts the watershed on the start makes the end jump. That is the cliff.

Source: Doya 1993; Pascanu et al. 2013.

Examples:
    >>> from gradbook.activations import sigmoid
    >>> [f"{fold.b:.4f}" for fold in folds(sigmoid, w=5.0)]
    ['-2.3444', '-2.6556']
    >>> f"{cliff_bias(sigmoid, w=5.0, start=0.5):.4f}"
    '-2.6123'
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import Activation, identity
from gradbook.backpropagation import backprop_from
from gradbook.bisection import last_true
from gradbook.checks import Array, finite, finite_array, positive_int
from gradbook.layers import Recurrent

_REACH = 50.0
"""Folds are looked for between minus and plus this pre-activation."""

_CELLS = 10_000


@dataclass(frozen=True)
class Fold:
    """Hold a place where two fixed points meet and vanish."""

    x: float
    b: float


def fixed_point_bias(activation: Activation, w: float, x: ArrayLike) -> Array:
    """Return $b = x - w f(x)$, the bias that makes $x$ a fixed point.

    The inverse question, which fixed points a bias has, may have several answers; this has one.

    Examples:
        >>> from gradbook.activations import sigmoid
        >>> fixed_point_bias(sigmoid, 5.0, 0.0).item()
        -2.5
    """
    state = finite_array("x", x)
    return np.asarray(state - finite("w", w) * activation.f(state))


def folds(activation: Activation, w: float) -> tuple[Fold, ...]:
    r"""Find where $w f'(x) = 1$: there $x - w f(x)$ turns round as $x$ grows.

    A grid finds the changes of sign within `_REACH`, bisection the places to the last bit. A weight
    barely large enough for a fold may hide two of them in one cell of the grid.

    Args:
        activation: The activation $f$, with a continuous slope.

    Returns:
        The folds in order of x; none if the slopes are too small, as for a sigmoid with $w \le 4$.

    Examples:
        >>> from gradbook.activations import sigmoid, tanh
        >>> [f"{fold.x:.4f}" for fold in folds(tanh, w=2.0)], folds(sigmoid, w=4.0)
        (['-0.8814', '0.8814'], ())
    """
    w = finite("w", w)
    edges = np.linspace(-_REACH, _REACH, _CELLS + 1)
    above = w * activation.df(edges) > 1
    cells = np.flatnonzero(above[1:] != above[:-1])
    places = [_crossing(activation, w, float(edges[i]), float(edges[i + 1])) for i in cells]
    return tuple(Fold(x, float(fixed_point_bias(activation, w, x))) for x in places)


def _crossing(activation: Activation, w: float, low: float, high: float) -> float:
    def above(x: float) -> bool:
        return bool(w * activation.df(x) > 1)

    before = above(low)
    return last_true(lambda x: above(x) == before, low, high)


def cliff_bias(activation: Activation, w: float, start: float) -> float:
    """Return the bias $b = x_0 - w f(x_0)$ that makes the start $x_0$ an unstable fixed point.

    Raises:
        ValueError: The fixed point would not be a watershed, which takes $w f'(x_0) > 1$.

    Examples:
        >>> from gradbook.activations import tanh
        >>> cliff_bias(tanh, w=2.0, start=0.0)
        0.0
    """
    growth = finite("w", w) * float(activation.df(finite("start", start)))
    if not growth > 1:
        raise ValueError(
            f"start must be where w f'(start) is above 1, got {start}, where it is {growth:.4g}"
        )
    return float(fixed_point_bias(activation, w, start))


def unit_steps(activation: Activation, w: ArrayLike, b: ArrayLike, steps: int) -> list[Recurrent]:
    """Unroll $x_t = w f(x_{t-1}) + b$ as a list of steps that share one weight and one bias.

    What passes from step to step is $h_t = f(x_t)$, so that $x_t = w h_{t-1} + b$ is a step's
    pre-activation. The last step has no activation: the output is $x_T$ itself.

    Returns:
        The steps, from $h_0$, shape (..., 1, 1), to $x_T$.

    Examples:
        >>> from gradbook.activations import sigmoid
        >>> first, last = unit_steps(sigmoid, 5.0, [-2.6, -2.4], steps=2)
        >>> first.W is last.W, first.activation.name, last.activation.name
        (True, 'sigmoid', 'identity')
    """
    weights, biases = finite_array("w", w), finite_array("b", b)
    try:
        weights, biases = np.broadcast_arrays(weights, biases)
    except ValueError:
        raise ValueError(
            f"b must have a shape that broadcasts with w's {weights.shape}, got {biases.shape}"
        ) from None
    W, bias = weights[..., None, None].copy(), biases[..., None].copy()
    step = Recurrent(W, None, bias, activation)
    return [step] * (positive_int("steps", steps) - 1) + [Recurrent(W, None, bias, identity)]


@dataclass(frozen=True, eq=False)
class Passage:
    r"""Hold a passage through time and what its end $x_T$ depends on; one entry per member.

    Args:
        x: The states $x_0 \ldots x_T$, shape (..., T + 1).
        by_start: $\partial x_T/\partial x_0$, shape (...): a product of T factors.
        by_bias: $\partial x_T/\partial b$, shape (...): a sum of T products.
        by_weight: $\partial x_T/\partial w$, shape (...): a sum of T products, too.
    """

    x: Array
    by_start: Array
    by_bias: Array
    by_weight: Array


def passage(
    activation: Activation, w: ArrayLike, b: ArrayLike, start: float, steps: int
) -> Passage:
    r"""Follow $x_t = w f(x_{t-1}) + b$ from $x_0$ and send a gradient of 1 back from $x_T$.

    Backpropagation through `unit_steps` gives
    $\partial x_T/\partial x_0 = \prod_{t=0}^{T-1} w f'(x_t)$ and
    $\partial x_T/\partial b = \sum_{t=1}^{T} \prod_{r=t}^{T-1} w f'(x_r)$.

    Examples:
        >>> from gradbook.activations import identity
        >>> way = passage(identity, w=2.0, b=1.0, start=3.0, steps=2)
        >>> way.x.tolist(), way.by_start.item(), way.by_bias.item(), way.by_weight.item()
        ([3.0, 7.0, 15.0], 4.0, 3.0, 13.0)
    """
    layers = unit_steps(activation, w, b, steps)
    first = np.full((*layers[0].W.shape[:-2], 1, 1), finite("start", start))
    trace = backprop_from(layers, activation.f(first), [[1.0]])
    states = [first, *(z for z in trace.z if z is not None)]
    grads = {parameter.name: parameter.grad for parameter in trace.parameters}
    return Passage(
        x=np.stack([state[..., 0, 0] for state in states], axis=-1),
        by_start=(activation.df(first) * trace.dh[0])[..., 0, 0],
        by_bias=grads["1.b"][..., 0],
        by_weight=grads["1.W"][..., 0, 0],
    )
