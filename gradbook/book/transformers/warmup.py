"""Train small Transformers with and without warm-up, each at several learning rates.

The task needs attention and positions: say the tokens of a sequence from the last to the first. All
networks are trained at once, one member of an ensemble for each seed, learning rate and length of
warm-up, on the same sequences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradbook.activations import identity
from gradbook.backpropagation import backprop, forward_loss
from gradbook.book.claims.keeping import measured_once
from gradbook.book.transformers import measure
from gradbook.book.transformers.theory import Setting
from gradbook.checks import Array
from gradbook.initializers import lecun
from gradbook.layers import Dense, Layer, Positions
from gradbook.losses import softmax_cross_entropy
from gradbook.optimizers import Adam
from gradbook.parameters import distinct_parameters, with_parameters


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Say what is trained, and how long.

    Args:
        kinds: Where the normalization stands.
        pairs: Blocks of attention, and as many of ReLU layers.
        rates: Learning rates of Adam.
        warm: Steps in which the rate rises in a line from next to zero; 0 for none.
    """

    kinds: tuple[str, ...] = ("pre-norm", "post-norm")
    pairs: int = 4
    tokens: int = 6
    time: int = 6
    width: int = 24
    sequences: int = 8
    steps: int = 80
    seeds: int = 5
    rates: tuple[float, ...] = (3e-3, 1e-2, 3e-2)
    warm: tuple[int, ...] = (0, 25)

    @property
    def chance(self) -> float:
        """Return the loss of guessing."""
        return math.log(self.tokens)


TRIAL = Trial()
"""The setting of the chapter."""

WARM_TRIALS = (
    Trial(kinds=("pre-norm",), rates=(3e-3, 5e-3, 1e-2)),
    Trial(kinds=("post-norm",), rates=(1e-2, 1.4e-2, 2e-2)),
)
"""Rates about the largest at which post-norm learns at all, and smaller ones for pre-norm."""


def transformer(
    rng: np.random.Generator,
    kind: str,
    trial: Trial,
    members: int,
    change: Callable[[Sequence[Layer]], Sequence[Layer]] = lambda block: block,
) -> list[Layer]:
    """Draw an ensemble of whole Transformers: embedding, positions, blocks, readout.

    Args:
        rng: Draws the weights.
        kind: Where the normalization stands.
        trial: The sizes.
        members: Networks of the ensemble.
        change: Returns what takes the place of a block.
    """
    n, root = trial.width, math.sqrt(0.5)
    setting = Setting(kind, "AF" * trial.pairs, trial.time)
    drawn = measure.blocks(rng, setting, width=n, equal=False, ensemble=(members,))
    embedding = root * rng.standard_normal((members, trial.tokens, n))
    places = root * rng.standard_normal((members, trial.time, n))
    readout = lecun.draw(rng, n, trial.tokens, (members,))
    return [
        Dense(embedding, None, identity),
        Positions(places),
        *measure.network(setting, [change(block) for block in drawn]),
        Dense(readout, None, identity),
    ]


def reversed_tokens(rng: np.random.Generator, trial: Trial, sequences: int) -> tuple[Array, Array]:
    """Draw sequences of tokens, and the same from the last to the first, one-hot in rows."""
    drawn = rng.integers(trial.tokens, size=(sequences, trial.time))
    one_hot = np.eye(trial.tokens)
    return one_hot[drawn.ravel()], one_hot[drawn[:, ::-1].ravel()]


@measured_once
def final_losses(seed: int, kind: str, trial: Trial = TRIAL) -> Array:
    """Train a kind and return its losses on new sequences, shape (warm, rates, seeds)."""
    rng = np.random.default_rng(seed)
    layers = copied(transformer(rng, kind, trial, trial.seeds), len(trial.warm) * len(trial.rates))
    losses = trained_losses(rng, trial, layers, lambda step: _rates(trial, step))
    return losses.reshape(len(trial.warm), len(trial.rates), trial.seeds)


def copied(layers: list[Layer], copies: int) -> list[Layer]:
    """Repeat an ensemble, its members one after the other."""
    values = [np.concatenate([value] * copies) for value in distinct_parameters(layers)]
    return with_parameters(layers, values)


# A rate that is too large for a network is part of the record.
@np.errstate(over="ignore", invalid="ignore")
def trained_losses(
    rng: np.random.Generator,
    trial: Trial,
    layers: list[Layer],
    rate: Callable[[int], Array],
    shares: Sequence[float] | None = None,
) -> Array:
    """Train an ensemble with Adam and return each member's loss on new sequences.

    Args:
        rng: Draws the sequences, the same for all members.
        trial: The task, and how many steps are taken.
        layers: The ensemble.
        rate: Returns the learning rate of each member at a step, counted from 1.
        shares: A factor on the rate for each parameter; 1 if None.
    """
    values, adam = distinct_parameters(layers), Adam(lr=1.0)
    state, factors = adam.start(values), shares or [1.0] * len(values)
    for step in range(1, trial.steps + 1):
        x, y = reversed_tokens(rng, trial, trial.sequences)
        grads = [p.grad for p in backprop(layers, x, y, softmax_cross_entropy).parameters]
        moved, state = adam.step(values, grads, state)
        values = [
            old + share * rate(step).reshape(-1, *[1] * (old.ndim - 1)) * (new - old)
            for old, new, share in zip(values, moved, factors, strict=True)
        ]
        layers = with_parameters(layers, values)
    x, y = reversed_tokens(rng, trial, 32)
    return forward_loss(layers, x, y, softmax_cross_entropy)


def _rates(trial: Trial, step: int) -> Array:
    """Return the rate of each member at a step, counted from 1."""
    rise = [min(1.0, step / warm) if warm else 1.0 for warm in trial.warm]
    return np.repeat(np.outer(rise, trial.rates).ravel(), trial.seeds)
