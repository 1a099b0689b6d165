"""Gains of normalized layers: theory against Monte Carlo and closed forms, networks against it."""

import math

import numpy as np
import pytest

from gradbook.activations import ALL, identity, leaky, relu, tanh
from gradbook.book.normalization.norm_gains import (
    Stack,
    batch_gain,
    energy_gains,
    layer_gain,
    relu_batch_gain,
    tuned_batch_gain,
)
from gradbook.layers import BatchNorm, LayerNorm, RMSNorm


def test_the_rectifiers_have_closed_forms() -> None:
    for slope in (0.0, 0.1, 0.5):
        f = relu if slope == 0 else leaky(slope)
        # E f'² = E f² = (1 + slope²)/2, E f = (1 - slope)/√(2π); the rule's mean is good to 1e-10.
        half = (1 + slope**2) / 2
        assert layer_gain(f) == pytest.approx(1, rel=1e-9)
        common = (1 - slope) ** 2 / (2 * math.pi)
        assert batch_gain(f) == pytest.approx(half / (half - common), rel=1e-9)


@pytest.mark.parametrize("activation", ALL, ids=lambda f: f.name)
def test_batch_normalization_never_shrinks_a_gradient_and_layer_normalization_less(
    activation: object,
) -> None:
    gain = batch_gain(activation)  # type: ignore[arg-type]
    assert gain >= layer_gain(activation) - 1e-9  # type: ignore[arg-type]
    if activation is identity:
        assert gain == pytest.approx(1, rel=1e-9)
    else:
        assert gain > 1.02


@pytest.mark.parametrize("batch", [4, 6, 16])
def test_the_projected_energy_and_the_divisor_of_a_finite_batch_are_those_of_random_ones(
    batch: int,
) -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((200_000 // batch, batch))
    z -= z.mean(axis=1, keepdims=True)
    z /= np.sqrt(np.square(z).mean(axis=1, keepdims=True))
    h = np.maximum(z, 0)
    mixed = (h.sum(axis=1) ** 2 - np.square(h).sum(axis=1)) / (batch * (batch - 1))
    d = (z > 0).astype(float)
    G = np.eye(batch) - 1 / batch
    P = G - z[:, :, None] * z[:, None, :] / batch
    kept = np.einsum("kij,kij->k", P, d[:, :, None] * G * d[:, None, :]) / (batch - 1)
    found = kept.mean() * batch / ((batch - 3) * (0.5 - mixed.mean()))
    # 12,500 draws or more: means good to half a percent, the largest error of ten seeds .4 %.
    assert found == pytest.approx(relu_batch_gain(batch), rel=0.01)


def test_a_large_batch_has_the_gain_of_an_infinite_one() -> None:
    # Corrections are 1.6/B.
    assert relu_batch_gain(10**6) == pytest.approx(math.pi / (math.pi - 1), rel=3e-6)
    assert relu_batch_gain(10**4) > relu_batch_gain(10**5) > math.pi / (math.pi - 1)
    with pytest.raises(ValueError, match="batch must be an integer of at least 4, got 3"):
        relu_batch_gain(3)


@pytest.mark.parametrize(
    ("activation", "norm", "theory"),
    [
        (relu, BatchNorm(None, None), relu_batch_gain(32)),
        (relu, LayerNorm(None, None), 1.0),
        (tanh, RMSNorm(None), layer_gain(tanh)),
    ],
)
def test_random_networks_have_the_gain_of_theory(
    activation: object, norm: object, theory: float
) -> None:
    stack = Stack(width=300, batch=32, draws=6)
    found = energy_gains(np.random.default_rng(1), activation, norm, stack, sigma_w2=7.0)  # type: ignore[arg-type]
    # Four standard errors, and 2 % for the width.
    error = found.std(ddof=1) / math.sqrt(len(found))
    assert abs(found.mean() - theory) < 4 * error + 0.02 * theory


def test_behind_a_relu_a_mean_that_is_subtracted_makes_the_gradient_grow() -> None:
    stack = Stack(width=300, batch=8, draws=6)
    means = {
        kind: energy_gains(np.random.default_rng(2), relu, norm, stack, norm_last=True).mean()
        for kind, norm in (("layer", LayerNorm(None, None)), ("rms", RMSNorm(None)))
    }
    # As above; the noise of six networks is about 2 %.
    assert means["layer"] == pytest.approx(math.pi / (math.pi - 1), rel=0.06)
    assert means["rms"] == pytest.approx(1, rel=0.06)


def test_a_stack_has_a_middle() -> None:
    with pytest.raises(ValueError, match="depth must be an integer of at least 3, got 2"):
        energy_gains(np.random.default_rng(0), relu, RMSNorm(None), Stack(4, 4, depth=2))


def test_tuned_gains_are_those_of_the_shifted_activation() -> None:
    assert tuned_batch_gain(relu, 1.0, 0.0) == pytest.approx(batch_gain(relu), rel=1e-12)
    assert tuned_batch_gain(relu, 3.0, 0.0) == pytest.approx(batch_gain(relu), rel=1e-9)
    z = np.random.default_rng(8).standard_normal(400_000)
    shifted = relu.f(0.5 * z + 1.0)
    drawn = np.mean((0.5 * relu.df(0.5 * z + 1.0)) ** 2) / shifted.var()
    assert tuned_batch_gain(relu, 0.5, 1.0) == pytest.approx(drawn, rel=5e-3)
