"""The heavy ball on a quadratic: by what momentum shortens the way to the minimum, per step."""

import numpy as np

from gradbook.checks import positive
from gradbook.optimizers import Momentum


def momentum_multiplier(product: float, beta: float) -> float:
    r"""Return by what momentum multiplies the distance to the minimum of a quadratic per step.

    On $f(w) = \frac{\lambda}{2} w^2$, with $\eta\lambda$ the `product`, the heavy ball obeys
    $w_{k+1} = (1 + \beta - \eta\lambda) w_k - \beta w_{k-1}$. Trying $w_k = r^k$ gives
    $r^2 - (1 + \beta - \eta\lambda) r + \beta = 0$, and the larger $|r|$ wins in the end. Where the
    roots are complex, $|r| = \sqrt\beta$, their product being $\beta$. They meet, and $|r|$ is
    smallest, at $\beta = (1 - \sqrt{\eta\lambda})^2$: critical damping.

    Examples:
        >>> [f"{momentum_multiplier(0.01, beta):.3f}" for beta in (0.0, 0.5, 0.81, 0.9)]
        ['0.990', '0.980', '0.900', '0.949']

    Source: Polyak 1964.
    """
    beta, trace = Momentum(1.0, beta).beta, 1 + beta - positive("product", product)
    disc = trace * trace - 4 * beta
    return float(np.sqrt(beta) if disc < 0 else (abs(trace) + np.sqrt(disc)) / 2)
