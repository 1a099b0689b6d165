r"""Layers as values: what a network, a plain list of layers, is made of.

A layer maps its input `x` to its output `a` and, going back, the upstream gradient
`da` $= \partial L/\partial a$ to `dx` $= \partial L/\partial x$. It holds its parameters and
changes nothing: what the backward pass needs travels in the record that the forward pass returns.

Arrays are rows: `x` is `(..., batch, fan_in)`, `W` is `(..., fan_in, fan_out)`, `b` is
`(..., fan_out)`. The leading axes are an ensemble and follow NumPy's broadcasting, so one input can
feed a hundred networks. A gradient on an activation keeps an entry for every member of the
ensemble; a gradient on a parameter has the parameter's shape, summed over whatever shares it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np

from gradbook.activations import Activation
from gradbook.checks import Array, finite_array, float_array


@dataclass(frozen=True, eq=False)
class Forward:
    """Record what one layer computed going forward.

    Args:
        x: The layer's input, `(..., batch, fan_in)`.
        a: The layer's output, `(..., batch, fan_out)`.
        z: The pre-activation, the shape of `a`; None for a layer that has none.
        saved: Whatever else the layer's `backward` needs, such as the records of wrapped layers.
    """

    x: Array
    a: Array
    z: Array | None = None
    saved: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False)
class Backward:
    r"""Record what one layer computed going backward.

    Args:
        dx: The gradient on the layer's input, $\partial L/\partial x$, `(..., batch, fan_in)`.
        grads: The gradient on each parameter, under the parameter's name and of its shape.
        delta: $\partial L/\partial z$, `(..., batch, fan_out)`; None for a layer without a `z`.
        dinput: The gradient on a step's own input; None for a layer without one.
    """

    dx: Array
    grads: Mapping[str, Array]
    delta: Array | None = None
    dinput: Array | None = None


@runtime_checkable
class Layer(Protocol):
    """Say what a layer offers. Any object with these four is a layer."""

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Return the parameters by name, in a fixed order.

        The arrays are the very objects the layer holds: two layers share a parameter by holding
        the same object. A layer that wraps others prefixes their names: `"1.W"`, `"2.W"`.
        """

    def with_parameters(self, values: Mapping[str, Array]) -> Self:
        """Return a copy of the layer in which the named parameters have other values."""

    def forward(self, x: Array) -> Forward:
        """Compute the output for `x`, `(..., batch, fan_in)`."""

    def backward(self, record: Forward, da: Array) -> Backward:
        """Compute the gradients from `forward`'s record and the upstream gradient `da`."""


class _Parameterized(ABC):
    """Let a frozen layer name the fields that are its parameters; absent ones are None."""

    _names: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        self._check_shapes()
        for name, value in self.parameters.items():
            finite_array(name, value)

    @abstractmethod
    def _check_shapes(self) -> None:
        """Raise unless every parameter is an array and all their shapes fit."""

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Return the parameters by name, leaving out those that are None."""
        return _present({name: getattr(self, name) for name in self._names})

    def with_parameters(self, values: Mapping[str, Array]) -> Self:
        """Return a copy in which the parameters named in `values` have other values.

        The new values need not be finite: training that diverges in one member of an ensemble shall
        not stop the others.

        Args:
            values: New arrays by name; a parameter not named stays the same object.

        Returns:
            The copy.

        Raises:
            ValueError: If the layer has no parameter of a given name, or a value does not fit.

        Examples:
            >>> from gradbook.activations import tanh
            >>> layer = Dense(W=np.array([[2.0]]), b=None, activation=tanh)
            >>> layer.with_parameters({"W": np.array([[3.0]])}).W.item(), layer.W.item()
            (3.0, 2.0)
        """
        unknown = [name for name in values if name not in self.parameters]
        if unknown:
            known = ", ".join(self.parameters)
            raise ValueError(f"values must name parameters of the layer ({known}), got {unknown}")
        layer = copy(self)
        for name, value in values.items():
            object.__setattr__(layer, name, value)
        layer._check_shapes()
        return layer


@dataclass(frozen=True, eq=False)
class Dense(_Parameterized):
    """Connect every input to every unit: `z = x @ W + b`, `a = f(z)`.

    Args:
        W: Weights, `(..., fan_in, fan_out)`.
        b: Biases, `(..., fan_out)`, or None for a layer without.
        activation: The activation `f` with its derivative.

    Raises:
        TypeError: If a parameter is not a floating-point NumPy array.
        ValueError: If a parameter is empty or not finite, or the shapes do not fit.

    Examples:
        >>> from gradbook.activations import relu
        >>> layer = Dense(W=np.array([[2.0, -1.0]]), b=np.array([0.5, 0.5]), activation=relu)
        >>> record = layer.forward(np.array([[3.0]]))
        >>> print(record.z, record.a)
        [[ 6.5 -2.5]] [[6.5 0. ]]
    """

    _names = ("W", "b")

    W: Array
    b: Array | None
    activation: Activation

    def _check_shapes(self) -> None:
        _check_weights("W", self.W, self.b)

    def forward(self, x: Array) -> Forward:
        """Compute `z = x @ W + b` and `a = f(z)`.

        Args:
            x: Inputs, `(..., batch, fan_in)`.

        Returns:
            The record of `x`, `z` and `a`.

        Raises:
            ValueError: If the shape of `x` does not fit `W`.

        Examples:
            >>> from gradbook.activations import identity
            >>> layer = Dense(W=np.eye(2), b=np.array([1.0, 0.0]), activation=identity)
            >>> layer.forward(np.array([[3.0, 4.0]])).a.tolist()
            [[4.0, 4.0]]
        """
        _check_input("x", x, self.W)
        z = _biased(x @ self.W, self.b)
        return Forward(x, a=self.activation.f(z), z=z)

    def backward(self, record: Forward, da: Array) -> Backward:
        r"""Compute the gradients by the chain rule.

        In one example, unit $j$ has $z_j = \sum_i x_i W_{ij} + b_j$ and $a_j = f(z_j)$. The loss
        depends on $z_j$ through $a_j$ alone, on $W_{ij}$ and $b_j$ through $z_j$ alone, but on
        $x_i$ through every unit:

        $$\delta_j = \frac{\partial L}{\partial z_j} = \frac{\partial L}{\partial a_j} f'(z_j),
        \qquad \frac{\partial L}{\partial W_{ij}} = x_i \delta_j,
        \qquad \frac{\partial L}{\partial b_j} = \delta_j,
        \qquad \frac{\partial L}{\partial x_i} = \sum_j \delta_j W_{ij}.$$

        The transpose in $\delta W^\top$ comes from the last sum, which runs over the second index
        of $W$ where the forward pass sums over the first. Every example of the batch used the same
        parameters, so their gradients add up: $x^\top \delta$ and the column sums of $\delta$.

        Args:
            record: What `forward` returned.
            da: Upstream gradient, `(..., batch, fan_out)`.

        Returns:
            `dx`, `delta` and the gradients on `W` and `b`.

        Raises:
            ValueError: If `record` has no `z`, so did not come from this layer.

        Examples:
            >>> from gradbook.activations import relu
            >>> layer = Dense(W=np.array([[2.0, -1.0]]), b=np.array([0.5, 0.5]), activation=relu)
            >>> back = layer.backward(layer.forward(np.array([[3.0]])), da=np.array([[1.0, 1.0]]))
            >>> back.delta.tolist(), back.grads["W"].tolist(), back.dx.tolist()
            ([[1.0, 0.0]], [[3.0, 0.0]], [[2.0]])
        """
        delta = _delta(self.activation, record, da)
        grads = {
            "W": _weight_gradient(self.W, record.x, delta),
            "b": _bias_gradient(self.b, delta),
        }
        return Backward(delta @ self.W.mT, _present(grads), delta)


@dataclass(frozen=True, eq=False)
class Recurrent(_Parameterized):
    """Take one step of a recurrent network: `h' = f(h @ W + x @ U + b)`.

    The layer's input is the hidden state `h`; `x` is what enters at this very step. Steps that hold
    the same array objects share their parameters: a list of them is the network unrolled in time.

    Args:
        W: Recurrent weights, `(..., width, width)`.
        U: Input weights, `(..., fan_in, width)`, or None for a step without input.
        b: Biases, `(..., width)`, or None for a step without.
        activation: The activation `f` with its derivative.
        x: The step's own input, `(..., batch, fan_in)`; given exactly if `U` is.

    Raises:
        TypeError: If a parameter is not a floating-point NumPy array.
        ValueError: If an array is empty or not finite, or the shapes do not fit.

    Examples:
        >>> from gradbook.activations import identity
        >>> step = Recurrent(
        ...     W=np.array([[0.5]]), U=np.array([[1.0]]), b=None, activation=identity,
        ...     x=np.array([[3.0]]),
        ... )
        >>> step.forward(np.array([[8.0]])).a.item()
        7.0
    """

    _names = ("W", "U", "b")

    W: Array
    U: Array | None
    b: Array | None
    activation: Activation
    x: Array | None = None

    def _check_shapes(self) -> None:
        _check_weights("W", self.W, self.b)
        if self.W.shape[-2] != self.W.shape[-1]:
            raise ValueError(f"W must have shape (..., width, width), got {self.W.shape}")
        if (self.U is None) != (self.x is None):
            missing = "x" if self.x is None else "U"
            raise ValueError(f"U and x must be given together, got {missing}=None")
        if self.U is not None and self.x is not None:
            _check_weights("U", self.U, self.b)
            _check_input("x", finite_array("x", _floating("x", self.x)), self.U)
            if self.U.shape[-1] != self.W.shape[-1]:
                expected = f"(..., fan_in, {self.W.shape[-1]}) to fit W"
                raise ValueError(f"U must have shape {expected}, got {self.U.shape}")

    def forward(self, x: Array) -> Forward:
        """Compute `z = h @ W + x @ U + b` and the next hidden state `f(z)`.

        Args:
            x: The hidden state `h`, `(..., batch, width)`.

        Returns:
            The record, in which `x` is the hidden state that came in and `a` the one that leaves.

        Raises:
            ValueError: If the shape of the hidden state does not fit `W` or the step's own input.

        Examples:
            >>> from gradbook.activations import relu
            >>> step = Recurrent(W=-np.eye(2), U=None, b=None, activation=relu)
            >>> step.forward(np.array([[3.0, -4.0]])).a.tolist()
            [[0.0, 4.0]]
        """
        _check_input("h", x, self.W)
        z: Array = x @ self.W
        if self.U is not None and self.x is not None:
            if x.shape[-2] != self.x.shape[-2]:
                expected = f"(..., {self.x.shape[-2]}, {self.W.shape[-1]}) to fit the step's x"
                raise ValueError(f"h must have shape {expected}, got {x.shape}")
            _check_ensemble("h", x.shape[:-2], "x", self.x.shape[:-2])
            z = z + self.x @ self.U
        z = _biased(z, self.b)
        return Forward(x, a=self.activation.f(z), z=z)

    def backward(self, record: Forward, da: Array) -> Backward:
        r"""Compute the gradients of one step by the chain rule.

        The step is a dense layer with two inputs whose contributions add up in
        $z = hW + xU + b$, so $\delta = \partial L/\partial z$ serves both:

        $$\frac{\partial L}{\partial h} = \delta W^\top, \qquad
        \frac{\partial L}{\partial W} = h^\top \delta, \qquad
        \frac{\partial L}{\partial x} = \delta U^\top, \qquad
        \frac{\partial L}{\partial U} = x^\top \delta.$$

        These are the gradients of this step alone: where steps share `W`, its gradient is their
        sum.

        Args:
            record: What `forward` returned.
            da: Upstream gradient, `(..., batch, width)`.

        Returns:
            `dx` on the hidden state, `dinput` on the step's own input, `delta`, and the gradients
            on `W`, `U` and `b`.

        Raises:
            ValueError: If `record` has no `z`, so did not come from this step.

        Examples:
            >>> from gradbook.activations import identity
            >>> step = Recurrent(
            ...     W=np.array([[0.5]]), U=np.array([[2.0]]), b=None, activation=identity,
            ...     x=np.array([[3.0]]),
            ... )
            >>> back = step.backward(step.forward(np.array([[8.0]])), da=np.array([[1.0]]))
            >>> back.dx.item(), back.dinput.item()
            (0.5, 2.0)
            >>> {name: grad.item() for name, grad in back.grads.items()}
            {'W': 8.0, 'U': 3.0}
        """
        delta = _delta(self.activation, record, da)
        grads = {
            "W": _weight_gradient(self.W, record.x, delta),
            "U": _weight_gradient(self.U, self.x, delta),
            "b": _bias_gradient(self.b, delta),
        }
        dinput = None if self.U is None else delta @ self.U.mT
        return Backward(delta @ self.W.mT, _present(grads), delta, dinput)


def sum_to(array: Array, shape: tuple[int, ...]) -> Array:
    r"""Sum over the axes along which an array of shape `shape` was broadcast.

    If $y$ is $w$ repeated, each copy sends back its own gradient, and
    $\partial L/\partial w = \sum_\text{copies} \partial L/\partial y$.

    Args:
        array: The gradient on the broadcast array, of a shape that `shape` broadcasts to.
        shape: The shape before broadcasting.

    Returns:
        The gradient on the original, of shape `shape`.

    Examples:
        >>> sum_to(np.ones((5, 2, 3)), (2, 1)).tolist()
        [[15.0], [15.0]]
    """
    extra = array.ndim - len(shape)
    axes = [i for i, n in enumerate(array.shape) if i < extra or shape[i - extra] != n]
    total: Array = array.sum(axis=tuple(axes))
    return total.reshape(shape)


def _present(arrays: Mapping[str, Array | None]) -> dict[str, Array]:
    return {name: array for name, array in arrays.items() if array is not None}


def _biased(z: Array, b: Array | None) -> Array:
    return z if b is None else z + b[..., None, :]


def _delta(activation: Activation, record: Forward, da: Array) -> Array:
    if record.z is None:
        raise ValueError("record must come from this layer's forward, got a record without z")
    return da * activation.df(record.z)


def _weight_gradient(W: Array | None, x: Array | None, delta: Array) -> Array | None:
    return None if W is None or x is None else sum_to(x.mT @ delta, W.shape)


def _bias_gradient(b: Array | None, delta: Array) -> Array | None:
    return None if b is None else sum_to(delta.sum(axis=-2), b.shape)


def _floating(name: str, value: Array) -> Array:
    # Never converted: layers share a parameter by identity, and a conversion would be a copy.
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        found = f"dtype {value.dtype}" if isinstance(value, np.ndarray) else repr(value)
        raise TypeError(f"{name} must be a floating-point NumPy array, got {found}")
    return float_array(name, value)


def _check_weights(name: str, W: Array, b: Array | None) -> None:
    if _floating(name, W).ndim < 2:
        raise ValueError(f"{name} must have shape (..., fan_in, fan_out), got {W.shape}")
    if b is not None:
        if _floating("b", b).shape[-1:] != W.shape[-1:]:
            raise ValueError(f"b must have shape (..., {W.shape[-1]}) to fit {name}, got {b.shape}")
        _check_ensemble("b", b.shape[:-1], name, W.shape[:-2])


def _check_input(name: str, x: Array, W: Array) -> None:
    if np.ndim(x) < 2 or x.shape[-1] != W.shape[-2] or x.size == 0:
        expected = f"(..., batch, {W.shape[-2]})"
        raise ValueError(f"{name} must have shape {expected}, got {np.shape(x)}")
    _check_ensemble(name, x.shape[:-2], "the weights", W.shape[:-2])


def _check_ensemble(
    name: str, axes: tuple[int, ...], other: str, other_axes: tuple[int, ...]
) -> None:
    try:
        np.broadcast_shapes(axes, other_axes)
    except ValueError:
        expected = f"ensemble axes that broadcast with {other_axes} of {other}"
        raise ValueError(f"{name} must have {expected}, got {axes}") from None
