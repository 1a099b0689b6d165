"""Ratios, closed units and healthy depths agree with closed forms and with backpropagation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from error_function import erf
from gradbook import activations
from gradbook.activations import Activation, identity, leaky, relu, sigmoid, tanh
from gradbook.backpropagation import backprop_from
from gradbook.book.activations import health
from gradbook.initializers import gain
from gradbook.layers import Dense, Recurrent
from gradbook.measure import boundary_norms


def normal_cdf(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2


@pytest.mark.parametrize("q", [0.01, 0.5, 1.0, 8.0, 300.0])
@pytest.mark.parametrize("part", [0.05, 0.1, 0.5])
def test_the_share_of_closed_units_is_a_tail_of_the_normal(q: float, part: float) -> None:
    # tanh' = sech² is at most p where |z| >= arcosh(p^-1/2); erf' ∝ exp(-z²) where z² >= -ln p.
    for activation, edge in (
        (tanh, math.acosh(part**-0.5)),
        (erf, math.sqrt(-math.log(part))),
    ):
        expected = 2 * normal_cdf(-edge / math.sqrt(q))
        # The rule does not know where the indicator jumps: 5e-4 for each of two jumps.
        assert health.closed_share(activation, q, part) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("slope", "share"), [(0.0, 0.5), (0.01, 0.5), (0.2, 0.0), (-0.05, 0.5)])
def test_half_of_the_rectifiers_are_closed_unless_they_leak_much(
    slope: float, share: float
) -> None:
    assert health.closed_share(leaky(slope), 3.0) == pytest.approx(share, abs=1e-9)


@pytest.fixture(scope="module")
def nets() -> list[Dense]:
    return health.networks_to_share(np.random.default_rng(0), depth=4, width=12, draws=3)


@pytest.mark.parametrize("activation", activations.ALL, ids=lambda activation: activation.name)
def test_an_examination_is_backpropagation(activation: Activation, nets: list[Dense]) -> None:
    found = health.measure_health(np.random.default_rng(1), nets, activation, 1.3, inputs=2)
    rng = np.random.default_rng(1)
    x, da = rng.standard_normal((3, 2, 12)), rng.standard_normal((3, 2, 12))
    da /= np.sqrt(np.square(da).sum(axis=(1, 2)))[:, None, None]
    layers = [Dense(1.3 * layer.W, None, activation) for layer in nets]
    np.testing.assert_allclose(found.norms, boundary_norms(layers, x, da), rtol=1e-12)
    for number, z in enumerate(backprop_from(layers, x, da).z):
        for draw in range(3):
            small = np.abs(activation.df(z[draw])) <= 0.1 * activation.sup_df
            assert found.closed[draw, number] == pytest.approx(small.sum() / 24)
            both = (small[0] & small[1]).sum() / 12
            assert found.closed_for_all[draw, number] == pytest.approx(both)


def test_sharing_means_the_same_weights_for_all(nets: list[Dense]) -> None:
    for layer, mine in zip(nets, health.with_activation(nets, tanh, 2.0), strict=True):
        np.testing.assert_array_equal(mine.parameters["W"], 2 * layer.W)
        assert mine.activation is tanh
        assert layer.activation is identity


def test_the_weights_that_are_shared_have_the_variance_one_over_n() -> None:
    (layer,) = health.networks_to_share(np.random.default_rng(0), depth=1, width=100, draws=20)
    # 200,000 squares of standard normals: their mean has a standard error of 0.0032.
    assert 100 * np.square(layer.parameters["W"]).mean() == pytest.approx(1, abs=0.013)


def test_a_constant_ratio_is_measured_exactly_however_the_networks_differ() -> None:
    norms = np.array([[1.0], [7.0]]) * 0.3 ** np.arange(6, -1, -1)
    value, error = health.layer_ratio(norms)
    assert value == pytest.approx(0.3, rel=1e-12)
    assert error == pytest.approx(0, abs=1e-12)


def test_the_ratio_is_that_of_mean_energies_and_its_error_that_of_the_draws() -> None:
    # One layer: the energies' ratio is X/n with X chi-squared, of mean 1 and variance 2/n.
    n, draws = 50, 400
    rng = np.random.default_rng(3)
    runs = []
    for _ in range(300):
        energies = np.square(rng.standard_normal((draws, n))).mean(axis=1)
        runs.append(health.layer_ratio(np.stack([np.sqrt(energies), np.ones(draws)], axis=1)))
    values, errors = np.transpose(runs)
    expected = math.sqrt(2 / n) / 2 / math.sqrt(draws)
    # 300 runs: their mean is known to 1/17 of an error, their spread to 4 %.
    assert values.mean() == pytest.approx(1, abs=0.25 * expected)
    assert values.std() == pytest.approx(expected, rel=0.15)
    assert errors.mean() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(
    "norms", [[[1.0, 2.0]], [[1.0], [2.0]], [[0.0, 1.0], [1.0, 1.0]], [1.0, 2.0]]
)
def test_norms_that_have_no_ratio_are_refused(norms: list[object]) -> None:
    with pytest.raises(ValueError, match="norms must be positive"):
        health.layer_ratio(norms)


@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0, -1.0])
def test_a_rectifier_has_the_same_ratio_at_every_depth(slope: float) -> None:
    for depth in (1, 7, 40):
        expected = math.sqrt(0.8 * (1 + slope**2) / 2)
        assert health.predicted_ratio(leaky(slope), depth, 0.8) == pytest.approx(expected, 1e-9)


def test_the_ratio_of_erf_follows_its_closed_forms() -> None:
    q, logs = 1.7, []
    for _ in range(9):
        logs.append(math.log(1.7 * 4 / math.pi / math.sqrt(1 + 4 * q)))
        q = 1.7 * 2 / math.pi * math.asin(2 * q / (1 + 2 * q))
    expected = math.exp(sum(logs) / len(logs) / 2)
    assert health.predicted_ratio(erf, 9, 1.7) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("depth", [1, 10, 77])
@pytest.mark.parametrize("decades", [0.3, 1.0, 4.0])
def test_both_ends_of_the_healthy_window_use_up_what_is_allowed(depth: int, decades: float) -> None:
    for ratio in health.healthy_ratios(depth, decades):
        assert abs(depth * math.log10(ratio)) == pytest.approx(decades, rel=1e-12)


@pytest.mark.parametrize(
    ("sigma_w2", "decades", "depth"),
    # The ReLU's energy changes by half of this per layer: 2^-3.3 and 2^6.6 are factors of ten.
    [(1.0, 1.0, 6), (1.0, 0.5, 3), (4.0, 1.0, 6), (2.0, 1.0, None), (0.02, 1.0, 1), (1e-4, 1.0, 0)],
)
def test_a_relu_network_stays_healthy_as_long_as_powers_of_two_say(
    sigma_w2: float, decades: float, depth: int | None
) -> None:
    assert health.predicted_health(relu, sigma_w2, decades) == depth


def test_a_longest_depth_is_where_the_search_ends() -> None:
    assert health.predicted_health(relu, 1.0, longest=6) is None
    assert health.predicted_health(relu, 1.0, longest=7) == 6


def test_a_checkup_sets_theory_beside_measurement_for_an_activation_the_book_does_not_know() -> (
    None
):
    layers = health.networks_to_share(np.random.default_rng(0), depth=8, width=256, draws=8)
    found = health.checkup(np.random.default_rng(1), layers, erf, gain(erf))
    value, error = found.ratio
    # What a width of 256 leaves out is below 1 %.
    assert abs(value - found.predicted_ratio) < 4 * error + 0.01 * value
    for theory, (share, spread) in zip(found.predicted_closed, found.closed, strict=True):
        assert abs(share - theory) < 4 * spread + 0.01
    for (all_closed, _), (closed, _) in zip(found.closed_for_all, found.closed, strict=True):
        assert all_closed <= closed
    assert found.depth == health.predicted_health(erf, gain(erf) ** 2)


@pytest.mark.parametrize("bound", [0.0, math.inf])
def test_an_activation_without_a_bound_has_no_closed_units(bound: float, nets: list[Dense]) -> None:
    wild = Activation("wild", np.square, lambda z: 2 * np.asarray(z), bound)
    with pytest.raises(ValueError, match="wild"):
        health.closed_share(wild, 1.0)
    with pytest.raises(ValueError, match="wild"):
        health.measure_health(np.random.default_rng(0), nets, wild)


def test_layers_without_an_activation_to_exchange_are_refused(nets: list[Dense]) -> None:
    with pytest.raises(TypeError, match="Recurrent"):
        health.with_activation([Recurrent(np.eye(2), None, None, sigmoid, None)], relu)
    with pytest.raises(ValueError, match="scale"):
        health.with_activation(nets, relu, 0.0)
