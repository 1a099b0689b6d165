r"""Carry a learning rate from a narrow Transformer over to a wide one.

Adam moves every weight by about its rate, whatever the gradient. A unit with $n$ inputs adds up $n$
of these moves, all in the direction that helps: its value moves by $n$ times the rate, where random
weights of variance $1/n$ made it of size one. So the rate that a wide network bears falls like
$1/n$. The parametrization called μP gives it to the weights between hidden units, the readout's are
drawn smaller by $1/\sqrt{n}$ besides, and scores are divided by $d$, since queries and keys that
have been trained are no longer independent. Weights that read one-hot rows keep their rate.

Source: Yang, Hu et al. 2022. Here all factors are 1 at the base width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradbook.book.claims.keeping import measured_once
from gradbook.book.transformers import measure
from gradbook.book.transformers.warmup import Trial, copied, trained_losses, transformer
from gradbook.checks import Array
from gradbook.layers import Attention, Layer, Residual
from gradbook.parameters import distinct_parameters, with_parameters

BASE = 16
"""The width at which both parametrizations are the same."""
TRIAL = Trial(
    pairs=2, sequences=6, steps=50, rates=tuple(2.0**-k for k in range(8, 2, -1)), warm=(0,)
)
"""The setting of the chapter, for any width."""


@measured_once
def swept_losses(seed: int, width: int, *, scaled: bool, trial: Trial = TRIAL) -> Array:
    """Train one width with each rate, from the same draw; shape (rates, seeds).

    Args:
        seed: Of the draw and of the sequences.
        width: $n$.
        scaled: Whether rates, readout and scores are those of μP.
        trial: The task, with the rates at the base width.
    """
    rng, own = np.random.default_rng(seed), replace(trial, width=width)
    layers = transformer(rng, "pre-norm", own, own.seeds)
    ratio = BASE / width if scaled else 1.0
    if scaled:
        layers = _scaled(layers, ratio, width // measure.HEADS)
    values = distinct_parameters(layers)
    # Embedding and positions come first.
    shares = [1.0, 1.0, *[ratio] * (len(values) - 2)]
    rates = np.repeat(trial.rates, trial.seeds)
    everyone = copied(layers, len(trial.rates))
    losses = trained_losses(rng, own, everyone, lambda _: rates, shares)
    return losses.reshape(len(trial.rates), trial.seeds)


def _scaled(layers: Sequence[Layer], ratio: float, d: int) -> list[Layer]:
    """Draw the readout smaller, and divide scores by d instead of its root."""
    attention = math.sqrt(BASE // measure.HEADS) / d
    rescaled: list[Layer] = [
        Residual(
            [replace(b, scale=attention) if isinstance(b, Attention) else b for b in layer.layers]
        )
        if isinstance(layer, Residual)
        else layer
        for layer in layers
    ]
    values = distinct_parameters(rescaled)
    return with_parameters(rescaled, [*values[:-1], math.sqrt(ratio) * values[-1]])
