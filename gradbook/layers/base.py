"""What a layer is, and what its two passes record."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, Self, runtime_checkable

from gradbook.checks import Array, finite_array


class Forward(NamedTuple):
    """Record what one layer computed going forward.

    Attributes:
        x: The layer's input, `(..., batch, fan_in)`.
        a: The layer's output, `(..., batch, fan_out)`.
        z: The pre-activation, the shape of `a`; None for a layer that has none.
        saved: Whatever else the layer's `backward` needs, such as the records of wrapped layers.
    """

    x: Array
    a: Array
    z: Array | None = None
    saved: tuple[Any, ...] = ()


class Backward(NamedTuple):
    r"""Record what one layer computed going backward.

    Attributes:
        dx: The gradient on the layer's input, $\partial L/\partial x$.
        grads: The gradient on each parameter, under the parameter's name and of its shape.
        delta: $\partial L/\partial z$; None for a layer without a `z`.
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


_OFFERED = ("parameters", "with_parameters", "forward", "backward")


def check_layers(layers: Sequence[Layer]) -> None:
    """Raise unless `layers` is a network: at least one layer, and nothing but layers."""
    if len(layers) == 0:
        raise ValueError(f"layers must hold at least one layer, got {layers!r}")
    # A protocol checks an instance slowly; for classes that have all it asks, the class will do.
    if all(hasattr(kind, name) for kind in set(map(type, layers)) for name in _OFFERED):
        return
    for number, layer in enumerate(layers, start=1):
        if not isinstance(layer, Layer):
            raise TypeError(f"layers must hold layers, got {layer!r} as layer {number}")


def numbered(arrays: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Name what belongs to layers by its layer, counted from 1: `"1.W"`, `"2.W"`."""
    return {
        f"{number}.{name}": array
        for number, of_layer in enumerate(arrays, start=1)
        for name, array in of_layer.items()
    }


class Parameterized(ABC):
    """Let a frozen layer name the fields that are its parameters; absent ones are None."""

    _names: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        """Check the shapes, and that every parameter is finite."""
        self._check_shapes()
        for name, value in self.parameters.items():
            finite_array(name, value)

    @abstractmethod
    def _check_shapes(self) -> None:
        """Raise unless every parameter is an array and all their shapes fit."""

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Return the parameters by name, leaving out those that are None."""
        held = vars(self)
        return {name: held[name] for name in self._names if held[name] is not None}

    def with_parameters(self, values: Mapping[str, Array]) -> Self:
        """Return a copy in which the parameters named in `values` have other values.

        The others stay the same objects. The new values need not be finite: training that diverges
        in one member of an ensemble shall not stop the others.
        """
        parameters = self.parameters
        check_names(values, parameters)
        layer = object.__new__(type(self))
        vars(layer).update(vars(self), **values)
        if any(_kind(value) != _kind(parameters[name]) for name, value in values.items()):
            layer._check_shapes()
        return layer


def _kind(array: Array) -> tuple[object, ...]:
    """Return all that the checks of shapes look at: what has the same has passed them already."""
    return type(array), getattr(array, "shape", None), getattr(array, "dtype", None)


def check_names(values: Mapping[str, Array], known: Mapping[str, Array]) -> None:
    """Raise unless every value is named as one of the known parameters."""
    unknown = [name for name in values if name not in known]
    if unknown:
        names = ", ".join(known)
        raise ValueError(f"values must name parameters of the layer ({names}), got {unknown}")


def present(arrays: Mapping[str, Array | None]) -> dict[str, Array]:
    """Leave out the arrays that are None."""
    return {name: array for name, array in arrays.items() if array is not None}
