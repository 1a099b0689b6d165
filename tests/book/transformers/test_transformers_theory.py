"""The recursions of wide Transformers, against sums by hand and against drawn networks."""

from __future__ import annotations

import numpy as np
import pytest

from gradbook.book.transformers import measure, theory
from gradbook.book.transformers.theory import Setting


def test_kernels_are_those_of_normal_pairs() -> None:
    rng = np.random.default_rng(0)
    u = rng.standard_normal((2, 400_000))
    for c in (-0.5, 0.0, 0.6):
        z = np.stack([u[0], c * u[0] + np.sqrt(1 - c * c) * u[1]])
        # Means of 400,000 products of size one: errors of 0.003 at most.
        product = 2 * np.maximum(z, 0).prod(axis=0).mean()
        assert theory.relu_correlation(c) == pytest.approx(product, abs=0.015)
        assert theory.gate_correlation(c) == pytest.approx(2 * (z > 0).all(axis=0).mean(), abs=0.01)


def test_attention_alone_on_a_path_adds_the_mean_token_twice_as_large_each_time() -> None:
    q, c = theory.signal(Setting("path", "AAA", 4))
    assert q.tolist() == [1, 1.25, 1.75, 2.75]
    assert (q * c).tolist() == pytest.approx([0, 0.25, 0.75, 1.75])


@pytest.mark.parametrize("kind", theory.KINDS)
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_recursions_are_what_wide_networks_do(kind: str, scale: float) -> None:
    setting = Setting(kind, "AFAF", 6, scale=scale, correlation=0.3)
    run = measure.run(np.random.default_rng(1), setting, 100, width=96)
    # Corrections of order blocks/width, 4 %; a hundred networks scatter by about as much.
    near = {"rtol": 0.12, "atol": 0.02}
    q, c = theory.signal(setting)
    np.testing.assert_allclose(run.q.mean(axis=0), q, **near)
    np.testing.assert_allclose(run.c.mean(axis=0), c, **near)
    np.testing.assert_allclose(run.G.mean(axis=0), theory.gradient(setting)[0], **near)
    np.testing.assert_allclose(run.weights.mean(axis=0), theory.last_weights(setting), **near)


def test_what_is_left_of_a_deviation_is_its_third_power() -> None:
    at = [theory.collapsed(s, 64, 16) for s in (0.1, 0.2)]
    assert at[1] / at[0] == pytest.approx(2**4)
    assert at[0] == pytest.approx(1e-4 * 15 * 80 / (64 * 256))


def test_the_third_power_counts_the_degrees_of_freedom_of_centered_tokens() -> None:
    rng, time, width, draws = np.random.default_rng(0), 4, 8, 4000
    tokens = rng.standard_normal((draws, time, width))
    left = tokens - tokens.mean(axis=1, keepdims=True)
    inner = left @ left.transpose(0, 2, 1) / time
    measured = np.square(inner).sum(axis=(1, 2)) / width**2
    error = measured.std() / draws**0.5
    assert abs(measured.mean() - theory.collapsed(1.0, width, time)) < 3 * error
    assert error < 0.01 * measured.mean()


def test_bare_attention_collapses_to_rounding() -> None:
    left = np.median(measure.bare_shares(np.random.default_rng(0), 4, 5), axis=0)
    assert left[0] > 0.8
    assert left[-1] < 1e-25


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "sandwich"}, "kind must be one of"),
        ({"blocks": "AX"}, "blocks must be letters A and F, got 'AX'"),
        ({"blocks": ""}, "blocks must be letters A and F, got ''"),
        ({"time": 0}, "time must be"),
    ],
)
def test_settings_that_are_not_known_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Setting(**{"kind": "path", "blocks": "A", "time": 2, **fields})  # type: ignore[arg-type]
