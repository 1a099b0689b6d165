"""The three factors of our example, from differences: nothing here knows the chain rule."""

from collections.abc import Callable

import numpy as np

from gradbook.backpropagation import forward
from gradbook.book.lecture_note import Example
from gradbook.losses import half_squared_error

STEP = float(np.cbrt(np.finfo(np.float64).eps))
"""The cube root of the gap between one and the next number."""


def slope(f: Callable[[float], float], at: float) -> float:
    r"""Return $[f(w + s) - f(w - s)] / 2s$.

    Examples:
        >>> f"{slope(lambda w: w**2, 3.0):.6f}"
        '6.000000'
    """
    return (f(at + STEP) - f(at - STEP)) / (2 * STEP)


def factors(net: Example) -> tuple[float, float, float]:
    r"""Move what each factor divides by, and see what that does to what stands above it.

    They are $\partial L/\partial o_1$, $\partial o_1/\partial a_{11}$ and
    $\partial a_{11}/\partial w'_{11}$, in this order.
    """
    first, last = net.layers
    hidden, output = forward(net.layers, net.x)

    def a11(weight: float) -> float:
        W = first.W.copy()
        W[0, 0] = weight
        return float(forward([first.with_parameters({"W": W})], net.x)[-1].a[0, 0])

    def o1(value: float) -> float:
        values = hidden.a.copy()
        values[0, 0] = value
        return float(forward([last], values)[-1].a.item())

    def loss(value: float) -> float:
        return float(half_squared_error.f(np.array([[value]]), net.target).item())

    return (
        slope(loss, output.a.item()),
        slope(o1, hidden.a[0, 0]),
        slope(a11, first.W[0, 0]),
    )
