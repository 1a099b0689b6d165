r"""How long a gate remembers: the direct path through an LSTM's cell or a GRU's state.

The cell of an LSTM is $c_t = f_t c_{t-1} + i_t g_t$, so that directly, gates aside,
$\partial c_T/\partial c_{T-k} = f_T f_{T-1} \cdots f_{T-k+1}$. A forget gate that is moved by
nothing but its bias $b$ is $f = \sigma(b)$, and the path fades as $f^k$. In a GRU the update gate
does the same for the hidden state.

Source: Gers et al. 2000; Tallec and Ollivier 2018.

Examples:
    >>> kept = lifetimes(1.0)
    >>> f"{kept.half_life:.2f} {kept.e_folding:.2f} {kept.mean:.2f}"
    '2.21 3.19 3.72'
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import sigmoid
from gradbook.backpropagation import backprop_from, forward
from gradbook.checks import Array, finite, finite_array, generator
from gradbook.initializers import lecun
from gradbook.layers import GRU, LSTM, Forward, GRUGates, Layer, LSTMGates
from gradbook.layers.step import saved_gates


@dataclass(frozen=True)
class Lifetimes:
    r"""Hold in three ways for how many steps a gate keeps what is in the cell.

    Args:
        keep: $f$, by which a step multiplies the cell.
        half_life: Steps until half is left, $\ln \tfrac12 / \ln f$.
        e_folding: Steps until $1/e$ is left, $-1/\ln f$.
        mean: The mean lifetime, $\sum_k f^k = 1/(1 - f)$.
    """

    keep: float
    half_life: float
    e_folding: float
    mean: float


def lifetimes(bias: float) -> Lifetimes:
    r"""Compute the lifetimes of a gate $f = \sigma(b)$.

    $-\ln f = \ln(1 + e^{-b})$ and $1/(1 - f) = 1 + e^b$.

    Examples:
        >>> f"{lifetimes(0.0).half_life:.0f} {lifetimes(0.0).mean:.0f}"
        '1 2'

    Source: Gers et al. 2000; Tallec and Ollivier 2018.
    """
    b = finite("bias", bias)
    rate = math.log1p(math.exp(-b))
    return Lifetimes(
        keep=float(sigmoid.f(b)),
        half_life=math.log(2) / rate,
        e_folding=1 / rate,
        mean=1 + math.exp(b),
    )


def bias_for(steps: float) -> float:
    r"""Return $b = \ln(T - 1)$, the bias of a gate whose mean lifetime is $T$ steps.

    Examples:
        >>> f"{bias_for(100):.3f} {lifetimes(bias_for(100)).mean:.1f}"
        '4.595 100.0'

    Source: Tallec and Ollivier 2018.
    """
    if not finite("steps", steps) > 1:
        raise ValueError(f"steps must be above 1, got {steps}")
    return math.log(steps - 1)


@dataclass(frozen=True)
class Gated:
    """Hold the sizes of a measurement in gated networks.

    Args:
        seeds: Networks, each with weights, inputs and an output gradient of its own.
    """

    width: int = 32
    lags: int = 60
    warm_up: int = 20
    seeds: int = 20


@dataclass(frozen=True, eq=False)
class DirectPath:
    r"""Hold a gradient of length 1 on its way back, whole and along the direct path alone.

    Args:
        whole: $\lVert\partial L/\partial c_{T-k}\rVert$ by backpropagation, for
            $k = 0 \ldots K$, shape (seeds, K + 1); in a GRU that on $h_{T-k}$.
        direct: The norm of the same gradient on $c_T$ times the products of the gates that the
            network had, unit by unit.
        end: $c_T$, unit by unit; in a GRU $h_T$.
    """

    whole: Array
    direct: Array
    end: Array


def lstm_path(
    rng: np.random.Generator,
    bias: float,
    recurrent: float = 1.0,
    entering: float = 1.0,
    setting: Gated = Gated(),
    *,
    input_bias: float = 0.0,
) -> DirectPath:
    """Measure the gradient on the cell of random LSTMs against the lag.

    Weights are drawn from $N(0, s^2/n)$, inputs from $N(0, 1)$; the biases are 0 but for those of
    the forget and the input gate. Without recurrent weights there is no way back but the direct
    one, and the two norms are equal.

    Args:
        rng: The random generator, drawn from for weights, inputs and output gradient.
        recurrent: The scale $s$ of the recurrent weights.
        entering: The scale $s$ of the input weights; 0 for inputs that move nothing.

    Examples:
        >>> path = lstm_path(np.random.default_rng(0), 0.0, recurrent=0.0, entering=0.0)
        >>> path.whole[0, :3].round(12).tolist()
        [1.0, 0.5, 0.25]
    """
    biases = finite("input_bias", input_bias), finite("bias", bias), 0.0, 0.0
    W, U, b = _drawn(rng, (recurrent, entering), biases, setting)
    steps = [LSTM(W, U, b, x) for x in _inputs(rng, setting)]
    return _path(rng, steps, setting, 2, lambda record: saved_gates(record, LSTMGates).f)


def gru_path(
    rng: np.random.Generator,
    bias: float,
    recurrent: float = 1.0,
    entering: float = 1.0,
    setting: Gated = Gated(),
) -> DirectPath:
    """Measure the gradient on the hidden state of random GRUs against the lag."""
    W, U, b = _drawn(rng, (recurrent, entering), (0.0, finite("bias", bias), 0.0), setting)
    steps = [GRU(W, U, b, x) for x in _inputs(rng, setting)]
    return _path(rng, steps, setting, 1, lambda record: saved_gates(record, GRUGates).u)


def _drawn(
    rng: np.random.Generator, scales: tuple[float, float], biases: ArrayLike, setting: Gated
) -> tuple[Array, Array, Array]:
    n, b = setting.width, np.repeat(finite_array("biases", biases), setting.width)
    W, U = (
        finite(name, scale) * lecun.draw(rng, n, len(b), (setting.seeds,))
        for name, scale in zip(("recurrent", "entering"), scales, strict=True)
    )
    return W, U, np.broadcast_to(b, (setting.seeds, len(b))).copy()


def _inputs(rng: np.random.Generator, setting: Gated) -> Array:
    shape = (setting.warm_up + setting.lags, setting.seeds, 1, setting.width)
    return generator("rng", rng).standard_normal(shape)


def _path(
    rng: np.random.Generator,
    steps: Sequence[Layer],
    setting: Gated,
    states: int,
    keep: Callable[[Forward], Array],
) -> DirectPath:
    size = setting.width
    start = np.zeros((setting.seeds, 1, states * size))
    v = rng.standard_normal((setting.seeds, 1, size))
    v = v / np.linalg.norm(v, axis=-1, keepdims=True)
    da = np.concatenate([np.zeros((setting.seeds, 1, (states - 1) * size)), v], axis=-1)
    records, late = forward(steps, start), setting.warm_up
    back = backprop_from(steps[late:], records[late].x, da).dh[::-1]
    kept = [keep(record) for record in records[late:][::-1]]
    direct = [v, *(v * product for product in np.cumprod(kept, axis=0))]
    return DirectPath(
        whole=np.stack([_norm(dh[..., -size:]) for dh in back], axis=-1),
        direct=np.stack([_norm(dh) for dh in direct], axis=-1),
        end=records[-1].a[:, 0, -size:],
    )


def _norm(dh: Array) -> Array:
    return np.asarray(np.linalg.norm(dh, axis=(-2, -1)))
