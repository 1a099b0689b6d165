r"""Descend along a gradient: $w \leftarrow w - \eta \, \partial L/\partial w$."""

from collections.abc import Callable, Sequence

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
