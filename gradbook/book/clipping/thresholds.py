r"""A small recurrent network trained under different clips: what does the limit do to the loss?

The task is to add up what was shown, one number at a time. The step multiplies by a rotation times
`gain`, which makes the gradient explode through time where tanh is not saturated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradbook.activations import identity, tanh
from gradbook.backpropagation import backprop
from gradbook.checks import Array
from gradbook.clipping import Clip, clip_global_norm
from gradbook.initializers import lecun, orthogonal_with
from gradbook.layers import Dense, Layer, Recurrent
from gradbook.losses import half_squared_error
from gradbook.networks import unrolled
from gradbook.optimizers import Clipping, Optimizer
from gradbook.parameters import distinct_parameters, with_parameters


@dataclass(frozen=True)
class Adders:
    """Set up the networks and their training.

    Args:
        gain: What the recurrent weights multiply a length by.
    """

    steps: int = 20
    width: int = 8
    gain: float = 2.0
    examples: int = 16
    seeds: int = 12
    updates: int = 100
    limits: tuple[float, ...] = (0.01, 0.1, 0.3, 1, 3, 10, 100)

    def draw(self, rng: np.random.Generator) -> tuple[list[Layer], Array, Array]:
        """Return the networks, their first states and the targets."""
        # A sum of this many numbers from [-r, r] has the variance 1.
        reach = np.sqrt(3 / self.steps)
        numbers = rng.uniform(-reach, reach, (self.steps, 1, self.examples, 1))
        layers: list[Layer] = unrolled(
            rng,
            self.width,
            self.steps,
            tanh,
            orthogonal_with(self.gain),
            inputs=numbers,
            input_initializer=lecun,
            bias_variance=None,
            ensemble=(self.seeds,),
        )
        layers.append(Dense(lecun.draw(rng, self.width, 1, (self.seeds,)), None, identity))
        return layers, np.zeros((1, self.examples, self.width)), numbers.sum(axis=0)


def examples_of(layers: Sequence[Layer], rows: NDArray[np.integer[Any]]) -> list[Layer]:
    """Return the network with the inputs of some examples only."""
    return [
        replace(layer, x=layer.x[..., rows, :])
        if isinstance(layer, Recurrent) and layer.x is not None
        else layer
        for layer in layers
    ]


@dataclass(frozen=True, eq=False)
class ClippedRun:
    """Hold a training run.

    Args:
        loss: The loss before each update, shape (updates, seeds).
        norm: The norm of the gradient before the clip, same shape.
        clipped: Whether it was clipped, same shape.
    """

    loss: Array
    norm: Array
    clipped: Array


def gradients(
    layers: Sequence[Layer], values: list[Array], h: Array, target: Array
) -> tuple[list[Array], Array]:
    """Return the gradient on each distinct parameter, and the loss."""
    trace = backprop(with_parameters(layers, values), h, target, half_squared_error)
    return [parameter.grad for parameter in trace.parameters], trace.loss


def _clipped_run(
    setting: Adders, optimizer: Optimizer, clip: Clip, rng: np.random.Generator
) -> ClippedRun:
    """Train with clipped gradients.

    Args:
        clip: The clip, with one ensemble axis.

    Examples:
        >>> from functools import partial
        >>> from gradbook import GradientDescent, clip_global_norm
        >>> clip = partial(clip_global_norm, max_norm=1.0, members=1)
        >>> short, descent = Adders(steps=4, updates=3), GradientDescent(0.1)
        >>> run = _clipped_run(short, descent, clip, np.random.default_rng(0))
        >>> run.norm.shape, bool((run.clipped == (run.norm > 1)).all())
        ((3, 12), True)
    """
    layers, h, target = setting.draw(rng)
    stepper = Clipping(optimizer, clip)
    values = distinct_parameters(layers)
    state, losses, norms, clips = stepper.start(values), [], [], []
    for _ in range(setting.updates):
        grads, loss = gradients(layers, values, h, target)
        values, state = stepper.step(values, grads, state)
        assert state.clip is not None
        losses.append(loss)
        norms.append(state.clip.norm)
        clips.append(state.clip.clipped)
    return ClippedRun(np.stack(losses), np.stack(norms), np.stack(clips))


def scan(setting: Adders, optimizer: Optimizer, seed: int = 0) -> list[ClippedRun]:
    """Train the same networks once for each limit on the global norm.

    Args:
        seed: Of the generator that draws networks and examples, afresh for each limit.

    Examples:
        >>> from gradbook import GradientDescent
        >>> runs = scan(Adders(steps=4, updates=2, limits=(0.1, 100)), GradientDescent(0.1))
        >>> [bool(run.clipped.any()) for run in runs]
        [True, False]
    """
    clips = [partial(clip_global_norm, max_norm=c, members=1) for c in setting.limits]
    return [_clipped_run(setting, optimizer, clip, np.random.default_rng(seed)) for clip in clips]
