"""Mean-field predictions against closed forms, series, published values and real networks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from error_function import erf
from gradbook import activations
from gradbook.activations import Activation, leaky, relu, selu, sigmoid, tanh
from gradbook.backpropagation import backprop_from
from gradbook.initializers import scaled
from gradbook.networks import plain
from gradbook.theory.meanfield import (
    LONGEST,
    FixedPoint,
    chi,
    fixed_point,
    length_map,
    mean_slope,
    mean_square,
    mean_square_slope,
    propagate,
)

hard_tanh = Activation(
    "hard tanh",
    lambda z: np.clip(z, -1, 1),
    lambda z: (np.abs(z) < 1).astype(float),
    1.0,
    kinks=(-1.0, 1.0),
)
LENGTHS = np.array([1e-8, 1e-3, 0.3, 1.0, 7.0, 1e4, 1e8])
CASES = (*activations.ALL, erf, hard_tanh, leaky(0.25))


def above(z: float) -> float:
    """Return the probability of a standard normal lying above z."""
    return math.erfc(z / math.sqrt(2)) / 2


# Closed forms


def test_erf_has_the_arcsine_of_williams() -> None:
    squares = 2 / math.pi * np.arcsin(2 * LENGTHS / (1 + 2 * LENGTHS))
    slopes = 4 / math.pi / np.sqrt(1 + 4 * LENGTHS)
    # The rule is spectral for smooth functions; at q = 1e8 erf is a step to it, a jump at an edge.
    np.testing.assert_allclose(mean_square(erf, LENGTHS), squares, rtol=1e-10)
    np.testing.assert_allclose(mean_square_slope(erf, LENGTHS), slopes, rtol=1e-12)
    means = 2 / math.sqrt(math.pi) / np.sqrt(1 + 2 * LENGTHS)
    np.testing.assert_allclose(mean_slope(erf, LENGTHS), means, rtol=1e-12)


@pytest.mark.parametrize("slope", [-2.0, 0.0, 0.25, 1.0])
def test_rectifiers_share_their_energy_between_two_sides(slope: float) -> None:
    share = (1 + slope**2) / 2
    # The kink at 0 costs 1e-11, see `gaussian`.
    np.testing.assert_allclose(mean_square(leaky(slope), LENGTHS), share * LENGTHS, rtol=1e-10)
    np.testing.assert_allclose(mean_square_slope(leaky(slope), LENGTHS), share, rtol=1e-12)
    np.testing.assert_allclose(mean_slope(leaky(slope), LENGTHS), (1 + slope) / 2, atol=1e-12)


@pytest.mark.parametrize("q", [0.01, 0.3, 1.0, 7.0, 1e4])
def test_kinks_away_from_zero_are_cut_at(q: float) -> None:
    edge = 1 / math.sqrt(q)
    inside = 1 - 2 * above(edge)
    density = math.exp(-edge * edge / 2) / math.sqrt(2 * math.pi)
    square = q * (inside - 2 * edge * density) + 2 * above(edge)
    # Two jumps of 1 at named places, and two of 2√q in the slope of the square: see `gaussian`.
    assert float(mean_square_slope(hard_tanh, q)) == pytest.approx(inside, abs=2 * 3e-7)
    allowed = 2 * 2e-7 * 2 * math.sqrt(q)
    assert float(mean_square(hard_tanh, q)) == pytest.approx(square, abs=allowed)


def test_tanh_near_zero_follows_its_series() -> None:
    q = 1e-3
    # tanh² = z² - 2z⁴/3 + 17z⁶/45 and sech⁴ = 1 - 2z² + 7z⁴/3, with E z⁴ = 3q², E z⁶ = 15q³.
    assert float(mean_square(tanh, q)) == pytest.approx(q - 2 * q**2 + 17 / 3 * q**3, rel=1e-7)
    # The terms left out are of the order of 60 q⁴/q, and of 40 q³.
    assert float(mean_square_slope(tanh, q)) == pytest.approx(1 - 2 * q + 7 * q**2, rel=1e-7)


def test_sigmoid_far_out_is_a_step_whose_slope_is_not_lost() -> None:
    q = np.array([1e6, 1e8])
    np.testing.assert_allclose(mean_square(sigmoid, q), 0.5, rtol=1e-3)
    spike = 1 / 6 / np.sqrt(2 * math.pi * q)  # ∫ s'² = 1/6; the next term is smaller by 1/q
    np.testing.assert_allclose(mean_square_slope(sigmoid, q), spike, rtol=1e-5)


def test_selu_repeats_a_length_of_one_and_gains_a_little() -> None:
    assert float(length_map(selu, 1.0, 1.0)) == pytest.approx(1, abs=1e-9)
    # E f'² = λ²(1 + α² E[e^{2z}; z < 0]·2)/2, the expectation being e² P(z > 2).
    alpha, scale = activations.selu_constants()
    gain = scale**2 * (0.5 + alpha**2 * math.exp(2) * above(2))
    assert float(chi(selu, 1.0, 1.0)) == pytest.approx(gain, abs=1e-9)
    assert f"{gain:.4f}" == "1.0716"


@pytest.mark.parametrize("activation", CASES, ids=lambda a: a.name)
def test_a_length_of_zero_is_the_limit_from_above(activation: Activation) -> None:
    f, df = activation.f, activation.df
    left, right = float(df(np.array(-1e-9))), float(df(np.array(1e-9)))
    assert float(mean_square(activation, 0.0)) == pytest.approx(float(f(np.array(0.0))) ** 2)
    assert float(mean_square_slope(activation, 0.0)) == pytest.approx((left**2 + right**2) / 2)
    assert float(mean_slope(activation, 0.0)) == pytest.approx((left + right) / 2)


@pytest.mark.parametrize("activation", CASES, ids=lambda a: a.name)
def test_averages_are_those_of_a_million_draws(activation: Activation) -> None:
    z = math.sqrt(0.7) * np.random.default_rng(5).standard_normal(10**6)
    for found, draws in [
        (mean_square(activation, 0.7), activation.f(z) ** 2),
        (mean_square_slope(activation, 0.7), activation.df(z) ** 2),
        (mean_slope(activation, 0.7), activation.df(z)),
    ]:
        error = draws.std() / 1000
        # Three statistics of 14 activations, on the same draws: 4.5 standard errors.
        assert abs(float(found) - draws.mean()) <= 4.5 * error + 1e-9


# The length map and its fixed points


def test_maps_are_affine_in_the_variances_and_broadcast() -> None:
    w2, b2 = np.array([[0.5], [2.0]]), np.array([0.0, 0.05, 1.0])
    square, slope = float(mean_square(tanh, 0.4)), float(mean_square_slope(tanh, 0.4))
    np.testing.assert_allclose(length_map(tanh, 0.4, w2, b2), w2 * square + b2)
    np.testing.assert_allclose(chi(tanh, [0.4, 0.4], w2), np.broadcast_to(w2 * slope, (2, 2)))


@given(st.floats(0, 1.9), st.floats(1e-6, 1e3), st.floats(1e-3, 1e3))
def test_rectifiers_with_biases_have_the_fixed_point_of_a_line(
    w2: float, b2: float, start: float
) -> None:
    point = fixed_point(relu, w2, b2, start=start)
    assert point is not None
    # Changes of 1e-12 count as none, and the slope of the change is at least 0.05.
    assert point.q == pytest.approx(b2 / (1 - w2 / 2), rel=1e-10)
    assert point.chi == pytest.approx(w2 / 2)


@pytest.mark.parametrize(
    ("activation", "w2", "b2"),
    [
        (relu, 2.0, 0.05),
        (relu, 2.0, 1e-9),
        (relu, 4.0, 0.0),
        (activations.identity, 1.0, 0.1),
        (activations.gelu, 4.0, 0.0),
        (activations.softplus, 3.0, 0.0),
    ],
    ids=lambda x: getattr(x, "name", None),
)
def test_a_length_that_grows_without_bound_is_reported(
    activation: Activation, w2: float, b2: float
) -> None:
    assert fixed_point(activation, w2, b2, start=1.0) is None
    q = 1.0
    for _ in range(200):
        q, before = float(length_map(activation, q, w2, b2)), q
        assert q > before


def test_where_every_length_is_repeated_the_start_is_returned() -> None:
    assert fixed_point(relu, 2.0) == FixedPoint(1.0, pytest.approx(1.0))
    for start in (1e-8, 3.0, LONGEST):
        assert fixed_point(relu, 2.0, start=start) == FixedPoint(start, pytest.approx(1.0))


@pytest.mark.parametrize("activation", [tanh, erf, relu, selu], ids=lambda a: a.name)
def test_a_length_that_dies_out_dies_out_at_zero(activation: Activation) -> None:
    w2 = 0.5 / float(activation.df(np.array(1e-9))) ** 2
    point = fixed_point(activation, w2)
    assert point is not None
    assert point.q == 0
    assert point.chi < 1


def test_tanh_at_its_edge_is_found_although_its_iterates_crawl() -> None:
    assert fixed_point(tanh, 1.0) == FixedPoint(0.0, pytest.approx(1.0))
    above_edge = fixed_point(tanh, 1.0001)
    assert above_edge is not None
    # q = w(q - 2q² + ...) gives q = (1 - 1/w)/2 to leading order, off by a share of 17q/6.
    assert above_edge.q == pytest.approx((1 - 1 / 1.0001) / 2, rel=1e-3)


def test_a_map_with_two_fixed_points_is_asked_from_where() -> None:
    # f(z)² = z⁴ makes q' = w·3q² + b: fixed points at the roots of 3wq² - q + b.
    square = Activation("z²", np.square, lambda z: 2 * np.asarray(z), math.inf)
    w2, b2 = 0.1, 0.3
    low, high = np.sort(np.roots([3 * w2, -1, b2]))
    for start, expected in [(1e-3, low), (1.0, low), (high * 0.99, low)]:
        point = fixed_point(square, w2, b2, start=start)
        assert point is not None
        assert point.q == pytest.approx(expected, rel=1e-9)
    assert fixed_point(square, w2, b2, start=high * 1.01) is None


@pytest.mark.parametrize("start", [1.0, 0.5, 4.0, 1.7])
def test_a_fixed_point_on_the_grid_of_the_search_is_found(start: float) -> None:
    point = fixed_point(relu, 1.0, 1.0, start=start)  # at exactly 2, a power of two from 1 and 4
    assert point is not None
    assert point.q == pytest.approx(2, rel=1e-10)


@pytest.mark.parametrize("activation", CASES, ids=lambda a: a.name)
@pytest.mark.parametrize(("w2", "b2"), [(0.3, 0.0), (0.9, 0.1), (1.3, 0.05), (3.0, 1.0)])
def test_the_iterates_arrive_where_the_fixed_point_is(
    activation: Activation, w2: float, b2: float
) -> None:
    point, q = fixed_point(activation, w2, b2), 1.0
    for _ in range(150):
        q = float(length_map(activation, q, w2, b2))
    if point is None:
        assert q > 100
    else:
        # The slowest of these maps contracts by 0.87 a step.
        assert q == pytest.approx(point.q, rel=1e-6, abs=1e-12)


# Published values


def test_the_numbers_of_the_book_come_out() -> None:
    point, biased = fixed_point(sigmoid, 1.0), fixed_point(sigmoid, 1.0, 1.0)
    assert point is not None
    assert biased is not None
    assert f"{point.chi:.5f} {math.sqrt(point.chi):.4f}" == "0.05572 0.2361"
    assert f"{biased.q:.4f} {biased.chi:.5f} {biased.chi**-0.5:.3f}" == "1.3021 0.04196 4.882"


# Propagation through real networks


def test_energies_are_products_of_the_gains_above() -> None:
    net = propagate(tanh, 4, 1.5, 0.1, input_mean_square=0.5)
    assert net.q[0] == pytest.approx(1.5 * 0.5 + 0.1)
    for layer in range(1, 4):
        assert net.q[layer] == pytest.approx(float(length_map(tanh, net.q[layer - 1], 1.5, 0.1)))
    for boundary in range(5):
        assert net.boundary_energy[boundary] == pytest.approx(math.prod(net.chi[boundary:]))
    for layer in range(4):
        assert net.delta_energy[layer] == pytest.approx(math.prod(net.chi[layer:3]))


def test_leading_axes_are_networks_of_their_own() -> None:
    w2, mean_square_of_input = np.array([[0.5], [1.0], [2.0]]), np.array([0.1, 1.0])
    nets = propagate(sigmoid, 6, w2, 0.2, input_mean_square=mean_square_of_input)
    assert nets.delta_energy.shape == nets.q.shape == (3, 2, 6)
    assert nets.boundary_energy.shape == (3, 2, 7)
    one = propagate(sigmoid, 6, 2.0, 0.2, input_mean_square=0.1)
    np.testing.assert_allclose(nets.boundary_energy[2, 0], one.boundary_energy)


def test_the_shortest_network_has_one_layer() -> None:
    net = propagate(relu, 1, 2.0)
    assert net.delta_energy.tolist() == [1.0]
    assert net.boundary_energy.round(12).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("activation", "w2", "b2"),
    [
        (sigmoid, 1.0, 0.0),
        (sigmoid, 2.0, 1.0),
        (tanh, 1.0, 0.05),
        (tanh, 2.5, 0.0),
        (relu, 2.0, 0.0),
        (activations.gelu, 2.0, 0.1),
        (erf, 1.2, 0.1),
        (leaky(0.25), 1.5, 0.0),
    ],
    ids=lambda x: getattr(x, "name", None),
)
def test_wide_networks_do_what_is_predicted(activation: Activation, w2: float, b2: float) -> None:
    width, depth, draws = 300, 5, 20
    rng = np.random.default_rng(11)
    lengths, energies = [], []
    for _ in range(draws):
        layers = plain(
            rng,
            [width] * (depth + 1),
            activation,
            scaled(w2),
            output_activation=activation,
            bias_variance=b2,
        )
        x = math.sqrt(0.6) * rng.standard_normal((1, width))
        trace = backprop_from(layers, x, rng.standard_normal((1, width)) / math.sqrt(width))
        lengths.append([np.square(z).mean() for z in trace.z if z is not None])
        energies.append([np.square(dh).sum() for dh in trace.dh])
    predicted = propagate(activation, depth, w2, b2, input_mean_square=0.6)
    for found, theory in [(lengths, predicted.q), (energies, predicted.boundary_energy)]:
        mean, error = np.mean(found, axis=0), np.std(found, axis=0) / math.sqrt(draws)
        # Five layers of width 300 may add five times a few 1/300 to the sampling error.
        assert (np.abs(mean - theory) <= 4 * error + 0.03 * theory).all()


def test_he_keeps_the_mean_energy_at_any_width() -> None:
    # Exact for the ReLU: E X = 1, E X² = (1 + 5/n)^L for an independent gradient on the output.
    draws, width, depth = 4000, 20, 3
    rng = np.random.default_rng(2)
    layers = plain(
        rng, [width] * (depth + 1), relu, scaled(2.0), output_activation=relu,
        bias_variance=None, ensemble=(draws,),
    )  # fmt: skip
    da = rng.standard_normal((draws, 1, width)) / math.sqrt(width)
    trace = backprop_from(layers, rng.standard_normal((draws, 1, width)), da)
    energy = np.square(trace.dh[0]).sum(axis=(-2, -1))
    deviation = math.sqrt((1 + 2 / width) * (1 + 5 / width) ** depth - 1)
    theory = float(propagate(relu, depth, 2.0).boundary_energy[0])
    assert abs(energy.mean() - theory) < 4 * deviation / math.sqrt(draws)


# Arguments


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_square(tanh, -1.0), "q must not be negative, got -1"),
        (lambda: mean_slope(tanh, [0.0, -2.0]), "q must not be negative, got -2"),
        (lambda: mean_square_slope(tanh, math.inf), "q must be finite, got inf"),
        (lambda: length_map(tanh, 1.0, -1.0), "sigma_w2 must not be negative"),
        (lambda: length_map(tanh, 1.0, 1.0, -1.0), "sigma_b2 must not be negative"),
        (lambda: chi(tanh, 1.0, [1.0, -1.0]), "sigma_w2 must not be negative"),
        (lambda: propagate(tanh, 0, 1.0), "depth must be an integer of at least 1, got 0"),
        (lambda: propagate(tanh, 3, 1.0, input_mean_square=-1.0), "input_mean_square must not be"),
        (lambda: propagate(relu, 3, 1e200), "depth must be below 2, where the length overflows"),
        # The length 2·10^l is within range up to l = 307, its square at z = 10 two layers less.
        (lambda: propagate(relu, 1000, 20.0), "depth must be below 307, where the length overflow"),
        (lambda: fixed_point(tanh, -1.0), "sigma_w2 must not be negative, got -1"),
        (lambda: fixed_point(tanh, 1.0, math.nan), "sigma_b2 must be a finite number"),
        (lambda: fixed_point(tanh, 1.0, start=0.0), "start must be positive, got 0"),
        (
            lambda: fixed_point(tanh, 1.0, start=1e9),
            r"start must be at most 1e\+08, got 1000000000",
        ),
    ],
)
def test_wrong_arguments_are_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


def test_records_are_frozen() -> None:
    point = FixedPoint(1.0, 0.5)
    assert replace(point, q=2.0) == FixedPoint(2.0, 0.5)
