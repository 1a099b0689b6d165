"""Sweeps against backpropagation through the same weights, and against mean field."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradbook.activations import gelu, relu, sigmoid, tanh
from gradbook.backpropagation import backprop_from
from gradbook.book.one_law.sweeps import LayerKind, sweep
from gradbook.layers import Dense
from gradbook.theory.meanfield import propagate

SETTINGS = [LayerKind(sigmoid, 1.0), LayerKind(relu, 2.0, 0.1), LayerKind(tanh, 4.0, 0.05)]


@pytest.mark.parametrize("gradients", [1, 3])
def test_a_sweep_is_what_backpropagation_gives_with_the_same_numbers(gradients: int) -> None:
    depth, width = 4, 6
    found = sweep(
        np.random.default_rng(7), SETTINGS, depth=depth, width=width, draws=1, gradients=gradients
    )
    rng = np.random.default_rng(7)
    weights = rng.standard_normal((depth, width, width)) / math.sqrt(width)
    x, biases = rng.standard_normal((1, width)), rng.standard_normal((depth, width))
    da = rng.standard_normal((gradients, 1, width))
    da = da / np.linalg.norm(da, axis=-1, keepdims=True)
    for k, setting in enumerate(SETTINGS):
        layers = [
            Dense(
                math.sqrt(setting.sigma_w2) * W, math.sqrt(setting.sigma_b2) * b, setting.activation
            )
            for W, b in zip(weights, biases, strict=True)
        ]
        trace = backprop_from(layers, x, da)
        lengths = [np.square(z).mean() for z in trace.z if z is not None]
        np.testing.assert_allclose(found.q[0, k], lengths)
        energies = [np.square(dh).sum() / gradients for dh in trace.dh]
        np.testing.assert_allclose(found.energy[0, k], energies)
        assert found.decades[0, k] == pytest.approx(math.log10(energies[0]) / 2)


def test_wide_networks_do_what_mean_field_predicts() -> None:
    settings = [*SETTINGS, LayerKind(gelu, 1.5, 0.1)]
    depth, draws = 5, 30
    found = sweep(np.random.default_rng(2), settings, depth=depth, width=250, draws=draws)
    for k, setting in enumerate(settings):
        net = propagate(setting.activation, depth, setting.sigma_w2, setting.sigma_b2)
        for values, theory in [(found.q, net.q), (found.energy, net.boundary_energy)]:
            mean, error = values[:, k].mean(axis=0), values[:, k].std(axis=0) / math.sqrt(draws)
            # Five layers of a few 1/250.
            assert (np.abs(mean - theory) <= 4 * error + 0.03 * theory).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LayerKind(tanh, -1.0), "sigma_w2 must not be negative"),
        (lambda: LayerKind(tanh, 1.0, -1.0), "sigma_b2 must not be negative"),
        (lambda: run([]), "settings must hold at least one setting"),
        (lambda: run(SETTINGS, depth=0), "depth must be an integer of at least 1"),
        (lambda: run(SETTINGS, width=0), "width must be an integer of at least 1"),
        (lambda: run(SETTINGS, draws=0), "draws must be an integer of at least 1"),
        (lambda: run(SETTINGS, gradients=0), "gradients must be an integer of at least 1"),
    ],
)
def test_wrong_arguments_are_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


def run(settings: list[LayerKind], **changes: int) -> object:
    sizes = {"depth": 2, "width": 3, "draws": 1, "gradients": 1} | changes
    return sweep(np.random.default_rng(0), settings, **sizes)
