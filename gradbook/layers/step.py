"""What the steps of recurrent networks have in common: a state, an input of their own, gates."""

from copy import copy
from typing import Any, ClassVar, Self, TypeVar

from gradbook.checks import Array, finite_array
from gradbook.layers.base import Forward, Parameterized, present
from gradbook.layers.shared import (
    bias_gradient,
    biased,
    check_ensemble,
    check_input,
    check_weights,
    floating,
    weight_gradient,
)

Gates = TypeVar("Gates")


class Step(Parameterized):
    """Let a frozen layer be one step in time: its input is the state, `x` enters beside it.

    A kind of step says how many blocks of `width` columns its weights have, one per gate, and how
    many of `width` units its state has.
    """

    _names: ClassVar[tuple[str, ...]] = ("W", "U", "b")
    _blocks: ClassVar[int] = 1
    _states: ClassVar[int] = 1

    W: Array
    U: Array | None
    b: Array | None
    x: Array | None

    def __post_init__(self) -> None:
        """Check the shapes, and that parameters and input are finite."""
        super().__post_init__()
        if self.x is not None:  # not at every step of a training: it stays the same
            finite_array("x", self.x)

    @property
    def width(self) -> int:
        """Return the number of units of the hidden state."""
        return int(self.W.shape[-2])

    @property
    def state_width(self) -> int:
        """Return the number of columns of what the step takes and returns."""
        return self._states * self.width

    def with_input(self, x: Array) -> Self:
        """Return the same step, sharing its parameters, with another input `x` of its own."""
        step = copy(self)
        object.__setattr__(step, "x", x)
        step._check_input()
        finite_array("x", x)
        return step

    def _check_shapes(self) -> None:
        check_weights("W", self.W, self.b)
        if self._blocks * self.W.shape[-2] != self.W.shape[-1]:
            times = "" if self._blocks == 1 else f"{self._blocks} * "
            raise ValueError(f"W must have shape (..., width, {times}width), got {self.W.shape}")
        if self.U is not None:
            check_weights("U", self.U, self.b)
            if self.U.shape[-1] != self.W.shape[-1]:
                expected = f"(..., fan_in, {self.W.shape[-1]}) to fit W"
                raise ValueError(f"U must have shape {expected}, got {self.U.shape}")
        self._check_input()

    def _check_input(self) -> None:
        """Raise unless the step's own input is given exactly if `U` is, and fits it."""
        if (self.U is None) != (self.x is None):
            missing = "x" if self.x is None else "U"
            raise ValueError(f"U and x must be given together, got {missing}=None")
        if self.U is not None and self.x is not None:  # mutant(and): both or none
            check_input("x", floating("x", self.x), self.U)

    def _check_state(self, name: str, state: Array) -> None:
        if self._states == 1:
            check_input(name, state, self.W)
        elif state.ndim < 2 or state.shape[-1] != self.state_width or state.size == 0:
            expected = f"(..., batch, {self.state_width})"
            raise ValueError(f"{name} must have shape {expected}, got {state.shape}")
        else:
            check_ensemble(name, state.shape[:-2], "the weights", self.W.shape[:-2])
        if self.x is not None:
            if state.shape[-2] != self.x.shape[-2]:
                expected = f"(..., {self.x.shape[-2]}, {self.state_width}) to fit the step's x"
                raise ValueError(f"{name} must have shape {expected}, got {state.shape}")
            check_ensemble(name, state.shape[:-2], "x", self.x.shape[:-2])

    def _mixed(self, h: Array) -> Array:
        """Compute `h @ W + x @ U + b`, leaving out what the step has not."""
        z: Array = h @ self.W
        if self.U is not None and self.x is not None:  # mutant(and): both or none
            z = z + self.x @ self.U
        return biased(z, self.b)

    def _gradients(self, h: Array, on_h: Array, delta: Array) -> tuple[dict[str, Array], Any]:
        """Return the gradients on `W`, `U` and `b`, and that on the step's own input."""
        grads = {
            "W": weight_gradient(self.W, h, on_h),
            "U": weight_gradient(self.U, self.x, delta),
            "b": bias_gradient(self.b, delta),
        }
        return present(grads), None if self.U is None else delta @ self.U.mT


def saved_gates(record: Forward, kind: type[Gates]) -> Gates:
    """Return the gates that a step saved, or raise."""
    for item in record.saved:
        if isinstance(item, kind):
            return item
    raise ValueError(f"record must come from this step's forward, got one without {kind.__name__}")
