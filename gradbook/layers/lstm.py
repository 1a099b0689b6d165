"""The step of a long short-term memory: a cell that is added to, and three gates."""

from dataclasses import dataclass

import numpy as np

from gradbook.activations import sigmoid, tanh
from gradbook.checks import Array
from gradbook.layers.base import Backward, Forward
from gradbook.layers.step import Step, saved_gates


@dataclass(frozen=True, eq=False)
class LSTMGates:
    r"""Hold what one LSTM step computed on the way, each `(..., batch, width)`.

    Args:
        i: The input gate, how much of the candidate enters the cell, in (0, 1).
        f: The forget gate, how much of the old cell stays, in (0, 1).
        g: The candidate for the cell, in (-1, 1).
        o: The output gate, how much of the cell shows in the hidden state, in (0, 1).
        c: The new cell.
        z: The four pre-activations side by side, in the order above, `(..., batch, 4 * width)`.
    """

    i: Array
    f: Array
    g: Array
    o: Array
    c: Array
    z: Array


@dataclass(frozen=True, eq=False)
class LSTM(Step):
    r"""Take one step of a long short-term memory: `c' = f * c + i * g`, `h' = o * tanh(c')`.

    The state is the hidden state and the cell side by side, $[h, c]$. The four pre-activations are
    the blocks of $hW + xU + b$, in the order input gate, forget gate, candidate, output gate, which
    is PyTorch's:

    $$i = \sigma(z_i), \quad f = \sigma(z_f), \quad g = \tanh(z_g), \quad o = \sigma(z_o), \qquad
    c' = f \odot c + i \odot g, \quad h' = o \odot \tanh(c').$$

    PyTorch keeps the transposed weights, one block below the other, and two biases whose sum is the
    `b` here. There are no peepholes. Steps that hold the same array objects share their parameters.

    Args:
        W: Recurrent weights, `(..., width, 4 * width)`.
        U: Input weights, `(..., fan_in, 4 * width)`, or None for a step without input.
        b: Biases, `(..., 4 * width)`, or None for a step without.
        x: The step's own input, `(..., batch, fan_in)`; given exactly if `U` is.

    Examples:
        With a forget gate that is open and an input gate that is shut, the cell stays as it is:

        >>> step = LSTM(W=np.zeros((1, 4)), U=None, b=np.array([-50.0, 50.0, 0.0, 50.0]))
        >>> record = step.forward(np.array([[0.0, 0.5]]))
        >>> [f"{number:.4f}" for number in record.a[0]]
        ['0.4621', '0.5000']

    Source: Hochreiter & Schmidhuber 1997; Gers et al. 2000 for the forget gate.
    """

    _blocks = 4
    _states = 2

    W: Array
    U: Array | None
    b: Array | None
    x: Array | None = None

    def forward(self, x: Array) -> Forward:
        """Compute the new state `[h', c']` from `x`, the old one; `saved[0]` are the gates."""
        self._check_state("[h, c]", x)
        n = self.width
        z = self._mixed(x[..., :n])
        i_and_f, o = sigmoid.f(z[..., : 2 * n]), sigmoid.f(z[..., 3 * n :])
        i, f, g = i_and_f[..., :n], i_and_f[..., n:], tanh.f(z[..., 2 * n : 3 * n])
        c = f * x[..., n:] + i * g
        a = np.concatenate([o * tanh.f(c), c], axis=-1)
        return Forward(x, a, saved=(LSTMGates(i, f, g, o, c, z),))

    def backward(self, record: Forward, da: Array) -> Backward:
        r"""Compute the gradients of one step by the chain rule, from its end to its beginning.

        1. The new state is $[h', c']$, so `da` holds $\partial L/\partial h'$ and the part of
           $\partial L/\partial c'$ that comes from the next steps. The cell also moves $h'$:

            $$\frac{\partial L}{\partial o} = \frac{\partial L}{\partial h'} \odot \tanh(c'), \qquad
            e = \frac{\partial L}{\partial c'} + \frac{\partial L}{\partial h'} \odot o \odot
            \tanh'(c').$$

        2. $e$ is the whole gradient on $c' = f \odot c + i \odot g$, which is a sum of products:

            $$\frac{\partial L}{\partial i} = e \odot g, \qquad
            \frac{\partial L}{\partial f} = e \odot c, \qquad
            \frac{\partial L}{\partial g} = e \odot i, \qquad
            \frac{\partial L}{\partial c} = e \odot f.$$

            The last one is the direct path: from cell to cell the gradient is multiplied by the
            forget gate, and by no weight.

        3. Each gate is a squashed pre-activation, so
           $\delta_i = \partial L/\partial i \odot \sigma'(z_i)$, likewise $\delta_f$ and
           $\delta_o$, and $\delta_g = \partial L/\partial g \odot \tanh'(z_g)$.

        4. Side by side, $\delta = [\delta_i, \delta_f, \delta_g, \delta_o]$ is the gradient on
           $z = hW + xU + b$, as in a dense layer:

            $$\frac{\partial L}{\partial h} = \delta W^\top, \qquad
            \frac{\partial L}{\partial W} = h^\top \delta, \qquad
            \frac{\partial L}{\partial x} = \delta U^\top, \qquad
            \frac{\partial L}{\partial U} = x^\top \delta.$$
        """
        gates, n = saved_gates(record, LSTMGates), self.width
        h, c = record.x[..., :n], record.x[..., n:]
        dh_next, squashed = da[..., :n], tanh.f(gates.c)
        e = da[..., n:] + dh_next * gates.o * tanh.df(gates.c)
        z = gates.z
        delta = np.concatenate(
            [
                np.concatenate([e * gates.g, e * c], axis=-1) * sigmoid.df(z[..., : 2 * n]),
                e * gates.i * tanh.df(z[..., 2 * n : 3 * n]),
                dh_next * squashed * sigmoid.df(z[..., 3 * n :]),
            ],
            axis=-1,
        )
        grads, dinput = self._gradients(h, delta, delta)
        dx = np.concatenate([delta @ self.W.mT, e * gates.f], axis=-1)
        return Backward(dx, grads, dinput=dinput)
