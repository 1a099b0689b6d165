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
from gradbook.book.claims.keeping import measured_once
from gradbook.checks import Array
from gradbook.clipping import Clipped, clip_global_norm
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


def clipped_to(limits: Sequence[float], grads: Sequence[Array]) -> Clipped:
    """Clip members by the global norm: as many to each limit, those of the first limit first.

    Examples:
        >>> three = [np.array([[5.0], [5.0], [5.0]])]
        >>> clipped_to((1, 2, 9), three).grads[0].ravel().tolist()
        [1.0, 2.0, 5.0]
    """
    parts = [
        clip_global_norm(part, limit, members=1)
        for limit, part in zip(
            limits,
            zip(*(np.split(g, len(limits)) for g in grads), strict=True),
            strict=True,
        )
    ]
    return Clipped(
        [np.concatenate(part) for part in zip(*(clip.grads for clip in parts), strict=True)],
        np.concatenate([clip.norm for clip in parts]),
        np.concatenate([clip.clipped for clip in parts]),
    )


@measured_once
def scan(setting: Adders, optimizer: Optimizer, seed: int = 0) -> list[ClippedRun]:
    """Train the same networks once for each limit on the global norm, all side by side.

    Args:
        seed: Of the generator that draws networks and examples.

    Examples:
        >>> from gradbook import GradientDescent
        >>> runs = scan(Adders(steps=4, updates=2, limits=(0.1, 100)), GradientDescent(0.1))
        >>> runs[0].norm.shape, [bool(run.clipped.any()) for run in runs]
        ((2, 12), [True, False])
    """
    layers, h, target = setting.draw(np.random.default_rng(seed))
    stepper = Clipping(optimizer, partial(clipped_to, setting.limits))
    values = [np.concatenate([v] * len(setting.limits)) for v in distinct_parameters(layers)]
    state, losses, clips = stepper.start(values), [], []
    for _ in range(setting.updates):
        grads, loss = gradients(layers, values, h, target)
        values, state = stepper.step(values, grads, state)
        assert state.clip is not None
        losses.append(loss)
        clips.append(state.clip)
    of_limit = (
        np.split(np.stack(records), len(setting.limits), axis=1)
        for records in (losses, [clip.norm for clip in clips], [clip.clipped for clip in clips])
    )
    return [ClippedRun(*records) for records in zip(*of_limit, strict=True)]
