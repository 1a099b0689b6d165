"""Central differences of a function, their error, and the step at which it is smallest.

The difference $D(s) = [f(w + s) - f(w - s)]/2s$ is wrong for two reasons. The function is no
parabola, which leaves a truncation error of $s^2 f'''/6$; and its values are rounded, which leaves
an error that dividing by $s$ makes large. So the error over $s$ is a V on logarithmic axes, with
$A$ and $R$ the truncation and the rounding error at $s = 1$.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from gradbook.checks import Array, finite_array, positive

Function: TypeAlias = Callable[[Array], Array]
"""An elementwise function that keeps the floating dtype of its argument."""


def central_difference(f: Function, w: ArrayLike, step: float | None = None) -> Array:
    """Estimate $f'(w)$ by $D(s) = [f(w + s) - f(w - s)]/2s$ in the dtype of $w$.

    Without a step, $s$ is the `default_step` of that dtype.
    """
    at = finite_array("w", w)
    s = at.dtype.type(default_step(at.dtype) if step is None else positive("step", step))
    result: Array = (f(at + s) - f(at - s)) / (2 * s)
    return result


def default_step(dtype: np.dtype[np.floating]) -> float:
    r"""Return $\sqrt[3]{\epsilon}$, near which a central difference is at its best.

    Examples:
        >>> [f"{default_step(np.dtype(t)):.1e}" for t in (np.float32, np.float64)]
        ['4.9e-03', '6.1e-06']
    """
    return float(np.cbrt(np.finfo(dtype).eps, dtype=np.float64))


def step_errors(f: Function, df: Function, w: ArrayLike, steps: ArrayLike) -> Array:
    """Measure the root mean square over $w$ of $D(s) - f'(w)$ for each step.

    The difference is computed in the dtype of $w$, the derivative in float64.

    Examples:
        A parabola has no truncation error, and these numbers are not rounded either.

        >>> step_errors(np.square, lambda w: 2 * w, [1.0, 2.0], [0.5, 1.0]).tolist()
        [0.0, 0.0]
    """
    at = finite_array("w", w)
    true = df(at.astype(np.float64))
    found = [central_difference(f, at, s) for s in finite_array("steps", steps)]
    return np.array([_rms(d.astype(np.float64) - true) for d in found])


def error_terms(f: Function, df: Function, third: Function, w: ArrayLike) -> tuple[float, float]:
    r"""Return $A$ and $R$ of the predicted error $\sqrt{(A s^2)^2 + (R/s)^2}$.

    $A$ is the root mean square of $f'''/6$. For $R$, each of the two values is off by the rounding
    of its argument, times $f'$, and by its own. A rounding error is evenly spread over a gap $g$,
    so its mean square is $g^2/12$; the two values double it and $2s$ divides it. Roundings inside
    $f$ are left out, so that $R$ is somewhat too small.

    Examples:
        >>> A, R = error_terms(np.sin, np.cos, lambda w: -np.cos(w), np.linspace(-3, 3, 1000))
        >>> f"{A:.3f} {R:.1e}"
        '0.115 4.7e-17'
    """
    at = finite_array("w", w)
    exact = at.astype(np.float64)
    own, argument = np.spacing(np.abs(f(at))), np.spacing(np.abs(at)) * df(exact)
    mean_square = np.square(own, dtype=np.float64) + np.square(argument)
    return _rms(third(exact)) / 6, float(np.sqrt(mean_square.mean() / 6)) / 2


def predicted_step_errors(A: float, R: float, steps: ArrayLike) -> Array:
    r"""Predict $\sqrt{(A s^2)^2 + (R/s)^2}$ for each step."""
    s = finite_array("steps", steps).astype(np.float64)
    result: Array = np.hypot(A * s**2, R / s)
    return result


def best_step(A: float, R: float) -> float:
    r"""Return the step of the smallest predicted error, $\sqrt[3]{R/(\sqrt{2} A)}$.

    There the derivative of $A^2 s^4 + R^2/s^2$ vanishes: $4 A^2 s^6 = 2 R^2$.
    """
    return float(np.cbrt(positive("R", R) / (np.sqrt(2) * positive("A", A))))


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
