"""The fully connected layer."""

from dataclasses import dataclass

from gradbook.activations import Activation
from gradbook.checks import Array
from gradbook.layers.base import Backward, Forward, Parameterized, present
from gradbook.layers.shared import (
    bias_gradient,
    biased,
    check_input,
    check_weights,
    delta_of,
    weight_gradient,
)


@dataclass(frozen=True, eq=False)
class Dense(Parameterized):
    """Connect every input to every unit: `z = x @ W + b`, `a = f(z)`.

    Args:
        W: Weights, `(..., fan_in, fan_out)`.
        b: Biases, `(..., fan_out)`, or None for a layer without.

    Examples:
        >>> import numpy as np
        >>> from gradbook.activations import relu
        >>> layer = Dense(W=np.array([[2.0, -1.0]]), b=np.array([0.5, 0.5]), activation=relu)
        >>> record = layer.forward(np.array([[3.0]]))
        >>> print(record.z, record.a)
        [[ 6.5 -2.5]] [[6.5 0. ]]
        >>> back = layer.backward(record, da=np.array([[1.0, 1.0]]))
        >>> back.delta.tolist(), back.grads["W"].tolist(), back.dx.tolist()
        ([[1.0, 0.0]], [[3.0, 0.0]], [[2.0]])
    """

    _names = ("W", "b")

    W: Array
    b: Array | None
    activation: Activation

    def _check_shapes(self) -> None:
        check_weights("W", self.W, self.b)

    def forward(self, x: Array) -> Forward:
        """Compute `z = x @ W + b` and `a = f(z)`."""
        check_input("x", x, self.W)
        z = biased(x @ self.W, self.b)
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
        """
        delta = delta_of(self.activation, record, da)
        grads = {
            "W": weight_gradient(self.W, record.x, delta),
            "b": bias_gradient(self.b, delta),
        }
        return Backward(delta @ self.W.mT, present(grads), delta)
