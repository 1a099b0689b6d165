r"""Predict what residual paths do to energies and to correlations, block by block.

Follow a small deviation $v$ of the input on its way forward, $v' = v + \alpha B v$ with the block's
Jacobian $B$. The last weights of a block have mean zero and are independent of all that comes
before, so the cross term $E\langle v, Bv \rangle$ is zero and energies add:

$$E \lVert v' \rVert^2 = \lVert v \rVert^2 + \alpha^2 E \lVert B v \rVert^2 .$$

Averaged over all directions $v$ this is the mean square of the Jacobian's entries, hence also what
a gradient meets that is independent of the weights and has no preferred direction.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import Activation
from gradbook.checks import Array, finite, finite_array, non_negative, positive, positive_int
from gradbook.theory.meanfield import mean_square, mean_square_slope


def scaled_energy(depth: int, scale: float = 1.0) -> Array:
    r"""Return $(1 + \alpha^2)^l$ for $l = 0, \dots, L$: the energy with blocks that keep theirs.

    It is exact on average, at every width, for the blocks $f(hW_1)W_2$ with the ReLU and variances
    $2/n$ and $1/n$: of signals, and of an isotropic gradient independent of the weights.

    Examples:
        >>> scaled_energy(10)[-1].item(), f"{scaled_energy(10, 10**-0.5)[-1]:.3f}"
        (1024.0, '2.594')

    Source: Hanin & Rolnick 2018; Zhang, Dauphin & Ma 2019.
    """
    factor = 1 + finite("scale", scale) ** 2
    return np.asarray(factor ** np.arange(positive_int("depth", depth) + 1.0))


def route_shares(depth: int, scale: float = 1.0) -> Array:
    r"""Return $\binom{L}{k} \alpha^{2k}/(1 + \alpha^2)^L$, the energy that crosses $k$ blocks.

    Examples:
        >>> route_shares(4).tolist()
        [0.0625, 0.25, 0.375, 0.25, 0.0625]

    Source: the counting is that of Veit, Wilber & Belongie 2016.
    """
    branches = np.full(positive_int("depth", depth), finite("scale", scale) ** 2)
    return crossing_shares(branches)


def crossing_shares(branches: ArrayLike) -> Array:
    r"""Return the energy that crosses $k$ blocks, if block $l$ adds $\beta_l$ to a path's one.

    A block is crossed with the probability $\beta_l/(1 + \beta_l)$; pre-norm has
    $\beta_l = 1/q_{l-1}$.

    Returns:
        The shares, shape (blocks + 1,); their sum is 1.

    Examples:
        >>> crossing_shares([1.0, 0.0]).tolist()
        [0.5, 0.5, 0.0]
    """
    shares = np.ones(1)
    for beta in np.atleast_1d(finite_array("branches", branches)):
        p = beta / (1 + beta)  # one more coin; no binomial coefficient is too large for this
        shares = np.convolve(shares, [1 - p, p])
    return shares


def one_layer_energies(
    activation: Activation, depth: int, *, q: float = 1.0, sigma_w2: float = 1.0
) -> tuple[Array, Array]:
    r"""Follow $q' = q + \sigma_w^2 E f(\sqrt q z)^2$ and $1 + \sigma_w^2 E f'(\sqrt q z)^2$.

    These are the mean square of the state of $h + f(h) W$, and by what a block multiplies the
    energy of a gradient. Exact for wide layers.

    Returns:
        The lengths before each block and at the end, and the gradient's energy at the input if it
        is 1 at the output of so many blocks; both have the shape (depth + 1,).

    Examples:
        >>> from gradbook.activations import tanh
        >>> q, energy = one_layer_energies(tanh, 64)
        >>> f"{q[-1]:.1f} {np.log(energy[-1]):.3f}"
        '51.9 8.280'

    Source: Yang & Schoenholz 2017.
    """
    lengths, w2 = [non_negative("q", q)], non_negative("sigma_w2", sigma_w2)
    for _ in range(positive_int("depth", depth)):
        lengths.append(lengths[-1] + w2 * float(mean_square(activation, lengths[-1])))
    growth = 1 + w2 * mean_square_slope(activation, np.array(lengths[:-1]))
    return np.array(lengths), np.concatenate([[1.0], np.cumprod(growth)])


def pre_norm_energy(depth: int, *, q: float = 1.0, width: float = math.inf) -> tuple[Array, Array]:
    r"""Return the stream's $q_l = q_0 + l$ and the gradient's $\prod_{k > l} (1 + (1 - 1/n)/q_k)$.

    A block sees a normalized stream and adds its own mean square 1. Its Jacobian ends in that of
    the normalization, which divides by $\sqrt{q}$ and removes one direction of $n$. For infinite
    width the product telescopes to $q_L/q_l$.

    Returns:
        Mean square of the stream, and energy of the gradient if it is 1 at the output, at every
        boundary $l = 0, \dots, L$.

    Examples:
        >>> stream, gradient = pre_norm_energy(3)
        >>> stream.tolist(), [f"{g:.3f}" for g in gradient]
        ([1.0, 2.0, 3.0, 4.0], ['4.000', '2.000', '1.333', '1.000'])

    Source: Xiong et al. 2020 for the linear growth of the stream.
    """
    stream = positive("q", q) + np.arange(positive_int("depth", depth) + 1.0)
    if not width > 1:
        raise ValueError(f"width must be above 1, got {width!r}")
    growth = 1 + (1 - 1 / width) / stream[:-1]
    return stream, np.concatenate([np.cumprod(growth[::-1])[::-1], [1.0]])


def pre_norm_mean(depth: int, width: int, *, q: float = 1.0) -> float:
    r"""Return the mean over networks of the gradient's energy at the bottom, to first order in 1/n.

    The stream's mean square scatters, and the mean of $1/q$ lies above one over the mean. A ReLU
    block with weights of variance $2/n$ and $1/n$ adds the mean square $m$ with the variance
    $7/n$, five from the squared ReLU and two from the last weights, and its product with the stream
    adds $4q/n$. A change of $q_k$ changes all later factors: to second order, with $V''$ of the
    telescoped product $q_L/q_{k+1}$ by $q_{k+1}$,

    $$E \approx \prod_k \Bigl( 1 + \frac{1 - 1/n}{q_k} \Bigr)
    + \frac{1}{q_0} \sum_{k < L} \frac{7 + 4 q_k}{n} \cdot \frac{L - 1 - k}{q_{k+1}^2} .$$

    Examples:
        >>> f"{pre_norm_mean(16, 64):.2f} {pre_norm_energy(16, width=64)[1][0]:.2f}"
        '18.31 16.36'
    """
    stream, energy = pre_norm_energy(depth, q=q, width=width)
    before, after, left = stream[:-1], stream[1:], depth - 1 - np.arange(depth)
    return float(energy[0] + ((7 + 4 * before) / width * left / after**2).sum() / q)


def independent_gates(branches: ArrayLike, *, path: bool = True) -> Array:
    r"""Return $\prod_l (p + \beta_l/2)/(p + \beta_l)$: correlated gradients if gates are not.

    In this model every unit draws its gate for each of two inputs as a coin of its own. A unit is
    then active for one input with probability 1/2 and for both with 1/4. That is so in wide
    networks with batch normalization, which keeps inputs at right angles, and not in plain ones.

    Args:
        branches: The energy $\beta_l$ of each block relative to that of the path; $\alpha^2$ for
            scaled blocks, $1/q_l$ for pre-norm.
        path: Whether there is a path, $p = 1$; without one, $p = 0$.

    Returns:
        The correlation of the two Jacobians after each block, shape (blocks,).

    Examples:
        >>> f"{independent_gates([1] * 8, path=False)[-1]:.4f} {independent_gates([1] * 8)[-1]:.4f}"
        '0.0039 0.1001'

    Source: Balduzzi et al. 2017.
    """
    beta, p = _branches(branches), float(path)
    return np.asarray(np.cumprod((p + beta / 2) / (p + beta)))


def aligned_gates(branches: ArrayLike, *, path: bool = True, c: float = 0.0) -> Array:
    r"""Return $\prod_l (p + \beta_l (1 - \theta_l/\pi))/(p + \beta_l)$ for wide ReLU networks.

    Two inputs at the angle $\theta$ share the gate of a unit with probability $1 - \theta/\pi$. The
    angle itself shrinks on the way, by the arc-cosine map:

    $$c' = \frac{p c + \beta \kappa(c)}{p + \beta}, \qquad
    \kappa(\cos\theta) = \frac{\sin\theta + (\pi - \theta) \cos\theta}{\pi} .$$

    Args:
        branches: The energy $\beta_l$ of each block relative to that of the path.
        c: The correlation of the two inputs.

    Returns:
        The correlation of the two Jacobians after each block, shape (blocks,).

    Examples:
        >>> f"{aligned_gates([1] * 8, path=False)[-1]:.4f} {aligned_gates([1] * 8)[-1]:.4f}"
        '0.0500 0.1871'

    Source: Cho & Saul 2009 for the map.
    """
    beta, p, product = _branches(branches), float(path), [1.0]
    if abs(c := finite("c", c)) > 1:
        raise ValueError(f"c must lie within [-1, 1], got {c}")
    for b in beta:
        theta = math.acos(min(max(c, -1.0), 1.0))
        product.append(product[-1] * (p + b * (1 - theta / math.pi)) / (p + b))
        kappa = (math.sin(theta) + (math.pi - theta) * math.cos(theta)) / math.pi
        c = (p * c + b * kappa) / (p + b)
    return np.array(product[1:])


def _branches(branches: ArrayLike) -> Array:
    beta = np.atleast_1d(finite_array("branches", branches))
    if (beta <= 0).any():
        raise ValueError(f"branches must be positive, got {beta.min()}")
    return beta
