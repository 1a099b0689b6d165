r"""Jacobians of networks, $J = \partial a/\partial x$ of shape (out, in), and how far they stretch.

A gradient goes back through a network by $\partial L/\partial x = (\partial L/\partial a) \, J$,
a row times a matrix, and the Jacobian of a list of layers is the product of the layers' own,
$J = J_n \cdots J_2 J_1$. How much one matrix can lengthen a vector, at most, is its largest
singular value; at what rate its powers grow in the end is its spectral radius.

Examples:
    One unit listens to two others, ten times as loudly as it speaks to itself:

    >>> A = np.array([[0.5, 10.0], [0.0, 0.5]])
    >>> f"{largest_singular_value(A):.3f} {spectral_radius(A):.3f}"
    '10.025 0.500'
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from gradbook.backpropagation import backprop_from, forward
from gradbook.checks import Array, finite_array
from gradbook.layers import Layer


def jacobian(layers: Sequence[Layer], x: ArrayLike) -> Array:
    r"""Compute $J_{ki} = \partial a_k/\partial x_i$ of a network's output, one per example.

    Row $k$ of $J$ is what backpropagation brings to the input when it starts with the gradient 1 on
    output $k$ and 0 on the others. All rows are one backward pass through copies of the example,
    so the layers must treat each example by itself. The matrices have shape (..., batch, out, in).

    Examples:
        >>> from gradbook.activations import relu
        >>> from gradbook.layers import Dense
        >>> layers = [Dense(np.array([[3.0, -1.0]]), None, relu)]
        >>> jacobian(layers, [[2.0], [-2.0]]).tolist()
        [[[3.0], [0.0]], [[0.0], [-1.0]]]
    """
    inputs = finite_array("x", x)
    trace = backprop_from(layers, inputs, np.zeros_like(forward(layers, inputs)[-1].a))
    shape = trace.h[-1].shape
    if any(own is not None for own in trace.dinputs):
        return _rows_of_members(layers, inputs, shape)
    copies = np.repeat(inputs, shape[-1], axis=-2)
    try:
        rows = backprop_from(layers, copies, np.tile(np.eye(shape[-1]), (shape[-2], 1))).dh[0]
    except ValueError:  # a mask, or a wrapped step with an input of its own, fits one batch only
        return _rows_of_members(layers, inputs, shape)
    return rows.reshape(*shape[:-1], shape[-1], inputs.shape[-1])


def _rows_of_members(layers: Sequence[Layer], x: Array, shape: tuple[int, ...]) -> Array:
    """Send all rows back as members of an ensemble, for layers that fit one batch only."""
    units = np.eye(shape[-1]).reshape(shape[-1], *[1] * (len(shape) - 1), shape[-1])
    rows = backprop_from(layers, x, np.broadcast_to(units, (shape[-1], *shape))).dh[0]
    return np.moveaxis(rows, 0, -2)


def layer_jacobians(layers: Sequence[Layer], x: ArrayLike) -> list[Array]:
    r"""Compute $J_l = \partial h_l/\partial h_{l-1}$ of each layer where the input takes it.

    Each layer has one matrix per example, shape (..., batch, out, in); their product
    $J_n \cdots J_1$ is the network's `jacobian`.
    """
    records = forward(layers, x)
    return [jacobian([layer], record.x) for layer, record in zip(layers, records, strict=True)]


def singular_values(matrix: ArrayLike) -> Array:
    r"""Return the singular values of a matrix, the square roots of the eigenvalues of $A^\top A$.

    They fall from the largest to the smallest, shape (..., min(m, n)) for matrices (..., m, n).
    """
    return np.asarray(np.linalg.svd(_matrices(matrix), compute_uv=False))


def largest_singular_value(matrix: ArrayLike) -> Array:
    r"""Return $s_{\max} = \max_v \lVert A v \rVert / \lVert v \rVert$, also called the norm.

    It is the same for $A v$ and for $v A$, so for a signal and for its gradient.
    """
    return np.asarray(singular_values(matrix)[..., 0])


def spectral_radius(matrix: ArrayLike) -> Array:
    r"""Return $\rho = \max_i |\lambda_i|$ over the eigenvalues, real or complex.

    The norms of powers satisfy $\lVert A^k \rVert^{1/k} \to \rho$, from above.
    """
    square = _matrices(matrix)
    if square.shape[-2] != square.shape[-1]:
        raise ValueError(f"matrix must have shape (..., n, n), got {square.shape}")
    return np.asarray(np.abs(np.linalg.eigvals(square)).max(axis=-1))


def _matrices(matrix: ArrayLike) -> Array:
    array = finite_array("matrix", matrix)
    if array.ndim < 2:
        raise ValueError(f"matrix must have shape (..., m, n), got {array.shape}")
    return array
