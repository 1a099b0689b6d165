r"""Train Transformers whose query and key weights begin too large, with QK-norm and without it.

At weights $s$ times as large, scores are $s^2$ times as large, and far above $\sqrt{2 \ln T}$ most
rows attend to one key from the start. QK-norm divides each head's queries and keys by their root
mean square. For independent directions $\hat q \cdot \hat k$ then has the mean square $d$ at every
$s$, and the scores, divided by $\sqrt{d}$, the size one.

Source: Henry et al. 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradbook.book.claims.keeping import measured_once
from gradbook.book.transformers import measure, warmup
from gradbook.book.transformers.warmup import Trial
from gradbook.checks import Array
from gradbook.layers import Attention, Layer, RMSNorm
from gradbook.layers.base import Backward, Forward
from gradbook.layers.elementwise import Parameterless

NORM = RMSNorm(gamma=None)


@dataclass(frozen=True, eq=False)
class QKNorm(Parameterless):
    """Divide the queries and keys of each head by their root mean square, and leave the values.

    It stands between the layer that makes `[Q, K, V]` and the attention.
    """

    heads: int

    def forward(self, x: Array) -> Forward:
        """Normalize the first two thirds of the columns, head by head."""
        return Forward(x, a=self._joined(NORM.forward(self._apart(x)).a, x))

    def backward(self, record: Forward, da: Array) -> Backward:
        """Send the gradient back through each normalization."""
        inner = NORM.forward(self._apart(record.x))
        dx = NORM.backward(inner, self._apart(da)).dx
        return Backward(self._joined(dx, da), {})

    def _apart(self, x: Array) -> Array:
        first = x[..., : 2 * x.shape[-1] // 3]
        return first.reshape(*x.shape[:-1], 2 * self.heads, -1)

    def _joined(self, parts: Array, x: Array) -> Array:
        flat = parts.reshape(*x.shape[:-1], -1)
        return np.concatenate([flat, x[..., flat.shape[-1] :]], axis=-1)


TRIAL = Trial(kinds=("pre-norm",), warm=(0,), rates=(1e-2, 3e-2, 1e-1))
"""As in the trial of warm-up, with the norm before the blocks and no warm-up."""

FACTOR = 8.0
"""By what query and key weights are too large."""


def scaled(block: Sequence[Layer], factor: float, norm: bool) -> list[Layer]:
    """Multiply the query and key weights of a block of attention, and put QK-norm behind them."""
    first, *rest = block
    if not any(isinstance(layer, Attention) for layer in rest):
        return [*block]
    W = first.parameters["W"]
    scales = np.where(np.arange(W.shape[-1]) < 2 * W.shape[-2], factor, 1.0)
    normalized = [QKNorm(measure.HEADS)] if norm else []
    return [first.with_parameters({"W": W * scales}), *normalized, *rest]


@measured_once
def final_losses(seed: int, factor: float, norm: bool, trial: Trial = TRIAL) -> Array:
    """Train the same draws at each rate and return losses on new sequences, (rates, seeds)."""
    rng = np.random.default_rng(seed)
    layers = warmup.transformer(
        rng, "pre-norm", trial, trial.seeds, lambda block: scaled(block, factor, norm)
    )
    rates = np.repeat(trial.rates, trial.seeds)
    layers = warmup.copied(layers, len(trial.rates))
    losses = warmup.trained_losses(rng, trial, layers, lambda step: rates)
    return losses.reshape(len(trial.rates), trial.seeds)
