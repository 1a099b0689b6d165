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

    Let a loss depend on $m$ numbers $\hat x_i = (x_i - \mu)/s$, and write $\overline{v}$ for a mean
    $\frac1m \sum_i v_i$. Move one input $x_j$ by a little and follow it on its three ways.

    1. The mean moves by $\dfrac{\partial \mu}{\partial x_j} = \dfrac1m$.

    2. The variance $\sigma^2 = \overline{(x - \mu)^2}$ moves by
    $\dfrac{\partial \sigma^2}{\partial x_j} = \dfrac2m (x_j - \mu)$: its derivative by $\mu$ is
    $-2\,\overline{(x - \mu)} = 0$.

    3. So $s = \sqrt{\sigma^2 + \varepsilon}$ moves by $\dfrac{\partial s}{\partial x_j} =
    \dfrac{1}{2s} \cdot \dfrac2m (x_j - \mu) = \dfrac{\hat x_j}{m}$.

    4. By the quotient rule, with $\delta_{ij} = 1$ for $i = j$ and 0 otherwise,

    $$\frac{\partial \hat x_i}{\partial x_j}
    = \frac{1}{s} \Bigl(\delta_{ij} - \frac1m\Bigr) - \frac{x_i - \mu}{s^2} \cdot \frac{\hat x_j}{m}
    = \frac{1}{s} \Bigl(\delta_{ij} - \frac1m - \frac{\hat x_i \hat x_j}{m}\Bigr).$$

    5. Multiply by $g_i$ and sum over $i$:

    $$\frac{\partial L}{\partial x_j}
    = \frac{1}{s} \bigl(g_j - \overline{g} - \hat x_j \, \overline{g \hat x}\bigr).$$

    Two things are taken out of the gradient: its mean, and its share along $\hat x$. So it is
    orthogonal to the vector of ones, $\sum_j \partial L/\partial x_j = 0$, because
    $\overline{\hat x} = 0$. And as $\overline{\hat x^2} = \sigma^2/s^2 = 1 - \varepsilon/s^2$,

    $$\sum_j \hat x_j \frac{\partial L}{\partial x_j}
    = \frac{1}{s} \sum_j g_j \hat x_j \, \bigl(1 - \overline{\hat x^2}\bigr)
    = \frac{\varepsilon}{s^3} \sum_j g_j \hat x_j ,$$

    which is zero up to $\varepsilon$. Without centering $\mu$ is 0, and the terms $\frac1m$ and
    $\overline{g}$ drop out.

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
