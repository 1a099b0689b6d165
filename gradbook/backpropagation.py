"""Compute the gradient of a loss: once forward through the layers, then once backward.

Going backward, each layer turns the gradient on its output into the gradient on its input, so a
gradient lives at every boundary $h_l$ between layers, whatever their kind. Where the same parameter
is used in several places, each use moves the loss, and the gradients of all places add up.

Inputs `x` are `(..., batch, fan_in)`; a target has the output's shape or broadcasts to it. With
ensemble axes there is one loss per member. Boundary gradients are then kept per member; a
parameter that members share gets the gradient of the sum of their losses. A member that overflows
gets infinities and NaN and leaves the others alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from gradbook.checks import Array, finite_array, positive
from gradbook.layers import Backward, Forward, Layer
from gradbook.layers.base import check_layers
from gradbook.losses import Loss
from gradbook.parameters import with_parameters

_diverging = np.errstate(over="ignore", invalid="ignore")


@dataclass(frozen=True, eq=False)
class Parameter:
    r"""Hold one distinct parameter with its gradient.

    Args:
        name: The name of its first place, such as `"1.W"`.
        value: The array that the layers hold.
        grad: $\partial L/\partial w$, summed over the places.
        places: The names of all places that share the array.
    """

    name: str
    value: Array
    grad: Array
    places: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Trace:
    r"""Record one forward and one backward pass through $n$ layers.

    The ensemble axes come first everywhere. Layer `l`, counted from 1, takes `h[l - 1]` to `h[l]`;
    what belongs to it stands at index `l - 1` of the tuples with one entry per layer.

    Args:
        layers: The $n$ layers.
        h: The $n + 1$ boundary values, from the input `h[0]` to the output `h[-1]`.
        z: The pre-activation of each layer, None for a layer without.
        delta: $\partial L/\partial z$ of each layer, None for a layer without a `z`.
        dh: The $n + 1$ boundary gradients $\partial L/\partial h_l$, from input to output.
        loss: The loss, one per member of the ensemble.
        gradients: For each layer its parameters' gradients by name, before any sum over places.
        dinputs: For each layer the gradient on the step's own input, None for a layer without.
    """

    layers: tuple[Layer, ...]
    h: tuple[Array, ...]
    z: tuple[Array | None, ...]
    delta: tuple[Array | None, ...]
    dh: tuple[Array, ...]
    loss: Array
    gradients: tuple[Mapping[str, Array], ...]
    dinputs: tuple[Array | None, ...]

    @cached_property
    @_diverging
    def parameters(self) -> tuple[Parameter, ...]:
        """Return the distinct parameters, each with the gradient summed over its places."""
        values, grads, places = dict[int, Array](), dict[int, Array](), dict[int, list[str]]()
        for number, (layer, of_layer) in enumerate(
            zip(self.layers, self.gradients, strict=True), start=1
        ):
            for name, value in layer.parameters.items():
                key = id(value)
                if key in places:
                    places[key].append(f"{number}.{name}")
                    grads[key] = grads[key] + of_layer[name]
                else:
                    values[key], grads[key] = value, of_layer[name]
                    places[key] = [f"{number}.{name}"]
        found = zip(values.values(), grads.values(), places.values(), strict=True)
        return tuple([Parameter(of[0], value, grad, tuple(of)) for value, grad, of in found])


@_diverging
def forward(layers: Sequence[Layer], x: ArrayLike) -> tuple[Forward, ...]:
    """Pass `x` through the layers, each output being the next input; the last is `[-1].a`."""
    check_layers(layers)
    h = finite_array("x", x)
    records = []
    for number, layer in enumerate(layers, start=1):
        try:
            record = layer.forward(h)
        except ValueError as error:
            raise ValueError(f"layer {number} of {len(layers)}: {error}") from None
        records.append(record)
        h = record.a
    return tuple(records)


def forward_loss(layers: Sequence[Layer], x: ArrayLike, target: ArrayLike, loss: Loss) -> Array:
    """Compute the loss of the network's output for `x`, the mean over the batch."""
    return loss.f(forward(layers, x)[-1].a, target)


def backprop(layers: Sequence[Layer], x: ArrayLike, target: ArrayLike, loss: Loss) -> Trace:
    r"""Compute $\partial L/\partial h_l$ at every boundary and $\partial L/\partial w$.

    Examples:
        Two layers that share their weight `w = 2` compute `w * w * x`, whose derivative is
        `2 * w * x`: each place contributes half of it.

        >>> from gradbook.activations import identity
        >>> from gradbook.layers import Dense
        >>> from gradbook.losses import half_squared_error
        >>> layer = Dense(np.array([[2.0]]), None, identity)
        >>> trace = backprop([layer, layer], [[3.0]], [[11.0]], half_squared_error)
        >>> [h.item() for h in trace.h], [dh.item() for dh in trace.dh]
        ([3.0, 6.0, 12.0], [4.0, 2.0, 1.0])
        >>> [gradient["W"].item() for gradient in trace.gradients]
        [6.0, 6.0]
        >>> [(w.name, w.places, w.grad.item()) for w in trace.parameters]
        [('1.W', ('1.W', '2.W'), 12.0)]
    """
    records = forward(layers, x)
    output = records[-1].a
    return _backward(layers, records, loss.f(output, target), loss.df(output, target))


@_diverging
def backprop_from(layers: Sequence[Layer], x: ArrayLike, da: ArrayLike) -> Trace:
    r"""Start the backward pass from a chosen gradient on the output.

    The loss it belongs to is the linear one, $L = \sum a \cdot \partial a$ over batch and outputs,
    whose derivative with respect to the output $a$ is the chosen `da`. That has the output's shape
    or broadcasts to it, and may bring further ensemble axes: many output gradients sent back
    through one network.
    """
    records = forward(layers, x)
    output = records[-1].a
    da = _output_gradient(da, output)
    return _backward(layers, records, (output * da).sum(axis=(-2, -1)), da)


def _output_gradient(da: ArrayLike, output: Array) -> Array:
    array = finite_array("da", da).astype(output.dtype)
    try:
        shape = np.broadcast_shapes(array.shape, output.shape)
    except ValueError:
        shape = ()
    if shape[-2:] != output.shape[-2:]:
        expected = f"a shape that broadcasts to the output's {output.shape}"
        raise ValueError(f"da must have {expected}, got {array.shape}")
    return np.broadcast_to(array, shape)


@_diverging
def _backward(
    layers: Sequence[Layer], records: tuple[Forward, ...], loss: Array, da: Array
) -> Trace:
    dh, backs = [da], list[Backward]()
    for layer, record in zip(reversed(layers), reversed(records), strict=True):
        back = layer.backward(record, dh[-1])
        backs.append(back)
        dh.append(back.dx)
    backs.reverse()
    return Trace(
        layers=tuple(layers),
        h=(records[0].x, *[record.a for record in records]),
        z=tuple([record.z for record in records]),
        delta=tuple([back.delta for back in backs]),
        dh=tuple(reversed(dh)),
        loss=loss,
        gradients=tuple([back.grads for back in backs]),
        dinputs=tuple([back.dinput for back in backs]),
    )


@dataclass(frozen=True)
class DerivativeCheck:
    """Compare one derivative from backpropagation with a finite difference.

    Args:
        name: What the loss was differentiated by, such as `"W[1][0, 0]"`.
        analytic: The derivative from backpropagation.
        numeric: The central difference $D(s) = [L(w + s) - L(w - s)]/2s$.
        error: How far the difference itself may be from the derivative.
    """

    name: str
    analytic: float
    numeric: float
    error: float

    @property
    def agrees(self) -> bool:
        """Say whether the two differ by no more than the difference's own error."""
        return abs(self.analytic - self.numeric) <= self.error


def gradient_check(
    layers: Sequence[Layer],
    x: ArrayLike,
    target: ArrayLike,
    loss: Loss,
    *,
    step: float | None = None,
) -> tuple[DerivativeCheck, ...]:
    r"""Compare every entry of the gradient with a central difference and its error.

    The difference $D(s)$ has two errors. Its curve is not a line: the truncation error is
    $s^2 L'''/6$ to leading order, and doubling the step makes it four times as large, so
    $|D(2s) - D(s)|$ is three times the truncation error of $D(s)$. And its numbers are rounded:
    every parameter, boundary value and loss $v$ is off by about $\epsilon|v|$, which moves the loss
    by $\epsilon |v\,\partial L/\partial v|$ and the difference by that over $s$. The error reported
    is the sum of both; it scales with the loss, so that no absolute tolerance is needed. An
    ensemble's loss is the sum over its members.

    Across a kink a difference does not approximate a derivative: keep `z` more than two steps away.

    Args:
        step: The step $s$; the cube root of $\epsilon$ if None, where both errors are about equal.

    Examples:
        >>> from gradbook.activations import sigmoid
        >>> from gradbook.layers import Dense
        >>> from gradbook.losses import half_squared_error
        >>> layers = [Dense(np.array([[0.5], [-1.0]]), np.array([0.1]), sigmoid)]
        >>> for check in gradient_check(layers, [[1.0, 2.0]], [[1.0]], half_squared_error):
        ...     print(f"{check.name:10} {check.analytic:.6f} {check.numeric:.6f} {check.agrees}")
        W[1][0, 0] -0.127294 -0.127294 True
        W[1][1, 0] -0.254589 -0.254589 True
        b[1][0]    -0.127294 -0.127294 True
    """
    trace, compare = comparison(layers, x, target, loss, step)
    checks = []
    for position, parameter in enumerate(trace.parameters):
        for index in np.ndindex(parameter.value.shape):
            direction = [np.zeros_like(p.value) for p in trace.parameters]
            direction[position][index] = 1
            checks.append(compare(_entry_name(parameter.name, index), direction))
    return tuple(checks)


def comparison(
    layers: Sequence[Layer], x: ArrayLike, target: ArrayLike, loss: Loss, step: float | None
) -> tuple[Trace, Callable[[str, Sequence[Array]], DerivativeCheck]]:
    """Return the trace, and what compares its derivative in a named direction of all parameters."""
    trace = backprop(layers, x, target, loss)
    values = [parameter.value for parameter in trace.parameters]
    epsilon = max(float(np.finfo(a.dtype).eps) for a in (trace.loss, *values))
    s = epsilon ** (1 / 3) if step is None else positive("step", step)

    def compare(name: str, direction: Sequence[Array]) -> DerivativeCheck:
        def moved(t: float) -> Trace:
            new = [value + t * v for value, v in zip(values, direction, strict=True)]
            return backprop(with_parameters(layers, new), x, target, loss)

        pairs = zip(trace.parameters, direction, strict=True)
        analytic = float(sum((p.grad * v).sum() for p, v in pairs))
        near, far = (moved(s), moved(-s)), (moved(2 * s), moved(-2 * s))
        numeric, coarse = _difference(*near) / (2 * s), _difference(*far) / (4 * s)
        # Taken where the losses were: near a minimum, a step away, it is not as small as at w.
        rounding = epsilon * max(_exposure(end) for end in near) / s
        return DerivativeCheck(name, analytic, numeric, abs(coarse - numeric) + rounding)

    return trace, compare


def _difference(high: Trace, low: Trace) -> float:
    return float(high.loss.sum()) - float(low.loss.sum())


def _exposure(trace: Trace) -> float:
    """Sum |v dL/dv| over all values v: by how much relative errors of 1 would move the loss."""
    pairs = [
        *zip(trace.h, trace.dh, strict=True),
        *((p.value, p.grad) for p in trace.parameters),
    ]
    moved = sum(float(np.abs(value * grad).sum()) for value, grad in pairs)
    return moved + float(np.abs(trace.loss).sum())


def _entry_name(parameter: str, index: tuple[int, ...]) -> str:
    layer, _, name = parameter.rpartition(".")
    return f"{name}[{layer}][{', '.join(map(str, index))}]"
