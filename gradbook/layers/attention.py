"""Attention: the layer in which the rows of one sequence speak to each other."""

import math
from dataclasses import dataclass

import numpy as np

from gradbook.checks import Array, finite, integer_at_least
from gradbook.layers.base import Backward, Forward
from gradbook.layers.elementwise import Parameterless


@dataclass(frozen=True, eq=False)
class Attention(Parameterless):
    r"""Let each row take a mean of values: $A = \operatorname{softmax}(S) V$, with scores $S$.

    The rows of a batch are sequences of `time` rows, one sequence after the other; no row sees
    another sequence. The columns are queries, keys and values, `[Q, K, V]`, each as wide as the
    output. A dense layer in front makes them from `x`, another behind mixes the heads;
    `gradbook.networks.attention_block` draws the three. Cut mini-batches between sequences: rows
    that are drawn one by one, as `train` draws a `batch`, tear them apart.

    Each of the `heads` has its own $d$ columns of each, and $S = \alpha \, Q K^\top$ with $\alpha$
    the `scale`, which is $1/\sqrt{d}$ where it is None. With `causal`, row $i$ sees the rows up to
    $i$.

    Examples:
        One query that agrees with the second key by $\ln 3$ more than with the first: weights of a
        quarter and three quarters. The causal first row sees itself alone.

        >>> x = np.array([[0.0, 0.0, 4.0], [1.0, np.log(3.0), 8.0]])  # Q, K, V
        >>> Attention(time=2, causal=True).forward(x).a.round(9).tolist()
        [[4.0], [7.0]]

    Source: Vaswani et al. 2017, eq. 1.
    """

    time: int
    heads: int = 1
    causal: bool = False
    scale: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        integer_at_least("time", self.time, 1)
        integer_at_least("heads", self.heads, 1)
        if self.scale is not None:
            finite("scale", self.scale)

    def forward(self, x: Array) -> Forward:
        r"""Compute $P = \operatorname{softmax}(\alpha Q K^\top)$ and $A = P V$, and save $P$."""
        self._check_input(x)
        q, k, v = self._parts(x)
        p = softmax(self._hidden(self._factor(q) * (q @ k.mT)))
        return Forward(x, a=self._rows(p @ v), saved=(p,))

    def backward(self, record: Forward, da: Array) -> Backward:
        r"""Compute $\partial L/\partial [Q, K, V]$ by the chain rule, from the end of one head.

        1. $A_{ic} = \sum_j P_{ij} V_{jc}$ is a product, so with $G = \partial L/\partial A$

            $$\frac{\partial L}{\partial V} = P^\top G, \qquad
            \frac{\partial L}{\partial P} = G V^\top =: H.$$

        2. In a row of the softmax, $p_j = e^{s_j}/\sum_k e^{s_k}$. A score raises its own weight
           and, through the sum, lowers all: $\partial p_k/\partial s_j = p_k ([j = k] - p_j)$. So

            $$\frac{\partial L}{\partial S_{ij}} = \sum_k H_{ik} P_{ik} ([j = k] - P_{ij})
            = P_{ij} \Bigl(H_{ij} - \sum_k P_{ik} H_{ik}\Bigr).$$

            What comes through is by how much $H_{ij}$ exceeds the row's mean, times the weight:
            nothing where a weight is 0, and nothing where it is 1. Hidden entries have weight 0.

        3. $S = \alpha Q K^\top$ is a product again, with $D = \partial L/\partial S$:

            $$\frac{\partial L}{\partial Q} = \alpha D K, \qquad
            \frac{\partial L}{\partial K} = \alpha D^\top Q.$$
        """
        if len(record.saved) != 1:
            raise ValueError("record must come from this layer's forward, got one without weights")
        (p,) = record.saved
        q, k, v = self._parts(record.x)
        g = self._split(da)
        h = g @ v.mT
        d = self._factor(q) * p * (h - (p * h).sum(axis=-1, keepdims=True))
        parts = [self._rows(part) for part in (d @ k, d.mT @ q, p.mT @ g)]
        return Backward(np.concatenate(parts, axis=-1), {})

    def _factor(self, q: Array) -> float:
        return 1 / math.sqrt(q.shape[-1]) if self.scale is None else self.scale

    def _hidden(self, scores: Array) -> Array:
        if not self.causal:
            return scores
        later = np.triu(np.ones((self.time, self.time), dtype=bool), 1)
        return np.where(later, -np.inf, scores).astype(scores.dtype)

    def _parts(self, x: Array) -> list[Array]:
        return [self._split(part) for part in np.split(x, 3, axis=-1)]

    def _split(self, part: Array) -> Array:
        """Give sequences and heads axes of their own: `(..., sequences, heads, time, d)`."""
        rows, width = part.shape[-2:]
        shape = (rows // self.time, self.time, self.heads, width // self.heads)
        return np.moveaxis(part.reshape(*part.shape[:-2], *shape), -2, -3)

    def _rows(self, part: Array) -> Array:
        """Put sequences and heads back into rows and columns."""
        *ensemble, sequences, heads, time, d = part.shape
        return np.moveaxis(part, -3, -2).reshape(*ensemble, sequences * time, heads * d)

    def _check_input(self, x: Array) -> None:
        shape = np.shape(x)
        fits = len(shape) >= 2 and 0 not in shape
        if not fits or shape[-2] % self.time or shape[-1] % (3 * self.heads):
            expected = f"(..., a multiple of {self.time} rows, a multiple of {3 * self.heads})"
            raise ValueError(f"x must have shape {expected} for [Q, K, V], got {shape}")


def softmax(scores: Array) -> Array:
    r"""Compute $p_j = e^{s_j}/\sum_k e^{s_k}$ along the last axis, shifted so that none overflows.

    Examples:
        >>> softmax(np.array([1000.0, 1000.0 + np.log(3.0)])).round(9).tolist()
        [0.25, 0.75]
    """
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
