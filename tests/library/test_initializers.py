"""Every initializer against the variance, the law and the shape it promises."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from error_function import erf
from gradbook import activations, initializers
from gradbook.activations import Activation, leaky
from gradbook.initializers import (
    ALL,
    Initializer,
    constant,
    gain,
    glorot,
    he,
    lecun,
    normal,
    orthogonal,
    orthogonal_with,
    scaled,
    torch_linear,
)

CASES = (*ALL, constant(-0.5), normal(0.3), normal(0), scaled(4), orthogonal_with(1.5))
SHAPES = [(40, 90), (90, 40), (60, 60), (1, 7), (7, 1)]

each = pytest.mark.parametrize("initializer", CASES, ids=lambda i: i.name)
each_shape = pytest.mark.parametrize(("fan_in", "fan_out"), SHAPES)

# The published variances of one weight, written once more by hand.
PUBLISHED: list[tuple[Initializer, Callable[[int, int], float]]] = [
    (lecun, lambda n, m: 1 / n),
    (glorot, lambda n, m: 1 / ((n + m) / 2)),
    (he, lambda n, m: math.sqrt(2 / n) ** 2),
    (torch_linear, lambda n, m: (1 / n) / 3),
    (orthogonal, lambda n, m: min(n, m) / (n * m)),
    (orthogonal_with(1.5), lambda n, m: 2.25 * min(n, m) / (n * m)),
    (constant(-0.5), lambda n, m: 0.0),
    (normal(0.3), lambda n, m: 0.3),
    (scaled(4), lambda n, m: 4 / n),
]


def draws(initializer: Initializer, *size: Any, seed: int = 3) -> np.ndarray:
    """Draw with a seed of its own."""
    return initializer.draw(np.random.default_rng(seed), *size)


@pytest.mark.parametrize(
    ("initializer", "formula"), PUBLISHED, ids=lambda x: getattr(x, "name", "")
)
@each_shape
def test_the_variance_is_the_published_one(
    initializer: Initializer, formula: Callable[[int, int], float], fan_in: int, fan_out: int
) -> None:
    # Two or three roundings on either side.
    assert initializer.variance(fan_in, fan_out) == pytest.approx(
        formula(fan_in, fan_out), rel=1e-15
    )


@each
@each_shape
def test_drawn_weights_have_the_stated_variance_within_four_standard_errors(
    initializer: Initializer, fan_in: int, fan_out: int
) -> None:
    members = 400
    W = draws(initializer, fan_in, fan_out, (members,))
    if np.ptp(W) == 0:
        assert initializer.variance(fan_in, fan_out) == 0
        return
    # The mean is 0, so the mean square is the variance; members are independent replicates.
    energy = np.square(W).mean(axis=(-2, -1))
    error = energy.std(ddof=1) / math.sqrt(members)
    expected = initializer.variance(fan_in, fan_out)
    # Orthogonal members have no spread at all: allow rounding of a sum.
    assert abs(energy.mean() - expected) < 4 * error + 1e-13 * expected
    assert error < 0.1 * expected  # the comparison is worth something


@each
@each_shape
def test_drawn_weights_have_mean_zero_within_four_standard_errors(
    initializer: Initializer, fan_in: int, fan_out: int
) -> None:
    members = 400
    W = draws(initializer, fan_in, fan_out, (members,))
    if np.ptp(W) == 0:
        return  # a constant has its own test
    means = W.mean(axis=(-2, -1))
    assert abs(means.mean()) < 4 * means.std(ddof=1) / math.sqrt(members)


@pytest.mark.parametrize(
    ("initializer", "kurtosis"),
    [(i, 3.0) for i in (lecun, glorot, he, normal(0.3), scaled(4))] + [(torch_linear, 9 / 5)],
    ids=lambda x: getattr(x, "name", ""),
)
def test_weights_are_normal_or_uniform_as_stated(initializer: Initializer, kurtosis: float) -> None:
    w = draws(initializer, 300, 500).ravel()
    fourth = (w / math.sqrt(initializer.variance(300, 500))) ** 4
    # A normal has E w⁴ = 3 Var², a uniform 9/5 Var².
    assert abs(fourth.mean() - kurtosis) < 4 * fourth.std() / math.sqrt(fourth.size)


def test_uniform_weights_fill_their_interval_and_never_leave_it() -> None:
    largest, bound = np.abs(draws(torch_linear, 50, 100, (40,))).max(), 1 / math.sqrt(50)
    # The largest of N = 200,000 falls short of the bound by about bound/N.
    assert bound * (1 - 1e-4) < largest <= bound * (1 + 1e-15)


@pytest.mark.parametrize("gain", [1.0, 0.25, 3.0])
@each_shape
def test_orthogonal_weights_have_every_singular_value_equal_to_the_gain(
    gain: float, fan_in: int, fan_out: int
) -> None:
    W = draws(orthogonal_with(gain), fan_in, fan_out, (3, 2))
    gram = W @ W.swapaxes(-1, -2) if fan_in <= fan_out else W.swapaxes(-1, -2) @ W
    identity = np.eye(min(fan_in, fan_out))
    # Householder QR is orthogonal to a small multiple of eps: 1e-13 leaves a factor of a hundred.
    np.testing.assert_allclose(gram / gain**2, np.broadcast_to(identity, gram.shape), atol=1e-13)


def test_orthogonal_weights_are_haar_distributed() -> None:
    # Diaconis & Shahshahani 1994: the trace of a Haar orthogonal matrix has mean 0 and variance 1,
    # that of its square mean 1. Without the sign fix, LAPACK's QR has traces of mean about -1.6.
    W = draws(orthogonal, 8, 8, (4000,))
    trace = np.trace(W, axis1=-2, axis2=-1)
    of_square = np.trace(W @ W, axis1=-2, axis2=-1)
    for sample, expected in [(trace, 0.0), (trace**2, 1.0), (of_square, 1.0)]:
        assert abs(sample.mean() - expected) < 4 * sample.std() / math.sqrt(sample.size)


def test_a_constant_is_the_same_everywhere() -> None:
    assert np.array_equal(draws(constant(-0.5), 3, 2, (4,)), np.full((4, 3, 2), -0.5))
    assert constant(-0.5).variance(3, 2) == 0


def test_normal_with_variance_zero_draws_zeros() -> None:
    assert not draws(normal(0), 3, 2).any()


@each
def test_leading_axes_are_an_ensemble(initializer: Initializer) -> None:
    assert draws(initializer, 3, 5).shape == (3, 5)
    assert draws(initializer, 5, 3, (2, 4)).shape == (2, 4, 5, 3)
    assert draws(initializer, np.int64(5), 3, (np.int64(2),)).shape == (2, 5, 3)
    assert draws(initializer, 5, 3).dtype == np.float64


@pytest.mark.parametrize("initializer", ALL, ids=lambda i: i.name)
def test_members_of_an_ensemble_are_drawn_independently(initializer: Initializer) -> None:
    members = 2000
    W = draws(initializer, 4, 6, (members, 2))
    product = np.einsum("eij,eij->e", W[:, 0], W[:, 1])
    assert product.any()
    assert abs(product.mean()) < 4 * product.std() / math.sqrt(members)


@each
def test_the_generator_alone_decides_the_draw(initializer: Initializer) -> None:
    first, second = draws(initializer, 4, 6, seed=1), draws(initializer, 4, 6, seed=1)
    assert np.array_equal(first, second)
    if initializer.variance(4, 6) > 0:
        assert not np.array_equal(first, draws(initializer, 4, 6, seed=2))


@each
def test_sizes_and_generators_are_checked(initializer: Initializer) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="fan_in must be an integer of at least 1, got 0"):
        initializer.draw(rng, 0, 3)
    with pytest.raises(ValueError, match="fan_out must be an integer of at least 1, got -3"):
        initializer.draw(rng, 3, -3)
    with pytest.raises(TypeError, match=r"fan_in must be an integer of at least 1, got 3\.0"):
        initializer.variance(3.0, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="fan_out must be an integer of at least 1, got 0"):
        initializer.variance(3, 0)
    with pytest.raises(ValueError, match=r"ensemble\[1\] must be an integer of at least 1, got 0"):
        initializer.draw(rng, 3, 3, (2, 0))
    with pytest.raises(TypeError, match="ensemble must be a tuple of positive integers, got 5"):
        initializer.draw(rng, 3, 3, 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator, got 7"):
        initializer.draw(7, 3, 3)  # type: ignore[arg-type]


def test_the_factories_name_what_they_refuse() -> None:
    with pytest.raises(ValueError, match="value must be a finite number, got inf"):
        constant(math.inf)
    with pytest.raises(ValueError, match=r"variance must not be negative, got -0\.1"):
        normal(-0.1)
    with pytest.raises(ValueError, match="factor must not be negative, got -2"):
        scaled(-2)
    with pytest.raises(ValueError, match="gain must be positive, got 0"):
        orthogonal_with(0)
    with pytest.raises(TypeError, match="gain must be a real number, got '1'"):
        orthogonal_with("1")  # type: ignore[arg-type]


def test_all_gathers_every_record_once() -> None:
    for name in ("lecun", "glorot", "he", "orthogonal", "torch_linear"):
        assert ALL.count(getattr(initializers, name)) == 1
    assert len({i.name for i in ALL}) == len(ALL)


def test_names_tell_what_the_factories_were_given() -> None:
    assert [constant(-0.5).name, normal(0.3).name] == ["constant -0.5", "N(0, 0.3)"]
    assert [scaled(4).name, orthogonal_with(1.5).name] == ["N(0, 4/fan_in)", "orthogonal, gain 1.5"]
    assert orthogonal.name == "orthogonal"


# Gains


def test_the_gain_of_relu_is_the_root_of_two_at_any_length() -> None:
    for q in (0.0, 1e-8, 1.0, 1e8):
        # The rule's error at a jump at 0 is that of rounding.
        assert gain(activations.relu, q) ** 2 == pytest.approx(2, rel=1e-12)


@pytest.mark.parametrize("slope", [-0.5, 0.1, 0.25, 1.0])
def test_the_gain_of_prelu_is_the_one_of_its_authors(slope: float) -> None:
    assert gain(leaky(slope), 3.0) ** 2 == pytest.approx(2 / (1 + slope**2), rel=1e-12)


@pytest.mark.parametrize("q", [0.0, 1e-8, 0.5, 1.0, 1e4, 1e8])
def test_the_gain_of_erf_has_a_closed_form(q: float) -> None:
    # E f'² = (4/π)/√(1 + 4q).
    exact = math.sqrt(math.pi / 4 * math.sqrt(1 + 4 * q))
    assert gain(erf, q) == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize("activation", activations.ALL, ids=lambda a: a.name)
def test_weights_of_the_gain_keep_a_gradient_at_that_length(activation: Activation) -> None:
    q, n, draws = 0.7, 60, 400
    rng = np.random.default_rng(6)
    W = scaled(gain(activation, q) ** 2).draw(rng, n, n, ensemble=(draws,))
    z, da = math.sqrt(q) * rng.standard_normal((draws, 1, n)), rng.standard_normal((draws, 1, n))
    energies = np.square((da * activation.df(z)) @ W.mT).sum(axis=(-2, -1)) / n
    # Slopes, weights and gradient are independent here, so the expectation is exactly 1.
    assert abs(energies.mean() - 1) < 4 * energies.std() / math.sqrt(draws)


def test_a_gain_that_does_not_exist_is_refused() -> None:
    flat = Activation("step", np.sign, np.zeros_like, 0.0)
    with pytest.raises(ValueError, match="activation must have slopes other than 0, got step"):
        gain(flat)
    with pytest.raises(ValueError, match="q must not be negative, got -1"):
        gain(activations.relu, -1.0)
