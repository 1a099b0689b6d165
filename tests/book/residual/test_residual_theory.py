"""Energies and correlations of residual networks against plain NumPy and closed forms."""

import math

import numpy as np
import pytest

from gradbook.activations import identity, relu, tanh
from gradbook.book.residual.theory import (
    aligned_gates,
    crossing_shares,
    independent_gates,
    one_layer_energies,
    pre_norm_energy,
    pre_norm_mean,
    route_shares,
    scaled_energy,
)


def within(values: np.ndarray, expected: float, errors: float = 4.0) -> bool:
    """Say whether a mean lies within so many standard errors."""
    return abs(values.mean() - expected) < errors * values.std() / math.sqrt(len(values))


@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_scaled_energy_is_the_mean_over_networks_written_in_numpy(scale: float) -> None:
    rng, n, depth, nets = np.random.default_rng(0), 8, 4, 4000
    h = np.ones((nets, 1, n))
    g = rng.standard_normal((nets, 1, n))
    weights = rng.standard_normal((depth, 2, nets, n, n)) * np.sqrt([2 / n, 1 / n]).reshape(
        2, 1, 1, 1
    )
    gates = []
    for W, V in weights:
        z = h @ W
        gates.append(z > 0)
        h = h + scale * (np.maximum(z, 0) @ V)
    before = np.square(g).sum(axis=(1, 2)).mean()
    for (W, V), gate in zip(weights[::-1], gates[::-1], strict=True):
        g = g + scale * ((g @ V.mT) * gate) @ W.mT
    expected = scaled_energy(depth, scale)[-1]
    assert within(np.square(h).mean(axis=(1, 2)), expected)
    assert within(np.square(g).sum(axis=(1, 2)) / before, expected)


def test_one_over_root_depth_tends_to_e() -> None:
    assert scaled_energy(10**6, 1e-3)[-1] == pytest.approx(math.e, rel=1e-6)  # e (1 - 1/2L)
    assert scaled_energy(3, 0.0).tolist() == [1.0] * 4


def test_route_shares_are_those_of_coins() -> None:
    assert route_shares(6).sum() == pytest.approx(1, rel=1e-14)
    assert route_shares(3).tolist() == [0.125, 0.375, 0.375, 0.125]
    # With α² = 1/L the count of heads tends to a Poisson number of mean 1.
    poisson = [math.exp(-1) / math.factorial(k) for k in range(4)]
    np.testing.assert_allclose(route_shares(1600, 1 / 40)[:4], poisson, rtol=2e-3)
    mean = np.arange(51) @ route_shares(50, 0.5)
    assert mean == pytest.approx(50 * 0.25 / 1.25, rel=1e-12)


def test_one_layer_energies_of_homogeneous_activations_are_powers() -> None:
    q, energy = one_layer_energies(identity, 5, q=3.0, sigma_w2=0.5)
    np.testing.assert_allclose(q, 3 * 1.5 ** np.arange(6), rtol=1e-6)
    np.testing.assert_allclose(energy, 1.5 ** np.arange(6), rtol=1e-6)
    _, of_relu = one_layer_energies(relu, 5, sigma_w2=2.0)
    np.testing.assert_allclose(of_relu, 2.0 ** np.arange(6), rtol=1e-5)


def test_one_layer_energies_of_tanh_grow_with_the_root_of_depth() -> None:
    _, energy = one_layer_energies(tanh, 1200)
    growth = np.log(energy[1200]) - np.log(energy[300]) - 8 / (9 * math.pi) * math.log(4)
    rate = growth / (math.sqrt(1200) - math.sqrt(300))
    # Beside √L and ln L there are terms in 1/√L, here of some 0.02 in all over 17.
    assert rate == pytest.approx(8 / (3 * math.sqrt(2 * math.pi)), rel=4e-3)


def test_the_pre_norm_stream_and_gradient_have_a_constant_product() -> None:
    stream, gradient = pre_norm_energy(40, q=2.5)
    np.testing.assert_allclose(stream * gradient, stream[-1], rtol=1e-13)
    assert stream[-1] == 42.5
    narrow = pre_norm_energy(2, width=10)[1]
    np.testing.assert_allclose(narrow, [1.9 * 1.45, 1.45, 1.0], rtol=1e-14)


def test_independent_gates_have_closed_forms() -> None:
    np.testing.assert_allclose(
        independent_gates([1] * 8, path=False), 0.5 ** np.arange(1, 9), rtol=1e-14
    )
    np.testing.assert_allclose(independent_gates([1] * 8), 0.75 ** np.arange(1, 9), rtol=1e-14)
    depth = 60
    branches = 1 / np.arange(1, depth + 1)
    gamma = math.gamma(depth + 1.5) / math.gamma(1.5) / math.factorial(depth) / (depth + 1)
    found = independent_gates(branches)[-1]
    assert found == pytest.approx(gamma, rel=1e-12)
    assert found == pytest.approx(2 / math.sqrt(math.pi * depth), rel=1 / depth)


@pytest.mark.parametrize("path", [False, True])
def test_aligned_gates_are_those_of_a_wide_network_written_in_numpy(path: bool) -> None:
    rng, n, depth, nets = np.random.default_rng(1), 120, 3, 12
    found = []
    for _ in range(nets):
        x = np.linalg.qr(rng.standard_normal((n, 2)))[0]
        J = [np.eye(n), np.eye(n)]
        for _ in range(depth):
            W = rng.standard_normal((n, n)) * math.sqrt(2 / n)
            V = rng.standard_normal((n, n)) / math.sqrt(n)
            z = W @ x
            gates = [(z[:, [i]] > 0) for i in (0, 1)]
            branch = [gates[i] * (W @ J[i]) for i in (0, 1)]
            x = x + V @ np.maximum(z, 0) if path else np.maximum(z, 0)
            J = [J[i] + V @ branch[i] for i in (0, 1)] if path else branch
        found.append((J[0] * J[1]).sum() / np.linalg.norm(J[0]) / np.linalg.norm(J[1]))
    values = np.array(found)
    error = values.std() / math.sqrt(nets)
    # Beyond sampling, a finite width is off by a share of order depth/n.
    assert values.mean() == pytest.approx(
        aligned_gates([1] * depth, path=path)[-1], abs=4 * error + depth / n
    )


def test_equal_and_opposite_inputs_share_all_gates_and_none() -> None:
    assert aligned_gates([1] * 4, path=False, c=1.0).tolist() == [1.0] * 4
    assert aligned_gates([1], path=False, c=-1.0).tolist() == [0.0]
    assert aligned_gates([3.0], c=-1.0).tolist() == [0.25]


def test_what_is_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="branches must be positive, got 0"):
        independent_gates([1.0, 0.0])
    with pytest.raises(ValueError, match=r"c must lie within \[-1, 1\], got 2.0"):
        aligned_gates([1.0], c=2)
    with pytest.raises(ValueError, match="width must be above 1, got 1"):
        pre_norm_energy(3, width=1)
    with pytest.raises(ValueError, match="depth must be"):
        route_shares(0)


def test_shares_of_unequal_blocks_are_counted_over_all_routes() -> None:
    branches = np.array([0.5, 2.0, 0.1])
    counted = np.zeros(4)
    for mask in range(8):
        crossed = np.array([bool(mask >> bit & 1) for bit in range(3)])
        counted[crossed.sum()] += np.prod(np.where(crossed, branches, 1.0))
    np.testing.assert_allclose(crossing_shares(branches), counted / counted.sum(), rtol=1e-12)


def test_the_mean_of_pre_norm_is_corrected_to_first_order_of_one_over_the_width() -> None:
    # A stream of scalars: each block adds m and 2√(q m/n) ξ, m with a variance of 7/n.
    rng, depth, width = np.random.default_rng(7), 8, 400
    q, energy = np.ones(200_000), np.ones(200_000)
    for _ in range(depth):
        energy *= 1 + (1 - 1 / width) / q
        m = 1 + math.sqrt(7 / width) * rng.standard_normal(len(q))
        q += m + 2 * np.sqrt(q * np.abs(m) / width) * rng.standard_normal(len(q))
    shift = energy.mean() - pre_norm_energy(depth, width=width)[1][0]
    predicted = pre_norm_mean(depth, width) - pre_norm_energy(depth, width=width)[1][0]
    # Of second order: 8/400 of the shift, beside the sampling error.
    error = energy.std() / math.sqrt(len(q))
    assert abs(shift - predicted) < 0.1 * predicted + 4 * error
