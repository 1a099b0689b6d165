"""Predicted energies of networks of unequal layers against products by hand and real networks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradbook.activations import Activation, gelu, leaky, relu, sigmoid, tanh
from gradbook.backprop import backprop_from
from gradbook.initializers import Initializer, glorot, he, lecun, orthogonal_with, scaled
from gradbook.layers import Dense
from gradbook.meanfield import propagate
from gradbook.predictions import predict


def network(
    rng: np.random.Generator,
    widths: list[int],
    activations: list[Activation],
    initializers: list[Initializer],
    b2: float,
) -> list[Dense]:
    return [
        Dense(part.draw(rng, m, n), math.sqrt(b2) * rng.standard_normal(n), f)
        for part, f, m, n in zip(initializers, activations, widths[:-1], widths[1:], strict=True)
    ]


def test_equal_layers_are_those_of_mean_field() -> None:
    ours = predict([50] * 6, tanh, scaled(1.7), bias_variance=0.1, input_mean_square=0.4)
    theirs = propagate(tanh, 5, 1.7, 0.1, input_mean_square=0.4)
    np.testing.assert_allclose(ours.q, theirs.q)
    np.testing.assert_allclose(ours.boundary_energy, theirs.boundary_energy)
    np.testing.assert_allclose(ours.delta_energy / ours.delta_energy[-1], theirs.delta_energy)


def test_rectifiers_of_any_widths_multiply_by_hand() -> None:
    net = predict([6, 4, 10], leaky(0.5), [glorot, lecun])
    share, first = (1 + 0.25) / 2, 6 * 2 / (6 + 4)
    np.testing.assert_allclose(net.q, [first, first * share])
    np.testing.assert_allclose(net.mean_square, [1, first * share, first * share**2])
    np.testing.assert_allclose(net.forward_energy, [6, 4 * first * share, 10 * first * share**2])
    np.testing.assert_allclose(net.delta_energy, [share**2, share])
    np.testing.assert_allclose(net.boundary_energy, [first * share**2, share, 1])
    np.testing.assert_allclose(net.weight_energy, [6 * share**2, 4 * first * share**2])


@pytest.mark.parametrize(
    ("activations", "initializers", "b2"),
    [
        ([relu, relu, relu], [he, he, he], 0.0),
        ([tanh, gelu, sigmoid], [lecun, glorot, scaled(3.0)], 0.1),
        ([gelu, tanh, leaky(0.25)], [orthogonal_with(1.2), he, lecun], 0.0),
    ],
)
def test_real_networks_of_unequal_layers_do_what_is_predicted(
    activations: list[Activation], initializers: list[Initializer], b2: float
) -> None:
    widths, draws = [150, 80, 200, 120], 60
    rng = np.random.default_rng(9)
    found: dict[str, list[list[float]]] = {"squares": [], "boundaries": [], "deltas": [], "W": []}
    for _ in range(draws):
        layers = network(rng, widths, activations, initializers, b2)
        x = math.sqrt(0.5) * rng.standard_normal((1, widths[0]))
        da = rng.standard_normal((1, widths[-1]))
        trace = backprop_from(layers, x, da / np.linalg.norm(da))
        found["squares"].append([np.square(h).mean() for h in trace.h])
        found["boundaries"].append([np.square(dh).sum() for dh in trace.dh])
        found["deltas"].append([np.square(d).sum() for d in trace.delta if d is not None])
        found["W"].append([np.square(grads["W"]).sum() for grads in trace.gradients])
    net = predict(widths, activations, initializers, bias_variance=b2, input_mean_square=0.5)
    theories = (net.mean_square, net.boundary_energy, net.delta_energy, net.weight_energy)
    for values, theory in zip(found.values(), theories, strict=True):
        mean, error = np.mean(values, axis=0), np.std(values, axis=0) / math.sqrt(draws)
        # Three layers of at least 80 units: three times about one 1/80.
        assert (np.abs(mean - theory) <= 4 * error + 0.04 * theory).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: predict([5], relu, he), ValueError, "widths must hold the inputs and at least"),
        (lambda: predict([5, 0], relu, he), ValueError, r"widths\[1\] must be an integer of at"),
        (lambda: predict([5, 5], [relu] * 2, he), ValueError, "activation must have one entry"),
        (lambda: predict([5, 5], relu, []), ValueError, "initializer must have one entry"),
        (lambda: predict([5, 5], he, he), TypeError, "activation must be one Activation or one"),
        (lambda: predict([5, 5], relu, [relu]), TypeError, "initializer must be one Initializer"),
        (
            lambda: predict([5, 5], relu, he, bias_variance=-1.0),
            ValueError,
            "bias_variance must not be negative",
        ),
        (
            lambda: predict([5, 5], relu, he, input_mean_square=-1.0),
            ValueError,
            "input_mean_square must not be negative",
        ),
    ],
)
def test_wrong_arguments_are_named(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()  # type: ignore[operator]
