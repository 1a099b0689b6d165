"""The step of a simple recurrent network."""

from dataclasses import dataclass

from gradbook.activations import Activation
from gradbook.checks import Array
from gradbook.layers.base import Backward, Forward, present
from gradbook.layers.shared import bias_gradient, delta_of, weight_gradient
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
        activation: The activation `f` with its derivative.
        x: The step's own input, `(..., batch, fan_in)`; given exactly if `U` is.

    Raises:
        TypeError: If a parameter is not a floating-point NumPy array.
        ValueError: If an array is empty or not finite, or the shapes do not fit.

    Examples:
        >>> import numpy as np
        >>> from gradbook.activations import identity
        >>> step = Recurrent(
        ...     W=np.array([[0.5]]), U=np.array([[1.0]]), b=None, activation=identity,
        ...     x=np.array([[3.0]]),
        ... )
        >>> step.forward(np.array([[8.0]])).a.item()
        7.0
    """

    W: Array
    U: Array | None
    b: Array | None
    activation: Activation
    x: Array | None = None

    def forward(self, x: Array) -> Forward:
        """Compute `z = h @ W + x @ U + b` and the next hidden state `f(z)`.

        Args:
            x: The hidden state `h`, `(..., batch, width)`.

        Returns:
            The record, in which `x` is the hidden state that came in and `a` the one that leaves.

        Raises:
            ValueError: If the shape of the hidden state does not fit `W` or the step's own input.

        Examples:
            >>> import numpy as np
            >>> from gradbook.activations import relu
            >>> step = Recurrent(W=-np.eye(2), U=None, b=None, activation=relu)
            >>> step.forward(np.array([[3.0, -4.0]])).a.tolist()
            [[0.0, 4.0]]
        """
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

        Args:
            record: What `forward` returned.
            da: Upstream gradient, `(..., batch, width)`.

        Returns:
            `dx` on the hidden state, `dinput` on the step's own input, `delta`, and the gradients
            on `W`, `U` and `b`.

        Raises:
            ValueError: If `record` has no `z`, so did not come from this step.

        Examples:
            >>> import numpy as np
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
        delta = delta_of(self.activation, record, da)
        grads = {
            "W": weight_gradient(self.W, record.x, delta),
            "U": weight_gradient(self.U, self.x, delta),
            "b": bias_gradient(self.b, delta),
        }
        dinput = None if self.U is None else delta @ self.U.mT
        return Backward(delta @ self.W.mT, present(grads), delta, dinput)
