r"""Descend along a gradient: $w \leftarrow w - \eta \, \partial L/\partial w$."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gradbook.backpropagation import Trace
from gradbook.checks import Array, finite_array, integer_at_least, positive
from gradbook.layers import Layer
from gradbook.parameters import distinct_parameters, with_parameters


def gradient_step(values: Sequence[Array], grads: Sequence[Array], lr: float) -> list[Array]:
    r"""Return $w - \eta \, \partial L/\partial w$ for each array, all gradients taken at `values`.

    Each array keeps its dtype if its gradient has the same.
    """
    lr = positive("lr", lr)
    shapes, found = [np.shape(w) for w in values], [np.shape(g) for g in grads]
    if found != shapes:
        raise ValueError(f"grads must have the shapes of values, {shapes}, got {found}")
    with np.errstate(over="ignore", invalid="ignore"):
        return [_stepped(w, lr * g) for w, g in zip(values, grads, strict=True)]


def _stepped(w: Array, step: Array) -> Array:
    """Subtract a step that nobody else holds: in its own place, where the difference fits."""
    return np.subtract(w, step, out=step if np.shape(step) and w.dtype == step.dtype else None)


def descend(layers: Sequence[Layer], trace: Trace, lr: float) -> list[Layer]:
    """Take one gradient descent step with every parameter, sharing them as before.

    `trace` is what `backprop` returned for these layers, which stay as they are.
    """
    grads = [parameter.grad for parameter in trace.parameters]
    return with_parameters(layers, gradient_step(distinct_parameters(layers), grads, lr))


def minimize(df: Callable[[Array], ArrayLike], w: ArrayLike, lr: float, steps: int) -> Array:
    r"""Follow $w_{t+1} = w_t - \eta \, \nabla f(w_t)$ from a starting point.

    Returns the path from the start on, `(steps + 1, *w.shape)`. A path that diverges runs on to
    infinity and NaN without a warning.

    Examples:
        >>> minimize(lambda w: 2 * w, 8.0, lr=0.25, steps=3).tolist()  # f(w) = w²
        [8.0, 4.0, 2.0, 1.0]
    """
    path = [finite_array("w", w)]
    lr, steps = positive("lr", lr), integer_at_least("steps", steps, 0)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            gradient = np.asarray(df(path[-1]), dtype=path[0].dtype)
            if gradient.shape != path[0].shape:
                raise ValueError(f"df must return shape {path[0].shape}, got {gradient.shape}")
            path.append(np.asarray(path[-1] - lr * gradient))
    return np.stack(path)


@dataclass(frozen=True)
class Regime:
    """Say how gradient descent moves on a quadratic.

    Each step multiplies the distance to the minimum; what that looks like is called "creeps",
    "converges in one step", "oscillates", "cycles" or "diverges".
    """

    multiplier: float
    name: str


def quadratic_regime(curvature: float, lr: float) -> Regime:
    r"""Return $1 - \eta\lambda$, by which a step on $f(w) = \frac{\lambda}{2} w^2$ multiplies $w$.

    Since $f'(w) = \lambda w$, a step gives $w - \eta\lambda w = (1 - \eta\lambda) w$. The point
    creeps in from one side for $\eta < 1/\lambda$, jumps to the minimum at $1/\lambda$, converges
    from alternating sides up to $2/\lambda$, hops between two points there, and diverges beyond.

    Examples:
        >>> for lr in (0.1, 0.25, 0.4, 0.5, 0.6):
        ...     regime = quadratic_regime(4, lr)
        ...     print(f"{regime.multiplier:+.1f} {regime.name}")
        +0.6 creeps
        +0.0 converges in one step
        -0.6 oscillates
        -1.0 cycles
        -1.4 diverges
    """
    product = positive("curvature", curvature) * positive("lr", lr)
    # lr = 2/curvature is rounded, so lr * curvature may miss 2, and 1, by a rounding or two.
    if math.isclose(product, 1, rel_tol=2**-51):
        return Regime(0.0, "converges in one step")
    if math.isclose(product, 2, rel_tol=2**-51):
        return Regime(-1.0, "cycles")
    # mutant(<): 1 and 2 have returned
    name = "creeps" if product < 1 else "oscillates" if product < 2 else "diverges"
    return Regime(1 - product, name)
