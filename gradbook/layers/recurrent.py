"""The step of a simple recurrent network."""

from dataclasses import dataclass

from gradbook.activations import Activation
from gradbook.checks import Array
from gradbook.layers.base import Backward, Forward
from gradbook.layers.shared import delta_of
from gradbook.layers.step import Step


@dataclass(frozen=True, eq=False)
class Recurrent(Step):
    """Take one step of a recurrent network: `h' = f(h @ W + x @ U + b)`.

    The layer's input is the hidden state `h`; `x` is what enters at this very step. Steps that hold
    the same array objects share their parameters: a list of them is the network unrolled in time.

    Args:
        W: Recurrent weights, `(..., width, width)`.
        U: Input weights, `(..., fan_in, width)`, or None for a step without input.
        b: Biases, `(..., width)`, or None for a step without.
        x: The step's own input, `(..., batch, fan_in)`; given exactly if `U` is.

    Examples:
        >>> import numpy as np
        >>> from gradbook.activations import identity
        >>> x, W, U = (np.array([[number]]) for number in (3.0, 0.5, 1.0))
        >>> Recurrent(W, U, None, identity, x).forward(np.array([[8.0]])).a.item()
        7.0
    """

    W: Array
    U: Array | None
    b: Array | None
    activation: Activation
    x: Array | None = None

    def forward(self, x: Array) -> Forward:
        """Compute `z = h @ W + x @ U + b` and the next hidden state `f(z)`; the argument is `h`."""
        self._check_state("h", x)
        z = self._mixed(x)
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
        """
        delta = delta_of(self.activation, record, da)
        grads, dinput = self._gradients(record.x, delta, delta)
        return Backward(delta @ self.W.mT, grads, delta, dinput)
