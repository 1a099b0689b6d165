r"""Wide Transformers with equal attention: the stream, how alike its tokens are, and the gradient.

Two numbers say what a stream is: its mean square $q$ and the correlation $c$ of two tokens of a
sequence. A branch of attention with equal weights returns to every token the mean of all, a branch
of two ReLU layers treats each alone. Fed with tokens of mean square 1 they return

$$\text{attention:} \quad a = \frac{1 + (T - 1)c}{T} \text{, the same for every token;} \qquad
\text{ReLU:} \quad 1 \text{, with the correlation } \kappa_1(c).$$

What a branch adds has a random sign, so mean squares add up. For a gradient there are again two
numbers, its mean square $G$ and the correlation $\gamma$ of what arrives at two tokens. Attention
sends $(1 + (T - 1)\gamma)G/T$ back, the same to every token. A ReLU lets through what both tokens
switch on: $G$, with the correlation $\gamma \kappa_0(c)$.

All of it is exact for infinite width and query weights of zero, which make the attention equal.

Source: Cho & Saul 2009 for the ReLU; Noci et al. 2022, that tokens align with depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gradbook.checks import Array, positive_int

KINDS = ("path", "pre-norm", "post-norm")
"""Blocks that get the stream as it is, that get it normalized, and with a norm behind each sum."""


@dataclass(frozen=True)
class Setting:
    r"""Say what a Transformer is made of.

    Args:
        kind: Where the normalization stands.
        blocks: A letter for each, `"A"` for attention and `"F"` for two ReLU layers.
        time: $T$, tokens of a sequence.
        scale: $\alpha$, the factor on a block's last weights.
        correlation: $c$ at the input, where $q = 1$.
    """

    kind: str
    blocks: str
    time: int
    scale: float = 1.0
    correlation: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is not known."""
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, got {self.kind!r}")
        if not self.blocks or set(self.blocks) - set("AF"):
            raise ValueError(f"blocks must be letters A and F, got {self.blocks!r}")
        positive_int("time", self.time)


def relu_correlation(c: float) -> float:
    r"""Return $\kappa_1(c)$, the correlation of mean products behind a ReLU.

    Source: Cho & Saul 2009, eq. 6.
    """
    angle = np.arccos(np.clip(c, -1, 1))
    return float((np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi)


def gate_correlation(c: float) -> float:
    r"""Return $\kappa_0(c) = 1 - \theta/\pi$: the share of open gates that are open for both.

    Source: Cho & Saul 2009, eq. 3.
    """
    return float(1 - np.arccos(np.clip(c, -1, 1)) / np.pi)


def signal(setting: Setting) -> tuple[Array, Array]:
    """Return $q$ and $c$ at the boundaries of the blocks, from the input to the output.

    Examples:
        >>> q, c = signal(Setting("pre-norm", "A", time=2))
        >>> q.tolist(), c.round(9).tolist()  # one, and half of it more, which is shared
        ([1.0, 1.5], [0.0, 0.333333333])
    """
    q, c = [1.0], [setting.correlation]
    for block in setting.blocks:
        added, shared = _returned(setting, block, c[-1])
        fed = setting.scale**2 * (q[-1] if setting.kind == "path" else 1.0)
        total, product = q[-1] + fed * added, q[-1] * c[-1] + fed * shared
        q.append(1.0 if setting.kind == "post-norm" else total)
        c.append(product / total)
    return np.array(q), np.array(c)


def gradient(setting: Setting) -> tuple[Array, Array]:
    r"""Return $G$ and $\gamma$ at the boundaries of the blocks, from the input to the output.

    The gradient at the output has mean square 1 and is independent from token to token. With
    pre-norm the output is that of a final normalization, which divides the gradient by
    $\sqrt{q_L}$ before it arrives at the stream.

    Examples:
        >>> gradient(Setting("post-norm", "F", time=2))[0].tolist()  # doubled, and halved
        [1.0, 1.0]
    """
    q, c = signal(setting)
    G, alike = [1 / q[-1] if setting.kind == "pre-norm" else 1.0], [0.0]
    for block, (before, _), (at, _) in reversed(
        list(zip(setting.blocks, pairwise(q), pairwise(c), strict=True))
    ):
        fed = setting.scale**2 / (before if setting.kind == "pre-norm" else 1.0)
        own = G[-1] / _sum(setting, block, at)
        part, shared = 1.0, alike[-1] * gate_correlation(at)
        if block == "A":
            part = shared = (1 + (setting.time - 1) * alike[-1]) / setting.time
        G.append(own * (1 + fed * part))
        alike.append(own * (alike[-1] + fed * shared) / G[-1])
    return np.array(G[::-1]), np.array(alike[::-1])


def last_weights(setting: Setting) -> Array:
    r"""Return the mean square of the gradient on each ReLU block's last weights.

    It is $\sum_{ij} a_i a_j g_i g_j$ over the tokens of a sequence. Divided by $T$ it is
    $G(1 + (T - 1) \gamma \, \kappa_1(c))$, with $G$ where the block is added to the stream, times
    the mean square that the block is fed with.
    """
    (q, c), (G, alike) = signal(setting), gradient(setting)
    found = [
        (q[n] if setting.kind == "path" else 1.0)
        * G[n + 1]
        / _sum(setting, block, c[n])
        * (1 + (setting.time - 1) * alike[n + 1] * relu_correlation(c[n]))
        for n, block in enumerate(setting.blocks)
        if block == "F"
    ]
    return np.array(found)


def collapsed(deviation: float, width: int, time: int) -> float:
    r"""Return by what one layer of attention without a path multiplies tokens' deviations.

    Let tokens be normal with the variance $\sigma^2$, and $m + R_i$ with their mean $m$. A row's
    weights are $1/T$ and a little more for keys that fit its query, $P_{ij} \approx (1 + s_{ij})/T$
    with $s_{ij} = \alpha R_i W_Q W_K^\top R_j^\top$ up to what is the same for all rows. What is
    left of the deviation is

    $$R_i' = \frac{\alpha}{T} \sum_j (R_i W_Q W_K^\top R_j^\top) \, R_j W_V W_O ,$$

    a product of three deviations. With $C = R^\top R/T$ its mean square over the weights is
    $\operatorname{tr}(C^2)/n^2$ times that of $R_i$, and for centered normal rows
    $E \operatorname{tr} C^2 = \sigma^4 n (T - 1)(n + T)/T^2$: $TC$ is a Wishart matrix with $T - 1$
    degrees of freedom. The number of heads drops out.

    Source: Dong et al. 2021 for the third power, as a bound.
    """
    return deviation**4 * (time - 1) * (width + time) / (time**2 * width)


def _returned(setting: Setting, block: str, c: float) -> tuple[float, float]:
    """Return what a block fed with mean square 1 makes of it, and of the product of two tokens."""
    if block == "A":
        mean = (1 + (setting.time - 1) * c) / setting.time
        return mean, mean
    return 1.0, relu_correlation(c)


def _sum(setting: Setting, block: str, c: float) -> float:
    """Return the mean square that a norm behind the sum divides by; 1 where there is none."""
    if setting.kind != "post-norm":
        return 1.0
    return 1 + setting.scale**2 * _returned(setting, block, c)[0]
