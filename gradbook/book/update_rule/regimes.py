r"""How gradient descent moves on a parabola: it creeps, oscillates or diverges, by one product."""

import math
from dataclasses import dataclass

from gradbook.checks import positive


@dataclass(frozen=True)
class Regime:
    """Say how gradient descent moves on a quadratic.

    Each step multiplies $w - w^*$; what that looks like is called "creeps",
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
    name = "creeps" if product < 1 else "oscillates" if product < 2 else "diverges"
    return Regime(1 - product, name)
