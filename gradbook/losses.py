r"""Losses $L(o, y)$ with their derivatives $\partial L/\partial o$, where the backward pass starts.

A loss is the mean over the batch of the loss of one example, which sums over the outputs. Outputs
have the shape `(..., batch, outputs)`; the leading axes are an ensemble, each member with its own
loss. The cross-entropies take logits, so that the sigmoid or softmax and the logarithm are one
stable formula. To add a loss, add a record; `ALL` gathers the records of this module.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from gradbook.checks import Array, finite_array, float_array, positive_int

Pair: TypeAlias = Callable[[ArrayLike, ArrayLike], Array]
"""A function of output and target."""


@dataclass(frozen=True)
class Loss:
    r"""Pair a loss $L(o, y)$ with its derivative $\partial L/\partial o$.

    The target broadcasts to the output. Outputs may have overflowed: a diverged member of an
    ensemble has a loss of infinity or NaN and does not stop the others.

    Args:
        name: What tables and figures print.
        f: The loss, from `(..., batch, outputs)` to `(...)`.
        df: The derivative with respect to the output, in the output's shape and dtype. It includes
            the 1/batch of the mean.

    Examples:
        >>> logits, target = np.array([[2.0, 0.0]]), one_hot([0], 2)
        >>> f"{softmax_cross_entropy.f(logits, target):.4f}"
        '0.1269'
        >>> [f"{d:.4f}" for d in softmax_cross_entropy.df(logits, target)[0]]
        ['-0.1192', '0.1192']
    """

    name: str
    f: Pair
    df: Pair


def one_hot(labels: ArrayLike, classes: int) -> Array:
    """Encode class $k$, counted from 0, as the unit vector $e_k$ along a new last axis."""
    classes = positive_int("classes", classes)
    array = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, got an array of dtype {array.dtype}")
    outside = array[(array < 0) | (array >= classes)]
    if outside.size:
        raise ValueError(f"labels must lie in 0 ... {classes - 1}, got {outside.flat[0]}")
    result: Array = np.eye(classes)[array]
    return result


def _checked(output: ArrayLike, target: ArrayLike) -> tuple[Array, Array]:
    """Return both in the output's dtype, the target broadcast to the output's shape."""
    o, y = float_array("output", output), finite_array("target", target)
    if o.ndim < 2:
        raise ValueError(f"output must have a shape (..., batch, outputs), got shape {o.shape}")
    try:
        y = np.broadcast_to(y, o.shape)
    except ValueError:
        raise ValueError(
            f"target must have the output's shape {o.shape} or broadcast to it, got shape {y.shape}"
        ) from None
    return o, y.astype(o.dtype, copy=False)


def _probabilities(output: ArrayLike, target: ArrayLike) -> tuple[Array, Array]:
    o, y = _checked(output, target)
    outside = y[(y < 0) | (y > 1)]
    if outside.size:
        raise ValueError(f"target must hold probabilities in [0, 1], got {outside[0]}")
    return o, y


def _distributions(output: ArrayLike, target: ArrayLike) -> tuple[Array, Array]:
    o, y = _probabilities(output, target)
    total = y.sum(axis=-1, dtype=np.float64)
    off = total[np.abs(total - 1) > 1e-2]  # wide enough for rounding in a narrow format
    if off.size:
        raise ValueError(f"target must sum to 1 over the outputs, got a sum of {off[0]:.6g}")
    return o, y


def _mean(per_output: Array) -> Array:
    """Sum over the outputs, average over the batch."""
    result: Array = per_output.sum(axis=-1).mean(axis=-1)
    return result


def _share(of_example: Array) -> Array:
    """Divide by the batch: the part of one example in the derivative of the mean."""
    return np.asarray(of_example / of_example.shape[-2])


_diverging = np.errstate(over="ignore", invalid="ignore")


@_diverging
def _half_squared_error(output: ArrayLike, target: ArrayLike) -> Array:
    o, y = _checked(output, target)
    return _mean(np.square(o - y) / 2)


@_diverging
def _half_squared_error_df(output: ArrayLike, target: ArrayLike) -> Array:
    o, y = _checked(output, target)
    return _share(o - y)


@_diverging
def _sigmoid_cross_entropy(output: ArrayLike, target: ArrayLike) -> Array:
    o, y = _probabilities(output, target)
    # -ln s(o) = ln(1 + e^-o): two terms that cannot cancel, whatever the logit.
    return _mean(y * np.logaddexp(0, -o) + (1 - y) * np.logaddexp(0, o))


@_diverging
def _sigmoid_cross_entropy_df(output: ArrayLike, target: ArrayLike) -> Array:
    o, y = _probabilities(output, target)
    on, off = np.exp(-np.logaddexp(0, -o)), np.exp(-np.logaddexp(0, o))
    # s(o) - y, but alive where s(o) rounds to y.
    return _share((1 - y) * on - y * off)


def _log_softmax(o: Array) -> Array:
    shifted = o - o.max(axis=-1, keepdims=True)  # -inf, too far below the largest, has p = 0
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


@_diverging
def _softmax_cross_entropy(output: ArrayLike, target: ArrayLike) -> Array:
    o, y = _distributions(output, target)
    log_p = _log_softmax(o)
    return _mean(-np.multiply(y, log_p, where=y > 0, out=np.zeros_like(o)))  # 0 ln 0 = 0


@_diverging
def _softmax_cross_entropy_df(output: ArrayLike, target: ArrayLike) -> Array:
    o, y = _distributions(output, target)
    p = np.exp(_log_softmax(o))
    others = 1 - np.eye(o.shape[-1], dtype=o.dtype)
    # p - y, but alive where p rounds to y: p_k (sum of the other y) - y_k (sum of the other p).
    return _share(p * (y @ others) - y * (p @ others))


half_squared_error = Loss("half squared error", _half_squared_error, _half_squared_error_df)
r"""$L = \frac12 \|o - y\|^2$, $\partial L/\partial o = o - y$."""

sigmoid_cross_entropy = Loss(
    "sigmoid cross-entropy", _sigmoid_cross_entropy, _sigmoid_cross_entropy_df
)
r"""$-\sum_k [y_k \ln s(o_k) + (1 - y_k) \ln(1 - s(o_k))]$ has $\partial L/\partial o = s(o) - y$.

Outputs are logits, targets probabilities, one independent yes or no per output."""

softmax_cross_entropy = Loss(
    "softmax cross-entropy", _softmax_cross_entropy, _softmax_cross_entropy_df
)
r"""$L = -\sum_k y_k \ln p_k$ with $p = \mathrm{softmax}(o)$, $\partial L/\partial o = p - y$.

Outputs are logits, targets a distribution over the outputs, such as `one_hot` gives."""

ALL: tuple[Loss, ...] = tuple(r for r in globals().values() if isinstance(r, Loss))
"""Every record of this module, in the order above."""
