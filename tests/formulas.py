"""Activations and losses as in a textbook, for HIPS autograd: formulas that are not our code."""

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np

from gradbook import activations
from gradbook.activations import Activation, leaky
from gradbook.losses import (
    Loss,
    half_squared_error,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)

# Published with SELU by Klambauer et al. 2017 to this many digits.
SELU_ALPHA, SELU_LAMBDA = 1.6732632423543772848, 1.0507009873554804934


def normal_cdf(z: Any) -> Any:
    """Integrate the normal density from 0 to z by Gauss-Legendre quadrature, differentiably."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    t = z[..., None] * (1 + nodes) / 2
    return 0.5 + z / 2 * anp.sum(weights * anp.exp(-t * t / 2), axis=-1) / np.sqrt(2 * np.pi)


ACTIVATIONS: list[tuple[Activation, Callable[[Any], Any]]] = [
    (activations.identity, lambda z: z),
    (activations.sigmoid, lambda z: 1 / (1 + anp.exp(-z))),
    (activations.tanh, lambda z: (anp.exp(z) - anp.exp(-z)) / (anp.exp(z) + anp.exp(-z))),
    (activations.relu, lambda z: (z + anp.abs(z)) / 2),
    (activations.leaky_relu, lambda z: anp.where(z > 0, z, z / 100)),
    (leaky(-2.0), lambda z: anp.where(z > 0, z, -2 * z)),
    (activations.gelu, lambda z: z * normal_cdf(z)),
    (activations.silu, lambda z: z / (1 + anp.exp(-z))),
    (activations.softplus, lambda z: anp.log(1 + anp.exp(z))),
    (activations.elu, lambda z: anp.where(z > 0, z, anp.exp(z) - 1)),
    (
        activations.selu,
        lambda z: SELU_LAMBDA * anp.where(z > 0, z, SELU_ALPHA * (anp.exp(z) - 1)),
    ),
]

# Textbook formulas of one batch; they overflow for large logits, ours must not.
LOSSES: list[tuple[Loss, Callable[[Any, Any], Any]]] = [
    (half_squared_error, lambda o, y: anp.sum((o - y) ** 2) / (2 * len(o))),
    (
        sigmoid_cross_entropy,
        lambda o, y: (
            -anp.sum(y * anp.log(1 / (1 + anp.exp(-o))) + (1 - y) * anp.log(1 / (1 + anp.exp(o))))
            / len(o)
        ),
    ),
    (
        softmax_cross_entropy,
        lambda o, y: (
            -anp.sum(y * anp.log(anp.exp(o) / anp.sum(anp.exp(o), axis=1, keepdims=True))) / len(o)
        ),
    ),
]
