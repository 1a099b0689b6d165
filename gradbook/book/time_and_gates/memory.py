r"""How far back a recurrent network's gradient reaches: its length against the lag.

A gradient on the last state $h_T$ that goes back $k$ steps is multiplied by $k$ Jacobians,
$\partial L/\partial h_{T-k} = \partial L/\partial h_T \, J_T \cdots J_{T-k+1}$. The number $k$ is
the lag. Without activation all factors are the same matrix, and in the end each of them multiplies
by its spectral radius. With one, each is that matrix times the slopes at its step.

Source: Bengio et al. 1994; Pascanu et al. 2013.

Examples:
    >>> from gradbook.activations import tanh
    >>> rng = np.random.default_rng(0)
    >>> found = by_lag(rng, tanh, radius=1.3, input_deviation=1.0, setting=Lags(seeds=4))
    >>> f"{found.rates().mean():.2f} per step"
    '0.71 per step'
"""

from dataclasses import dataclass

import numpy as np

from gradbook.activations import Activation
from gradbook.backpropagation import backprop_from, forward
from gradbook.checks import Array, generator, non_negative, positive, positive_int
from gradbook.initializers import orthogonal
from gradbook.jacobians import spectral_radius
from gradbook.layers import Recurrent
from gradbook.theory.products import stretches


@dataclass(frozen=True)
class Lags:
    """Hold the sizes of a measurement of the gradient against lag.

    Args:
        warm_up: Steps before these, in which the network forgets its start.
        seeds: Networks, each with weights, inputs and an output gradient of its own.
    """

    width: int = 64
    lags: int = 60
    warm_up: int = 60
    seeds: int = 20


@dataclass(frozen=True, eq=False)
class ByLag:
    r"""Hold what a gradient of length 1 on the last state becomes on its way back.

    Args:
        norms: $\lVert\partial L/\partial h_{T-k}\rVert$ for $k = 0 \ldots K$, shape (seeds, K + 1).
        exponents: The largest Lyapunov exponent of the Jacobians of the last K steps, by QR,
            shape (seeds,). It knows nothing of backpropagation: a small change of the state is
            carried along forward in time, and $e$ to the exponent is by how much a step lengthens
            it in the geometric mean.
        sigma_w2: Width times mean square of the recurrent weights, shape (seeds,).
    """

    norms: Array
    exponents: Array
    sigma_w2: Array

    def rates(self, skip: int = 0) -> Array:
        r"""Return by what a step multiplies the gradient, in the geometric mean over the steps.

        Returns:
            $(\lVert\partial L/\partial h_{T-K}\rVert / \lVert\partial L/\partial h_{T-s}\rVert
            )^{1/(K-s)}$ with the $s$ of `skip`, shape (seeds,).
        """
        steps = self.norms.shape[1] - 1 - skip
        return np.asarray((self.norms[:, -1] / self.norms[:, skip]) ** (1 / steps))


def with_radius(
    rng: np.random.Generator, radius: float, width: int, ensemble: tuple[int, ...] = ()
) -> Array:
    """Draw square Gaussian matrices and scale each so that its spectral radius is `radius`.

    Examples:
        >>> spectral_radius(with_radius(np.random.default_rng(0), 0.9, 50, (2,))).round(12).tolist()
        [0.9, 0.9]
    """
    radius, width = positive("radius", radius), positive_int("width", width)
    W = generator("rng", rng).standard_normal((*ensemble, width, width))
    return np.asarray(W * (radius / spectral_radius(W))[..., None, None])


def by_lag(
    rng: np.random.Generator,
    activation: Activation,
    radius: float,
    input_deviation: float = 0.0,
    setting: Lags = Lags(),
) -> ByLag:
    r"""Measure $\lVert\partial L/\partial h_{T-k}\rVert$ in random recurrent networks without bias.

    The weights have the given spectral radius. Each unit is given an input of its own in every
    step, independent and from $N(0, s^2)$; without inputs the network is left to itself, from a
    random state. The gradient on the last state has a random direction and the length 1.

    Args:
        rng: The random generator, drawn from for weights, inputs, state and gradient.
        input_deviation: The standard deviation $s$ of what enters a unit's pre-activation.

    Examples:
        >>> from gradbook.activations import identity
        >>> small = Lags(width=1, lags=2, warm_up=1, seeds=3)
        >>> by_lag(np.random.default_rng(0), identity, 0.5, setting=small).norms.tolist()
        [[1.0, 0.5, 0.25], [1.0, 0.5, 0.25], [1.0, 0.5, 0.25]]
    """
    seeds, width = setting.seeds, setting.width
    deviation = non_negative("input_deviation", input_deviation)
    steps, state = setting.warm_up + setting.lags, (seeds, 1, width)
    W = with_radius(rng, radius, width, (seeds,))
    U = np.broadcast_to(deviation * np.eye(width), W.shape).copy() if deviation else None
    net = [
        Recurrent(W, U, None, activation, None if U is None else rng.standard_normal(state))
        for _ in range(steps)
    ]
    start, da = rng.standard_normal((2, *state))
    warm = forward(net[: setting.warm_up], start)[-1].a if setting.warm_up else start
    da /= np.linalg.norm(da, axis=-1, keepdims=True)
    trace = backprop_from(net[setting.warm_up :], warm, da)
    slopes = [activation.df(z) for z in trace.z if z is not None]
    # Row convention: h' = f(h W), so dh'_k/dh_i = f'(z_k) W_ik.
    factors = np.stack([slope.mT * W.mT for slope in slopes])
    return ByLag(
        norms=np.stack([_norm(dh) for dh in trace.dh[::-1]], axis=-1),
        exponents=np.asarray(stretches(factors)[..., 0].mean(axis=0)),
        sigma_w2=np.square(W).mean(axis=(-2, -1)) * width,
    )


@dataclass(frozen=True)
class LongRun:
    """Say how long a network is left to itself.

    Args:
        start: Steps that are left out, in which the network and a small change forget theirs.
        steps: Steps behind these, over which the change is followed.
        none: An exponent nearer to 0 than this is none.
    """

    start: int = 500
    steps: int = 3000
    none: float = 1e-3


def left_alone(
    rng: np.random.Generator,
    activation: Activation,
    radius: float,
    setting: Lags = Lags(),
    run: LongRun = LongRun(),
) -> Array:
    r"""Measure the largest Lyapunov exponent in the long run, of the networks of `by_lag`.

    Few steps do not tell its sign: a small change needs some to turn where it is stretched most.

    Args:
        rng: The random generator, drawn from for weights and state, as there.

    Returns:
        By how much a step lengthens a small change of the state, as a logarithm, shape (seeds,).

    Examples:
        >>> from gradbook.activations import identity
        >>> net, short = Lags(width=8, seeds=2), LongRun(start=200, steps=100)
        >>> found = left_alone(np.random.default_rng(1), identity, 0.5, net, short)
        >>> np.exp(found).round(2).tolist()
        [0.5, 0.5]
    """
    seeds, width = setting.seeds, setting.width
    W = with_radius(rng, radius, width, (seeds,))
    h: Array = rng.standard_normal((seeds, 1, width))
    change = h
    lengths: Array = np.zeros(seeds)
    for step in range(run.start + run.steps):
        z = h @ W
        h, change = activation.f(z), (change @ W) * activation.df(z)
        length = _norm(change)
        change = change / length[:, None, None]
        lengths = lengths + (np.log(length) if step >= run.start else 0)
    return np.asarray(lengths / run.steps)


def orthogonal_by_lag(
    rng: np.random.Generator,
    activation: Activation,
    input_deviation: float,
    setting: Lags = Lags(),
) -> Array:
    r"""Measure $\lVert\partial L/\partial h_{T-k}\rVert$ in networks with orthogonal weights.

    If the activation is the identity, every Jacobian is orthogonal, and no length changes.

    Args:
        rng: The random generator, drawn from for weights, inputs and gradient.
        input_deviation: The standard deviation of what enters a unit's pre-activation.

    Returns:
        Lengths of a gradient of length 1 on the last state, shape (seeds, K + 1).

    Examples:
        >>> from gradbook.activations import identity
        >>> small = Lags(width=4, lags=3, warm_up=2, seeds=1)
        >>> orthogonal_by_lag(np.random.default_rng(0), identity, 5.0, small).round(12).tolist()
        [[1.0, 1.0, 1.0, 1.0]]
    """
    seeds, width = setting.seeds, setting.width
    steps, state = setting.warm_up + setting.lags, (seeds, 1, width)
    W = orthogonal.draw(generator("rng", rng), width, width, (seeds,))
    U = np.broadcast_to(non_negative("input_deviation", input_deviation) * np.eye(width), W.shape)
    net = [
        Recurrent(W, U.copy(), None, activation, rng.standard_normal(state)) for _ in range(steps)
    ]
    da = rng.standard_normal(state)
    da /= np.linalg.norm(da, axis=-1, keepdims=True)
    warm = forward(net[: setting.warm_up], np.zeros(state))[-1].a
    trace = backprop_from(net[setting.warm_up :], warm, da)
    return np.stack([_norm(dh) for dh in trace.dh[::-1]], axis=-1)


def _norm(dh: Array) -> Array:
    return np.asarray(np.linalg.norm(dh, axis=(-2, -1)))
