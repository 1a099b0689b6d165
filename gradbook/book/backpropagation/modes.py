r"""Compute one gradient in three ways whose costs differ: backward, forward, by differences.

All three return the gradient as one vector: layer by layer, the weights row by row, then the
biases. With $P$ parameters and $F$ multiply-adds for one forward pass, in matrix products,

- reverse mode takes $3F$: the pass forward, and back through it $\delta W^\top$ and $x^\top\delta$;
- forward mode takes $(1 + P)F$: the pass forward, and one pass of derivatives per parameter;
- central differences take $2PF$: two passes per parameter.

`gradbook.book.backpropagation.counting` counts, so that this is measured and not believed.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from gradbook.backpropagation import backprop, forward, forward_loss
from gradbook.book.backpropagation.counting import dense
from gradbook.book.backpropagation.differences import default_step
from gradbook.checks import Array, positive
from gradbook.layers import Dense, Layer
from gradbook.losses import Loss
from gradbook.parameters import places


def reverse_mode(layers: Sequence[Layer], x: ArrayLike, target: ArrayLike, loss: Loss) -> Array:
    """Compute the gradient by backpropagation.

    Args:
        layers: Dense layers without ensemble axes that share no parameter.

    Examples:
        >>> from gradbook.activations import identity
        >>> from gradbook.losses import half_squared_error
        >>> layers = [Dense(np.array([[2.0], [1.0]]), np.array([1.0]), identity)]
        >>> reverse_mode(layers, [[3.0, 5.0]], [[10.0]], half_squared_error).tolist()
        [6.0, 10.0, 2.0]
    """
    trace = backprop(_distinct(layers), x, target, loss)
    return _flat([parameter.grad for parameter in trace.parameters])


def forward_mode(layers: Sequence[Layer], x: ArrayLike, target: ArrayLike, loss: Loss) -> Array:
    r"""Compute the gradient by carrying along $\partial h/\partial w$ for each parameter $w$.

    In the layer of the parameter, $\partial z/\partial W_{ij}$ is $x_i$ in column $j$ and
    $\partial z/\partial b_j$ is 1 there. From layer to layer
    $\partial z/\partial w = (\partial h/\partial w) \, W$, which is one more forward pass for each
    parameter, although all of them are made in one array here.

    Examples:
        >>> from gradbook.activations import identity
        >>> from gradbook.losses import half_squared_error
        >>> layers = [Dense(np.array([[2.0], [1.0]]), np.array([1.0]), identity)]
        >>> forward_mode(layers, [[3.0, 5.0]], [[10.0]], half_squared_error).tolist()
        [6.0, 10.0, 2.0]
    """
    net = _distinct(layers)
    records = forward(net, x)
    total, start = parameter_count(net), 0
    dh = np.zeros((total, *records[0].x.shape))
    for layer, record in zip(net, records, strict=True):
        dz = np.asarray(dh @ layer.W)
        for seed in _seeds(layer, record.x):
            dz[start : start + len(seed)] += seed
            start += len(seed)
        dh = dz * layer.activation.df(np.asarray(record.z))
    gradient: Array = np.asarray((dh * loss.df(records[-1].a, target)).sum(axis=(-2, -1)))
    return gradient


def difference_mode(
    layers: Sequence[Layer],
    x: ArrayLike,
    target: ArrayLike,
    loss: Loss,
    *,
    step: float | None = None,
) -> Array:
    """Compute the gradient by central differences, two passes for each parameter.

    Args:
        step: The step; the cube root of the rounding unit if None.
    """
    net = _distinct(layers)
    s = default_step(net[0].W.dtype) if step is None else positive("step", step)
    high, low = (forward_loss(_moved(net, t), x, target, loss) for t in (s, -s))
    return np.asarray((high - low) / (2 * s))


def parameter_count(layers: Sequence[Layer]) -> int:
    """Count the parameters of a network."""
    return sum(array.size for layer in layers for array in layer.parameters.values())


def _distinct(layers: Sequence[Layer]) -> list[Dense]:
    net = dense(layers)
    for names in places(net):
        if len(names) > 1:
            raise ValueError(f"layers must not share a parameter, got one at {names}")
    for number, layer in enumerate(net, start=1):
        if layer.W.ndim > 2:
            got = f"{layer.W.shape} as W of layer {number}"
            raise ValueError(f"layers must have no ensemble axes, got {got}")
    return net


def _flat(arrays: Sequence[Array]) -> Array:
    return np.concatenate([np.asarray(array).ravel() for array in arrays])


def _seeds(layer: Dense, x: Array) -> list[Array]:
    """Return the derivatives of z by the layer's own parameters, shape (parameters, batch, out)."""
    units = np.eye(layer.W.shape[-1])
    by_weight = np.asarray(x).T[:, None, :, None] * units[None, :, None, :]
    by_bias = np.repeat(units[:, None, :], len(x), axis=1)
    seeds: list[Array] = [by_weight.reshape(-1, len(x), len(units))]
    return seeds if layer.b is None else [*seeds, by_bias]


def _moved(net: Sequence[Dense], t: float) -> list[Dense]:
    """Return an ensemble of networks, in each of which one parameter is moved by t."""
    total, start, moved = parameter_count(net), 0, []
    for layer in net:
        values = {}
        for name, array in layer.parameters.items():
            shifts = np.zeros((total, array.size), dtype=array.dtype)
            shifts[start : start + array.size] = t * np.eye(array.size)
            start += array.size
            values[name] = array + shifts.reshape(total, *array.shape)
        moved.append(layer.with_parameters(values))
    return moved
