r"""Truncated backpropagation through time: what a gradient misses that stops after $K$ steps.

The gradient of a shared parameter is a sum over the steps, and the share of the step at lag $k$
carries $k$ factors. Whoever stops after $K$ steps leaves out the shares from lag $K$ on. If every
factor multiplies by $\rho$ in length, and the inputs of different steps are independent, these
shares are a geometric tail, and the relative error is

$$\sqrt{\frac{\rho^{2K} - \rho^{2T}}{1 - \rho^{2T}}} \approx \rho^K .$$

Source: Werbos 1990 for backpropagation through time.

Examples:
    >>> print(*(f"{error:.3f}" for error in truncation_error(0.9, [1, 10, 20], steps=100)))
    0.900 0.349 0.122
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import Activation
from gradbook.backpropagation import backprop_from, forward
from gradbook.checks import Array, finite_array, positive, positive_int
from gradbook.initializers import lecun, orthogonal_with
from gradbook.layers import Layer
from gradbook.layers.base import check_layers
from gradbook.networks import unrolled


def truncation_error(rho: float, lengths: ArrayLike, steps: int) -> Array:
    r"""Predict $\sqrt{(\rho^{2K} - \rho^{2T})/(1 - \rho^{2T})}$, the root mean square error.

    It holds for the input weights of a linear recurrent network whose recurrent weights are $\rho$
    times an orthogonal matrix, with independent inputs of mean 0: mean squares of the tail and of
    the whole are $\sum_{k \ge K} \rho^{2k}$ and $\sum_k \rho^{2k}$, and this is their ratio's root.

    Args:
        rho: By what a step multiplies the length of a gradient, positive and not 1.

    Examples:
        >>> f"{truncation_error(0.5, 1, steps=50):.4f}"
        '0.5000'
    """
    if positive("rho", rho) == 1:
        raise ValueError("rho must not be 1, where the shares are equal and the error is a count")
    cut, whole = finite_array("lengths", lengths), positive_int("steps", steps)
    return np.asarray(np.sqrt((rho ** (2 * cut) - rho ** (2 * whole)) / (1 - rho ** (2 * whole))))


def truncated_gradients(
    layers: Sequence[Layer], h: ArrayLike, da: ArrayLike, lengths: Sequence[int], name: str
) -> tuple[Array, ...]:
    r"""Compute the gradient of a shared parameter from the last $K$ steps only, for several $K$.

    All steps run forward; the backward pass stops after $K$ of them, as if the state
    $h_{T-K}$ were a constant. That is backpropagation through a slice of the list.

    Args:
        lengths: Truncation lengths $K$, each from 1 to the number of steps.
        name: The parameter's name in a step, such as `"U"`.

    Examples:
        Four steps of $h \leftarrow h/2 + b$: the bias counts $1 + 1/2 + 1/4 + \dots$

        >>> from gradbook.activations import identity
        >>> from gradbook.layers import Recurrent
        >>> steps = [Recurrent(np.array([[0.5]]), None, np.array([0.0]), identity)] * 4
        >>> found = truncated_gradients(steps, [[0.0]], [[1.0]], [1, 2, 4], "b")
        >>> [gradient.item() for gradient in found]
        [1.0, 1.5, 1.875]
    """
    check_layers(layers)
    states = [record.x for record in forward(layers, h)]
    found = []
    for length in lengths:
        if positive_int("lengths", length) > len(layers):
            raise ValueError(f"lengths must be at most {len(layers)}, got {length}")
        trace = backprop_from(layers[-length:], states[-length], da)
        grads = [p.grad for p in trace.parameters if p.name == f"1.{name}"]
        if not grads:
            raise ValueError(f"name must be a parameter of the steps, got {name!r}")
        found.append(grads[0])
    return tuple(found)


@dataclass(frozen=True)
class Cuts:
    """Hold the sizes of a measurement of truncated gradients.

    Args:
        seeds: Networks, each with inputs and an output gradient of its own.
    """

    lengths: tuple[int, ...] = (1, 2, 5, 10, 20, 40)
    steps: int = 100
    width: int = 16
    seeds: int = 20


@dataclass(frozen=True, eq=False)
class Truncated:
    """Hold how far truncated gradients are from the full one, shape (seeds, lengths) each.

    Args:
        errors: Norm of the difference over norm of the full gradient.
        cosines: Cosine of the angle between the two.
    """

    errors: Array
    cosines: Array


def measure_truncation(
    rng: np.random.Generator, activation: Activation, gain: float, cuts: Cuts = Cuts()
) -> Truncated:
    """Measure truncated gradients of the input weights of random recurrent networks.

    The recurrent weights are `gain` times an orthogonal matrix, the inputs are independent and
    normal, and the gradient on the last state has a random direction.

    Args:
        gain: The spectral radius of the recurrent weights, and their every singular value.

    Examples:
        >>> from gradbook.activations import identity
        >>> rng, cuts = np.random.default_rng(0), Cuts((1, 100), seeds=5)
        >>> found = measure_truncation(rng, identity, 0.5, cuts)
        >>> found.errors[:, -1].tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0]
    """
    state = (cuts.seeds, 1, cuts.width)
    net = unrolled(
        rng,
        cuts.width,
        cuts.steps,
        activation,
        orthogonal_with(gain),
        inputs=rng.standard_normal((cuts.steps, *state)),
        input_initializer=lecun,
        bias_variance=None,
        ensemble=(cuts.seeds,),
    )
    lengths = [*cuts.lengths, cuts.steps]
    da = rng.standard_normal(state)
    *cut, full = truncated_gradients(net, np.zeros(state), da, lengths, "U")
    short, size = np.stack(cut, axis=1), _norm(full)[:, None]
    inner = (short * full[:, None]).sum(axis=(-2, -1))
    return Truncated(
        errors=_norm(short - full[:, None]) / size, cosines=inner / (_norm(short) * size)
    )


def _norm(gradient: Array) -> Array:
    return np.asarray(np.linalg.norm(gradient, axis=(-2, -1)))
