r"""Let a plain recurrent network, an LSTM and a GRU learn the adding problem in equal updates.

Everything else is equal, too: length, batch, width, clip, and the number of seeds, which train side
by side. The learning rate is each contender's own. A network that has not learned to carry the
first number answers 1 and stays at the baseline of 1/6.

Examples:
    >>> short = Race(steps=4, updates=60, batch=10, width=8, seeds=2)
    >>> run = train_contender(np.random.default_rng(0), gru_contender, short)
    >>> f"{run.mse[:, :10].mean():.2f} {run.final(10).mean():.2f}"
    '0.44 0.15'

Source: Hochreiter & Schmidhuber 1997.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from gradbook.activations import identity, tanh
from gradbook.book.claims.keeping import measured_once
from gradbook.book.time_and_gates.sequences import adding_problem, train_sequences
from gradbook.checks import Array, positive_int
from gradbook.clipping import clip_global_norm
from gradbook.initializers import lecun, orthogonal
from gradbook.layers import Dense, Layer, Select
from gradbook.losses import half_squared_error
from gradbook.networks import unrolled
from gradbook.networks.gated import unrolled_gru, unrolled_lstm
from gradbook.optimizers import Adam, Clipping
from gradbook.parameters import in_float32


@dataclass(frozen=True)
class Race:
    """Hold what all contenders have in common.

    Args:
        forget_bias: The LSTM's initial forget bias, and the GRU's update bias.
        window: Steps through which the gradient goes back; all of them if None.
    """

    steps: int = 36
    updates: int = 300
    batch: int = 24
    width: int = 16
    seeds: int = 5
    max_norm: float = 1.0
    forget_bias: float = 1.0
    window: int | None = None


RACE = Race()
"""The race that the book runs."""

Build: TypeAlias = Callable[[np.random.Generator, Race, Array], list[Layer]]
"""From a generator, the race and one input per step to the steps, whose last output is h."""


@dataclass(frozen=True)
class Contender:
    """Say which network takes part, and with which learning rate."""

    name: str
    build: Build
    lr: float


def _plain(rng: np.random.Generator, race: Race, inputs: Array) -> list[Layer]:
    return unrolled(
        rng,
        race.width,
        race.steps,
        tanh,
        orthogonal,
        inputs=inputs,
        input_initializer=lecun,
        ensemble=(race.seeds,),
    )


def _lstm(rng: np.random.Generator, race: Race, inputs: Array) -> list[Layer]:
    steps = unrolled_lstm(
        rng,
        race.width,
        race.steps,
        lecun,
        inputs=inputs,
        forget_bias=race.forget_bias,
        ensemble=(race.seeds,),
    )
    return [*steps, Select(0, race.width)]


def _gru(rng: np.random.Generator, race: Race, inputs: Array) -> list[Layer]:
    return unrolled_gru(
        rng,
        race.width,
        race.steps,
        lecun,
        inputs=inputs,
        update_bias=race.forget_bias,
        ensemble=(race.seeds,),
    )


plain_contender = Contender("plain tanh", _plain, lr=0.003)
"""A tanh network with orthogonal recurrent weights."""

lstm_contender = Contender("LSTM", _lstm, lr=0.02)
"""An LSTM with a forget bias."""

gru_contender = Contender("GRU", _gru, lr=0.01)
"""A GRU with an update bias."""

CONTENDERS = (plain_contender, lstm_contender, gru_contender)


@dataclass(frozen=True, eq=False)
class RaceRun:
    """Record what a contender did.

    Args:
        mse: The mean squared error on each update's fresh batch, before the update, shape
            (seeds, updates).
        norm: The gradient's norm before the clip, same shape.
    """

    name: str
    mse: Array
    norm: Array
    layers: list[Layer]

    def smoothed(self, window: int) -> Array:
        """Average the errors over windows that follow one another.

        Args:
            window: Updates per window; an incomplete one at the end is left out.

        Returns:
            The means, shape (seeds, windows).
        """
        updates = self.mse.shape[-1]
        if positive_int("window", window) > updates:
            raise ValueError(f"window must be at most the {updates} updates, got {window}")
        whole = updates // window * window
        return np.asarray(self.mse[:, :whole].reshape(len(self.mse), -1, window).mean(axis=-1))

    def final(self, window: int) -> Array:
        """Average the errors of the last updates."""
        last = RaceRun(self.name, self.mse[:, ::-1], self.norm, self.layers)
        return np.asarray(last.smoothed(window)[:, 0])


@measured_once
def train_contender(rng: np.random.Generator, contender: Contender, race: Race = RACE) -> RaceRun:
    """Build a contender's networks and train them on the adding problem, in float32.

    Args:
        rng: The random generator, drawn from for the weights first.
    """
    ensemble = (race.seeds,)
    task = partial(adding_problem, steps=race.steps, batch=race.batch, ensemble=ensemble)
    steps = contender.build(rng, race, np.zeros((race.steps, race.batch, 2)))
    readout = Dense(lecun.draw(rng, race.width, 1, ensemble), np.zeros((*ensemble, 1)), identity)
    layers = in_float32([*steps, readout])
    clip = partial(clip_global_norm, max_norm=race.max_norm, members=1)
    optimizer = Clipping(Adam(contender.lr), clip)
    run = train_sequences(
        rng,
        layers,
        task,
        half_squared_error,
        optimizer=optimizer,
        updates=race.updates,
        window=race.window,
    )
    return RaceRun(contender.name, 2 * run.loss, run.norm, run.layers)
