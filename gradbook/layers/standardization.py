r"""What the normalizations share: dividing numbers by their spread, and the gradient of that.

A set of $m$ numbers, over the batch or over the units, becomes $\hat x_i = (x_i - \mu)/s$. Every
$\hat x_i$ depends on every $x_j$, because $\mu$ and $s$ do. That is all there is to these layers.
"""

import numpy as np

from gradbook.checks import Array


def standardize(x: Array, axis: int, epsilon: float, *, center: bool) -> tuple[Array, Array]:
    r"""Compute $\hat x = (x - \mu)/s$ with $s = \sqrt{\sigma^2 + \varepsilon}$ along an axis.

    The variance $\sigma^2$ is the mean of $(x - \mu)^2$. It is taken in float32 at least: in
    float16 a square overflows from 256 on. Without `center`, $\mu = 0$ throughout. Returns
    $\hat x$ and $s$, whose axis has size 1.

    Raises:
        ValueError: If `epsilon` is 0 and there is nothing to divide by.
    """
    x = x.astype(np.result_type(x, np.float32))
    if center:
        x = x - x.mean(axis, keepdims=True)
    s = np.sqrt(np.square(x).mean(axis, keepdims=True) + epsilon)
    if epsilon == 0 and not s.all():
        raise ValueError("epsilon must be positive where x has no spread to divide by, got 0")
    return x / s, s


def standardize_back(x_hat: Array, s: Array, dx_hat: Array, axis: int, *, center: bool) -> Array:
    r"""Compute $\partial L/\partial x$ from $g = \partial L/\partial \hat x$.

    With a bar for the mean over the numbers that are normalized together, as the chapter on
    normalization derives,

    $$\frac{\partial L}{\partial x_j}
    = \frac{1}{s} \bigl(g_j - \overline{g} - \hat x_j \, \overline{g \hat x}\bigr).$$

    Without centering $\overline{g}$ drops out.

    Examples:
        >>> x_hat, s = standardize(np.array([[1.0, 2.0, 6.0]]), -1, 0.0, center=True)
        >>> dx = standardize_back(x_hat, s, np.array([[1.0, 0.0, 0.0]]), -1, center=True)
        >>> dx.round(4).tolist(), f"{abs(dx.sum()) + abs((dx * x_hat).sum()):.9f}"
        ([[0.1763, -0.2204, 0.0441]], '0.000000000')
    """
    dx = dx_hat - x_hat * (dx_hat * x_hat).mean(axis, keepdims=True)
    if center:
        dx = dx - dx_hat.mean(axis, keepdims=True)
    result: Array = dx / s
    return result
