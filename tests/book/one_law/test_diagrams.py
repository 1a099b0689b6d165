"""Phases against closed forms, bisection one by one, and real networks."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from error_function import erf
from gradbook import activations
from gradbook.activations import Activation, gelu, leaky, relu, tanh
from gradbook.backpropagation import backprop_from
from gradbook.book.one_law.diagrams import phases
from gradbook.initializers import scaled
from gradbook.networks import plain
from gradbook.theory.meanfield import fixed_point, length_map

prelu = leaky(0.25)


@pytest.mark.parametrize("activation", [*activations.ALL, erf, prelu], ids=lambda a: a.name)
def test_a_diagram_is_what_bisection_finds_point_by_point(activation: Activation) -> None:
    rng = np.random.default_rng(4)
    w2, b2 = 4 * rng.random(12), np.where(np.arange(12) < 4, 0, rng.random(12))
    found = phases(activation, w2, b2)
    for i in range(len(w2)):
        point = fixed_point(activation, w2[i], b2[i])
        if point is None:
            assert found.q[i] == math.inf
        else:
            # The error of the cubic, 1e-7 of the averages, over the distance of the slope from 1.
            assert found.q[i] == pytest.approx(point.q, rel=1e-5, abs=1e-11)
            assert found.chi[i] == pytest.approx(point.chi, rel=1e-5)


@given(st.floats(0, 1.9), st.floats(1e-6, 1e3))
def test_rectifiers_with_biases_have_the_fixed_point_of_a_line(w2: float, b2: float) -> None:
    share = (1 + 0.25**2) / 2
    found = phases(prelu, w2 * 0.5 / share, b2)
    assert float(found.q) == pytest.approx(b2 / (1 - w2 / 2), rel=1e-5)
    assert float(found.chi) == pytest.approx(w2 / 2, abs=1e-9)


def test_erf_has_the_phases_of_its_closed_forms() -> None:
    w2, b2 = np.linspace(0.2, 3, 15), np.linspace(0.01, 0.5, 9)[:, None]
    found = phases(erf, w2, b2)
    image = w2 * 2 / math.pi * np.arcsin(2 * found.q / (1 + 2 * found.q)) + b2
    np.testing.assert_allclose(image, found.q, rtol=1e-6)
    np.testing.assert_allclose(found.chi, w2 * 4 / math.pi / np.sqrt(1 + 4 * found.q), rtol=1e-6)


def test_a_length_that_grows_without_bound_is_infinite_and_keeps_its_gain() -> None:
    found = phases(relu, [1.9, 2.0, 2.1, 4.0], [[0.0], [0.1]])
    assert np.isinf(found.q).tolist() == [[False, False, True, True], [False, True, True, True]]
    np.testing.assert_allclose(found.chi, [[0.95, 1, 1.05, 2]] * 2, rtol=1e-9)
    # A length of zero repeats itself, and so does every length at 2.
    assert found.q[0, :2].tolist() == [0, 1]


def test_tanh_at_its_corner_dies_out_slowly_and_is_found_at_zero() -> None:
    found = phases(tanh, [0.9, 1.0, 1.0001])
    assert found.q[:2].tolist() == [0, 0]
    np.testing.assert_allclose(found.chi[:2], [0.9, 1.0], rtol=1e-9)
    assert found.q[2] == pytest.approx((1 - 1 / 1.0001) / 2, rel=1e-3)


def test_forty_thousand_points_take_less_than_a_second() -> None:
    w2, b2 = np.linspace(0.01, 6, 200), np.linspace(0, 1, 200)[:, None]
    begin = time.process_time()
    found = phases(Activation("a new tanh", np.tanh, tanh.df, 1.0), w2, b2)
    # About half a second where it was written; three leave room for a busy machine.
    assert time.process_time() - begin < 3
    assert found.q.shape == (200, 200)
    np.testing.assert_allclose(length_map(tanh, found.q[::40, ::40], w2[::40], b2[::40]),
                               found.q[::40, ::40], rtol=1e-6, atol=1e-9)  # fmt: skip


def test_the_gains_of_the_book_come_out() -> None:
    found = phases(tanh, [1, 4, 6.25], [0.05, 0.05, 0.09])
    assert [f"{value:.4f}" for value in found.chi] == ["0.7590", "1.3424", "1.5852"]


def test_depth_scales_are_e_foldings() -> None:
    np.testing.assert_allclose(phases(relu, [0.5, 4.0]).xi, [1 / math.log(4), 1 / math.log(2)])
    assert phases(relu, [0.0, 2.0]).xi.tolist() == [0, math.inf]


# Measurements


@pytest.mark.parametrize(
    ("activation", "w2", "b2"),
    [(erf, 0.8, 0.1), (erf, 3.0, 0.05), (prelu, 1.5, 0.1), (gelu, 1.0, 0.2), (gelu, 1.6, 0.05)],
    ids=lambda x: getattr(x, "name", None),
)
def test_wide_networks_settle_where_the_diagram_says(
    activation: Activation, w2: float, b2: float
) -> None:
    width, depth, skipped, draws = 256, 24, 12, 6
    rng = np.random.default_rng(3)
    lengths, gains = [], []
    expected = phases(activation, w2, b2)
    for _ in range(draws):
        layers = plain(rng, [width] * (depth + 1), activation, scaled(w2),
                       output_activation=activation, bias_variance=b2)  # fmt: skip
        trace = backprop_from(
            layers, rng.standard_normal((1, width)), rng.standard_normal((1, width))
        )
        energies = np.array([np.square(dh).sum() for dh in trace.dh])
        lengths.append(np.mean([np.square(z).mean() for z in trace.z[skipped:] if z is not None]))
        gains.append(np.log(energies[skipped] / energies[-1]) / (depth - skipped))
    for found, theory in [(lengths, float(expected.q)), (np.exp(gains), float(expected.chi))]:
        mean, error = np.mean(found), np.std(found, ddof=1) / math.sqrt(draws)
        # A few 1/256 for the finite width, and for the mean of the log below the log of the mean.
        assert abs(mean - theory) < 4 * error + 0.02 * theory


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: phases(tanh, -1.0), "sigma_w2 must not be negative, got -1"),
        (lambda: phases(tanh, 1.0, [0.0, -1.0]), "sigma_b2 must not be negative, got -1"),
    ],
)
def test_wrong_arguments_are_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
