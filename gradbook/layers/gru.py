"""The step of a gated recurrent unit: a hidden state that is mixed with a candidate."""

from dataclasses import dataclass

import numpy as np

from gradbook.activations import sigmoid, tanh
from gradbook.checks import Array
from gradbook.layers.base import Backward, Forward, present
from gradbook.layers.shared import bias_gradient, biased, check_ensemble, floating
from gradbook.layers.step import Step, saved_gates


@dataclass(frozen=True, eq=False)
class GRUGates:
    r"""Hold what one GRU step computed on the way, each `(..., batch, width)`.

    Args:
        r: The reset gate, how much of the hidden state the candidate sees, in (0, 1).
        u: The update gate, how much of the old hidden state stays, in (0, 1).
        n: The candidate for the hidden state, in (-1, 1).
        m: What the hidden state offers to the candidate before the reset, $h W_n + b_h$.
        z: The three pre-activations side by side, in the order r, u, n, `(..., batch, 3 * width)`.
    """

    r: Array
    u: Array
    n: Array
    m: Array
    z: Array


@dataclass(frozen=True, eq=False)
class GRU(Step):
    r"""Take one step of a gated recurrent unit: `h' = (1 - u) * n + u * h`.

    The blocks of `W`, `U` and `b` stand in the order reset gate, update gate, candidate, which is
    PyTorch's, and so is the variant: the reset gate acts *after* the product with the recurrent
    weights, and an update gate of 1 keeps the old state.

    $$r = \sigma(hW_r + xU_r + b_r), \quad u = \sigma(hW_u + xU_u + b_u), \quad
    n = \tanh\bigl(xU_n + b_n + r \odot (hW_n + b_h)\bigr), \quad
    h' = (1 - u) \odot n + u \odot h.$$

    Cho et al. reset $h$ before the product, $(r \odot h) W_n$; Chung et al. swap $u$ and $1 - u$.
    PyTorch calls the update gate $z$, a letter that is a pre-activation here.

    Args:
        W: Recurrent weights, `(..., width, 3 * width)`.
        U: Input weights, `(..., fan_in, 3 * width)`, or None for a step without input.
        b: Biases, `(..., 3 * width)`, or None for a step without.
        x: The step's own input, `(..., batch, fan_in)`; given exactly if `U` is.
        b_h: The bias inside the reset, `(..., width)`, or None for a step without.

    Examples:
        With an update gate that is open, the hidden state stays as it is:

        >>> step = GRU(W=np.zeros((1, 3)), U=None, b=np.array([0.0, 50.0, 3.0]))
        >>> record = step.forward(np.array([[0.5]]))
        >>> (gates,) = record.saved
        >>> [f"{number:.4f}" for number in (record.a.item(), gates.u.item(), gates.n.item())]
        ['0.5000', '1.0000', '0.9951']

    Source: Cho et al. 2014; the reset after the product as in PyTorch's and cuDNN's GRU.
    """

    _names = ("W", "U", "b", "b_h")
    _blocks = 3

    W: Array
    U: Array | None
    b: Array | None
    x: Array | None = None
    b_h: Array | None = None

    def _check_shapes(self) -> None:
        super()._check_shapes()
        if self.b_h is not None:
            if floating("b_h", self.b_h).shape[-1:] != (self.width,):
                expected = f"(..., {self.width}) to fit W"
                raise ValueError(f"b_h must have shape {expected}, got {self.b_h.shape}")
            check_ensemble("b_h", self.b_h.shape[:-1], "W", self.W.shape[:-2])

    def forward(self, x: Array) -> Forward:
        """Compute the new hidden state from `x`, the old one; `saved[0]` are the gates."""
        self._check_state("h", x)
        n = 2 * self.width  # the columns from here on are the candidate's
        from_h, from_x = x @ self.W, self._from_x()
        m = biased(from_h[..., n:], self.b_h)
        squashed = sigmoid.f(z := from_h[..., :n] + from_x[..., :n])
        r, u = squashed[..., : self.width], squashed[..., self.width :]
        z_n = from_x[..., n:] + r * m
        gates = GRUGates(r, u, tanh.f(z_n), m, np.concatenate([z, z_n], axis=-1))
        return Forward(x, a=(1 - u) * gates.n + u * x, saved=(gates,))

    def _from_x(self) -> Array:
        """Compute `x @ U + b`, or what there is of it."""
        if self.x is None or self.U is None:  # mutant(or): both or none
            return biased(np.zeros((1, 3 * self.width), self.W.dtype), self.b)
        return biased(self.x @ self.U, self.b)

    def backward(self, record: Forward, da: Array) -> Backward:
        r"""Compute the gradients of one step by the chain rule, from its end to its beginning.

        1. $h' = (1 - u) \odot n + u \odot h$ is a sum of products, and `da` is
           $\partial L/\partial h'$:

            $$\frac{\partial L}{\partial u} = \frac{\partial L}{\partial h'} \odot (h - n), \qquad
            \frac{\partial L}{\partial n} = \frac{\partial L}{\partial h'} \odot (1 - u), \qquad
            \text{and directly on } h: \; \frac{\partial L}{\partial h'} \odot u.$$

        2. $n = \tanh(z_n)$ and $z_n = xU_n + b_n + r \odot m$ with $m = hW_n + b_h$:

            $$\delta_n = \frac{\partial L}{\partial n} \odot \tanh'(z_n), \qquad
            \frac{\partial L}{\partial r} = \delta_n \odot m, \qquad
            \frac{\partial L}{\partial m} = \delta_n \odot r.$$

        3. The gates are squashed: $\delta_r = \partial L/\partial r \odot \sigma'(z_r)$ and
           $\delta_u = \partial L/\partial u \odot \sigma'(z_u)$.

        4. The products of $x$ end in $z_r, z_u, z_n$, those of $h$ in $z_r, z_u, m$. With
           $\delta = [\delta_r, \delta_u, \delta_n]$ and
           $\delta' = [\delta_r, \delta_u, \delta_n \odot r]$, as in a dense layer:

            $$\frac{\partial L}{\partial h} = \delta' W^\top +
            \frac{\partial L}{\partial h'} \odot u, \qquad
            \frac{\partial L}{\partial W} = h^\top \delta', \qquad
            \frac{\partial L}{\partial x} = \delta U^\top, \qquad
            \frac{\partial L}{\partial U} = x^\top \delta.$$
        """
        gates, width = saved_gates(record, GRUGates), self.width
        delta_n = da * (1 - gates.u) * tanh.df(gates.z[..., 2 * width :])
        on_gates = np.concatenate([delta_n * gates.m, da * (record.x - gates.n)], axis=-1)
        delta_gates = on_gates * sigmoid.df(gates.z[..., : 2 * width])
        dm = delta_n * gates.r
        delta = np.concatenate([delta_gates, delta_n], axis=-1)
        delta_h = np.concatenate([delta_gates, dm], axis=-1)
        grads, dinput = self._gradients(record.x, delta_h, delta)
        grads |= present({"b_h": bias_gradient(self.b_h, dm)})
        return Backward(delta_h @ self.W.mT + da * gates.u, grads, dinput=dinput)
